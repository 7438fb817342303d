"""The gate to its last branch: rules, the champion, slices, behavioural tests."""

from types import SimpleNamespace

import numpy as np
import pytest

from shoal import gate
from shoal.behaviour import BehaviourResult
from shoal.calibration import certify
from shoal.config.schema import GateConfig
from shoal.evaluation import Slice
from shoal.evaluation.slices import measure as slice_results
from shoal.metrics import Estimate


def report(*, accuracy=0.92, coverage=0.8, p99=10.0, size=5_000_000, certificate=None, slices=(), behaviour=()):
    """What the gate looks at, and nothing else."""
    estimate = lambda value: SimpleNamespace(value=value, low=value - 0.01, high=value + 0.01)  # noqa: E731
    return SimpleNamespace(
        metrics=SimpleNamespace(accuracy=estimate(accuracy), macro_f1=estimate(0.9)),
        accepted=SimpleNamespace(coverage=estimate(coverage)),
        speed=SimpleNamespace(p99_ms=p99, calls=500),
        size_bytes=size,
        certificate=certificate,
        slices=slices,
        behaviour=behaviour,
    )


def pairs(rows: int, gained: int, lost: int) -> tuple[np.ndarray, np.ndarray]:
    champion = np.ones(rows, dtype=bool)
    challenger = np.ones(rows, dtype=bool)
    champion[:gained] = False
    challenger[gained : gained + lost] = False
    return champion, challenger


def test_without_rules_and_champion_everything_passes_and_says_so():
    verdict = gate.check(report(), GateConfig())
    assert verdict.passed
    assert [rule.name for rule in verdict.reasons] == ["max_regression"]
    assert "no champion that" in verdict.reasons[0].message


def test_every_rule_is_reported_with_value_and_limit():
    rules = GateConfig(accuracy=0.9, macro_f1=0.95, coverage=0.8, p99_ms=5, size_mb=5)
    verdict = gate.check(report(), rules)
    assert not verdict.passed
    assert {rule.name: rule.passed for rule in verdict.reasons} == {
        "accuracy": True,
        "macro_f1": False,
        "coverage": True,
        "p99_ms": False,
        "size_mb": True,
        "max_regression": True,
    }
    assert [rule.name for rule in verdict.failures] == ["macro_f1", "p99_ms"]
    accuracy = verdict.reasons[0]
    assert (accuracy.value, accuracy.limit) == (0.92, 0.9)
    assert accuracy.message == "accuracy is 92.0% (91.0% to 93.0%); at least 90.0% is asked"
    assert "p99_ms is 10 over 500 single calls; at most 5 is asked" in verdict.failures[1].message


def test_a_certificate_can_be_asked_for():
    confidence, correct = np.full(500, 0.9), np.ones(500, dtype=bool)
    for certificate, passed in ((certify(confidence, correct), True), (certify(confidence, ~correct), False)):
        verdict = gate.check(report(certificate=certificate), GateConfig(certified=True))
        assert verdict.passed is passed
        assert verdict.reasons[0].message == certificate.reason
    assert not gate.check(report(), GateConfig(certified=True)).passed
    assert gate.check(report(), GateConfig(certified=False)).passed


@pytest.mark.parametrize(
    ("rows", "gained", "lost", "passed", "words"),
    [
        (3000, 60, 20, True, "shown to be no more than 0.5 points worse"),
        (3000, 0, 0, True, "shown to be no more than 0.5 points worse"),
        (100, 0, 0, True, "right on the very same rows"),
        (100_000, 500, 1100, False, "shown to be worse, and by more than the 0.5 points allowed"),
        (100_000, 500, 600, True, "shown to be no more than 0.5 points worse"),  # worse, but by so little
        (3000, 10, 24, True, "shown to be worse, and by no more than the 0.5 points allowed as far as is seen"),
        (3000, 90, 95, True, "not shown to be worse; these rows can show a drop of 1.1 points or more"),
        (3000, 80, 110, False, "shown to be worse"),
        (200, 8, 14, True, "not shown to be worse; these rows can show a drop of 5.9 points or more"),
        (200, 2, 12, False, "shown to be worse"),
    ],
)
def test_regression_against_the_champion(rows, gained, lost, passed, words):
    verdict = gate.check(report(), GateConfig(), pairs(rows, gained, lost))
    assert verdict.passed is passed
    rule = verdict.reasons[-1]
    assert words in rule.message
    assert rule.value == pytest.approx((gained - lost) / rows)
    assert rule.limit == -0.005


def test_a_wider_margin_lets_a_worse_one_pass():
    worse = pairs(3000, 80, 110)
    assert gate.check(report(), GateConfig(max_regression=0.03), worse).passed
    assert not gate.check(report(), GateConfig(max_regression=0.0), worse).passed


def test_no_common_rows_with_the_champion_do_not_pass():
    verdict = gate.check(report(), GateConfig(), pairs(0, 0, 0))
    assert not verdict.passed
    assert "no rows on which to compare" in verdict.reasons[0].message


def cut(rows: int, *sizes: int) -> list[Slice]:
    """Slices of these sizes, one behind the other."""
    ends = np.cumsum(sizes)
    place = np.arange(rows)
    return [
        Slice("channel", f"c{number}", (place >= end - size) & (place < end))
        for number, (size, end) in enumerate(zip(sizes, ends, strict=True))
    ]


def test_what_is_fine_on_the_whole_and_worse_on_one_slice_is_stopped():
    champion, challenger = np.ones(3000, dtype=bool), np.ones(3000, dtype=bool)
    challenger[:20] = False  # of the 200 rows of the first slice
    champion[1000:1020] = False  # made up for elsewhere
    slices = cut(3000, 200, 800, 2000)
    verdict = gate.check(report(), GateConfig(), (champion, challenger), slices)
    assert [(rule.name, rule.passed) for rule in verdict.reasons] == [
        ("max_regression", True),
        ("max_slice_regression", False),
    ]
    rule = verdict.reasons[-1]
    assert rule.message.startswith("channel = c0: -10.00 points against the champion on 200 rows (0 gained, 20 lost)")
    assert "2 of 3 slices can show something, all looked at together" in rule.message
    assert (rule.value, rule.limit) == (-0.1, -0.02)
    assert gate.check(report(), GateConfig(max_slice_regression=0.2), (champion, challenger), slices).passed


def test_a_slice_too_small_to_show_anything_stops_nothing_and_says_what_it_could_show():
    champion, challenger = np.ones(1000, dtype=bool), np.ones(1000, dtype=bool)
    challenger[:3], champion[3:6] = False, False
    rule = gate.check(report(), GateConfig(), (champion, challenger), cut(1000, 10, 990)).reasons[-1]
    assert rule.passed
    assert "channel = c0" in rule.message and "these rows can show a drop of" in rule.message
    champion[5] = True
    rule = gate.check(report(), GateConfig(), (champion, challenger), cut(1000, 10, 990)).reasons[-1]
    assert rule.passed and rule.message.startswith("on none of 2 slices do the two differ in 6 rows")


def measured(*slices: tuple[int, int]) -> list:
    """(rows, right) of each slice."""
    rows, right = [size for size, _ in slices], [count for _, count in slices]
    correct = np.concatenate([np.arange(size) < count for size, count in slices])
    assert sum(right) == correct.sum()
    return slice_results(cut(sum(rows), *rows), correct, correct)


@pytest.mark.parametrize(
    ("slices", "passed", "words"),
    [
        ([(500, 450), (300, 260)], True, "the lowest slice: channel = c1 is right on 86.7%"),
        (
            [(500, 450), (300, 230)],
            False,
            "channel = c1 is right on 76.7% (71.5% to 81.3%) of 300 rows;",
        ),
        ([(500, 450), (50, 38)], True, "a slice of 50 rows can only show what is below 63.2%"),
        ([(500, 450), (50, 25)], False, "channel = c1 is right on 50.0%"),
        ([(500, 450), (1, 0)], True, "at least 80.0% is asked of every slice"),
    ],
)
def test_a_floor_for_every_slice(slices, passed, words):
    verdict = gate.check(report(slices=measured(*slices)), GateConfig(slice_accuracy=0.8))
    rule = verdict.reasons[0]
    assert (rule.name, rule.passed, rule.limit) == ("slice_accuracy", passed, 0.8)
    assert words in rule.message


@pytest.mark.parametrize(
    ("slices", "passed", "words"),
    [
        ([(500, 450), (300, 260)], True, "3.3 points apart; at most 10 are allowed"),
        ([(500, 450), (300, 220)], False, "c1 is right on 73.3% of 300 rows, c0 on 90.0% of 500: 16.7 points apart"),
        ([(500, 450), (10, 7)], True, "20.0 points apart; at most 10 are allowed, but these rows can"),
        ([(500, 450), (100, 60), (10, 5)], False, "c2 is right on 50.0%"),
        ([(500, 450), (9, 0)], False, "no two of one kind have 10 rows"),
    ],
)
def test_the_gap_between_slices(slices, passed, words):
    rule = gate.check(report(slices=measured(*slices)), GateConfig(slice_gap=0.1)).reasons[0]
    assert (rule.name, rule.passed, rule.limit) == ("slice_gap", passed, 0.1)
    assert words in rule.message


def test_rules_about_slices_do_not_pass_without_any():
    verdict = gate.check(report(), GateConfig(slice_accuracy=0.8, slice_gap=0.1))
    assert [rule.name for rule in verdict.failures] == ["slice_accuracy", "slice_gap"]


def outcome(name: str, cases: int, passed: int, required: float = 0.9) -> BehaviourResult:
    rate = Estimate(passed / cases, 0.0, 1.0) if cases else None
    return BehaviourResult("tone", name, "label", "", cases, passed, rate, required, False, [])


def test_each_suite_of_behavioural_tests_is_a_rule():
    fine = gate.check(report(behaviour=[outcome("typos", 100, 90), outcome("swaps", 0, 0)]), GateConfig()).reasons[0]
    assert (fine.name, fine.value, fine.passed) == ("behaviour", 1.0, True)
    assert fine.message == "tone: 1 of 1 behavioural tests hold; no test row to ask swaps of"
    bad = gate.check(report(behaviour=[outcome("typos", 100, 89), outcome("case", 5, 5)]), GateConfig()).reasons[0]
    assert (bad.value, bad.passed) == (0.5, False)
    assert "typos passes 89.0%" in bad.message and "of 100 cases, at least 90.0% is asked" in bad.message


def test_a_version_that_nothing_measured_passes_where_nothing_is_asked_and_nothing_serves():
    verdict = gate.check_unmeasured(GateConfig(), size_bytes=90_000_000, over_measured=False)
    assert verdict.passed
    assert [rule.name for rule in verdict.reasons] == ["max_regression"]


def test_what_is_asked_and_was_not_measured_does_not_pass():
    asked = GateConfig(accuracy=0.1, macro_f1=0.1, coverage=0.1, p99_ms=1e6, size_mb=100.0, certified=True)
    verdict = gate.check_unmeasured(asked, size_bytes=90_000_000, over_measured=False)
    assert [rule.name for rule in verdict.failures] == ["accuracy", "macro_f1", "coverage", "p99_ms", "certified"]
    assert all(rule.value is None and "no labelled rows" in rule.message for rule in verdict.failures)
    assert not gate.check_unmeasured(GateConfig(size_mb=80.0), size_bytes=90_000_000, over_measured=False).passed


def test_names_alone_do_not_take_the_place_of_what_has_learnt_from_rows():
    verdict = gate.check_unmeasured(GateConfig(max_regression=1.0), size_bytes=1, over_measured=True)
    assert [rule.name for rule in verdict.failures] == ["max_regression"]


def test_figures_of_another_task_were_not_measured_either():
    asked = GateConfig(figures={"rouge1": 0.3}, part_recall=0.5)
    verdict = gate.check_unmeasured(asked, size_bytes=1, over_measured=False)
    assert [rule.name for rule in verdict.failures] == ["part_recall", "rouge1"]


def test_behavioural_tests_need_no_labelled_rows():
    asked = {"size_bytes": 1, "over_measured": False}
    assert gate.check_unmeasured(GateConfig(), **asked, behaviour=[outcome("case", 10, 10)]).passed
    verdict = gate.check_unmeasured(GateConfig(), **asked, behaviour=[outcome("case", 10, 1)])
    assert [rule.name for rule in verdict.failures] == ["behaviour"]
