"""The estimate of the calibration error is nearer the truth than the plain one, and its interval holds the truth."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from shoal import metrics

Floats = NDArray[np.floating]
SETS = 150

# How often a text is right whose confidence is c; all but the first are dishonest.
WORLDS: dict[str, Callable[[Floats], Floats]] = {
    "honest": lambda c: c,
    "five points too sure": lambda c: c - 0.05,
    "fifteen points too sure": lambda c: c - 0.15,
    "too sure above, too modest below": lambda c: np.where(c > 0.8, c - 0.08, c + 0.08),
}


def simulated(rows: int, world: str, kept: bool) -> tuple[float, float, float, float]:
    """Mean truth, plain error and estimate over many sets, and the share of sets whose interval holds the truth."""
    rng = np.random.default_rng(7)
    truths, plain, estimates, held = [], [], [], 0
    for number in range(SETS):
        confidence = np.clip(rng.beta(20, 1, rows), 0.5, 1) if kept else 0.1 + 0.9 * rng.beta(4, 1.5, rows)
        chance = np.clip(WORLDS[world](confidence), 0, 1)
        correct = rng.random(rows) < chance
        estimate = metrics.ece_estimate(confidence, correct, seed=number)
        order = np.array_split(np.argsort(confidence), 15)
        truth = sum(abs((confidence - chance)[part].sum()) for part in order) / rows
        truths.append(truth)
        plain.append(metrics.ece(confidence, correct))
        estimates.append(estimate.value)
        held += estimate.low <= truth + 1e-3 and truth <= estimate.high
    return float(np.mean(truths)), float(np.mean(plain)), float(np.mean(estimates)), held / SETS


@pytest.mark.parametrize("kept", [True, False], ids=["kept", "all"])
@pytest.mark.parametrize("rows", [60, 200, 1000])
@pytest.mark.parametrize("world", WORLDS)
def test_the_interval_holds_the_truth(rows: int, world: str, kept: bool) -> None:
    truth, plain, estimate, held = simulated(rows, world, kept)
    assert held >= 0.8  # 0.85 to 0.98: the true gaps are not quite in proportion to those seen
    assert abs(estimate - truth) <= max(0.015, 0.6 * abs(plain - truth))
