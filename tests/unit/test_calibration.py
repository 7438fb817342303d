"""Temperature, scope and the Learn-then-Test certificate, against scipy and against hand-made cases."""

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, special, stats

from shoal.calibration import (
    FIXED,
    Certificate,
    Scope,
    affordable,
    certify,
    energy,
    fit_temperature,
    floor_rows,
    grid,
    log_softmax,
    rows_needed,
    softmax,
)
from shoal.errors import InputError


def rows(accepted_right: int, accepted_wrong: int, refused: int = 0, confidence: float = 0.9):
    """Confidence and correctness of rows at one confidence, and of refused ones at 0.1."""
    conf = np.full(accepted_right + accepted_wrong + refused, confidence)
    conf[accepted_right + accepted_wrong :] = 0.1
    correct = np.ones(len(conf), dtype=bool)
    correct[:accepted_wrong] = False
    return conf, correct


# --- temperature, softmax, energy


def test_softmax_agrees_with_scipy_on_extreme_logits():
    logits = np.array([[1e4, -1e4, 3.0], [0.0, 0.0, 0.0], [-800.0, -801.0, -799.0]])
    np.testing.assert_allclose(softmax(logits, 2.0), special.softmax(logits / 2.0, axis=1), atol=1e-15)
    np.testing.assert_allclose(log_softmax(logits), special.log_softmax(logits, axis=1), rtol=1e-12)
    np.testing.assert_allclose(energy(logits), special.logsumexp(logits, axis=1), rtol=1e-12)


@pytest.mark.parametrize("true_temperature", [0.3, 1.0, 4.0])
def test_temperature_is_the_minimum_of_the_log_loss(true_temperature):
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(4000, 5)) * 3
    targets = np.array([rng.choice(5, p=p) for p in softmax(logits, true_temperature)])
    found = fit_temperature(logits, targets)
    best = optimize.minimize_scalar(
        lambda log_t: -special.log_softmax(logits / np.exp(log_t), axis=1)[np.arange(4000), targets].mean(),
        bounds=(-3, 3),
        method="bounded",
        options={"xatol": 1e-9},
    )
    assert found == pytest.approx(math.exp(best.x), rel=2e-3)  # the prior weighs half a row of 4,000
    assert found == pytest.approx(true_temperature, rel=0.1)


def test_temperature_stays_usable_when_every_row_is_right_and_is_one_without_rows():
    rng = np.random.default_rng(0)
    logits = np.abs(rng.normal(size=(10, 1))) * np.eye(3)[rng.integers(0, 3, 10)]
    found = fit_temperature(logits, logits.argmax(axis=1))
    confidence = softmax(logits, found).max(axis=1)
    assert 0.1 < found < 1
    assert len(np.unique(confidence.round(6))) == 10  # still surer of some than of others
    assert fit_temperature(np.zeros((0, 3)), np.zeros(0, dtype=int)) == 1.0


# --- scope


def test_scope_p_values_count_the_reference_rows_that_are_no_higher():
    scope = Scope.fit(np.array([3.0, 1.0, 2.0]))
    np.testing.assert_allclose(scope.p_value(np.array([0.0, 1.0, 2.5, 9.0])), [0.25, 0.5, 0.75, 1.0])


def test_scope_survives_json():
    scope = Scope.fit(np.array([0.1, -2.0]))
    again = msgspec.json.decode(msgspec.json.encode(scope), type=Scope)
    assert again == scope
    np.testing.assert_array_equal(again.p_value(np.array([0.0])), scope.p_value(np.array([0.0])))


# --- power


@pytest.mark.parametrize(("risk", "floor"), [(0.05, 59), (0.03, 99), (0.01, 299), (0.10, 29)])
def test_floor_is_the_fewest_faultless_rows_that_pass(risk, floor):
    assert floor_rows(risk, 0.05) == floor
    assert stats.binom.cdf(0, floor, risk) <= 0.05 < stats.binom.cdf(0, floor - 1, risk)


@pytest.mark.parametrize("risk", [0.10, 0.05, 0.03, 0.02, 0.01])
def test_rows_needed_is_the_smallest_number_with_the_power_asked_for(risk):
    needed = rows_needed(risk, 0.05)

    def power(n: int) -> float:
        tolerated = affordable(n, risk, 0.05)
        return 0.0 if tolerated is None else float(stats.binom.cdf(tolerated, n, risk / 2))

    assert power(needed) >= 0.8
    assert all(power(n) < 0.8 for n in range(1, needed))


def test_rows_needed_grows_towards_the_budget_and_gives_up_at_it():
    assert rows_needed(0.05, 0.05, error=0.02) < rows_needed(0.05, 0.05, error=0.04)
    assert rows_needed(0.05, 0.05, error=0.0499999) is None
    assert rows_needed(0.05, 0.05, error=0.05) is None


@pytest.mark.parametrize("n", [58, 59, 92, 93, 1000])
def test_affordable_errors_agree_with_scipy(n):
    passing = [k for k in range(n) if stats.binom.cdf(k, n, 0.05) <= 0.05]
    assert affordable(n, 0.05, 0.05) == (passing[-1] if passing else None)


# --- the certificate


def test_a_certificate_carries_its_evidence():
    confidence, correct = rows(790, 10, refused=200)
    certificate = certify(confidence, correct, risk=0.05, delta=0.05, grid=np.array([0.9, 0.5]))
    assert certificate.certified
    assert certificate.threshold == 0.5
    assert (certificate.rows, certificate.accepted, certificate.errors) == (1000, 800, 10)
    assert certificate.coverage == 0.8
    assert certificate.p_value == pytest.approx(stats.binom.cdf(10, 800, 0.05), rel=1e-9)
    assert certificate.risk_upper == pytest.approx(stats.beta.ppf(0.95, 11, 790), rel=1e-9)
    assert certificate.risk_upper <= certificate.risk
    assert certificate.rows_needed is None
    assert certificate.reason == (
        "certified at 5.0% with 95.0% confidence: of 1,000 calibration rows 800 are kept (80.0%), 10 of them wrong"
    )


def test_the_walk_stops_at_the_first_failure_even_when_a_looser_threshold_would_pass():
    confidence = np.concatenate([np.full(200, 0.9), np.full(200, 0.8), np.full(2000, 0.7)])
    correct = np.ones(2400, dtype=bool)
    correct[200:230] = False  # 30 of 400 wrong at 0.8, but only 30 of 2,400 at 0.7
    certificate = certify(confidence, correct, grid=np.array([0.7, 0.8, 0.9]))
    assert certificate.threshold == 0.9
    assert certify(confidence, correct, grid=np.array([0.7])).certified


@pytest.mark.parametrize(("kept", "certified"), [(59, True), (58, False)])
def test_the_floor_decides_for_faultless_rows(kept, certified):
    confidence, correct = rows(kept, 0, refused=100)
    assert certify(confidence, correct, grid=np.array([0.5])).certified is certified


def test_thresholds_that_keep_too_few_rows_are_passed_over():
    confidence = np.concatenate([np.full(20, 0.99), np.full(480, 0.9)])
    certificate = certify(confidence, np.ones(500, dtype=bool), grid=np.array([0.99, 0.9]))
    assert certificate.threshold == 0.9


def test_ineligible_rows_are_never_kept_but_count_as_traffic():
    confidence, correct = rows(400, 0)
    eligible = np.ones(400, dtype=bool)
    eligible[:100] = False
    certificate = certify(confidence, correct, eligible, grid=np.array([0.0]))
    assert (certificate.rows, certificate.accepted, certificate.coverage) == (400, 300, 0.75)


def test_rows_kept_by_an_earlier_tier_count_at_every_threshold():
    fixed = np.full(300, np.inf)
    later = np.linspace(0.95, 0.3, 300)
    confidence = np.concatenate([fixed, later])
    correct = np.concatenate([np.ones(300, dtype=bool), later > 0.5])
    certificate = certify(confidence, correct, grid=np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3]))
    assert certificate.certified
    assert certificate.threshold == 0.5
    assert certificate.accepted == 300 + int((later >= 0.5).sum())


def test_an_earlier_tier_that_breaks_the_promise_spoils_the_whole_policy():
    confidence = np.concatenate([np.full(300, np.inf), np.full(100, 0.9)])
    correct = np.concatenate([np.arange(300) >= 40, np.ones(100, dtype=bool)])
    certificate = certify(confidence, correct, grid=np.array([0.9, 0.5]))
    assert not certificate.certified
    assert certificate.threshold is None
    assert (certificate.accepted, certificate.errors) == (400, 40)


def test_too_few_rows_say_how_many_more():
    certificate = certify(*rows(40, 0, refused=40), grid=np.array([0.9]))
    assert not certificate.certified
    assert certificate.rows_needed == 2 * (361 - 40)
    assert certificate.reason == (
        "not certified: only 40 of 80 calibration rows can be kept. A promise of at most 5.0% needs about 361 rows "
        "kept, 321 more: label about 642 more calibration rows"
    )


def test_a_few_errors_in_few_rows_say_how_many_more():
    certificate = certify(*rows(116, 4), grid=np.array([0.9]))
    assert certificate.rows_needed == 361 - 120
    assert "keeps 120 calibration rows, 4 of them wrong where at most 1 may be" in certificate.reason


def test_many_rows_near_the_budget_ask_for_more_by_the_observed_error():
    certificate = certify(*rows(479, 21), grid=np.array([0.9]))
    assert not certificate.certified
    assert certificate.rows_needed == rows_needed(0.05, 0.05, error=21 / 500) - 500


def test_an_error_above_the_budget_does_not_promise_that_rows_help():
    certificate = certify(*rows(900, 100), grid=np.array([0.9]))
    assert certificate.rows_needed is None
    assert "more rows will hardly help" in certificate.reason


def test_no_rows_at_all_give_a_refusal_not_a_fault():
    certificate = certify(np.zeros(0), np.zeros(0, dtype=bool))
    assert not certificate.certified
    assert (certificate.coverage, certificate.feasible_coverage, certificate.risk_upper) == (0.0, 0.0, 1.0)
    assert certificate.rows_needed == 361


def test_feasible_coverage_is_the_bound_of_the_perfect_rule():
    confidence, correct = rows(800, 200)
    certificate = certify(confidence, correct, grid=np.array([0.9]))
    kept = certificate.feasible_coverage
    # The perfect rule keeps all 800 right rows and as many wrong ones as make exactly the budget.
    assert kept == pytest.approx(0.8 / 0.95)
    assert certify(*rows(990, 10), grid=np.array([0.9])).feasible_coverage == 1.0


@pytest.mark.parametrize(("risk", "delta"), [(0.0, 0.05), (1.0, 0.05), (0.05, 0.0), (-0.1, 0.05), (0.05, 1.5)])
def test_impossible_promises_are_refused(risk, delta):
    with pytest.raises(InputError, match="must lie between 0 and 1"):
        certify(*rows(10, 0), risk=risk, delta=delta)


def test_arrays_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="one length"):
        certify(np.zeros(3), np.zeros(4, dtype=bool))
    with pytest.raises(ValueError, match="one length"):
        certify(np.zeros(3), np.zeros(3, dtype=bool), np.zeros(2, dtype=bool))
    with pytest.raises(ValueError, match="NaN"):
        certify(np.array([np.nan]), np.array([True]))


def test_a_certificate_survives_json():
    certificate = certify(*rows(700, 10))
    assert msgspec.json.decode(msgspec.json.encode(certificate), type=Certificate) == certificate


@given(
    st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=300),
    st.sampled_from([0.02, 0.05, 0.2]),
)
def test_a_certified_threshold_is_what_its_numbers_say(pairs, risk):
    confidence = np.array([c for c, _ in pairs])
    correct = np.array([k for _, k in pairs])
    certificate = certify(confidence, correct, risk=risk)
    if certificate.certified:
        kept = confidence >= certificate.threshold
        assert certificate.accepted == kept.sum()
        assert certificate.errors == (~correct[kept]).sum()
        assert certificate.p_value <= 0.05
        assert certificate.risk_upper <= risk + 1e-9
        assert certificate.threshold in FIXED


# --- the grid


def test_the_grid_runs_from_strict_to_loose_and_ends_in_keeping_everything():
    confidence = np.random.default_rng(0).beta(5, 1, size=800)
    thresholds = grid(confidence, rows=1000)
    assert np.all(np.diff(thresholds) < 0)
    assert thresholds[-1] == 0.0
    assert len(thresholds) <= 40


def test_the_grid_starts_where_dev_rows_expect_the_clearest_pass_not_at_the_strict_end():
    confidence = np.linspace(1.0, 0.5, 2000)
    thresholds = grid(confidence, rows=1000, risk=0.05)
    kept = (confidence >= thresholds[0]).mean()
    # (0.05 - kept / 4) * sqrt(kept) is greatest at kept = 1 / 15; the floor with room needs 65 of 1,000.
    assert kept == pytest.approx(1 / 15, abs=0.003)


def test_observed_errors_move_the_start():
    confidence = np.full(1000, 0.999) - np.arange(1000) * 1e-6  # overconfident everywhere
    correct = np.random.default_rng(0).random(1000) < np.linspace(1.0, 0.8, 1000)
    blind, seeing = grid(confidence, rows=2000), grid(confidence, correct, rows=2000)
    assert (confidence >= seeing[0]).mean() < (confidence >= blind[0]).mean()


def test_the_grid_leaves_out_rows_that_no_threshold_can_move():
    confidence = np.concatenate([np.full(50, np.inf), np.linspace(0.9, 0.5, 100), np.full(50, -np.inf)])
    thresholds = grid(confidence, rows=2000)
    assert np.isfinite(thresholds).all()
    np.testing.assert_array_equal(grid(np.full(5, np.inf), rows=100), FIXED)


def test_few_dev_rows_still_give_a_grid():
    assert grid(np.array([0.7]), rows=30).tolist() == [0.7, 0.0]
    np.testing.assert_array_equal(grid(np.zeros(0), rows=30), FIXED)
