"""Promises about each label by itself, where a text may have several: what is flagged, and what is cleared.

Of the texts that are flagged and kept, at most `risk` do not have the label (`certify` gives the threshold). Of the
texts that have the label, at most `risk` are cleared of it: `certify_recall`. Between the two thresholds a label is in
doubt. Probabilities are of one label each, calibrated by Platt's method.
"""

import msgspec
import numpy as np
from numpy.typing import NDArray

from shoal.calibration.guarantee import Certificate
from shoal.calibration.power import floor_rows
from shoal.metrics import binomial_cdf, clopper_pearson_upper

Floats = NDArray[np.floating]
Bools = NDArray[np.bool_]

_NEWTON_STEPS = 50
_SETTLED = 1e-9
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


def certify_recall(
    probability: Floats, grid: Floats, *, risk: float = 0.05, delta: float = 0.05, what: str = "texts with the label"
) -> Certificate:
    """Find the highest threshold below which a label may be cleared: of the texts with it, at most `risk` fall below.

    A fixed sequence like that of `certify`, from the lowest threshold upwards; an exact binomial test each.

    Args:
        probability: of the label, for the calibration rows that have it [n].
        grid: thresholds, chosen without these rows.
        risk: largest share of the texts with the label that may be cleared of it.
        delta: chance that the promise fails.
        what: the texts, for the reason.

    Returns:
        A certificate: `rows` and `accepted` are the texts with the label, `errors` those that would be cleared.
    """
    rows, passed, missed = len(probability), None, 0
    for threshold in np.unique(grid):
        errors = int((probability < threshold).sum())
        if rows == 0 or binomial_cdf(errors, rows, risk) > delta:
            break
        passed, missed = float(threshold), errors
    certified = passed is not None
    floor = floor_rows(risk, delta)
    more = floor - rows if rows < floor else None
    if certified:
        reason = f"certified at {risk:.1%} with {1 - delta:.1%} confidence: of {rows:,} {what} {missed:,} are cleared"
    elif more is not None:
        reason = f"not certified: {rows:,} {what} were there to test it on; at least {more:,} more are needed"
    else:
        reason = f"not certified: of {rows:,} {what} too many are cleared even at the lowest threshold"
    return Certificate(
        risk=risk,
        confidence=1 - delta,
        threshold=passed,
        certified=certified,
        rows=rows,
        accepted=rows,
        errors=missed,
        coverage=1.0,
        p_value=binomial_cdf(missed, rows, risk) if rows else 1.0,
        risk_upper=clopper_pearson_upper(missed, rows, 1 - delta) if rows else 1.0,
        feasible_coverage=1.0,
        rows_needed=more,
        reason=reason,
    )
