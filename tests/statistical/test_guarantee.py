"""The promise as a claim: over many calibration sets with known truth it fails in at most delta of them.

Each world has a score and the exact risk of every threshold: whether a certificate is violated is known, not estimated.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from shoal.calibration import certify, grid

pytestmark = pytest.mark.slow  # half a minute of simulation

SETS = 1200
DELTA = 0.05
# Three standard errors above delta: a valid procedure at its limit fails this once in a thousand runs.
ALLOWED = DELTA + 3 * math.sqrt(DELTA * (1 - DELTA) / SETS)
FINE = np.linspace(0, 1, 20_001)[1:-1]

Curve = Callable[[NDArray[np.float64]], NDArray[np.float64]]


@dataclass(frozen=True)
class World:
    """Uniform ranks u, a score that grows with them, the chance of being wrong, and a part that is always kept."""

    wrong: Curve
    score: Curve
    always: float = 0.0
    always_wrong: float = 0.0

    def draw(self, rng: np.random.Generator, rows: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        ranks = rng.random(rows)
        fixed = rng.random(rows) < self.always
        chance = np.where(fixed, self.always_wrong, self.wrong(ranks))
        return np.where(fixed, np.inf, self.score(ranks)), rng.random(rows) >= chance

    def risk(self, threshold: float) -> float:
        """The true risk of keeping scores at or above a threshold."""
        kept = self.score(FINE) >= threshold
        errors = (1 - self.always) * (self.wrong(FINE) * kept).mean() + self.always * self.always_wrong
        return errors / ((1 - self.always) * kept.mean() + self.always)


def steep(u: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.minimum(1.0, 0.6 * (1 - u) ** 4 + 0.002)


def identity(u: NDArray[np.float64]) -> NDArray[np.float64]:
    return u


WORLDS = {
    "honest score": World(steep, lambda u: 1 - steep(u)),
    "overconfident score": World(steep, lambda u: 0.97 + 0.03 * u),
    "risk just above the budget everywhere": World(lambda u: np.full_like(u, 0.052), lambda u: 0.9 + 0.1 * u),
    "risk just below the budget, then a cliff": World(lambda u: np.where(u > 0.4, 0.028, 0.4), identity),
    "the surest are the worst": World(lambda u: np.where(u > 0.85, 0.09, 0.02 + 0.1 * (1 - u)), identity),
    "uninformative score": World(lambda u: np.full_like(u, 0.03), identity),
    "cascade: a good first tier": World(steep, lambda u: 1 - steep(u), always=0.5, always_wrong=0.02),
    "cascade: a first tier at its budget": World(steep, lambda u: 1 - steep(u), always=0.6, always_wrong=0.03),
    "cascade: a bad first tier": World(steep, lambda u: 1 - steep(u), always=0.4, always_wrong=0.08),
}


def violations(world: World, alpha: float, rows: int, *, dev_rows: int = 400, seed: int = 0) -> tuple[float, float]:
    """Share of calibration sets whose certificate is wrong, and share that are certified at all."""
    rng = np.random.default_rng(seed)
    truth: dict[float, float] = {}
    violated = certified = 0
    thresholds = np.zeros(0)
    for number in range(SETS):
        if number % 50 == 0:  # a fresh dev set and grid now and then: the promise holds for every grid
            thresholds = grid(*world.draw(rng, dev_rows), rows=rows, risk=alpha, delta=DELTA)
        certificate = certify(*world.draw(rng, rows), risk=alpha, delta=DELTA, grid=thresholds)
        if certificate.certified:
            certified += 1
            at = certificate.threshold
            truth.setdefault(at, world.risk(at))
            violated += truth[at] > alpha
    return violated / SETS, certified / SETS


@pytest.mark.parametrize("alpha", [0.05, 0.03])
@pytest.mark.parametrize("name", WORLDS)
def test_the_promise_fails_in_at_most_delta_of_the_calibration_sets(name, alpha):
    share, _ = violations(WORLDS[name], alpha, 600)
    assert share <= ALLOWED


@pytest.mark.parametrize("rows", [150, 3000])
def test_it_holds_for_few_and_for_many_rows(rows):
    for name in ("honest score", "risk just below the budget, then a cliff", "cascade: a first tier at its budget"):
        assert violations(WORLDS[name], 0.05, rows)[0] <= ALLOWED, name


def test_it_holds_without_dev_rows():
    world = WORLDS["honest score"]
    rng = np.random.default_rng(3)
    violated = 0
    for _ in range(SETS):
        certificate = certify(*world.draw(rng, 600), risk=0.05, delta=DELTA)
        violated += certificate.certified and world.risk(certificate.threshold) > 0.05
    assert violated / SETS <= ALLOWED


def test_the_test_has_teeth():
    """At a threshold whose true risk is exactly the budget, certificates come almost as often as delta allows."""
    world = World(lambda u: np.full_like(u, 0.05 + 1e-9), identity)
    share, certified = violations(world, 0.05, 2000)
    assert 0.3 * DELTA < share <= ALLOWED
    assert share == certified

    rng = np.random.default_rng(0)
    naive = 0  # what an uncertified choice would do: the loosest threshold that looks good on calibration rows
    cliff = WORLDS["honest score"]
    for _ in range(300):
        confidence, correct = cliff.draw(rng, 600)
        order = np.argsort(-confidence)
        looks_good = np.flatnonzero(np.cumsum(~correct[order]) / np.arange(1, 601) <= 0.05)
        naive += cliff.risk(confidence[order][looks_good[-1]]) > 0.05
    assert naive / 300 > 0.25


def test_it_is_not_bought_with_refusals():
    """On an honest score with enough rows nearly every set is certified."""
    assert violations(WORLDS["honest score"], 0.05, 1000)[1] > 0.95
    assert violations(WORLDS["honest score"], 0.03, 1000)[1] > 0.95
    assert violations(WORLDS["cascade: a good first tier"], 0.05, 600)[1] > 0.9
