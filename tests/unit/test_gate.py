"""The gate to its last branch."""

from types import SimpleNamespace

import numpy as np
import pytest

from shoal import gate
from shoal.calibration import certify
from shoal.config.schema import GateConfig


def report(*, accuracy=0.92, coverage=0.8, p99=10.0, size=5_000_000, certificate=None):
    """What the gate looks at, and nothing else."""
    estimate = lambda value: SimpleNamespace(value=value, low=value - 0.01, high=value + 0.01)  # noqa: E731
    return SimpleNamespace(
        metrics=SimpleNamespace(accuracy=estimate(accuracy), macro_f1=estimate(0.9)),
        accepted=SimpleNamespace(coverage=estimate(coverage)),
        speed=SimpleNamespace(p99_ms=p99, calls=500),
        size_bytes=size,
        certificate=certificate,
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
    assert "no champion yet" in verdict.reasons[0].message


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
        (3000, 60, 20, True, "shown to be no worse"),
        (3000, 0, 0, True, "shown to be no worse"),
        (100, 0, 0, True, "right on the very same rows"),
        (100_000, 500, 1000, False, ": not shown to be no worse"),  # half a point worse, and the rows can tell
        (3000, 90, 95, True, "these rows can only show a drop of 1.1 points"),
        (3000, 80, 110, False, "so the difference seen decides"),
        (200, 2, 12, False, "so the difference seen decides"),
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


def test_a_model_truly_two_points_worse_seldom_passes_and_an_equal_one_mostly_does():
    rng = np.random.default_rng(0)
    shares = []
    for gain, loss in ((0.02, 0.04), (0.03, 0.03)):
        passes = [
            gate.check(report(), GateConfig(), pairs(2000, int(gained), int(lost))).passed
            for gained, lost, _ in rng.multinomial(2000, [gain, loss, 1 - gain - loss], size=300)
        ]
        shares.append(np.mean(passes))
    assert shares[0] < 0.02
    assert shares[1] > 0.75


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
