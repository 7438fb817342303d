"""The trained, calibrated, servable model: texts in, labels with calibrated confidence out, on disk one folder."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Self, cast

import numpy as np
from numpy.typing import NDArray

from shoal.calibration import Certificate
from shoal.models.artifact import Manifest
from shoal.models.folder import read, scorer_home, write
from shoal.models.scorer import BRIEF, Logits, Scorer, open_scorer
from shoal.models.settings import Settings, TierSettings
from shoal.models.texts import chunks
from shoal.models.tier import Tier
from shoal.tasks import Classification, Label, Reason, Score

_WORDED_ROWS = 256  # answers made at once: few enough lists alive that the garbage collector is not called for them
_TOP = 5
_Row = tuple[str, float, bool, int, int, float, list[str], list[float]]
_REASONS: tuple[Reason, ...] = (
    "certified",
    "below_threshold",
    "never_label",
    "out_of_scope",
    "not_certified",
    "empty_text",
)
_CERTIFIED, _BELOW, _NEVER, _FAR, _UNCERTIFIED, _EMPTY = range(len(_REASONS))


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a specialist makes of n texts, as arrays: the policy itself, before words are put to it.

    Attributes:
        tier: index of the tier whose answer stands [n].
        posterior: its calibrated probabilities [n, L].
        label: index of the most probable label [n].
        confidence: its probability [n].
        in_scope: conformal p-value at that tier [n].
        eligible: False where no threshold, however low, would have the last tier keep the answer: empty texts,
            never-labels, texts out of scope, and answers of the out-of-scope label, which have their own [n].
        accepted: whether the answer is kept [n].
        reason: index into the reasons of `tasks.Reason`, in the order of their declaration [n].
    """

    tier: NDArray[np.int16]
    posterior: NDArray[np.float32]
    label: NDArray[np.intp]
    confidence: NDArray[np.float64]
    in_scope: NDArray[np.float64]
    eligible: NDArray[np.bool_]
    accepted: NDArray[np.bool_]
    reason: NDArray[np.int8]

    @classmethod
    def blank(cls, rows: int, labels: int) -> Self:
        """All zeros, to be filled."""
        return cls(
            tier=np.zeros(rows, np.int16),
            posterior=np.zeros((rows, labels), np.float32),
            label=np.zeros(rows, np.intp),
            confidence=np.zeros(rows),
            in_scope=np.ones(rows),
            eligible=np.zeros(rows, np.bool_),
            accepted=np.zeros(rows, np.bool_),
            reason=np.zeros(rows, np.int8),
        )


@dataclass(frozen=True, kw_only=True)
class Specialist:
    """A cascade of tiers, cheap first, for one task.

    A text goes on to the next tier only when the earlier one does not keep its answer; the last tier's answer stands
    when none does, marked as not accepted. Texts longer than a scorer's limit (256 to 1,024 tokens) are judged by
    their beginning.

    Attributes:
        name: what it is called.
        task: its labels.
        tiers: at least one, cheap first.
        certificate: the promise about accepted answers and its evidence; None before calibration. Where there is an
            out-of-scope label it is about the others ...
        outside_certificate: ... and this one about accepted answers of that label.
        report: the evaluation report, JSON-serialisable.
        provenance: data hash, seed, recipe, training seconds, joules, library versions.
        version: the registry's name for it ("v3"); not part of the folder.
        truth_certificate: of one that learnt from a larger model's answers: the same promise against people's labels,
            where some were given. Where it is certified, both promises hold at one threshold.
    """

    name: str
    task: Classification
    tiers: tuple[Tier, ...]
    certificate: Certificate | None = None
    outside_certificate: Certificate | None = None
    report: Mapping[str, Any] = field(default_factory=dict[str, Any])
    provenance: Mapping[str, Any] = field(default_factory=dict[str, Any])
    version: str | None = None
    truth_certificate: Certificate | None = None

    def predict(self, texts: Sequence[str]) -> list[Label]:
        """Answer each text, in order.

        Raises:
            InputError: `texts` is not a list of strings.
        """
        answers: list[Label] = []
        for chunk in chunks(texts, len(self.task.labels)):
            judgement = self._judge(chunk)
            for start in range(0, len(chunk), _WORDED_ROWS):
                answers.extend(self._worded(judgement, slice(start, start + _WORDED_ROWS)))
        return answers

    def posteriors(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Calibrated probabilities [n, L], in the order of `task.labels`, of the tier whose answer stands."""
        return self.judge(texts).posterior

    def judge(self, texts: Sequence[str]) -> Judgement:
        """Give what `predict` says as arrays, for calibration and evaluation.

        Raises:
            InputError: `texts` is not a list of strings.
        """
        parts = [self._judge(chunk) for chunk in chunks(texts, len(self.task.labels))]
        if not parts:
            return Judgement.blank(0, len(self.task.labels))
        return Judgement(*(np.concatenate([getattr(part, name) for part in parts]) for name in Judgement.__slots__))

    @property
    def scorers(self) -> tuple[Scorer, ...]:
        """The distinct scorers of all tiers, in order of first use."""
        return tuple({id(view.scorer): view.scorer for tier in self.tiers for view in tier.views}.values())

    @property
    def brief(self) -> bool:
        """Whether every tier answers in microseconds a text."""
        return all(scorer.kind in BRIEF for scorer in self.scorers)

    @property
    def size_bytes(self) -> int:
        """Bytes of the models on disk."""
        return sum(scorer.size_bytes for scorer in self.scorers)

    def save(
        self, folder: str | Path, *, overwrite: bool = False, documents: Mapping[str, str] | None = None
    ) -> Manifest:
        """Write the specialist as one folder, whole or not at all.

        Args:
            folder: where; it must not exist yet, or be empty.
            overwrite: replace a model folder that is there.
            documents: further text files by name, such as a rendered report; sealed with the rest.

        Raises:
            InputError: the folder is taken.
            EnvironmentProblem: disk full, permissions.
        """
        settings = Settings(
            name=self.name,
            task=self.task.model_dump(mode="json"),
            scorers=[scorer.kind for scorer in self.scorers],
            tiers=[TierSettings.of(tier, self.scorers) for tier in self.tiers],
            certificate=self.certificate,
            outside_certificate=self.outside_certificate,
            provenance=dict(self.provenance),
            truth_certificate=self.truth_certificate,
        )
        return write(folder, settings, self.report, self._save_scorers, overwrite=overwrite, documents=documents)

    @classmethod
    def load(cls, folder: str | Path, *, threads: int | None = None) -> Self:
        """Open a folder that `save` wrote, after checking every byte of it.

        Args:
            folder: the model folder.
            threads: CPU threads that one call of an encoder may use; None takes all cores.

        Raises:
            ArtifactError: not a model folder, damaged, or written by a newer shoal; names the file.
            EnvironmentProblem: it cannot be read.
        """

        def build(settings: Settings, place: Path, report: dict[str, Any]) -> Self:
            kinds = enumerate(settings.scorers)
            scorers = [open_scorer(kind, place / scorer_home(index), threads=threads) for index, kind in kinds]
            return cls(
                name=settings.name,
                task=settings.classification(),
                tiers=tuple(tier.tier(scorers) for tier in settings.tiers),
                certificate=settings.certificate,
                outside_certificate=settings.outside_certificate,
                report=report,
                provenance=settings.provenance,
                truth_certificate=settings.truth_certificate,
            )

        return read(folder, Settings, build)

    def _save_scorers(self, place: Path) -> None:
        for index, scorer in enumerate(self.scorers):
            home = place / scorer_home(index)
            home.mkdir(parents=True)
            scorer.save(home)

    def _judge(self, texts: list[str]) -> Judgement:
        """Let the tiers answer in turn; each scorer sees each text at most once."""
        result = Judgement.blank(len(texts), len(self.task.labels))
        empty = np.fromiter((not text.strip() for text in texts), np.bool_, len(texts))
        pending: NDArray[np.intp] | slice = slice(None)  # all of them, until a tier has kept some
        known: dict[int, Logits] = {}
        for number, tier in enumerate(self.tiers):
            reading = tier.read(tier.scores(texts, known))
            outside = self._outside[reading.label]
            barred, far = self._barred[reading.label], (reading.in_scope <= tier.scope_level) & ~outside
            # NaN, which no confidence reaches, stands for a threshold that was not certified.
            inner, outer = (np.nan if each is None else each for each in (tier.threshold, tier.outside_threshold))
            threshold = np.where(outside, outer, inner)
            reason = np.full(len(texts), _CERTIFIED, np.int8)
            # The strongest reason is written last.
            reason[reading.confidence < threshold] = _BELOW
            reason[barred] = _NEVER
            reason[far] = _FAR
            reason[np.isnan(threshold)] = _UNCERTIFIED
            reason[empty] = _EMPTY
            open_still = reason != _CERTIFIED
            result.tier[pending] = number
            result.posterior[pending] = reading.posterior
            result.label[pending] = reading.label
            result.confidence[pending] = reading.confidence
            result.in_scope[pending] = reading.in_scope
            result.eligible[pending] = ~(empty | far | barred | outside)
            result.accepted[pending] = ~open_still
            result.reason[pending] = reason
            if tier is self.tiers[-1] or not open_still.any():
                break
            known = {key: logits[open_still] for key, logits in known.items()}
            texts = [text for text, is_open in zip(texts, open_still.tolist(), strict=True) if is_open]
            empty = empty[open_still]
            pending = np.flatnonzero(open_still) if isinstance(pending, slice) else pending[open_still]
        return result

    @cached_property
    def _barred(self) -> NDArray[np.bool_]:
        return np.isin(self.task.labels, self.task.never)

    @cached_property
    def _outside(self) -> NDArray[np.bool_]:
        return np.array([label == self.task.out_of_scope for label in self.task.labels])

    @cached_property
    def _label_names(self) -> NDArray[np.object_]:
        return np.array(self.task.labels, dtype=object)

    def _worded(self, judgement: Judgement, rows: slice) -> Iterator[Label]:
        """Predictions of some rows; all that is done for each is to build its values."""
        labels, posterior, label = self._label_names, judgement.posterior[rows], judgement.label[rows]
        count = min(_TOP, len(labels))
        ranked = -posterior
        row = np.arange(len(ranked))
        ranked[row, label] = -np.inf  # among equals, the answer comes first
        row = row[:, None]
        best = np.argpartition(ranked, count - 1, axis=1)[:, :count]
        best = best[row, np.argsort(ranked[row, best], axis=1, kind="stable")]
        columns = (
            labels[label].tolist(),
            judgement.confidence[rows].tolist(),
            judgement.accepted[rows].tolist(),
            judgement.reason[rows].tolist(),
            judgement.tier[rows].tolist(),
            judgement.in_scope[rows].tolist(),
            labels[best].tolist(),
            posterior[row, best].tolist(),
        )
        names = [tier.name for tier in self.tiers]
        values = cast("Iterable[_Row]", zip(*columns, strict=True))
        for answer, confidence, accepted, reason, tier, in_scope, top, chances in values:
            yield Label(
                label=answer,
                confidence=confidence,
                accepted=accepted,
                reason=_REASONS[reason],
                tier=names[tier],
                in_scope=in_scope,
                top=tuple(map(Score, top, chances)),
            )
