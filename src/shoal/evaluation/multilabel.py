"""A multi-label model and labelled rows that it never saw -> a report."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shoal import metrics
from shoal.data import Dataset
from shoal.errors import InputError
from shoal.evaluation import speed
from shoal.evaluation.evaluate import count_rows, shortened, test_rows
from shoal.evaluation.outcome import Example, PartResult, TaskReport, row_key
from shoal.evaluation.report import Training
from shoal.metrics import Counts, Estimate
from shoal.models import LabelJudgement, MultiLabelSpecialist

Bools = NDArray[np.bool_]

_SHOWN = 20


def evaluate_labels(
    specialist: MultiLabelSpecialist, dataset: Dataset, *, seed: int = 0, timing_seconds: float = 2.0
) -> TaskReport:
    """Measure a multi-label model on its test rows: quality of each label, what it keeps, speed.

    Args:
        specialist: as it will be served.
        dataset: rows with label sets. Where some belong to the split "test" only those are used, else all.
        seed: of the bootstrap.
        timing_seconds: how long latency and throughput are measured; 0 leaves them out.

    Raises:
        InputError: there are no rows; a row has a label that the specialist does not know.
    """
    test = test_rows(dataset)
    labels = specialist.task.labels
    truth = label_matrix(test, labels)
    judged = specialist.judge(test.texts)
    right = (judged.flagged == truth).all(axis=1)
    kept = judged.accepted
    rows, errors = int(kept.sum()), int((kept & ~right).sum())
    scores = _row_f1(judged.flagged, truth)
    return TaskReport(
        task="multilabel",
        name=specialist.name,
        version=specialist.version,
        headline="macro_f1",
        data=count_rows(dataset, len(test), len(labels)),
        metrics={
            "macro_f1": metrics.bootstrap(metrics.label_macro_f1_of(judged.flagged, truth), len(test), seed=seed),
            "micro_f1": metrics.bootstrap(metrics.micro_f1_of(judged.flagged, truth), len(test), seed=seed),
            "exact_match": metrics.bootstrap(metrics.mean_of(right), len(test), seed=seed),
        },
        rows_kept=_share(rows, len(test)),
        risk=Estimate(errors / rows, *metrics.clopper_pearson(errors, rows)) if rows else None,
        certificate=specialist.certificate,
        parts=_parts(specialist, judged, truth),
        examples=_examples(test, judged, truth, labels, scores),
        row_scores=scores.round(6).tolist(),
        row_keys=[row_key(row) for row in test.rows],
        size_bytes=specialist.size_bytes,
        speed=speed.measure(specialist.predict, test.texts, timing_seconds),
        training=Training.of(specialist.provenance),
    )


def label_matrix(dataset: Dataset, labels: Sequence[str]) -> Bools:
    """Tell which rows have which label [n, L].

    Raises:
        InputError: a row carries no label set, or a label that is not one of these.
    """
    number = {label: index for index, label in enumerate(labels)}
    truth = np.zeros((len(dataset), len(labels)), np.bool_)
    for index, row in enumerate(dataset.rows):
        if not isinstance(row.target, tuple):
            raise InputError(f"{row.origin or 'a row'}: carries no label set; read it with task='multilabel'.")
        for name in row.names:
            if name not in number:
                raise InputError(
                    f"{row.origin or 'a row'}: label {name!r} is not one of the {len(labels)} labels this "
                    "specialist was trained on. Correct the row, or train again with rows of that label."
                )
            truth[index, number[name]] = True
    return truth


def _parts(specialist: MultiLabelSpecialist, judged: LabelJudgement, truth: Bools) -> list[PartResult]:
    """Quality of each label; kept: texts on which it is flagged or cleared inside its promise."""
    counts = Counts.of(judged.flagged, truth)
    parts: list[PartResult] = []
    for column, (name, policy) in enumerate(zip(specialist.task.labels, specialist.policies, strict=True)):
        hit, wrong, missed = (int(each[column]) for each in (counts.right, counts.wrong, counts.missed))
        probability, flagged, has = judged.probability[:, column], judged.flagged[:, column], truth[:, column]
        kept = np.where(flagged, probability >= policy.keeps_from, probability < policy.clears_below)
        flags = flagged & kept
        promises = {"precision": policy.precision, "recall": policy.recall}
        parts.append(
            PartResult(
                name=name,
                support=hit + missed,
                precision=_share(hit, hit + wrong) if hit + wrong else None,
                recall=_share(hit, hit + missed) if hit + missed else None,
                f1=float(counts.f1[column]) if hit + wrong + missed else None,
                kept=_share(int(kept.sum()), len(kept)),
                risk=_share(int((flags & ~has).sum()), int(flags.sum())) if flags.any() else None,
                promises={name: each for name, each in promises.items() if each is not None},
            )
        )
    return parts


def _row_f1(answered: Bools, truth: Bools) -> NDArray[np.float64]:
    """F1 of each row's label set [n]; 1 where both sets are empty."""
    right, errors = (answered & truth).sum(axis=1), (answered ^ truth).sum(axis=1)
    return np.where(right + errors == 0, 1.0, 2 * right / np.maximum(2 * right + errors, 1))


def _examples(
    test: Dataset, judged: LabelJudgement, truth: Bools, labels: Sequence[str], scores: NDArray[np.float64]
) -> list[Example]:
    """Pick wrong answers, the surest first."""
    wrong = np.flatnonzero((judged.flagged != truth).any(axis=1))
    order = wrong[np.argsort(-judged.confidence[wrong], kind="stable")][:_SHOWN]

    def named(row: Bools) -> str:
        return ", ".join(label for label, there in zip(labels, row.tolist(), strict=True) if there) or "none"

    return [
        Example(
            text=shortened(test.rows[row].text),
            answer=named(judged.flagged[row]),
            reference=named(truth[row]),
            confidence=float(judged.confidence[row]),
            accepted=bool(judged.accepted[row]),
            score=float(scores[row]),
            origin=test.rows[row].origin,
        )
        for row in map(int, order)
    ]


def _share(count: int, rows: int) -> Estimate:
    return Estimate(count / max(rows, 1), *metrics.wilson(count, max(rows, 1)))
