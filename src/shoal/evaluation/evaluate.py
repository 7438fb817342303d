"""A specialist and labelled rows that it never saw -> a report."""

import difflib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, get_args

import msgspec
import numpy as np
from numpy.typing import NDArray

from shoal import behaviour, metrics
from shoal.data import Dataset, Terms
from shoal.errors import InputError
from shoal.evaluation import slices, speed
from shoal.evaluation.report import (
    Accepted,
    ConfusedPair,
    Confusion,
    CurvePoint,
    Data,
    LabelRow,
    Metrics,
    Mistake,
    NoneOfThese,
    OutOfScope,
    Report,
    SuspiciousLabel,
    TierShare,
    Training,
)
from shoal.metrics import Estimate
from shoal.models import Judgement, Specialist
from shoal.tasks import Reason

Indices = NDArray[np.integer]
Bools = NDArray[np.bool_]

_DENSE_LABELS = 100
_WORST = 20
_CURVE_POINTS = 200
_TEXT_CHARS = 400
_REASONS: tuple[str, ...] = get_args(Reason)


def evaluate(
    specialist: Specialist,
    dataset: Dataset,
    *,
    seed: int = 0,
    out_of_scope_texts: Sequence[str] | None = None,
    suspicious: Sequence[SuspiciousLabel | Mapping[str, Any]] = (),
    terms: Terms | None = None,
    suites: Sequence[behaviour.Suite] = (),
    timing_seconds: float = 2.0,
) -> Report:
    """Measure a specialist on its test rows: quality, calibration, what it keeps, speed.

    Args:
        specialist: as it will be served, after export and calibration.
        dataset: rows with reference labels. Where some belong to the split "test" only those are used, else all.
        seed: of the bootstrap.
        out_of_scope_texts: texts of another kind, to measure how well they are told apart.
        suspicious: training rows with doubtful labels, passed on into the report.
        terms: groups of terms whose texts make slices, beside those by columns that the rows carry:
            {"gender": {"women": ["she", "woman"], "men": ["he", "man"]}}.
        suites: behavioural tests to run, some of them on the test rows.
        timing_seconds: how long latency and throughput are measured; 0 leaves them out.

    Raises:
        InputError: there are no rows; a row or a suite has a label that the specialist does not know.
    """
    test = test_rows(dataset)
    labels = specialist.task.labels
    targets = _targets(test, labels)
    judged = specialist.judge(test.texts)
    correct = judged.label == targets
    last = len(specialist.tiers) - 1
    matrix = metrics.confusion(targets, judged.label, len(labels))
    return Report(
        name=specialist.name,
        version=specialist.version,
        labels=list(labels),
        never=list(specialist.task.never),
        data=count_rows(dataset, len(test), len(labels)),
        metrics=_metrics(judged, targets, correct, len(labels), seed),
        accepted=_accepted(judged, correct, seed),
        certificate=specialist.certificate,
        tiers=_tiers(judged, correct, [tier.name for tier in specialist.tiers]),
        per_label=_per_label(matrix, targets, judged.accepted, labels),
        confusion=_confusion(matrix, labels),
        reliability=metrics.reliability(judged.confidence, correct),
        curve=_curve(judged, correct, last),
        mistakes=_mistakes(test, judged, correct, labels),
        suspicious=[msgspec.convert(row, SuspiciousLabel, from_attributes=True) for row in suspicious],
        out_of_scope=_out_of_scope(specialist, judged, out_of_scope_texts),
        none_of_these=_none_of_these(specialist, judged, targets),
        size_bytes=specialist.size_bytes,
        speed=speed.measure(specialist.predict, test.texts, timing_seconds),
        training=Training.of(specialist.provenance),
        slices=slices.measure(slices.find(test, terms or {}), correct, judged.accepted),
        behaviour=[one for suite in suites for one in behaviour.run(specialist, suite, test.texts, seed=seed)],
    )


def test_rows(dataset: Dataset) -> Dataset:
    """Select the rows to measure on: of the split "test", or all where no row belongs to it.

    Raises:
        InputError: there are none.
    """
    test = dataset.part("test") if any(row.split == "test" for row in dataset.rows) else dataset
    if len(test) == 0:
        raise InputError("there are no test rows to evaluate on; give rows of split 'test', or rows without a split.")
    return test


def _targets(test: Dataset, labels: Sequence[str]) -> Indices:
    index = {label: number for number, label in enumerate(labels)}
    for row in test.rows:
        if row.label not in index:
            near = difflib.get_close_matches(row.label, labels, n=1)
            raise InputError(
                f"{row.origin or 'a test row'}: label {row.label!r} is not one of the {len(labels)} labels this "
                f"specialist was trained on{f'; did you mean {near[0]!r}?' if near else '.'} "
                "Correct the row, or train again with rows of that label."
            )
    return np.array([index[label] for label in test.targets], dtype=np.intp)


def count_rows(dataset: Dataset, tested: int, labels: int) -> Data:
    """Tell what was measured on."""
    rows = Counter(row.split or "unassigned" for row in dataset.rows)
    return Data(rows=dict(rows), tested=tested, labels=labels, hash=dataset.hash)


def _metrics(judged: Judgement, targets: Indices, correct: Bools, labels: int, seed: int) -> Metrics:
    rows = len(targets)
    posterior = judged.posterior

    def interval(statistic: metrics.Statistic) -> Estimate:
        return metrics.bootstrap(statistic, rows, seed=seed)

    return Metrics(
        accuracy=interval(metrics.mean_of(correct)),
        macro_f1=interval(metrics.macro_f1_of(targets, judged.label, labels)),
        ece=metrics.ece_estimate(judged.confidence, correct, seed=seed),
        classwise_ece=metrics.classwise_ece_estimate(posterior, targets, seed=seed),
        brier=interval(metrics.mean_of(metrics.squared_errors(posterior, targets))),
        nll=interval(metrics.mean_of(metrics.log_losses(posterior, targets))),
    )


def _accepted(judged: Judgement, correct: Bools, seed: int) -> Accepted:
    kept = judged.accepted
    rows, errors = int(kept.sum()), int((kept & ~correct).sum())
    reasons = np.bincount(judged.reason, minlength=len(_REASONS))
    return Accepted(
        rows=rows,
        errors=errors,
        coverage=Estimate(rows / len(kept), *metrics.wilson(rows, len(kept))),
        risk=Estimate(errors / rows, *metrics.clopper_pearson(errors, rows)) if rows else None,
        ece=metrics.ece_estimate(judged.confidence[kept], correct[kept], seed=seed) if rows else None,
        reasons={reason: int(count) for reason, count in zip(_REASONS, reasons, strict=True) if count},
    )


def _tiers(judged: Judgement, correct: Bools, names: Sequence[str]) -> list[TierShare]:
    shares: list[TierShare] = []
    for number, name in enumerate(names):
        own = judged.tier == number
        kept = own & judged.accepted
        right = float(correct[kept].mean()) if kept.any() else None
        shares.append(TierShare(name, int(own.sum()), int(kept.sum()), right))
    return shares


def _per_label(matrix: NDArray[np.int64], targets: Indices, accepted: Bools, labels: Sequence[str]) -> list[LabelRow]:
    kept = np.bincount(targets[accepted], minlength=len(labels))
    return [
        LabelRow(
            label=label,
            precision=quality.precision,
            recall=quality.recall,
            f1=quality.f1,
            support=quality.support,
            coverage=int(count) / max(quality.support, 1),
        )
        for label, quality, count in zip(labels, metrics.per_label(matrix), kept, strict=True)
    ]


def _confusion(matrix: NDArray[np.int64], labels: Sequence[str]) -> Confusion:
    off = matrix - np.diag(np.diag(matrix))
    order = np.argsort(-off, axis=None, kind="stable")[:_WORST]
    worst = [
        ConfusedPair(labels[truth], labels[answer], int(off[truth, answer]))
        for truth, answer in (divmod(int(cell), len(labels)) for cell in order)
        if off[truth, answer] > 0
    ]
    return Confusion(matrix.tolist() if len(labels) <= _DENSE_LABELS else None, worst)


def _curve(judged: Judgement, correct: Bools, last: int) -> list[CurvePoint]:
    """Risk against coverage of the whole policy: what earlier tiers keep ranks before what the last one is asked."""
    ahead = np.where(judged.accepted, last - judged.tier, 0)
    curve = metrics.risk_coverage(np.where(judged.eligible, judged.confidence + ahead, -np.inf), correct)
    count = len(curve.coverage)
    picked = np.unique(np.linspace(0, max(0, count - 1), min(count, _CURVE_POINTS), dtype=np.int64))
    return [CurvePoint(float(curve.coverage[at]), float(curve.risk[at])) for at in picked]


def _mistakes(test: Dataset, judged: Judgement, correct: Bools, labels: Sequence[str]) -> list[Mistake]:
    """Pick the most confident wrong answers, surest first."""
    wrong = np.flatnonzero(~correct)
    surest: list[int] = wrong[np.argsort(-judged.confidence[wrong], kind="stable")][:_WORST].tolist()
    return [
        Mistake(
            text=shortened(test.rows[row].text),
            label=test.rows[row].label,
            predicted=labels[int(judged.label[row])],
            confidence=float(judged.confidence[row]),
            accepted=bool(judged.accepted[row]),
            origin=test.rows[row].origin,
        )
        for row in surest
    ]


def shortened(text: str) -> str:
    """Cut a text to what a report shows of it."""
    return text if len(text) <= _TEXT_CHARS else f"{text[: _TEXT_CHARS - 1]}…"


def _out_of_scope(specialist: Specialist, inside: Judgement, texts: Sequence[str] | None) -> OutOfScope | None:
    if not texts:
        return None
    outside = specialist.judge(texts)
    kept = int(outside.accepted.sum())
    return OutOfScope(
        rows=len(texts),
        auroc=metrics.auroc(inside.in_scope, outside.in_scope),
        fpr95=metrics.fpr_at_95(inside.in_scope, outside.in_scope),
        accepted=Estimate(kept / len(texts), *metrics.wilson(kept, len(texts))),
    )


def _none_of_these(specialist: Specialist, judged: Judgement, targets: Indices) -> NoneOfThese | None:
    label = specialist.task.out_of_scope
    if label is None:
        return None
    column = specialist.task.labels.index(label)
    outside, answered = targets == column, judged.label == column
    inside = 1.0 - judged.posterior[:, column].astype(np.float64)
    others = judged.posterior.copy()
    others[:, column] = -1.0
    lost = ~outside & answered & (others.argmax(axis=1) == targets)
    kept = answered & judged.accepted
    rows, errors, found = int(kept.sum()), int((kept & ~outside).sum()), int((answered & outside).sum())
    both = bool(outside.any() and not outside.all())
    return NoneOfThese(
        label=label,
        rows=int(outside.sum()),
        auroc=metrics.auroc(inside[~outside], inside[outside]) if both else None,
        fpr95=metrics.fpr_at_95(inside[~outside], inside[outside]) if both else None,
        recall=_share(found, int(outside.sum())) if outside.any() else None,
        accuracy_lost=float(lost.sum() / max((~outside).sum(), 1)),
        kept=rows,
        errors=errors,
        risk=Estimate(errors / rows, *metrics.clopper_pearson(errors, rows)) if rows else None,
        certificate=specialist.outside_certificate,
    )


def _share(count: int, rows: int) -> Estimate:
    return Estimate(count / rows, *metrics.wilson(count, rows))
