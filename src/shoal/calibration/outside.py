"""How likely a text is to belong to none of the labels, from the scores of one model: three numbers, fitted on dev."""

from typing import Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from shoal.calibration.temperature import energy

Floats = NDArray[np.floating]
Bools = NDArray[np.bool_]

_STEPS = 50
_PRIOR = 0.1  # precision of the normal prior on the coefficients of standardised signals


class Outside(msgspec.Struct, frozen=True):
    """Probability that a text is out of scope: logistic regression on two signals of the combined scores.

    The energy of the other labels says how much the text is like any of them (Liu et al. 2020); the score of the
    out-of-scope label less that energy says whether it is like the out-of-scope rows that were trained on. Softmax
    looks at the second alone. On CLINC150's dev rows both together tell more than either (docs/experiments.md).

    Attributes:
        column: number of the out-of-scope label.
        energy: coefficient of the energy.
        log_odds: coefficient of score less energy.
        bias: constant.
    """

    column: int
    energy: float
    log_odds: float
    bias: float

    @classmethod
    def fit(cls, scores: Floats, outside: Bools, column: int) -> Self:
        """Fit to combined scores [n, L] of held-out rows, `outside` [n] telling which are out of scope.

        Both kinds must be there.
        """
        signals = _signals(scores, column)
        middle, spread = signals.mean(axis=0), signals.std(axis=0) + 1e-9
        design = np.column_stack([(signals - middle) / spread, np.ones(len(signals))])
        weights = _logistic(design, outside.astype(np.float64))
        slopes = weights[:2] / spread
        return cls(column, float(slopes[0]), float(slopes[1]), float(weights[2] - slopes @ middle))

    def chance(self, scores: Floats) -> NDArray[np.float64]:
        """Probability of being out of scope [n] for combined scores [n, L]."""
        signals = _signals(scores, self.column)
        return _sigmoid(signals @ np.array([self.energy, self.log_odds]) + self.bias)

    def mixed(self, posterior: Floats, scores: Floats) -> NDArray[np.float64]:
        """Give the out-of-scope label its chance, and the others what is left, in the proportions of `posterior`."""
        chance = self.chance(scores)
        others = posterior.astype(np.float64)
        others[:, self.column] = 0.0
        others *= ((1.0 - chance) / np.maximum(others.sum(axis=1), 1e-300))[:, None]
        others[:, self.column] = chance
        return others


def _signals(scores: Floats, column: int) -> NDArray[np.float64]:
    wide = np.asarray(scores, dtype=np.float64)
    inside = energy(np.delete(wide, column, axis=1))
    return np.column_stack([inside, wide[:, column] - inside])


def _sigmoid(values: Floats) -> NDArray[np.float64]:
    return 0.5 * (1.0 + np.tanh(0.5 * values))


def _logistic(design: NDArray[np.float64], targets: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights [k] of logistic regression with a normal prior on all but the last: Newton's method, steps halved."""
    prior = np.full(design.shape[1], _PRIOR)
    prior[-1] = 1e-6

    def loss(weights: NDArray[np.float64]) -> float:
        values = design @ weights
        return float(np.logaddexp(0.0, values).sum() - targets @ values + 0.5 * prior @ weights**2)

    weights = np.zeros(design.shape[1])
    for _ in range(_STEPS):
        chance = _sigmoid(design @ weights)
        slope = design.T @ (chance - targets) + prior * weights
        curve = (design.T * (chance * (1.0 - chance))) @ design + np.diag(prior)
        step = np.linalg.solve(curve, slope)
        before, size = loss(weights), 1.0
        while loss(weights - size * step) > before and size > 1e-6:
            size /= 2
        weights = weights - size * step
        if np.abs(size * step).max() < 1e-9:
            break
    return weights
