"""Promises about each label by itself, where a text may have several: what is flagged, and what is cleared.

Of the texts that are flagged and kept, at most `risk` do not have the label (`certify` gives the threshold). Of the
texts that have the label, at most `risk` are cleared of it: `recall.certify_recall`. Between the two thresholds a
label is in doubt. Probabilities are of one label each, calibrated by Platt's method.
"""

import msgspec
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Bools = NDArray[np.bool_]

_NEWTON_STEPS = 50
_SETTLED = 1e-9
_EDGE = 1e-6
_FEWEST = 5  # rows of a label from which its threshold is fitted
_LEAST = 0.01  # of a threshold, and below 1


class Platt(msgspec.Struct, frozen=True):
    """Probability of a label from its logit: sigmoid(scale * logit + bias)."""

    scale: float
    bias: float


def fit_platt(logits: Floats, has: Bools) -> Platt:
    """Fit scale and bias on rows [n] that the logits' model had not seen.

    Platt (1999) with his smoothed targets, so that few rows of a label do not make it sure; Newton's method as in Lin,
    Lin & Weng (2007). The scale is kept positive: a model that ranks backwards on a handful of rows is not turned
    around.
    """
    positives, negatives = int(has.sum()), int((~has).sum())
    target = np.where(has, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    rows = np.stack([np.asarray(logits, np.float64), np.ones(len(logits))])
    values = np.array([1.0, np.log((positives + 1) / (negatives + 1)) - float(np.mean(logits)) if len(logits) else 0.0])

    def loss(at: Floats) -> float:
        scores = at @ rows
        return float((np.logaddexp(0.0, scores) - target * scores).sum() + 0.5 * np.log(max(at[0], 1e-12)) ** 2)

    best = loss(values)
    for _ in range(_NEWTON_STEPS):
        chances = sigmoid(values @ rows)
        gradient = rows @ (chances - target)
        hessian = (rows * (chances * (1 - chances))) @ rows.T + 1e-6 * np.eye(2)
        step = np.linalg.solve(hessian, gradient)
        size = 1.0
        while size > 1e-6:
            trial = values - size * step
            if trial[0] > 1e-3 and (value := loss(trial)) < best:
                break
            size /= 2
        else:
            break
        gained, best, values = best - value, value, trial
        if gained < _SETTLED:
            break
    return Platt(float(values[0]), float(values[1]))


def sigmoid(scores: Floats) -> NDArray[np.float64]:
    """1 / (1 + exp(-x)), without overflow."""
    return np.exp(-np.logaddexp(0.0, -np.asarray(scores, np.float64)))


def log_odds(chances: Floats) -> NDArray[np.float64]:
    """Logits of probabilities, those of 0 and 1 kept finite: what `sigmoid` turns back."""
    inside = np.clip(np.asarray(chances, np.float64), _EDGE, 1 - _EDGE)
    return np.log(inside) - np.log1p(-inside)


def best_threshold(probability: Floats, has: Bools) -> float:
    """Find the probability from which a label is flagged, for the highest F1 on rows [n] that fitted nothing.

    Halfway between two probabilities that were seen. 0.5 where a label has fewer than five rows: they would say little.
    """
    if has.sum() < _FEWEST:
        return 0.5
    order = np.argsort(-probability, kind="stable")
    ranked, right = probability[order], np.cumsum(has[order])
    flagged = np.arange(1, len(ranked) + 1)
    f1 = 2 * right / (flagged + has.sum())
    f1[:-1][ranked[:-1] == ranked[1:]] = -1.0  # rows of one probability are flagged together
    at = int(f1.argmax())
    below = ranked[at + 1] if at + 1 < len(ranked) else 0.0
    return float(np.clip((ranked[at] + below) / 2, _LEAST, 1 - _LEAST))
