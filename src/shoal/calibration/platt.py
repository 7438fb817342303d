"""A score in (0, 1) to a probability: logistic regression on its log-odds, fitted on held-out rows (Platt 1999)."""

import msgspec
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]

_EDGE = 1e-6
_PRIOR = 1.0  # weight of "leave the score as it is", in units of squared deviation of slope and shift
_STEPS = 50


class Platt(msgspec.Struct, frozen=True):
    """probability = sigmoid(slope * log-odds(score) + shift); slope 1 and shift 0 leave the score as it is."""

    slope: float = 1.0
    shift: float = 0.0

    @classmethod
    def fit(cls, scores: Floats, right: NDArray[np.bool_]) -> "Platt":
        """Fit on scores [n] and whether they were right [n]; few rows leave the score nearly as it is.

        A normal prior around slope 1 and shift 0 keeps both finite where all rows are right. Newton's method; the loss
        is convex.
        """
        odds, wanted = _log_odds(scores), right.astype(np.float64)
        columns = np.stack([odds, np.ones_like(odds)], axis=1)
        at = start = np.array([1.0, 0.0])
        for _ in range(_STEPS):
            chance = 1 / (1 + np.exp(-np.clip(columns @ at, -30, 30)))
            gradient = columns.T @ (chance - wanted) + _PRIOR * (at - start)
            curvature = (columns * (chance * (1 - chance))[:, None]).T @ columns + _PRIOR * np.eye(2)
            step = np.linalg.solve(curvature, gradient)
            at = at - step
            if np.abs(step).max() < 1e-9:
                break
        return cls(max(float(at[0]), 0.0), float(at[1]))

    def __call__(self, scores: Floats) -> NDArray[np.float64]:
        """Probabilities [n] of scores [n]; a higher score never has a lower one."""
        return 1 / (1 + np.exp(-(self.slope * _log_odds(scores) + self.shift)))


def _log_odds(scores: Floats) -> NDArray[np.float64]:
    inside = np.clip(np.asarray(scores, dtype=np.float64), _EDGE, 1 - _EDGE)
    return np.log(inside) - np.log1p(-inside)
