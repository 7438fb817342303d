"""A larger model's word on doubts: one question with yes or no for each, within the endpoint's bounds."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from shoal.errors import LLMError
from shoal.llm import Endpoint, Labelling, Spent, classify
from shoal.review.decisions import readable
from shoal.review.findings import Doubt, Review
from shoal.tasks import Usage

_YES, _NO = "yes", "no"


@dataclass(frozen=True, slots=True)
class SecondOpinion:
    """What a larger model said.

    Attributes:
        answers: index of a doubt -> whether the passage has its label: what `settle` takes.
        unanswered: how many doubts got none, ...
        reason: ... and why the first of them did not.
        usage: tokens of all calls.
    """

    answers: Mapping[int, bool] = field(default_factory=dict[int, bool])
    unanswered: int = 0
    reason: str = ""
    usage: Usage = field(default_factory=Usage)


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
        endpoint: who is asked; it bounds how many calls are under way.
        descriptions: what labels mean.
        style: "completion" for base models.
    """
    spent = Spent()

    async def ask(doubt: Doubt) -> bool | LLMError:
        labelling = Labelling((_YES, _NO), instructions=_question(doubt, descriptions or {}), style=style)
        try:
            return (await classify(endpoint, readable(doubt.quote), labelling, spent)).label == _YES
        except LLMError as error:
            return error

    said = await asyncio.gather(*(ask(doubt) for doubt in review.doubts))
    failures = [each for each in said if isinstance(each, LLMError)]
    return SecondOpinion(
        {index: each for index, each in enumerate(said) if isinstance(each, bool)},
        len(failures),
        failures[0].message if failures else "",
        spent.usage,
    )


def _question(doubt: Doubt, descriptions: Mapping[str, str]) -> str:
    named = doubt.label.replace("_", " ")
    meaning = f" ({descriptions[doubt.label]})" if doubt.label in descriptions else ""
    return f"The message is a passage of a contract or policy. Is it a clause of this kind: {named}{meaning}?"
