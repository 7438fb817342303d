"""The trained, servable summarizer: texts in, the sentences or turns that say most of them out, quoted by offsets."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Self, cast

import msgspec
import numpy as np

from shoal.calibration import Certificate
from shoal.errors import InputError
from shoal.models.artifact import Manifest
from shoal.models.encoder import EncoderScorer
from shoal.models.expectation import Expectation, facts
from shoal.models.folder import read, scorer_home, write
from shoal.models.passages import Passages, Reader
from shoal.models.ranking import Ranker
from shoal.models.selection import Selection, select
from shoal.tasks import Budget, Quote, Reason, Summarization, Summary

TIER = "extractive"


class Draft(NamedTuple):
    """A summary before words are put to it.

    Attributes:
        passages: of the text; without units where it holds nothing to quote.
        chosen: indices of units, in the order of the text.
        worth: of each unit, the best 1 [n].
        facts: about the summary (`expectation.FACTS`); None where nothing is chosen.
    """

    passages: Passages
    chosen: list[int]
    worth: np.ndarray[Any, np.dtype[np.float64]]
    facts: np.ndarray[Any, np.dtype[np.float64]] | None


class _Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What specialist.json holds."""

    name: str
    task: dict[str, Any]
    scorers: list[str]
    width: int
    selection: Selection
    expectation: Expectation | None
    queried: bool
    floor: float
    certificate: Certificate | None
    provenance: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Summarizer:
    """Quotes the units of a text that are worth most, no two of them alike, within a budget.

    Of a text the first 2,000 units are looked at (about 250,000 characters). A unit that is longer than the whole
    budget is quoted by its beginning.

    Attributes:
        name: what it is called.
        task: what is quoted, and the budget that the promise is about.
        encoder: embeds units and queries.
        width: of its vectors, the first columns are used.
        ranker: tells what a unit is worth.
        selection: how units are chosen by their worth.
        expectation: tells the confidence; None where no reference taught it: then the confidence is 0, "unknown".
        queried: whether it learnt with queries; the promise is about texts of that kind only.
        floor: the promise is about summaries that have at least this share of what the oracle reaches (ROUGE-1 F1).
        certificate: the promise about kept summaries and its evidence; None before calibration.
        report: the evaluation report, JSON-serialisable.
        provenance: data hash, seed, recipe, training seconds, joules, library versions.
        version: the registry's name for it ("v3"); not part of the folder.
    """

    name: str
    task: Summarization
    encoder: EncoderScorer
    width: int
    ranker: Ranker
    selection: Selection = field(default_factory=Selection)
    expectation: Expectation | None = None
    queried: bool = False
    floor: float = 0.5
    certificate: Certificate | None = None
    report: Mapping[str, Any] = field(default_factory=dict[str, Any])
    provenance: Mapping[str, Any] = field(default_factory=dict[str, Any])
    version: str | None = None

    def predict(
        self, texts: Sequence[str], queries: Sequence[str | None] | None = None, budget: Budget | None = None
    ) -> list[Summary]:
        """Summarise each text, in order.

        Args:
            texts: documents or dialogues.
            queries: what each summary is to be about; None or blank: everything.
            budget: how long each may be at most; None: the task's. With another one no summary is kept: the promise is
                about the task's.

        Raises:
            InputError: `texts` is not a list of strings, or `queries` does not fit it.
        """
        own = budget is None or budget == self.task.budget
        return [self.answer(draft, own_budget=own) for draft in self.drafts(texts, queries, budget)]

    def drafts(
        self, texts: Sequence[str], queries: Sequence[str | None] | None = None, budget: Budget | None = None
    ) -> Iterator[Draft]:
        """Choose units, for calibration and evaluation; arguments and errors as for `predict`."""
        asked = _checked(texts, queries)
        reader = Reader(self.encoder, self.width, self.task.unit)
        for passages in reader.read(texts, asked, budget or self.task.budget):
            yield drafted(passages, self.ranker, self.selection)

    def answer(self, draft: Draft, *, own_budget: bool = True) -> Summary:
        """Put words to a summary; `own_budget` tells whether it was made under the task's budget."""
        confidence = self.confidence(draft)
        reason = self._reason(draft, confidence, own_budget)
        quotes = (
            Quote(unit.start, unit.end, draft.passages.quote(index), round(float(draft.worth[index]), 4))
            for index, unit in ((index, draft.passages.units[index]) for index in draft.chosen)
        )
        return Summary(
            quotes=tuple(quotes), confidence=confidence, accepted=reason == "certified", reason=reason, tier=TIER
        )

    def confidence(self, draft: Draft) -> float:
        """Expect a share of the ROUGE within reach, in [0, 1]; 0 where it is unknown."""
        if draft.facts is None or self.expectation is None:
            return 0.0
        return self.expectation.share(draft.facts)

    @property
    def brief(self) -> bool:
        """Whether it answers in microseconds a text: no, it runs an encoder."""
        return False

    @property
    def size_bytes(self) -> int:
        """Bytes of the models on disk."""
        return self.encoder.size_bytes + self.ranker.size_bytes

    def save(
        self, folder: str | Path, *, overwrite: bool = False, documents: Mapping[str, str] | None = None
    ) -> Manifest:
        """Write the summarizer as one folder, whole or not at all.

        Args:
            folder: where; it must not exist yet, or be empty.
            overwrite: replace a model folder that is there.
            documents: further text files by name, such as a rendered report; sealed with the rest.

        Raises:
            InputError: the folder is taken.
            EnvironmentProblem: disk full, permissions.
        """
        settings = _Settings(
            name=self.name,
            task=self.task.model_dump(mode="json"),
            scorers=[self.encoder.kind],
            width=self.width,
            selection=self.selection,
            expectation=self.expectation,
            queried=self.queried,
            floor=self.floor,
            certificate=self.certificate,
            provenance=dict(self.provenance),
        )
        return write(folder, settings, self.report, self._save_parts, overwrite=overwrite, documents=documents)

    @classmethod
    def load(cls, folder: str | Path, *, threads: int | None = None) -> Self:
        """Open a folder that `save` wrote, after checking every byte of it.

        Args:
            folder: the model folder.
            threads: CPU threads that one call of the encoder may use; None takes all cores.

        Raises:
            ArtifactError: not a model folder, damaged, or written by a newer shoal; names the file.
            EnvironmentProblem: it cannot be read.
        """

        def build(settings: _Settings, place: Path, report: dict[str, Any]) -> Self:
            return cls(
                name=settings.name,
                task=Summarization.model_validate(settings.task),
                encoder=EncoderScorer.load(place / scorer_home(0), threads=threads),
                width=settings.width,
                ranker=Ranker.load(place),
                selection=settings.selection,
                expectation=settings.expectation,
                queried=settings.queried,
                floor=settings.floor,
                certificate=settings.certificate,
                report=report,
                provenance=settings.provenance,
            )

        return read(folder, _Settings, build)

    def _save_parts(self, place: Path) -> None:
        home = place / scorer_home(0)
        home.mkdir(parents=True)
        self.encoder.save(home)
        self.ranker.save(place)

    def _reason(self, draft: Draft, confidence: float, own_budget: bool) -> Reason:
        if not draft.chosen:
            return "not_certified" if draft.passages.text.strip() else "empty_text"
        threshold = None if self.certificate is None else self.certificate.threshold
        if threshold is None or not own_budget or bool(draft.passages.query) != self.queried:
            return "not_certified"
        return "certified" if confidence >= threshold else "below_threshold"


def drafted(passages: Passages, ranker: Ranker, selection: Selection) -> Draft:
    """Choose the units of one text."""
    if not passages.units:
        return Draft(passages, [], np.zeros(0), None)
    scores = ranker.scores(passages).astype(np.float64)
    worth = np.exp(scores - scores.max())
    chosen = sorted(select(worth, passages.vectors, passages.costs, passages.limit, selection))
    return Draft(passages, chosen, worth, facts(passages, scores, chosen))


def _checked(texts: Sequence[str], queries: Sequence[str | None] | None) -> list[str]:
    """Give one query a text; refuse what is no list of strings."""
    given = cast("Sequence[object]", [None] * len(texts) if queries is None else queries)
    for name, values in (("texts", texts), ("queries", given)):
        if isinstance(values, str):
            raise InputError(f"{name} is one string; give a list of strings.")
    if len(given) != len(texts):
        raise InputError(f"there are {len(given)} queries for {len(texts)} texts; give one for each, None for none.")
    for place, (text, query) in enumerate(zip(cast("Sequence[object]", texts), given, strict=True)):
        if not isinstance(text, str):
            raise InputError(f"texts[{place}] is of type {type(text).__name__}; give strings only.")
        if not isinstance(query, str | None):
            raise InputError(f"queries[{place}] is of type {type(query).__name__}; give strings or None.")
    return ["" if query is None else str(query) for query in given]
