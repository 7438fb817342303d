"""Quality of answers that are sets of labels: counts by label, and what follows from them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shoal.metrics.resampling import Statistic, Weights

Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Counts:
    """Of each label [L]: right answers, wrong answers, and references that were not answered."""

    right: NDArray[np.int64]
    wrong: NDArray[np.int64]
    missed: NDArray[np.int64]

    @classmethod
    def of(cls, answered: Bools, reference: Bools) -> "Counts":
        """Count over rows [n, L]."""
        return cls(
            (answered & reference).sum(axis=0),
            (answered & ~reference).sum(axis=0),
            (~answered & reference).sum(axis=0),
        )

    @property
    def f1(self) -> NDArray[np.float64]:
        """F1 of each label [L]; 0 where there is neither answer nor reference, as scikit-learn has it."""
        return 2 * self.right / np.maximum(2 * self.right + self.wrong + self.missed, 1)

    @property
    def micro_f1(self) -> float:
        """F1 of all labels taken together."""
        right, errors = int(self.right.sum()), int(self.wrong.sum() + self.missed.sum())
        return 2 * right / max(2 * right + errors, 1)

    @property
    def macro_f1(self) -> float:
        """Mean F1 of the labels that the reference has."""
        there = self.right + self.missed > 0
        return float(self.f1[there].mean()) if there.any() else 0.0


def micro_f1_of(answered: Bools, reference: Bools) -> Statistic:
    """Micro-F1 of answers [n, L] as a statistic of row weights."""
    right = (answered & reference).sum(axis=1).astype(np.float32)
    errors = (answered ^ reference).sum(axis=1).astype(np.float32)
    return lambda weights: 2 * (weights @ right) / np.maximum(2 * (weights @ right) + weights @ errors, 1)


def label_macro_f1_of(answered: Bools, reference: Bools) -> Statistic:
    """Mean F1 over the labels that the reference has, of answers [n, L], as a statistic of row weights."""
    there = reference.any(axis=0)
    right = (answered & reference)[:, there].astype(np.float32)
    errors = (answered ^ reference)[:, there].astype(np.float32)

    def mean_f1(weights: Weights) -> NDArray[np.floating]:
        twice = 2 * (weights @ right)
        return (twice / np.maximum(twice + weights @ errors, 1)).mean(axis=1) if there.any() else np.zeros(len(weights))

    return mean_f1
