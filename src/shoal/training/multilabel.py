"""Rows with any number of labels in, a multi-label model out: trained, calibrated, certified and measured.

Lexical features and the frozen encoder, each under one logistic regression a label, alone or averaged. Everything is
chosen on what heads say of rows that they had not seen (five folds of whole groups): rare labels have too few rows for
a dev part of their own.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
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
from shoal.models import LabelPolicy, LabelView, MultiLabelSpecialist, Scorer, whole_confidence
from shoal.tasks import MultiLabel
from shoal.training import requirements
from shoal.training.backbone import Backbone, require_extra, resolve
from shoal.training.progress import Progress, silent

if TYPE_CHECKING:
    from shoal.training.heads import Head
    from shoal.training.one_against_rest import Plan

Floats = NDArray[np.floating]
Bools = NDArray[np.bool_]

_MOST_ROWS = 200_000
_COST = {"tfidf": 1.0, "encoder": 40.0}
_RECALL_POINTS = 40  # thresholds that are tested for clearing a label


@dataclass(frozen=True, slots=True)
class _Rung:
    """One method.

    Attributes:
        name: "tfidf" or "encoder".
        scorer: as it will be served.
        logits: of the rows that trained it, by heads that had not seen them, each label calibrated [n, L].
        scale: of each label's raw logit [L], and ...
        bias: ... what is added [L], to calibrate it.
        details: what the method has to say about itself.
    """

    name: str
    scorer: Scorer
    logits: Floats
    scale: Floats
    bias: Floats
    details: dict[str, Any]


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
        backbone: "auto" tries both methods and their average; "tfidf" or "encoder" asks for one; anything else names
            the encoder for "auto".
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
    has = label_matrix(fit, fit.labels)
    encoder, names = resolve(backbone), (backbone,) if backbone in ("tfidf", "encoder") else ("tfidf", "encoder")
    rungs, skipped = _climb(fit, has, names, encoder, deadline, seed, progress, cache)
    chosen, tried = _chosen(rungs, has)
    scores = np.add.reduce([rung.logits for rung in chosen]) / len(chosen)
    details = {
        "encoder": {"name": encoder.name, "sha256": encoder.sha256},
        "ladder": {"rungs": [rung.details for rung in rungs], "skipped": skipped, "candidates": tried},
    }
    return Learnt(_assembled(name, MultiLabel(labels=fit.labels), chosen, scores, has), scores, has, details)


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


def _climb(
    fit: Dataset,
    has: Bools,
    names: Sequence[str],
    encoder: Backbone,
    deadline: float,
    seed: int,
    progress: Progress,
    cache: Path | None,
) -> tuple[list[_Rung], dict[str, str]]:
    """Train each method on all rows, and by folds."""
    from shoal.training.one_against_rest import folds

    groups = [row.group or tables.normalised(row.text) for row in fit.rows]
    fold = folds(groups, has, seed)
    rungs: list[_Rung] = []
    skipped: dict[str, str] = {}
    for name in names:
        if rungs and time.monotonic() > deadline:
            skipped[name] = "the budget was used up"
        elif name == "tfidf":
            rung = _lexical(fit.texts, has, fold, progress)
            if rung is None:
                skipped[name] = "the training texts hold no words"
            else:
                rungs.append(rung)
        else:
            rungs.append(_frozen(fit.texts, has, fold, encoder, progress, cache))
    if not rungs:
        raise DataError(f"nothing can be learnt from {len(fit)} rows ({'; '.join(skipped.values())}). Give others.")
    return rungs, skipped


def _lexical(texts: Sequence[str], has: Bools, fold: NDArray[np.intp], progress: Progress) -> _Rung | None:
    from shoal.models.tfidf import TfidfScorer
    from shoal.training import tfidf
    from shoal.training.one_against_rest import LEXICAL_LIFT, LEXICAL_STRENGTH, Plan

    began = time.monotonic()
    progress("tfidf", 0, 2)
    parts = tfidf.vectorizers(len(texts), has.shape[1])
    try:
        features = tfidf.joined([part.fit_transform(texts) for part in parts])
    except ValueError:  # scikit-learn's "empty vocabulary"
        return None
    progress("tfidf", 1, 2)
    words: list[list[str]] = [part.get_feature_names_out().tolist() for part in parts]
    idf = np.concatenate([part.idf_ for part in parts])
    found = _fitted(features, has, fold, Plan(LEXICAL_STRENGTH, LEXICAL_LIFT))
    progress("tfidf", 2, 2)
    scorer = TfidfScorer(words[0], words[1], idf=idf, weight=found.head.weight, bias=found.head.bias)
    return _rung("tfidf", scorer, found, began, {})


def _frozen(
    texts: Sequence[str],
    has: Bools,
    fold: NDArray[np.intp],
    encoder: Backbone,
    progress: Progress,
    cache: Path | None,
) -> _Rung:
    from shoal.training import frozen

    began = time.monotonic()
    features = frozen.embed(encoder, texts, progress, cache)
    found = _fitted(features.train, has, fold)
    scorer = (features.small or features.exact).with_head(found.head.weight, found.head.bias)
    details = {"precision": "int8" if features.small else "fp32", "parity": features.parity}
    return _rung("encoder", scorer, found, began, details)


class _Fitted(NamedTuple):
    """Heads on all rows, and what heads that had not seen a row say of it: calibrated logits [n, L]."""

    head: "Head"
    plan: "Plan"
    logits: Floats
    platt: list[Platt]
    log_loss: float


def _fitted(features: Any, has: Bools, fold: NDArray[np.intp], plan: "Plan | None" = None) -> _Fitted:
    """Fit heads on all rows and by folds; how is chosen unless it is given."""
    from shoal.training import one_against_rest

    plan = plan or one_against_rest.choose(features, has, fold)
    raw = one_against_rest.cross_validated(features, has, fold, plan)
    logits, platt = one_against_rest.calibrated(raw, has)
    head = one_against_rest.fitted(features, has, plan)
    return _Fitted(head, plan, logits, platt, float(one_against_rest.losses(logits, has).mean()))


def _rung(name: str, scorer: Scorer, found: _Fitted, began: float, details: dict[str, Any]) -> _Rung:
    told: dict[str, Any] = {
        "rung": name,
        "C": found.plan.strength,
        "lift": found.plan.lift,
        "held_out_log_loss": found.log_loss,
        "seconds": round(time.monotonic() - began, 2),
        "size_bytes": scorer.size_bytes,
        **details,
    }
    scale, bias = np.array([each.scale for each in found.platt]), np.array([each.bias for each in found.platt])
    return _Rung(name, scorer, found.logits, scale, bias, told)


def _chosen(rungs: Sequence[_Rung], has: Bools) -> tuple[list[_Rung], list[dict[str, Any]]]:
    """Keep the cheapest of the methods and their average within one standard error of the best log-loss, paired."""
    from shoal.training.one_against_rest import losses

    candidates = [[rung] for rung in rungs] + ([list(rungs)] if len(rungs) > 1 else [])
    judged = [losses(np.add.reduce([rung.logits for rung in one]) / len(one), has) for one in candidates]
    best = min(judged, key=lambda each: float(each.mean()))

    def as_good(each: Floats) -> bool:
        behind = each - best
        return bool(behind.mean() <= behind.std() / np.sqrt(len(behind)))

    fit = [one for one, each in zip(candidates, judged, strict=True) if as_good(each)]
    chosen = min(fit, key=lambda one: sum(_COST[rung.name] for rung in one))
    tried = [
        {
            "candidate": "+".join(rung.name for rung in one),
            "held_out_log_loss": float(each.mean()),
            "chosen": one is chosen,
        }
        for one, each in zip(candidates, judged, strict=True)
    ]
    return chosen, tried


def _assembled(
    name: str, task: MultiLabel, chosen: Sequence[_Rung], scores: Floats, has: Bools
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
