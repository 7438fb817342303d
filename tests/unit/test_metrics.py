"""Every number against scipy, scikit-learn or a value worked out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, stats

from shoal import metrics
from shoal.metrics.binomial import log_cdf

RNG = np.random.default_rng(0)
TARGETS = RNG.integers(0, 4, 300)
PROBABILITIES = RNG.dirichlet(np.ones(5) * 0.5, size=300)  # five labels, the last never occurs in TARGETS
PREDICTED = PROBABILITIES.argmax(axis=1)


# --- proportions


@pytest.mark.parametrize("rows", [1, 59, 390, 5000, 1_000_000])
@pytest.mark.parametrize("rate", [1e-4, 0.05, 0.5, 0.97])
def test_binomial_tails_agree_with_scipy(rows, rate):
    for errors in {0, 1, rows // 20, rows // 2, rows - 1, rows}:
        expected = stats.binom.logcdf(errors, rows, rate)
        # scipy.logcdf is itself log(cdf): below 1e-300 it gives -inf where the sum here stays finite.
        if np.isfinite(expected):
            assert log_cdf(errors, rows, rate) == pytest.approx(expected, rel=1e-7, abs=1e-7)


def test_binomial_edges():
    assert metrics.binomial_cdf(-1, 10, 0.5) == 0
    assert metrics.binomial_cdf(10, 10, 0.5) == 1
    assert metrics.binomial_cdf(3, 10, 0.0) == 1
    assert metrics.binomial_cdf(3, 10, 1.0) == 0


@given(st.integers(1, 400), st.data())
def test_clopper_pearson_agrees_with_the_beta_quantiles(rows, data):
    errors = data.draw(st.integers(0, rows))
    low, high = metrics.clopper_pearson(errors, rows)
    assert low == pytest.approx(stats.beta.ppf(0.025, errors, rows - errors + 1) if errors else 0.0, abs=1e-9)
    assert high == pytest.approx(stats.beta.ppf(0.975, errors + 1, rows - errors) if errors < rows else 1.0, abs=1e-9)


@pytest.mark.parametrize(("successes", "rows"), [(0, 10), (3, 10), (10, 10), (281, 3080)])
def test_wilson_agrees_with_scipy(successes, rows):
    expected = stats.binomtest(successes, rows).proportion_ci(method="wilson")
    assert metrics.wilson(successes, rows) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_intervals_without_rows_say_nothing():
    assert metrics.wilson(0, 0) == (0.0, 1.0)
    assert metrics.clopper_pearson(0, 0) == (0.0, 1.0)


# --- labels and probabilities


def test_labels_agree_with_sklearn():
    sklearn = pytest.importorskip("sklearn.metrics")
    assert metrics.accuracy(TARGETS, PREDICTED) == pytest.approx(sklearn.accuracy_score(TARGETS, PREDICTED))
    assert metrics.macro_f1(TARGETS, PREDICTED, 5) == pytest.approx(
        sklearn.f1_score(TARGETS, PREDICTED, average="macro", zero_division=0), rel=1e-6
    )
    matrix = metrics.confusion(TARGETS, PREDICTED, 5)
    np.testing.assert_array_equal(matrix, sklearn.confusion_matrix(TARGETS, PREDICTED, labels=range(5)))
    precision, recall, f1, support = sklearn.precision_recall_fscore_support(
        TARGETS, PREDICTED, labels=range(5), zero_division=0
    )
    for label, quality in enumerate(metrics.per_label(matrix)):
        assert (quality.precision, quality.recall, quality.f1, quality.support) == pytest.approx(
            (precision[label], recall[label], f1[label], support[label])
        )


def test_probabilities_agree_with_sklearn():
    sklearn = pytest.importorskip("sklearn.metrics")
    assert metrics.nll(PROBABILITIES, TARGETS) == pytest.approx(
        sklearn.log_loss(TARGETS, PROBABILITIES, labels=range(5)), rel=1e-6
    )
    one_hot = np.eye(5)[TARGETS]
    assert metrics.brier(PROBABILITIES, TARGETS) == pytest.approx(((PROBABILITIES - one_hot) ** 2).sum(axis=1).mean())


def test_a_label_that_is_impossible_costs_a_finite_log_loss():
    assert 20 < metrics.nll(np.array([[1.0, 0.0]]), np.array([1])) < 30


# --- calibration


def naive_ece(confidence, correct, bins):
    order = np.argsort(confidence, kind="stable")
    parts = np.array_split(order, bins)
    return sum(abs((confidence[part] - correct[part]).sum()) for part in parts) / len(confidence)


def test_ece_agrees_with_a_naive_loop_and_is_small_for_honest_confidence():
    rng = np.random.default_rng(1)
    confidence = rng.random(30_000)
    honest = rng.random(30_000) < confidence
    assert metrics.ece(confidence, honest) == pytest.approx(naive_ece(confidence, honest, 15), abs=1e-6)
    assert metrics.ece(confidence, honest) < 0.012
    assert metrics.ece(np.full(100, 0.9), np.arange(100) < 60) == pytest.approx(0.3)


def test_classwise_ece_averages_the_error_of_each_column():
    expected = np.mean([naive_ece(PROBABILITIES[:, label], label == TARGETS, 15) for label in range(5)])
    assert metrics.classwise_ece(PROBABILITIES, TARGETS) == pytest.approx(expected, rel=1e-5)


def test_reliability_bins_hold_every_row_once_and_equal_values_together():
    confidence = np.array([0.2] * 30 + [0.5] * 50 + [0.9] * 20)
    correct = np.arange(100) % 2 == 0
    bins = metrics.reliability(confidence, correct)
    assert [(b.low, b.high, b.rows) for b in bins] == [(0.2, 0.2, 30), (0.5, 0.5, 50), (0.9, 0.9, 20)]
    assert metrics.reliability(np.array([0.4]), np.array([True]))[0].rows == 1
    assert metrics.reliability(np.zeros(0), np.zeros(0, dtype=bool)) == []


# --- ranking and selection


def test_auroc_agrees_with_sklearn_ties_included():
    sklearn = pytest.importorskip("sklearn.metrics")
    inside, outside = RNG.integers(3, 12, 200).astype(float), RNG.integers(0, 9, 150).astype(float)
    truth = np.concatenate([np.ones(200), np.zeros(150)])
    assert metrics.auroc(inside, outside) == pytest.approx(
        sklearn.roc_auc_score(truth, np.concatenate([inside, outside]))
    )


def test_fpr_at_95_lets_in_95_percent():
    inside = np.arange(100.0)
    assert metrics.fpr_at_95(inside, np.array([4.0, 5.0, 6.0, -1.0])) == 0.5


def test_risk_coverage_by_hand():
    curve = metrics.risk_coverage(np.array([0.9, 0.8, 0.8, 0.1, -np.inf]), np.array([True, False, True, True, False]))
    np.testing.assert_allclose(curve.threshold, [0.9, 0.8, 0.1])
    np.testing.assert_allclose(curve.coverage, [0.2, 0.6, 0.8])
    np.testing.assert_allclose(curve.risk, [0, 1 / 3, 1 / 4])
    assert curve.area == pytest.approx(0.4 / 3 + 0.2 / 4)


def test_risk_coverage_of_nothing_is_empty():
    assert len(metrics.risk_coverage(np.zeros(0), np.zeros(0, dtype=bool)).risk) == 0
    assert len(metrics.risk_coverage(np.full(3, -np.inf), np.ones(3, dtype=bool)).risk) == 0


# --- bootstrap


def test_bootstrap_of_a_mean_agrees_with_theory_and_repeats():
    values = np.random.default_rng(2).random(500)
    first = metrics.bootstrap(metrics.mean_of(values), 500, seed=3)
    assert first == metrics.bootstrap(metrics.mean_of(values), 500, seed=3)
    assert first != metrics.bootstrap(metrics.mean_of(values), 500, seed=4)
    half = 1.96 * values.std() / np.sqrt(500)
    assert first.value == pytest.approx(values.mean(), rel=1e-5)
    assert first.low == pytest.approx(values.mean() - half, abs=0.004)
    assert first.high == pytest.approx(values.mean() + half, abs=0.004)


def test_bootstrap_blocks_do_not_change_the_kind_of_answer():
    values = np.random.default_rng(2).random(20_000)  # 200 resamples a block
    estimate = metrics.bootstrap(metrics.mean_of(values), 20_000, seed=0)
    assert estimate.low < values.mean() < estimate.high
    assert estimate.high - estimate.low == pytest.approx(2 * 1.96 * values.std() / np.sqrt(20_000), rel=0.1)


def test_bootstrap_of_macro_f1_holds_the_value_and_leaves_absent_labels_out():
    estimate = metrics.bootstrap(metrics.macro_f1_of(TARGETS, PREDICTED, 5), 300, seed=0)
    assert estimate.low < estimate.value < estimate.high
    rare = np.array([0] * 99 + [1])
    perfect = metrics.bootstrap(metrics.macro_f1_of(rare, rare, 3), 100, seed=0)
    assert (perfect.low, perfect.value, perfect.high) == (1.0, 1.0, 1.0)


def test_a_calibration_error_is_estimated_without_what_chance_adds():
    rng = np.random.default_rng(5)
    confidence = rng.random(400)
    honest = metrics.ece_estimate(confidence, rng.random(400) < confidence, seed=0)
    assert honest.low <= 0.005 and honest.value < 0.03 < metrics.ece(confidence, rng.random(400) < confidence)
    assert honest.value < honest.high
    shifted = rng.random(4000) < 0.6
    wrong = metrics.ece_estimate(np.full(4000, 0.9), shifted, seed=0)
    assert wrong.value == pytest.approx(metrics.ece(np.full(4000, 0.9), shifted), rel=0.01)
    assert 0.27 < wrong.low < wrong.value < wrong.high < 0.33
    assert wrong == metrics.ece_estimate(np.full(4000, 0.9), shifted, seed=0)


@pytest.mark.parametrize("right", [True, False])
def test_a_calibration_error_of_one_row_is_an_interval_all_the_same(right):
    one = metrics.ece_estimate(np.array([0.9]), np.array([right]), seed=0)
    assert 0 <= one.low <= one.value <= one.high < 2
    none = metrics.ece_estimate(np.array([1.0, 1.0]), np.array([True, True]), seed=0)
    assert (none.low, none.value, none.high) == (0.0, 0.0, 0.0)


def test_a_classwise_calibration_error_stays_inside_its_interval():
    estimate = metrics.classwise_ece_estimate(PROBABILITIES, TARGETS, seed=0)
    assert 0 <= estimate.low <= estimate.value <= estimate.high
    assert estimate.value <= metrics.classwise_ece(PROBABILITIES, TARGETS) * 1.05


# --- two models


@pytest.mark.parametrize(("gained", "lost"), [(0, 0), (5, 5), (3, 12), (40, 20)])
def test_mcnemar_agrees_with_the_exact_binomial_test(gained, lost):
    expected = stats.binomtest(gained, gained + lost).pvalue if gained + lost else 1.0
    assert metrics.mcnemar(gained, lost) == pytest.approx(expected)


@pytest.mark.parametrize(("gained", "lost", "rows"), [(12, 2, 50), (3, 9, 400), (30, 30, 3080)])
def test_tango_bound_inverts_the_score_test_of_the_restricted_likelihood(gained, lost, rows):
    bound = metrics.paired_lower_bound(gained, lost, rows)

    def minus_log_likelihood(q: float) -> float:
        return -stats.multinomial.logpmf(
            [gained, lost, rows - gained - lost], rows, [q + bound, q, max(0.0, 1 - 2 * q - bound)]
        )

    lowest = max(0.0, -bound) + 1e-12
    q = optimize.minimize_scalar(
        minus_log_likelihood, bounds=(lowest, (1 - bound) / 2), method="bounded", options={"xatol": 1e-12}
    ).x
    z = (gained - lost - rows * bound) / np.sqrt(rows * (2 * q + bound - bound**2))
    assert z == pytest.approx(stats.norm.ppf(0.95), abs=1e-4)


def test_tango_bound_without_discordant_pairs_still_allows_for_some():
    limit = stats.norm.ppf(0.95) ** 2
    assert metrics.paired_lower_bound(0, 0, 200) == pytest.approx(-limit / (200 + limit), abs=1e-9)


def test_tango_bound_covers():
    rng = np.random.default_rng(0)
    rows, gain, loss = 400, 0.02, 0.04
    misses = 0
    for gained, lost, _ in rng.multinomial(rows, [gain, loss, 1 - gain - loss], size=2000):
        misses += metrics.paired_lower_bound(int(gained), int(lost), rows) > gain - loss
    assert misses / 2000 == pytest.approx(0.05, abs=0.015)


def test_comparison_counts_only_what_differs():
    champion = np.array([True, True, False, False, True] * 40)
    challenger = np.array([True, False, True, False, True] * 40)
    comparison = metrics.compare(champion, challenger)
    assert (comparison.rows, comparison.gained, comparison.lost) == (200, 40, 40)
    assert comparison.difference == 0
    assert comparison.low < 0
    assert comparison.p_value == 1.0
    # (1.645 + 0.842) * sqrt(81 / 201 / 200)
    assert comparison.detectable == pytest.approx(0.1116, abs=1e-3)
    assert comparison.worse_p == pytest.approx(stats.binomtest(40, 80, 0.5, alternative="less").pvalue)


@pytest.mark.parametrize(
    "table", [(5, 10, 18, 20), (0, 3, 4, 4), (50, 50, 50, 50), (0, 1, 0, 5), (400, 500, 1300, 1400)]
)
def test_fisher_is_that_of_scipy(table):
    right, rows, other_right, other_rows = table
    expected = stats.fisher_exact(
        [[right, rows - right], [other_right, other_rows - other_right]], alternative="less"
    ).pvalue
    assert metrics.fisher(*table) == pytest.approx(expected, rel=1e-6)


def test_holm_rejects_step_by_step():
    assert metrics.holm([0.01, 0.04, 0.03, 0.005], 0.05) == [True, False, False, True]
    assert metrics.holm([0.0125, 0.017, 0.025, 0.05], 0.05) == [True, False, False, False]
    assert metrics.holm([0.01, 0.012, 0.02, 0.05], 0.05) == [True, True, True, True]
    assert metrics.holm([0.02, 0.001], 0.01) == [False, True]
    assert metrics.holm([], 0.05) == []
