"""Records of several fields: closed sets by heads over one set of features, numbers and words quoted from the text.

The closed fields are one multi-label model (`models.multilabel`), a label for each value that a field may have; the
quoted ones are one tagger (`models.tagger`), a type for each field. Both are read into fields here.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from shoal.calibration import Certificate, Platt
from shoal.models.artifact import Manifest
from shoal.models.folder import read, write
from shoal.models.multilabel import MultiLabelSpecialist, whole_confidence
from shoal.models.tagger import Tagged, Tagger, calibrated
from shoal.models.texts import chunks
from shoal.tasks import Extraction, Filled, Reason, Record, Slot, Span
from shoal.tasks.quoting import numbers
from shoal.tasks.record import Value

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_AS_IT_IS = Platt(scale=1.0, bias=0.0)
_HALF = 0.5
_CLOSED, _QUOTED = "closed", "quoted"  # folders


class Option(msgspec.Struct, frozen=True):
    """One value that a closed field may have, and the label that stands for it.

    A flag that is never null has one option, true; a field of several choices one for each.
    """

    slot: str
    value: str | bool | None
    label: str


class FieldPolicy(msgspec.Struct, frozen=True):
    """What a field's raw chance means: where it has a value, and where it has none."""

    filled: Platt = _AS_IT_IS
    empty: Platt = _AS_IT_IS


class Reading(NamedTuple):
    """What is read from n texts, before calibration.

    Attributes:
        fields: of each text, in the order of the task, their chances raw.
        chance: of each field to be right, raw [n, S].
        empty: whether it has no value [n, S].
    """

    fields: list[list[Filled]]
    chance: Floats
    empty: Bools


class _Candidate(NamedTuple):
    """A value that was seen in the text."""

    value: str | float
    chance: float
    start: int
    end: int


class _Settings(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    task: dict[str, Any]
    options: list[Option]
    policies: list[FieldPolicy]
    whole: Platt
    threshold: float | None
    parts: list[str]
    certificate: Certificate | None
    provenance: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Extractor:
    """Fills a record from a text.

    Attributes:
        name: what it is called.
        task: its fields.
        closed: the model of the closed fields; None where there are none.
        quoted: that of the quoted ones; its types are their names.
        options: what the labels of `closed` stand for.
        policies: of each field, in the order of the task.
        whole: raw chance that every required field is right to the probability of it.
        threshold: confidence in the record from which it is kept; None: none is.
        certificate: the promise about records that are kept; None before calibration.
        report: the evaluation report, JSON-serialisable.
        provenance: data hash, seed, recipe, training seconds, joules, library versions.
        version: the registry's name for it ("v3"); not part of the folder.
    """

    name: str
    task: Extraction
    closed: MultiLabelSpecialist | None
    quoted: Tagger | None
    options: tuple[Option, ...]
    policies: tuple[FieldPolicy, ...]
    whole: Platt = _AS_IT_IS
    threshold: float | None = None
    certificate: Certificate | None = None
    report: Mapping[str, Any] = field(default_factory=dict[str, Any])
    provenance: Mapping[str, Any] = field(default_factory=dict[str, Any])
    version: str | None = None

    @property
    def tier(self) -> str:
        """Names of the methods, joined by "+"."""
        return "+".join(
            name for name in (self.closed and self.closed.tier, self.quoted and self.quoted.scorer.kind) if name
        )

    @property
    def size_bytes(self) -> int:
        """Bytes of the models on disk."""
        return sum(part.size_bytes for part in (self.closed, self.quoted) if part is not None)

    @property
    def brief(self) -> bool:
        """Whether it answers in microseconds a text."""
        return all(part.brief for part in (self.closed, self.quoted) if part is not None)

    def predict(self, texts: Sequence[str]) -> list[Record]:
        """Answer each text, in order; offsets count characters (code points) of the text as given.

        Raises:
            InputError: `texts` is not a list of strings.
            EnvironmentProblem: rules are used and the 'pii' extra is missing.
        """
        given = [text for chunk in chunks(texts) for text in chunk]
        found, tier = self.read(given), self.tier
        chances, confidences = self.probability(found).tolist(), self.confidence(found).tolist()
        answers: list[Record] = []
        for text, fields, chance, confidence in zip(given, found.fields, chances, confidences, strict=True):
            reason = self._reason(text, confidence)
            sure = (
                Filled(one.name, one.value, each, one.start, one.end) for one, each in zip(fields, chance, strict=True)
            )
            accepted = reason == "certified"
            answers.append(
                Record(confidence=confidence, accepted=accepted, reason=reason, tier=tier, fields=tuple(sure))
            )
        return answers

    def read(self, texts: Sequence[str]) -> Reading:
        """Give what `predict` answers from, for calibration.

        Raises:
            InputError: `texts` is not a list of strings.
            EnvironmentProblem: rules are used and the 'pii' extra is missing.
        """
        probability = None if self.closed is None else self.closed.judge(texts).probability
        tagged = None if self.quoted is None else self.quoted.tag(texts)
        return self.reading(len(texts), probability, tagged)

    def reading(self, rows: int, probability: Floats | None, tagged: Sequence[Tagged] | None) -> Reading:
        """Read what the two parts say of n texts into fields.

        Args:
            rows: n.
            probability: of each label of `closed` [n, L].
            tagged: by `quoted` [n].
        """
        columns: list[list[Filled]] = []
        for slot in self.task.slots:
            if slot.quoted:
                assert tagged is not None
                columns.append([self._quoted(slot, each) for each in tagged])
            else:
                assert probability is not None
                columns.append(list(self._closed(slot, probability)))
        return Reading(
            [[column[row] for column in columns] for row in range(rows)],
            np.array([[one.confidence for one in column] for column in columns]).T,
            np.array([[one.value is None for one in column] for column in columns]).T,
        )

    def probability(self, found: Reading) -> Floats:
        """Probability of each field to be right [n, S]."""
        meant = [
            np.where(empty, calibrated(policy.empty, chance), calibrated(policy.filled, chance))
            for policy, chance, empty in zip(self.policies, found.chance.T, found.empty.T, strict=True)
        ]
        return np.stack(meant, axis=1)

    def certainty(self, found: Reading) -> Floats:
        """Chance [n] that all counted fields are right, were they independent; 0 where a required one is missing."""
        needed = np.array([slot.required and not slot.nullable for slot in self.task.slots])
        whole = self.probability(found)[:, self.counted].prod(axis=1)
        return np.where((found.empty & needed).any(axis=1), 0.0, whole)

    def confidence(self, found: Reading) -> Floats:
        """Probability [n] that all counted fields are right."""
        certainty = self.certainty(found)
        return np.where(certainty > 0, calibrated(self.whole, certainty), 0.0)

    @cached_property
    def counted(self) -> Bools:
        """Which fields must be right [S]: those that are required, or all where none is."""
        required = np.array([slot.required for slot in self.task.slots])
        return required if required.any() else ~required

    def save(
        self, folder: str | Path, *, overwrite: bool = False, documents: Mapping[str, str] | None = None
    ) -> Manifest:
        """Write the model as one folder, whole or not at all; see `models.folder.write`."""
        settings = _Settings(
            name=self.name,
            task=self.task.model_dump(mode="json"),
            options=list(self.options),
            policies=list(self.policies),
            whole=self.whole,
            threshold=self.threshold,
            parts=[name for name, part in ((_CLOSED, self.closed), (_QUOTED, self.quoted)) if part is not None],
            certificate=self.certificate,
            provenance=dict(self.provenance),
        )
        return write(folder, settings, self.report, self._save_parts, overwrite=overwrite, documents=documents)

    @classmethod
    def load(cls, folder: str | Path, *, threads: int | None = None) -> Self:
        """Open a folder that `save` wrote, after checking every byte of it; see `models.folder.read`."""

        def build(settings: _Settings, place: Path, report: dict[str, Any]) -> Self:
            task = Extraction.model_validate(settings.task)
            if len(settings.policies) != len(task.slots):
                raise ValueError(f"{len(settings.policies)} policies for {len(task.slots)} fields")
            parts = settings.parts
            return cls(
                name=settings.name,
                task=task,
                closed=MultiLabelSpecialist.load(place / _CLOSED, threads=threads) if _CLOSED in parts else None,
                quoted=Tagger.load(place / _QUOTED, threads=threads) if _QUOTED in parts else None,
                options=tuple(settings.options),
                policies=tuple(settings.policies),
                whole=settings.whole,
                threshold=settings.threshold,
                certificate=settings.certificate,
                report=report,
                provenance=settings.provenance,
            )

        return read(folder, _Settings, build)

    def _save_parts(self, place: Path) -> None:
        if self.closed is not None:
            self.closed.save(place / _CLOSED)
        if self.quoted is not None:
            self.quoted.save(place / _QUOTED)

    def _reason(self, text: str, confidence: float) -> Reason:
        if not text.strip():
            return "empty_text"
        if self.threshold is None:
            return "not_certified"
        return "certified" if confidence >= self.threshold else "below_threshold"

    @cached_property
    def _columns(self) -> dict[str, list[tuple[int, Option]]]:
        """By field: the columns of `closed` and what they stand for."""
        number = {} if self.closed is None else {label: at for at, label in enumerate(self.closed.task.labels)}
        return {
            slot.name: [(number[one.label], one) for one in self.options if one.slot == slot.name]
            for slot in self.task.slots
        }

    def _closed(self, slot: Slot, probability: Floats) -> Iterator[Filled]:
        assert self.closed is not None
        columns = [column for column, _ in self._columns[slot.name]]
        values = [option.value for _, option in self._columns[slot.name]]
        chances = probability[:, columns]
        if slot.type == "choices":
            flagged = chances >= np.array([self.closed.policies[column].threshold for column in columns])
            for has, chance in zip(flagged, whole_confidence(chances, flagged).tolist(), strict=True):
                named = {value for value, there in zip(values, has.tolist(), strict=True) if there}
                yield Filled(slot.name, tuple(choice for choice in slot.choices if choice in named), chance)
        elif len(columns) == 1:
            for chance in chances[:, 0].tolist():
                yield Filled(slot.name, chance >= _HALF, max(chance, 1 - chance))
        else:
            shares = chances / chances.sum(axis=1, keepdims=True)
            best: list[int] = shares.argmax(axis=1).tolist()
            for at, chance in zip(best, shares.max(axis=1).tolist(), strict=True):
                yield Filled(slot.name, values[at], chance)

    def _quoted(self, slot: Slot, tagged: Tagged) -> Filled:
        """Take the likeliest value; none where none is likely and the field may be empty."""
        assert self.quoted is not None
        best: dict[object, _Candidate] = {}
        for finding in tagged.findings:
            if finding.span.type != slot.name:
                continue
            seen = _read(slot, finding.span)
            if seen is None:
                continue
            key = " ".join(seen.value.casefold().split()) if isinstance(seen.value, str) else seen.value
            if key not in best or best[key].chance < seen.chance:
                best[key] = seen
        ranked = sorted(best.values(), key=lambda one: -one.chance)
        if not ranked:
            return Filled(slot.name, None, 1.0)
        first, second = ranked[0], ranked[1].chance if len(ranked) > 1 else 0.0
        least = self.quoted.thresholds[self.quoted.task.types.index(slot.name)]
        if first.chance < least and (slot.nullable or not slot.required):
            return Filled(slot.name, None, 1 - first.chance)
        return Filled(slot.name, first.value, first.chance * (1 - second), first.start, first.end)


def _read(slot: Slot, span: Span) -> _Candidate | None:
    """Read a finding as the field's value; None where it is no number although the field is one."""
    if slot.type == "span":
        return _Candidate(span.text, span.confidence, span.start, span.end)
    found: Value = None
    for start, end, found in numbers(span.text):
        if slot.type == "integer":
            if not found.is_integer():
                continue
            found = int(found)
        return _Candidate(found, span.confidence, span.start + start, span.start + end)
    return None
