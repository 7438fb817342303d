"""Bootstrap intervals: a statistic is a function of row weights, so that many resamples cost one matrix product."""

from collections.abc import Callable

import msgspec
import numpy as np
from numpy.typing import NDArray

Weights = NDArray[np.float32]  # [b, n] how often each row was drawn in each of b resamples; ones are the sample itself
Statistic = Callable[[Weights], NDArray[np.floating]]

_CELLS = 4_000_000  # resamples are drawn in blocks of at most this many weights (16 MB)


class Estimate(msgspec.Struct, frozen=True):
    """A measured value with its interval."""

    value: float
    low: float
    high: float


def value_of(statistic: Statistic, rows: int) -> float:
    """Evaluate the statistic on the sample itself."""
    return float(statistic(np.ones((1, rows), dtype=np.float32))[0])


def bootstrap(
    statistic: Statistic,
    rows: int,
    *,
    seed: int,
    resamples: int = 1000,
    level: float = 0.95,
) -> Estimate:
    """Interval of a statistic over rows drawn with replacement (Efron 1979).

    Args:
        statistic: row weights [b, n] -> values [b].
        rows: n.
        seed: of the draws.
        resamples: number of draws.
        level: coverage of the interval.
    """
    value = value_of(statistic, rows)
    rng = np.random.default_rng(seed)
    block = max(1, min(resamples, _CELLS // max(rows, 1)))
    drawn = [statistic(_draw(rng, min(block, resamples - start), rows)) for start in range(0, resamples, block)]
    tail = (1 - level) / 2
    low, high = (float(edge) for edge in np.quantile(np.concatenate(drawn), [tail, 1 - tail]))
    return Estimate(value, low, high)


def mean_of(values: NDArray[np.floating] | NDArray[np.bool_]) -> Statistic:
    """Make the statistic of a mean over rows: accuracy, Brier score, log-loss."""
    column = values.astype(np.float64)  # exact: a gate may ask for just this value
    return lambda weights: (weights @ column) / weights.sum(axis=1)


def _draw(rng: np.random.Generator, resamples: int, rows: int) -> Weights:
    picked = rng.integers(0, rows, size=(resamples, rows)) + np.arange(resamples)[:, None] * rows
    return np.bincount(picked.ravel(), minlength=resamples * rows).reshape(resamples, rows).astype(np.float32)
