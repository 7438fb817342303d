"""Rows with any number of labels in, a multi-label model out: trained, calibrated, certified and measured.

Lexical features and the frozen encoder, each under one logistic regression a label, and where it is asked for the
tuned encoder; alone, or lexical features averaged with an encoder. Everything is chosen on what is said of rows by
models that had not seen them (five folds of whole groups): rare labels have too few rows for a dev part of their own.
"""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from shoal import data as tables
from shoal.calibration import Platt, best_threshold, certify, certify_recall, grid, sigmoid
from shoal.data import Dataset, Source
from shoal.errors import DataError
from shoal.evaluation import evaluate_labels, label_matrix
from shoal.meter import EnergyMeter
from shoal.models import LabelPolicy, LabelView, MultiLabelSpecialist, whole_confidence
from shoal.tasks import MultiLabel
from shoal.training import requirements
from shoal.training.backbone import require_extra, resolve
from shoal.training.progress import Progress, silent

if TYPE_CHECKING:
    from shoal.training.multilabel_ladder import Rung

Floats = NDArray[np.floating]
Bools = NDArray[np.bool_]

_MOST_ROWS = 200_000
_METHODS = ("tfidf", "encoder")
_ASKED = {"tfidf": ("tfidf",), "encoder": ("encoder",), "finetune": (*_METHODS, "finetune")}
_RECALL_POINTS = 40  # thresholds that are tested for clearing a label


def train(
    data: Source,
    *,
    name: str = "specialist",
    labels: Sequence[str] = (),
    risk: float | None = 0.05,
    confidence: float = 0.95,
    backbone: str = "auto",
    budget_seconds: float = 600,
    seed: int = 0,
    progress: Progress | None = None,
    cache: Path | None = None,
) -> MultiLabelSpecialist:
    """Train a multi-label model on rows whose `target` is a tuple of labels.

    Args:
        data: rows, or where they are; a path is read with the column "labels".
        name: of the model.
        labels: the closed set; empty takes those that the rows have.
        risk: of the answers that are kept, at most this share may differ from the reference in any label; of the flags
            of a label that are kept, at most this share may be wrong; of the texts with a label, at most this share may
            be cleared of it. Each by itself ...
        confidence: ... with this confidence over draws of the calibration rows. None for `risk` promises nothing.
        backbone: "auto" tries lexical features, the frozen encoder and their average; "tfidf" or "encoder" asks for
            one; "finetune" tunes the encoder as well, which takes many times as long; anything else names the encoder
            for "auto".
        budget_seconds: after which nothing further is tried.
        seed: of everything random.
        progress: called as progress(stage, done, total).
        cache: folder for what a later training can use again; None keeps nothing.

    Raises:
        InputError: an argument or the data cannot be used; DataError names the rows.
    """
    requirements.check_promise(risk, confidence)
    require_extra()
    began = time.monotonic()
    with EnergyMeter() as meter:
        dataset = prepared(data, labels, seed, certified=risk is not None)
        fit = replace(dataset, rows=tuple(row for row in dataset.rows if row.split in ("train", "dev")))
        options: dict[str, Any] = {"deadline": began + budget_seconds, "seed": seed, "progress": progress or silent}
        learnt = learn(name, fit, backbone, **options, cache=cache)
        meter.lap()
    specialist = learnt.specialist
    if risk is not None:
        specialist = _certified(learnt, dataset.part("calibration"), risk, 1 - confidence)
    provenance: dict[str, Any] = {
        "recipe": {"backbone": backbone, "final": specialist.tier, "first": None},
        **learnt.details,
        **requirements.notes(dataset, seed=seed, budget_seconds=budget_seconds, began=began, meter=meter),
    }
    specialist = replace(specialist, provenance=provenance)
    return replace(specialist, report=evaluate_labels(specialist, dataset, seed=seed).as_dict())


class Learnt(NamedTuple):
    """A multi-label model that promises nothing yet.

    Attributes:
        specialist: calibrated, with thresholds.
        scores: averaged logits of the rows that it learnt from, by heads that had not seen them [n, L].
        has: their labels [n, L].
        details: provenance: the encoder and what was tried.
    """

    specialist: MultiLabelSpecialist
    scores: Floats
    has: Bools
    details: dict[str, Any]

    @property
    def probability(self) -> NDArray[np.float64]:
        """Of each label, by heads that had not seen the row [n, L]."""
        from shoal.training.one_against_rest import calibrated

        return sigmoid(calibrated(self.scores, self.has)[0])


def learn(
    name: str,
    fit: Dataset,
    backbone: str,
    *,
    deadline: float,
    seed: int,
    progress: Progress,
    cache: Path | None,
) -> Learnt:
    """Train without a promise; every label of `fit` is in one of its rows.

    Args:
        name: of the model.
        fit: the rows to learn from, all of them.
        backbone: as in `train`.
        deadline: time.monotonic() after which nothing further is tried.
        seed: of everything random.
        progress: called as progress(stage, done, total).
        cache: folder for what a later training can use again; None keeps nothing.

    Raises:
        DataError: nothing can be learnt from the rows.
        EnvironmentProblem: the encoder cannot be had.
    """
    from shoal.training.multilabel_ladder import Climb, choose
    from shoal.training.one_against_rest import folds

    has = label_matrix(fit, fit.labels)
    groups = [row.group or tables.normalised(row.text) for row in fit.rows]
    climb = Climb(
        texts=fit.texts,
        has=has,
        fold=folds(groups, has, seed),
        backbone=resolve(backbone),
        deadline=deadline,
        seed=seed,
        progress=progress,
        cache=cache,
    )
    climb.run(_ASKED.get(backbone, _METHODS))
    chosen, tried = choose(climb.rungs, has)
    details = {
        "encoder": {"name": climb.backbone.name, "sha256": climb.backbone.sha256},
        "ladder": {
            "rungs": [rung.details for rung in climb.rungs],
            "skipped": climb.skipped,
            "candidates": tried,
        },
    }
    specialist = _assembled(name, MultiLabel(labels=fit.labels), chosen.rungs, chosen.logits, has)
    return Learnt(specialist, chosen.logits, has, details)


def prepared(data: Source, labels: Sequence[str], seed: int, *, certified: bool) -> Dataset:
    """Read, check and split; every label has a row to be learnt from.

    Raises:
        DataError: rows without labels of this task, a label without a row, no rows to train or test on.
    """
    dataset = data if isinstance(data, Dataset) else tables.read(data, label="labels", task="multilabel")
    if not all(isinstance(row.target, tuple) for row in dataset.rows):
        raise DataError("the rows carry no label sets; read them with task='multilabel', from a column of label lists")
    if not dataset.labels:
        raise DataError("no row has a label; a multi-label model needs rows that have some, and rows that have none")
    if labels:
        unknown = sorted(set(dataset.labels) - set(labels))
        if unknown:
            raise DataError(f"label {unknown[0]!r} of the rows is not one of the {len(labels)} labels given")
        dataset = Dataset.of(dataset.rows, labels)
    counts = dataset.counts()
    empty = [label for label, count in counts.items() if count == 0]
    if empty:
        raise DataError(
            f"label {empty[0]!r} has no row that carries it: nothing can be learnt of it. Add such rows, or leave the "
            "label out of `labels`."
        )
    tables.check(dataset).raise_on_errors()
    dataset = tables.split(dataset, seed=seed, drop_leaks=True, calibrate=certified)
    dataset = tables.thin(dataset, _MOST_ROWS, seed=seed)
    for part in ("train", "test"):
        if len(dataset.part(part)) == 0:
            raise DataError(f"{len(dataset)} rows leave none for {part}: give more, or rows with split = {part!r}.")
    return dataset


def _assembled(
    name: str, task: MultiLabel, chosen: "Sequence[Rung]", scores: Floats, has: Bools
) -> MultiLabelSpecialist:
    """Put the methods together: their calibrated average, calibrated once more, with a threshold for each label."""
    from shoal.training.one_against_rest import calibrated

    logits, found = calibrated(scores, has)
    probability = sigmoid(logits)
    shift = np.add.reduce([rung.bias for rung in chosen]) / len(chosen)
    policies = tuple(
        LabelPolicy(
            platt=Platt(platt.scale, platt.bias + platt.scale * float(shift[label])),
            threshold=best_threshold(probability[:, label], has[:, label]),
        )
        for label, platt in enumerate(found)
    )
    flagged = probability >= np.array([policy.threshold for policy in policies])
    return MultiLabelSpecialist(
        name=name,
        task=task,
        tier="+".join(rung.name for rung in chosen),
        views=tuple(LabelView(rung.scorer, (rung.scale / len(chosen)).astype(np.float32)) for rung in chosen),
        policies=policies,
        sharpness=_sharpness(whole_confidence(probability, flagged), (flagged == has).all(axis=1)),
    )


def _sharpness(confidence: Floats, right: Bools) -> float:
    """Exponent under which the mean confidence is the share of right answers: labels are not independent."""
    low, high = 0.05, 20.0
    for _ in range(60):
        middle = float(np.sqrt(low * high))
        low, high = (middle, high) if float((confidence**middle).mean()) > right.mean() else (low, middle)
    return float(np.sqrt(low * high))


def _certified(learnt: Learnt, calibration: Dataset, risk: float, delta: float) -> MultiLabelSpecialist:
    """Test whole answers and each label on rows that chose nothing; where to begin is chosen on held-out training rows.

    Args:
        learnt: without promises.
        calibration: the rows to test on.
        risk: alpha of every promise.
        delta: chance that any one of them fails.
    """
    specialist, has = learnt.specialist, learnt.has
    judged, truth = specialist.judge(calibration.texts), label_matrix(calibration, specialist.task.labels)
    full = np.array([bool(text.strip()) for text in calibration.texts])
    before = learnt.probability
    thresholds = np.array([policy.threshold for policy in specialist.policies])
    whole = whole_confidence(before, before >= thresholds) ** specialist.sharpness
    options: dict[str, Any] = {"risk": risk, "delta": delta}
    steps = grid(whole, ((before >= thresholds) == has).all(axis=1), rows=len(truth), **options)
    certificate = certify(judged.confidence, (judged.flagged == truth).all(axis=1), full, grid=steps, **options)
    policies: list[LabelPolicy] = []
    for label, policy in enumerate(specialist.policies):
        known, probability, true = before[:, label], judged.probability[:, label], truth[:, label]
        flagged = known >= policy.threshold
        masked = np.where(flagged, known, -np.inf)
        steps = grid(masked, has[:, label], rows=len(truth), **options) if flagged.any() else np.array([1.0])
        precision = certify(
            probability, true, probability >= policy.threshold, grid=np.maximum(steps, policy.threshold), **options
        )
        positive = known[has[:, label]]
        shares = np.linspace(0.0, min(0.5, 2 * risk), _RECALL_POINTS)
        levels = np.quantile(positive, shares) if len(positive) else np.zeros(1)
        recall = certify_recall(
            probability[true],
            np.minimum(levels, policy.threshold),
            what=f"calibration rows with {specialist.task.labels[label]!r}",
            **options,
        )
        policies.append(LabelPolicy(platt=policy.platt, threshold=policy.threshold, precision=precision, recall=recall))
    return replace(specialist, policies=tuple(policies), certificate=certificate)
