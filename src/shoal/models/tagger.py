"""A trained tagger: texts in, spans with exact character offsets and calibrated confidence out, on disk one folder.

An encoder with a head on its tokens, beside rules for structured identifiers where it was trained with them.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from shoal.calibration import Certificate, Platt, log_odds, sigmoid
from shoal.models import bio
from shoal.models.artifact import Manifest
from shoal.models.folder import read, scorer_home, write
from shoal.models.texts import chunks
from shoal.models.tokens import TokenScorer
from shoal.privacy import DEFAULT_REGIONS, Finding, Rules, resolve
from shoal.tasks import Reason, Span, Spans, Tagging

_CHUNK = 256  # texts that are read together
_AS_IT_IS = Platt(scale=1.0, bias=0.0)
_LEAST = 0.01  # findings of a lower confidence are never answered, whatever the threshold


class RuleUse(msgspec.Struct, frozen=True):
    """A rule that is used: what it finds is of `type`, with the precision that was measured as its confidence."""

    kind: str
    type: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Tagged:
    """What a tagger makes of one text, before thresholds.

    Attributes:
        text: as it was read: lone surrogates are question marks.
        findings: by start; none overlaps another.
    """

    text: str
    findings: tuple[Finding, ...]


class _Settings(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    task: dict[str, Any]
    scorer: str
    temperature: float
    chance: Platt
    whole: Platt
    thresholds: list[float]
    threshold: float | None
    rules: list[RuleUse]
    regions: list[str]
    certificate: Certificate | None
    promises: dict[str, Certificate]
    provenance: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Tagger:
    """Finds spans of several types.

    What the model and the rules find is put together (`privacy.resolve`), and answered where its confidence is at or
    above the threshold of its type. A text of any length is read to its end, in overlapping passes.

    Attributes:
        name: what it is called.
        task: its types.
        scorer: the encoder with its head.
        temperature: divides the logits.
        chance: the model's raw chance of a span to the probability that it is right.
        whole: the same of a whole answer.
        thresholds: for each type, in the order of the task: the confidence from which a span is answered.
        threshold: confidence in the whole answer from which it is accepted; None: nothing is.
        rules: that are used beside the model; with some, the 'pii' extra is needed.
        regions: whose national phone numbers the rules know.
        certificate: the promise about whole answers that are accepted; None before calibration.
        promises: by type: that in few texts which hold one, one is missed.
        report: the evaluation report, JSON-serialisable.
        provenance: data hash, seed, recipe, training seconds, joules, library versions.
        version: the registry's name for it ("v3"); not part of the folder.
    """

    name: str
    task: Tagging
    scorer: TokenScorer
    temperature: float = 1.0
    chance: Platt = _AS_IT_IS
    whole: Platt = _AS_IT_IS
    thresholds: tuple[float, ...]
    threshold: float | None = None
    rules: tuple[RuleUse, ...] = ()
    regions: tuple[str, ...] = DEFAULT_REGIONS
    certificate: Certificate | None = None
    promises: Mapping[str, Certificate] = field(default_factory=dict[str, Certificate])
    report: Mapping[str, Any] = field(default_factory=dict[str, Any])
    provenance: Mapping[str, Any] = field(default_factory=dict[str, Any])
    version: str | None = None

    @property
    def size_bytes(self) -> int:
        """Bytes of the encoder on disk."""
        return self.scorer.size_bytes

    @property
    def brief(self) -> bool:
        """Whether it answers in microseconds a text: an encoder does not."""
        return False

    def predict(self, texts: Sequence[str]) -> list[Spans]:
        """Answer each text, in order; offsets count characters (code points) of the text as given.

        Raises:
            InputError: `texts` is not a list of strings.
            EnvironmentProblem: rules are used and the 'pii' extra is missing.
        """
        return [self.answer(tagged) for tagged in self.tag(texts)]

    def tag(self, texts: Sequence[str]) -> list[Tagged]:
        """Give what `predict` answers from, before thresholds, for calibration.

        Raises:
            InputError: `texts` is not a list of strings.
            EnvironmentProblem: rules are used and the 'pii' extra is missing.
        """
        parts = (chunk[start : start + _CHUNK] for chunk in chunks(texts) for start in range(0, len(chunk), _CHUNK))
        return [tagged for part in parts for tagged in self._tagged(part)]

    def answer(self, tagged: Tagged) -> Spans:
        """Apply the thresholds."""
        spans = tuple(
            finding.span
            for finding in tagged.findings
            if finding.span.confidence >= self._threshold_of[finding.span.type]
        )
        confidence = self.confidence(self.certainty(tagged))
        reason: Reason = "certified"
        if not tagged.text.strip():
            reason = "empty_text"
        elif self.threshold is None:
            reason = "not_certified"
        elif confidence < self.threshold:
            reason = "below_threshold"
        return Spans(
            confidence=confidence, accepted=reason == "certified", reason=reason, tier=self.scorer.kind, spans=spans
        )

    def confidence(self, certainty: float) -> float:
        """Probability that a whole answer of this `certainty` is right."""
        return float(calibrated(self.whole, [certainty])[0])

    def certainty(self, tagged: Tagged) -> float:
        """Chance that all answered findings are right and all others wrong, were they independent; before `whole`."""
        doubt = 0.0
        for finding in tagged.findings:
            confidence = min(max(finding.span.confidence, 1e-6), 1 - 1e-6)
            answered = finding.span.confidence >= self._threshold_of[finding.span.type]
            doubt -= math.log(confidence if answered else 1 - confidence)
        return math.exp(-doubt)

    def save(
        self, folder: str | Path, *, overwrite: bool = False, documents: Mapping[str, str] | None = None
    ) -> Manifest:
        """Write the tagger as one folder, whole or not at all.

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
            scorer=self.scorer.kind,
            temperature=self.temperature,
            chance=self.chance,
            whole=self.whole,
            thresholds=list(self.thresholds),
            threshold=self.threshold,
            rules=list(self.rules),
            regions=list(self.regions),
            certificate=self.certificate,
            promises=dict(self.promises),
            provenance=dict(self.provenance),
        )
        return write(folder, settings, self.report, self._save_scorer, overwrite=overwrite, documents=documents)

    @classmethod
    def load(cls, folder: str | Path, *, threads: int | None = None) -> Self:
        """Open a folder that `save` wrote, after checking every byte of it; its rules are made ready.

        Args:
            folder: the model folder.
            threads: CPU threads that one call of the encoder may use; None takes all cores.

        Raises:
            ArtifactError: not a model folder, damaged, or written by a newer shoal; names the file.
            EnvironmentProblem: it cannot be read, or it uses rules and the 'pii' extra is missing.
        """

        def build(settings: _Settings, place: Path, report: dict[str, Any]) -> Self:
            if settings.scorer != TokenScorer.kind:
                raise ValueError(f"scorer {settings.scorer!r} is not known; this shoal reads {TokenScorer.kind!r}")
            task = Tagging.model_validate(settings.task)
            if len(settings.thresholds) != len(task.types):
                raise ValueError(f"{len(settings.thresholds)} thresholds for {len(task.types)} types")
            return cls(
                name=settings.name,
                task=task,
                scorer=TokenScorer.load(place / scorer_home(0), threads=threads),
                temperature=settings.temperature,
                chance=settings.chance,
                whole=settings.whole,
                thresholds=tuple(settings.thresholds),
                threshold=settings.threshold,
                rules=tuple(settings.rules),
                regions=tuple(settings.regions),
                certificate=settings.certificate,
                promises=settings.promises,
                report=report,
                provenance=settings.provenance,
            )

        tagger = read(folder, _Settings, build)
        tagger._finder  # noqa: B018 - made now: importing what finds identifiers takes seconds, no request shall wait
        return tagger

    @cached_property
    def _finder(self) -> Rules | None:
        return Rules([use.kind for use in self.rules], self.regions) if self.rules else None

    @cached_property
    def _uses(self) -> dict[str, RuleUse]:
        return {use.kind: use for use in self.rules}

    @cached_property
    def _threshold_of(self) -> dict[str, float]:
        return dict(zip(self.task.types, self.thresholds, strict=True))

    def _save_scorer(self, place: Path) -> None:
        home = place / scorer_home(0)
        home.mkdir(parents=True)
        self.scorer.save(home)

    def _tagged(self, texts: list[str]) -> Iterator[Tagged]:
        given = self.scorer.read(texts)
        found = bio.candidates([each.logits for each in given], self.temperature)
        chances = iter(calibrated(self.chance, [one.chance for each in found for one in each]).tolist())
        for text, units, listed in zip(texts, given, found, strict=True):
            findings: list[Finding] = []
            for one in listed:
                start, end = units.starts[one.first], units.ends[one.last]
                span = Span(start, end, self.task.types[one.type], text[start:end], next(chances), "model")
                findings.append(Finding(span))
            findings = [finding for finding in findings if finding.span.confidence >= _LEAST]
            yield Tagged(text, tuple(resolve([*findings, *self._ruled(text)])))

    def _ruled(self, text: str) -> Iterator[Finding]:
        """Tell what the rules find, as the task names it and as sure as it was measured to be."""
        if self._finder is None:
            return
        for finding in self._finder.find(text):
            use = self._uses[finding.span.type]
            span = msgspec.structs.replace(finding.span, type=use.type, confidence=use.confidence)
            yield Finding(span, finding.checked)


def calibrated(platt: Platt, chances: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities of raw chances [n]."""
    return sigmoid(platt.scale * log_odds(np.asarray(chances, dtype=np.float64)) + platt.bias)
