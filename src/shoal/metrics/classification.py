"""Quality of labels and of probabilities. Labels are indices into the task's sorted labels, L of them."""

from collections.abc import Callable

import msgspec
import numpy as np
from numpy.typing import NDArray

from shoal.metrics.resampling import Statistic, Weights, value_of

Indices = NDArray[np.integer]
Floats = NDArray[np.floating]

_FLOOR = 1e-12  # a probability of exactly 0 would make the log-loss infinite


class LabelQuality(msgspec.Struct, frozen=True):
    """Precision, recall and F1 of one label; `support` is its number of rows."""

    precision: float
    recall: float
    f1: float
    support: int


def accuracy(targets: Indices, predicted: Indices) -> float:
    """Share of rows [n] whose label is right."""
    return float((targets == predicted).mean())


def confusion(targets: Indices, predicted: Indices, labels: int) -> NDArray[np.int64]:
    """Count [L, L]: row = reference label, column = predicted label."""
    return np.bincount(targets * labels + predicted, minlength=labels * labels).reshape(labels, labels)


def per_label(matrix: NDArray[np.int64]) -> list[LabelQuality]:
    """Precision, recall and F1 of each label from a confusion matrix; 0 where a ratio has no rows."""
    hits = np.diag(matrix)
    support, chosen = matrix.sum(axis=1), matrix.sum(axis=0)
    precision = hits / np.maximum(chosen, 1)
    recall = hits / np.maximum(support, 1)
    f1 = 2 * hits / np.maximum(support + chosen, 1)
    return [
        LabelQuality(float(p), float(r), float(f), int(s))
        for p, r, f, s in zip(precision, recall, f1, support, strict=True)
    ]


def macro_f1(targets: Indices, predicted: Indices, labels: int) -> float:
    """Unweighted mean of F1 over the labels that occur in the reference or the predictions."""
    return value_of(macro_f1_of(targets, predicted, labels), len(targets))


def macro_f1_of(targets: Indices, predicted: Indices, labels: int) -> Statistic:
    """Macro-F1 as a function of row weights; labels absent from a resample are left out of its mean."""
    hit = targets[targets == predicted]
    by_truth, by_answer = _sums_by(targets, labels), _sums_by(predicted, labels)
    by_hit = _sums_by(hit, labels)

    def statistic(weights: Weights) -> Floats:
        both = by_truth(weights) + by_answer(weights)
        present = both > 0
        f1 = 2 * by_hit(weights[:, targets == predicted]) / np.where(present, both, 1)
        return f1.sum(axis=1) / np.maximum(present.sum(axis=1), 1)

    return statistic


def _sums_by(groups: Indices, labels: int) -> Callable[[Weights], Floats]:
    """Sum row weights [b, n] by label [b, L], without a dense [n, L] matrix."""
    order = np.argsort(groups, kind="stable")
    found, starts = np.unique(groups[order], return_index=True)

    def sums(weights: Weights) -> Floats:
        total = np.zeros((len(weights), labels))
        if len(found):
            total[:, found] = np.add.reduceat(weights[:, order], starts, axis=1)
        return total

    return sums


def squared_errors(probabilities: Floats, targets: Indices) -> Floats:
    """Multi-class Brier terms [n]: squared distance of the posterior [n, L] from the one-hot reference, in [0, 2]."""
    hit = probabilities[np.arange(len(targets)), targets]
    return (probabilities**2).sum(axis=1) - 2 * hit + 1


def brier(probabilities: Floats, targets: Indices) -> float:
    """Mean multi-class Brier score (Brier 1950), in [0, 2]; 0 is perfect."""
    return float(squared_errors(probabilities, targets).mean())


def log_losses(probabilities: Floats, targets: Indices) -> Floats:
    """Negative log-probability of the reference label, in nats [n]."""
    return -np.log(np.maximum(probabilities[np.arange(len(targets)), targets], _FLOOR))


def nll(probabilities: Floats, targets: Indices) -> float:
    """Mean negative log-likelihood in nats."""
    return float(log_losses(probabilities, targets).mean())
