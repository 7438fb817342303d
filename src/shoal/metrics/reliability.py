"""Does a confidence of 0.9 mean right nine times in ten? Calibration error over bins of equal row counts.

The plain error counts chance too: of 200 rows with perfectly honest confidence it makes 4 to 8 %, as a bin of 13 rows
is right a little too often or too seldom. The estimates take that away, and their intervals reach down to 0 where
chance alone would explain what is seen.
"""

import msgspec
import numpy as np
from numpy.typing import NDArray

from shoal.metrics.resampling import Estimate

Indices = NDArray[np.integer]
Floats = NDArray[np.floating]
Bools = NDArray[np.bool_]

BINS = 15
_LEVEL = 0.95
_DRAWS, _MOST_CELLS = 1000, 4_000_000  # simulated data sets, and at most so many numbers in all of them (16 MB)
_PRIOR_ROWS = 2.0  # a bin of few rows is right as often as it believes, with the weight of so many rows
_HALVINGS = 16


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
    return _plain(_cells(confidence, correct, bins)) / len(confidence)


def classwise_ece(probabilities: Floats, targets: Indices, bins: int = BINS) -> float:
    """Calibration error of each label's probability, averaged over labels (Kull et al. 2019, adaptive bins)."""
    return _plain(_classwise_cells(probabilities, targets, bins)) / probabilities.size


def ece_estimate(confidence: Floats, correct: Bools, *, seed: int, bins: int = BINS) -> Estimate:
    """Estimate the calibration error without what chance adds, with its 95 % interval."""
    return _estimate(_cells(confidence, correct, bins), len(confidence), seed)


def classwise_ece_estimate(probabilities: Floats, targets: Indices, *, seed: int, bins: int = BINS) -> Estimate:
    """Estimate the classwise calibration error without what chance adds, with its 95 % interval."""
    return _estimate(_classwise_cells(probabilities, targets, bins), probabilities.size, seed)


def _plain(cells: Floats) -> float:
    return float(np.abs(cells[0] - cells[1]).sum())


def _estimate(cells: Floats, scale: int, seed: int) -> Estimate:
    """Median-unbiased value and interval of sum |gap| / scale, for gaps in proportion to those seen.

    Were the true gaps c times those seen, the plain error of a fresh sample would be sum |c * gap + noise|, the noise
    of a bin being binomial (taken as normal). The value is the c under which half of all samples would show less than
    was seen; the interval ends where 2.5 % would show more, or less.

    Args:
        cells: per bin the sum of probabilities, the hits and the rows [3, K].
        scale: what the sum is divided by.
        seed: of the noise.
    """
    believed, hits, rows = cells
    gaps = believed - hits
    share = (hits + _PRIOR_ROWS * believed / np.maximum(rows, 1)) / (rows + _PRIOR_ROWS)
    spread = np.sqrt(rows * share * np.clip(1 - share, 0, 1))
    draws = max(100, min(_DRAWS, _MOST_CELLS // len(gaps)))
    noise = (np.random.default_rng(seed).standard_normal((draws, len(gaps))) * spread).astype(np.float32)
    seen, gaps = _plain(cells), gaps.astype(np.float32)

    def factor(quantile: float) -> float:
        def shown(factor: float) -> float:
            return float(np.quantile(np.abs(factor * gaps + noise).sum(axis=1), quantile))

        low, high = 0.0, 1.0
        if shown(low) >= seen:
            return 0.0
        while shown(high) < seen and high < 1e3:
            low, high = high, 2 * high
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            low, high = (middle, high) if shown(middle) < seen else (low, middle)
        return high

    tail = (1 - _LEVEL) / 2
    value, low, high = (seen * factor(quantile) / scale for quantile in (0.5, 1 - tail, tail))
    return Estimate(value, low, high)


def _cells(probability: Floats, hit: Bools, bins: int) -> NDArray[np.float64]:
    """Per bin the sum of probabilities, the hits and the rows [3, bins]."""
    place = _bins(probability, bins)
    weights = (probability, hit, np.ones(len(place)))
    return np.stack([np.asarray(np.bincount(place, one, bins), dtype=np.float64) for one in weights])


def _classwise_cells(probabilities: Floats, targets: Indices, bins: int) -> NDArray[np.float64]:
    labels = range(probabilities.shape[1])
    return np.concatenate([_cells(probabilities[:, label], targets == label, bins) for label in labels], axis=1)


def _bins(values: Floats, bins: int) -> NDArray[np.int64]:
    """Bin of each row: equal counts by rank, equal values kept together in the lowest of their bins."""
    ordered = np.sort(values)
    return np.searchsorted(ordered, values, side="left") * min(bins, len(values)) // max(len(values), 1)
