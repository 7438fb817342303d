"""The multi-label model: texts in, any number of labels out, each label with a probability and promises of its own."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from shoal.calibration import Certificate, Platt, sigmoid
from shoal.models.artifact import Manifest
from shoal.models.folder import read, scorer_home, write
from shoal.models.scorer import BRIEF, Scorer, open_scorer
from shoal.models.texts import chunks
from shoal.tasks import Flag, Labels, MultiLabel, Reason

_NOTABLE = 0.05  # probability from which a label that is not flagged is still named


class LabelPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How one label is answered.

    Attributes:
        platt: probability of the label from the averaged logit.
        threshold: probability from which the label is flagged.
        precision: the promise about flags that are kept; its threshold is a probability.
        recall: the promise about texts that are cleared of the label; the same.
    """

    platt: Platt
    threshold: float
    precision: Certificate | None = None
    recall: Certificate | None = None

    @property
    def keeps_from(self) -> float:
        """Probability from which a flag is kept; above 1 when none is."""
        return np.inf if self.precision is None or self.precision.threshold is None else self.precision.threshold

    @property
    def clears_below(self) -> float:
        """Probability below which a text is cleared of the label; below 0 when none is."""
        return -np.inf if self.recall is None or self.recall.threshold is None else self.recall.threshold


@dataclass(frozen=True, slots=True)
class LabelView:
    """One scorer's part: its logits [n, L] times `scale` [L] are added up over the views."""

    scorer: Scorer
    scale: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class LabelJudgement:
    """What a model makes of n texts, as arrays.

    Attributes:
        probability: of each label [n, L].
        flagged: which labels are answered [n, L].
        confidence: that the whole answer is right [n].
        accepted: whether the whole answer is kept [n].
    """

    probability: NDArray[np.float64]
    flagged: NDArray[np.bool_]
    confidence: NDArray[np.float64]
    accepted: NDArray[np.bool_]


class _View(msgspec.Struct, frozen=True):
    scorer: int
    scale: list[float]


class _Settings(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    task: dict[str, Any]
    tier: str
    scorers: list[str]
    views: list[_View]
    policies: list[LabelPolicy]
    sharpness: float
    certificate: Certificate | None
    provenance: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class MultiLabelSpecialist:
    """Scorers averaged, a threshold for each label.

    Attributes:
        name: what it is called.
        task: its labels.
        tier: names of the methods, joined by "+".
        views: at least one.
        policies: of each label [L].
        sharpness: exponent that makes the product of the labels' confidences the chance that all are right.
        certificate: the promise about whole answers that are kept; None before calibration.
        report: the evaluation report, JSON-serialisable.
        provenance: data hash, seed, recipe, training seconds, joules, library versions.
        version: the registry's name for it ("v3"); not part of the folder.
    """

    name: str
    task: MultiLabel
    tier: str
    views: tuple[LabelView, ...]
    policies: tuple[LabelPolicy, ...]
    sharpness: float = 1.0
    certificate: Certificate | None = None
    report: Mapping[str, Any] = field(default_factory=dict[str, Any])
    provenance: Mapping[str, Any] = field(default_factory=dict[str, Any])
    version: str | None = None

    def predict(self, texts: Sequence[str]) -> list[Labels]:
        """Answer each text, in order.

        Raises:
            InputError: `texts` is not a list of strings.
        """
        return [answer for chunk in chunks(texts, len(self.task.labels)) for answer in self._worded(chunk)]

    def judge(self, texts: Sequence[str]) -> LabelJudgement:
        """Give what `predict` says as arrays, for calibration and evaluation.

        Raises:
            InputError: `texts` is not a list of strings.
        """
        parts = [self._judge(chunk) for chunk in chunks(texts, len(self.task.labels))] or [self._judge([])]
        return LabelJudgement(
            *(np.concatenate([getattr(part, name) for part in parts]) for name in LabelJudgement.__slots__)
        )

    @property
    def size_bytes(self) -> int:
        """Bytes of the models on disk."""
        return sum(view.scorer.size_bytes for view in self.views)

    @property
    def brief(self) -> bool:
        """Whether it answers in microseconds a text."""
        return all(view.scorer.kind in BRIEF for view in self.views)

    def save(
        self, folder: str | Path, *, overwrite: bool = False, documents: Mapping[str, str] | None = None
    ) -> Manifest:
        """Write the model as one folder, whole or not at all; see `models.folder.write`."""
        settings = _Settings(
            name=self.name,
            task=self.task.model_dump(mode="json"),
            tier=self.tier,
            scorers=[view.scorer.kind for view in self.views],
            views=[_View(index, view.scale.tolist()) for index, view in enumerate(self.views)],
            policies=list(self.policies),
            sharpness=self.sharpness,
            certificate=self.certificate,
            provenance=dict(self.provenance),
        )
        return write(folder, settings, self.report, self._save_scorers, overwrite=overwrite, documents=documents)

    @classmethod
    def load(cls, folder: str | Path, *, threads: int | None = None) -> Self:
        """Open a folder that `save` wrote, after checking every byte of it; see `models.folder.read`."""

        def build(settings: _Settings, place: Path, report: dict[str, Any]) -> Self:
            kinds = enumerate(settings.scorers)
            scorers = [open_scorer(kind, place / scorer_home(index), threads=threads) for index, kind in kinds]
            task = MultiLabel.model_validate(settings.task)
            if len(settings.policies) != len(task.labels):
                raise ValueError(f"{len(settings.policies)} policies for {len(task.labels)} labels")
            return cls(
                name=settings.name,
                task=task,
                tier=settings.tier,
                views=tuple(
                    LabelView(scorers[view.scorer], np.array(view.scale, np.float32)) for view in settings.views
                ),
                policies=tuple(settings.policies),
                sharpness=settings.sharpness,
                certificate=settings.certificate,
                report=report,
                provenance=settings.provenance,
            )

        return read(folder, _Settings, build)

    def _save_scorers(self, place: Path) -> None:
        for index, view in enumerate(self.views):
            home = place / scorer_home(index)
            home.mkdir(parents=True)
            view.scorer.save(home)

    @cached_property
    def _arrays(self) -> tuple[NDArray[np.float64], ...]:
        """Scale, bias, threshold, keeps_from, clears_below of each label [L]."""
        platt = np.array([[each.platt.scale, each.platt.bias] for each in self.policies])
        bounds = np.array([[each.threshold, each.keeps_from, each.clears_below] for each in self.policies])
        return platt[:, 0], platt[:, 1], bounds[:, 0], bounds[:, 1], bounds[:, 2]

    def _judge(self, texts: list[str]) -> LabelJudgement:
        scale, bias, threshold, _, _ = self._arrays
        logits = np.zeros((len(texts), len(self.task.labels)))
        if texts:
            logits = np.add.reduce([view.scorer.logits(texts) * view.scale for view in self.views])
        probability = sigmoid(logits * scale + bias)
        flagged = probability >= threshold
        confidence = whole_confidence(probability, flagged) ** self.sharpness
        least = self.certificate.threshold if self.certificate is not None else None
        full = np.fromiter((bool(text.strip()) for text in texts), np.bool_, len(texts))
        accepted = full & (confidence >= least) if least is not None else np.zeros(len(texts), np.bool_)
        return LabelJudgement(probability, flagged, confidence, accepted)

    def _worded(self, texts: list[str]) -> Iterator[Labels]:
        judged = self._judge(texts)
        _, _, _, keeps_from, clears_below = self._arrays
        kept = np.where(judged.flagged, judged.probability >= keeps_from, judged.probability < clears_below)
        named = judged.flagged | (judged.probability >= _NOTABLE)
        names = self.task.labels
        for row, text in enumerate(texts):
            columns = sorted(np.flatnonzero(named[row]).tolist(), key=lambda one: -judged.probability[row, one])
            yield Labels(
                labels=tuple(names[column] for column in np.flatnonzero(judged.flagged[row])),
                flags=tuple(
                    Flag(
                        names[column],
                        float(judged.probability[row, column]),
                        bool(judged.flagged[row, column]),
                        bool(kept[row, column]),
                    )
                    for column in columns
                ),
                confidence=float(judged.confidence[row]),
                accepted=bool(judged.accepted[row]),
                reason=self._reason(text, accepted=bool(judged.accepted[row])),
                tier=self.tier,
            )

    def _reason(self, text: str, *, accepted: bool) -> Reason:
        if accepted:
            return "certified"
        if not text.strip():
            return "empty_text"
        certified = self.certificate is not None and self.certificate.certified
        return "below_threshold" if certified else "not_certified"


def whole_confidence(probability: NDArray[np.float64], flagged: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Chance [n] that all labels are answered rightly, were they independent of each other."""
    return np.exp(np.log(np.maximum(np.where(flagged, probability, 1 - probability), 1e-12)).sum(axis=1))
