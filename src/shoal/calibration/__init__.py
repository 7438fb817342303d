"""Scores to probabilities to guarantees. Pure numpy: no clock, network or disk."""

from shoal.calibration.guarantee import Certificate, certify, certify_both
from shoal.calibration.labelwise import Platt, best_threshold, fit_platt, log_odds, sigmoid
from shoal.calibration.outside import Outside
from shoal.calibration.power import affordable, floor_rows, rows_needed
from shoal.calibration.recall import certify_recall
from shoal.calibration.scope import Scope
from shoal.calibration.temperature import energy, fit_temperature, log_softmax, softmax
from shoal.calibration.thresholds import FIXED, grid

__all__ = [
    "FIXED",
    "Certificate",
    "Outside",
    "Platt",
    "Scope",
    "affordable",
    "best_threshold",
    "certify",
    "certify_both",
    "certify_recall",
    "energy",
    "fit_platt",
    "fit_temperature",
    "floor_rows",
    "grid",
    "log_odds",
    "log_softmax",
    "rows_needed",
    "sigmoid",
    "softmax",
]
