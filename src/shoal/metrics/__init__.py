"""Numbers that say how good a classifier is, with intervals. Pure numpy; rows n, labels L as indices."""

from shoal.metrics.binomial import cdf as binomial_cdf
from shoal.metrics.binomial import clopper_pearson, wilson
from shoal.metrics.binomial import upper_bound as clopper_pearson_upper
from shoal.metrics.classification import (
    LabelQuality,
    accuracy,
    brier,
    confusion,
    log_losses,
    macro_f1,
    macro_f1_of,
    nll,
    per_label,
    squared_errors,
)
from shoal.metrics.multilabel import Counts, label_macro_f1_of, micro_f1_of
from shoal.metrics.multiple import fisher, holm
from shoal.metrics.paired import PairedComparison, compare, mcnemar, paired_lower_bound
from shoal.metrics.reliability import Bin, classwise_ece, classwise_ece_estimate, ece, ece_estimate, reliability
from shoal.metrics.resampling import Estimate, Statistic, bootstrap, mean_of
from shoal.metrics.selective import RiskCoverage, auroc, fpr_at_95, risk_coverage

__all__ = [
    "Bin",
    "Counts",
    "Estimate",
    "LabelQuality",
    "PairedComparison",
    "RiskCoverage",
    "Statistic",
    "accuracy",
    "auroc",
    "binomial_cdf",
    "bootstrap",
    "brier",
    "classwise_ece",
    "classwise_ece_estimate",
    "clopper_pearson",
    "clopper_pearson_upper",
    "compare",
    "confusion",
    "ece",
    "ece_estimate",
    "fisher",
    "fpr_at_95",
    "holm",
    "label_macro_f1_of",
    "log_losses",
    "macro_f1",
    "macro_f1_of",
    "mcnemar",
    "mean_of",
    "micro_f1_of",
    "nll",
    "paired_lower_bound",
    "per_label",
    "reliability",
    "risk_coverage",
    "squared_errors",
    "wilson",
]
