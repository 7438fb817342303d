"""Does a confidence of 0.9 mean right nine times in ten? Calibration error over bins of equal row counts."""

import msgspec
import numpy as np
from numpy.typing import NDArray

from shoal.metrics.resampling import Statistic, Weights, value_of

Indices = NDArray[np.integer]
Floats = NDArray[np.floating]
Bools = NDArray[np.bool_]

BINS = 15
_COLUMNS = 4096  # bin columns handled in one matrix product


class Bin(msgspec.Struct, frozen=True):
    """Rows of neighbouring confidence: its range, mean confidence, share right, and row count."""

    low: float
    high: float
    confidence: float
    accuracy: float
    rows: int


def reliability(confidence: Floats, correct: Bools, bins: int = BINS) -> list[Bin]:
    """Bin rows by confidence, equally many a bin (Nguyen & O'Connor 2015): the reliability diagram."""
    place = _bins(confidence, bins)
    return [
        Bin(
            low=float(confidence[inside].min()),
            high=float(confidence[inside].max()),
            confidence=float(confidence[inside].mean()),
            accuracy=float(correct[inside].mean()),
            rows=int(inside.sum()),
        )
        for inside in (place == number for number in np.unique(place))
    ]


def ece(confidence: Floats, correct: Bools, bins: int = BINS) -> float:
    """Measure the expected calibration error over adaptive bins: mean |confidence - accuracy|, weighted by rows."""
    return value_of(ece_of(confidence, correct, bins), len(confidence))


def ece_of(confidence: Floats, correct: Bools, bins: int = BINS) -> Statistic:
    """ECE as a function of row weights, the bins staying those of the whole sample."""
    gaps = _spread(confidence - correct, _bins(confidence, bins), bins)
    return lambda weights: np.abs(weights @ gaps).sum(axis=1) / weights.sum(axis=1)


def classwise_ece(probabilities: Floats, targets: Indices, bins: int = BINS) -> float:
    """Calibration error of each label's probability, averaged over labels (Kull et al. 2019, adaptive bins)."""
    return value_of(classwise_ece_of(probabilities, targets, bins), len(targets))


def classwise_ece_of(probabilities: Floats, targets: Indices, bins: int = BINS) -> Statistic:
    """Classwise ECE of posteriors [n, L] as a function of row weights."""
    labels = probabilities.shape[1]
    chunk = max(1, _COLUMNS // bins)

    def statistic(weights: Weights) -> Floats:
        total = np.zeros(len(weights))
        for start in range(0, labels, chunk):
            columns = range(start, min(start + chunk, labels))
            gaps = np.concatenate(
                [
                    _spread(probabilities[:, label] - (targets == label), _bins(probabilities[:, label], bins), bins)
                    for label in columns
                ],
                axis=1,
            )
            total += np.abs(weights @ gaps).sum(axis=1)
        return total / weights.sum(axis=1) / labels

    return statistic


def _bins(values: Floats, bins: int) -> NDArray[np.int64]:
    """Bin of each row: equal counts by rank, equal values kept together in the lowest of their bins."""
    ordered = np.sort(values)
    return np.searchsorted(ordered, values, side="left") * min(bins, len(values)) // max(len(values), 1)


def _spread(residuals: Floats, place: NDArray[np.int64], bins: int) -> NDArray[np.float32]:
    """Residuals [n] laid into the column of their bin [n, bins], so that weights @ it sums each bin."""
    laid = np.zeros((len(residuals), bins), dtype=np.float32)
    laid[np.arange(len(residuals)), place] = residuals
    return laid
