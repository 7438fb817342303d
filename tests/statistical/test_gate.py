"""The gate's claims about chance: an equally good model is stopped in at most 5 % of cases, a worse one mostly."""

import numpy as np
import pytest

from shoal import gate
from shoal.config import GateConfig
from shoal.evaluation import Slice, SliceResult
from shoal.evaluation.slices import measure
from shoal.gate.slices import slice_rules

WORLDS = 300
MOST = 0.05 + 1.645 * (0.05 * 0.95 / WORLDS) ** 0.5  # what 5 % may look like in so many worlds


def stopped(rows: int, slices: int, discordant: float, drop: float, drop_on_first: float, seed: int) -> float:
    """Share of worlds in which the challenger is stopped, when its accuracy is truly lower by these drops."""
    rng = np.random.default_rng(seed)
    member = np.arange(rows) % slices if slices else np.zeros(rows)
    cut = [Slice("channel", str(number), member == number) for number in range(slices)]
    fallen = np.where((member == 0) & (slices > 0), drop_on_first, drop)
    count = 0
    for _ in range(WORLDS):
        draw = rng.random(rows)
        lost = draw < (discordant + fallen) / 2
        gained = (draw >= 0.5) & (draw < 0.5 + (discordant - fallen) / 2)
        found = gate.against_champion((~gained, ~lost), cut, GateConfig())
        count += not all(rule.passed for rule in found)
    return count / WORLDS


@pytest.mark.parametrize(("rows", "slices"), [(300, 0), (3000, 0), (3000, 1), (3000, 8), (1000, 30)])
def test_an_equally_good_model_is_seldom_stopped(rows: int, slices: int) -> None:
    assert stopped(rows, slices, 0.06, 0.0, 0.0, seed=rows + slices) <= MOST


@pytest.mark.parametrize(("rows", "slices"), [(1000, 0), (1500, 8)])
def test_a_model_three_points_worse_is_stopped(rows: int, slices: int) -> None:
    assert stopped(rows, slices, 0.06, 0.03, 0.03, seed=1) > 0.95


def test_a_model_worse_on_one_slice_alone_is_stopped() -> None:
    assert stopped(2000, 8, 0.10, 0.0, 0.10, seed=2) > 0.95


def results(rows: list[int], accuracy: list[float], rng: np.random.Generator) -> list[SliceResult]:
    member = np.repeat(np.arange(len(rows)), rows)
    correct = rng.random(len(member)) < np.array(accuracy)[member]
    return measure([Slice("channel", str(n), member == n) for n in range(len(rows))], correct, correct)


def test_small_slices_that_reach_the_floor_and_do_not_differ_are_seldom_stopped() -> None:
    rng = np.random.default_rng(3)
    sizes = [150, 80, 40, 20, 10]
    failed = [
        [rule.passed for rule in slice_rules(results(sizes, [0.85] * len(sizes), rng), 0.85, 0.0)]
        for _ in range(WORLDS)
    ]
    floor, gap = 1 - np.mean(failed, axis=0)
    assert floor <= MOST
    assert gap <= MOST  # even where no gap at all is allowed


def test_a_slice_far_below_the_others_is_stopped() -> None:
    rng = np.random.default_rng(4)
    sizes, accuracy = [600, 300, 120], [0.90, 0.90, 0.65]
    failed = [
        [rule.passed for rule in slice_rules(results(sizes, accuracy, rng), 0.8, 0.10)] for _ in range(WORLDS // 3)
    ]
    floor, gap = 1 - np.mean(failed, axis=0)
    assert floor > 0.9
    assert gap > 0.95
