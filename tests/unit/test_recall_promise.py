"""The promise about recall: exact, from loose to strict, and what it takes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.calibration import certify_recall, floor_rows, log_odds, sigmoid
from shoal.errors import InputError
from shoal.metrics import binomial_cdf

GRID = np.array([0.1, 0.3, 0.5, 0.7, 0.9])


def test_the_highest_threshold_that_passes_is_taken() -> None:
    found = np.concatenate([np.full(95, 0.95), np.full(4, 0.4), [0.0]])
    certificate = certify_recall(found, GRID, risk=0.05, delta=0.05)
    assert certificate.certified
    assert certificate.threshold == 0.3
    assert (certificate.rows, certificate.accepted, certificate.errors) == (100, 100, 1)
    assert certificate.risk_upper <= 0.05
    assert "of 100 texts with the label 1 are cleared" in certificate.reason


def test_just_enough_rows_and_one_too_few() -> None:
    enough = floor_rows(0.1, 0.05)
    assert certify_recall(np.ones(enough), GRID, risk=0.1).threshold == 0.9
    short = certify_recall(np.ones(enough - 1), GRID, risk=0.1)
    assert not short.certified
    assert short.threshold is None
    assert short.rows_needed is not None
    assert f"of only {enough - 1} texts with the label 0 are cleared" in short.reason
    assert "label about" in short.reason


def test_none_at_all() -> None:
    certificate = certify_recall(np.empty(0), GRID, risk=0.1)
    assert not certificate.certified
    assert (certificate.rows, certificate.coverage) == (0, 0.0)


@pytest.mark.parametrize(("missed", "rows"), [(300, 1000), (20, 40), (3, 5)])
def test_where_more_rows_would_not_help(missed: int, rows: int) -> None:
    certificate = certify_recall(np.repeat([0.0, 1.0], [missed, rows - missed]), GRID, risk=0.1)
    assert certificate.rows_needed is None
    assert "hardly help" in certificate.reason


def test_the_fewer_were_missed_the_fewer_rows_it_takes() -> None:
    found = [np.repeat([0.0, 1.0], [missed, 28 - missed]) for missed in range(3)]
    more = [certify_recall(each, GRID, risk=0.1).rows_needed for each in found]
    assert None not in more
    assert more == sorted(more, key=lambda each: each or 0)
    assert more[0] is not None and more[0] < 40


@pytest.mark.parametrize("risk", [0.0, 1.0, -0.1])
def test_a_risk_that_is_no_share(risk: float) -> None:
    with pytest.raises(InputError, match="between 0 and 1"):
        certify_recall(np.ones(10), GRID, risk=risk)


def test_no_thresholds() -> None:
    with pytest.raises(ValueError, match="threshold"):
        certify_recall(np.ones(10), np.empty(0))


@given(st.lists(st.floats(0, 1), max_size=200), st.sampled_from([0.02, 0.1, 0.3]))
def test_every_threshold_up_to_the_chosen_one_passes_the_exact_test(found: list[float], risk: float) -> None:
    scores = np.array(found)
    certificate = certify_recall(scores, GRID, risk=risk, delta=0.05)
    passing = [
        threshold for threshold in GRID if binomial_cdf(int((scores < threshold).sum()), len(scores), risk) <= 0.05
    ]
    assert certificate.certified == bool(passing)
    assert certificate.threshold == (max(passing) if passing else None)


def test_log_odds_undo_the_sigmoid_and_stay_finite() -> None:
    scores = np.linspace(-10, 10, 41)
    np.testing.assert_allclose(log_odds(sigmoid(scores)), scores, atol=1e-6)
    assert np.isfinite(log_odds(np.array([0.0, 1.0]))).all()
