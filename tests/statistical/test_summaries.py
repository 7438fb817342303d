"""The promise about summaries as a claim: of the kept at most `risk` fall below the floor, but in delta of draws."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from shoal.calibration import certify
from shoal.training.crossfit import thresholds

pytestmark = pytest.mark.slow

DRAWS, DELTA, RISK, FLOOR, ROWS = 600, 0.1, 0.1, 0.5, 250
ALLOWED = DELTA + 3 * math.sqrt(DELTA * (1 - DELTA) / DRAWS)


def drawn(rng: np.random.Generator, rows: int, informative: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Expected shares, and real ones that scatter around them: normal, so that the true risk is known."""
    expected = np.clip(rng.normal(0.7, 0.1, rows), 0, 1)
    return expected, 0.7 + informative * (expected - 0.7) + rng.normal(0, 0.12, rows)


def true_risk(threshold: float, informative: float) -> float:
    grid = np.linspace(0.2, 1.2, 4001)
    weight = np.exp(-0.5 * ((grid - 0.7) / 0.1) ** 2) * (np.clip(grid, 0, 1) >= threshold)
    centre = 0.7 + informative * (np.clip(grid, 0, 1) - 0.7)
    below = np.array([0.5 * math.erfc((each - FLOOR) / 0.12 / math.sqrt(2)) for each in centre])
    return float((weight * below).sum() / weight.sum())


@pytest.mark.parametrize("informative", [1.0, 0.3, -0.5])
def test_the_promise_about_summaries_holds(informative: float) -> None:
    rng = np.random.default_rng(0)
    broken = certified = 0
    for _ in range(DRAWS):
        steps = thresholds(*drawn(rng, 150, informative), floor=FLOOR, rows=ROWS, risk=RISK, delta=DELTA)
        expected, shares = drawn(rng, ROWS, informative)
        found = certify(expected, shares >= FLOOR, risk=RISK, delta=DELTA, grid=steps)
        if found.threshold is not None:
            certified += 1
            broken += true_risk(found.threshold, informative) > RISK
    assert broken / DRAWS <= ALLOWED
    if informative == 1.0:
        assert certified > 0.5 * DRAWS  # a promise that is never made would hold as well
