"""A larger model's word on doubts: one question with yes or no for each, within the endpoint's bounds."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from shoal.errors import ShoalError
from shoal.llm import Endpoint, Labelling, Spent, classify
from shoal.review.decisions import readable
from shoal.review.findings import Doubt, Review
from shoal.tasks import Usage

_YES, _NO = "yes", "no"


@dataclass(frozen=True, slots=True)
class Word:
    """What a larger model said of one doubt, and what that took.

    Attributes:
        answer: whether the passage has the label; None where it gave no answer.
        problem: why not.
        spent: tokens and milliseconds of all its attempts.
    """

    answer: bool | None
    problem: ShoalError | None
    spent: Spent


@dataclass(frozen=True, slots=True)
class SecondOpinion:
    """What a larger model said of all doubts, in their order."""

    words: Sequence[Word]

    @property
    def answers(self) -> Mapping[int, bool]:
        """Index of a doubt -> whether the passage has its label: what `settle` takes."""
        return {index: word.answer for index, word in enumerate(self.words) if word.answer is not None}

    @property
    def problems(self) -> list[ShoalError]:
        """Why doubts got no answer, one for each of them."""
        return [word.problem for word in self.words if word.problem is not None]

    @property
    def usage(self) -> Usage:
        """Tokens of all calls."""
        return Usage(
            sum(word.spent.usage.input_tokens for word in self.words),
            sum(word.spent.usage.output_tokens for word in self.words),
        )


async def second_opinion(
    review: Review,
    endpoint: Endpoint,
    *,
    descriptions: Mapping[str, str] | None = None,
    style: Literal["chat", "completion"] = "chat",
) -> SecondOpinion:
    """Ask a larger model about every doubt; what it cannot answer stays one.

    Args:
        review: with doubts; each is one call, and a second one where the first answer is neither yes nor no.
        endpoint: who is asked; about as many doubts at a time as it takes calls.
        descriptions: what labels mean.
        style: "completion" for base models.
    """
    # A document may have a hundred doubts; all at once they would wait for each other longer than a call may.
    places = asyncio.Semaphore(endpoint.max_concurrency)

    async def ask(doubt: Doubt) -> Word:
        labelling = Labelling((_YES, _NO), instructions=_question(doubt, descriptions or {}), style=style)
        spent = Spent()
        async with places:
            try:
                answer = (await classify(endpoint, readable(doubt.quote), labelling, spent)).label == _YES
            except ShoalError as error:  # others may keep it busy, too
                return Word(None, error, spent)
        return Word(answer, None, spent)

    return SecondOpinion(await asyncio.gather(*(ask(doubt) for doubt in review.doubts)))


def _question(doubt: Doubt, descriptions: Mapping[str, str]) -> str:
    named = doubt.label.replace("_", " ")
    meaning = f" ({descriptions[doubt.label]})" if doubt.label in descriptions else ""
    return f"The message is a passage of a contract or policy. Is it a clause of this kind: {named}{meaning}?"
