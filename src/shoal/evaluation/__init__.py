"""A specialist and labelled rows -> a report with intervals."""

from shoal.evaluation.evaluate import evaluate
from shoal.evaluation.report import (
    Accepted,
    ConfusedPair,
    Confusion,
    CurvePoint,
    Data,
    LabelRow,
    Metrics,
    Mistake,
    NoneOfThese,
    OutOfScope,
    Report,
    Speed,
    SuspiciousLabel,
    TierShare,
    Training,
)
from shoal.evaluation.slices import Gap, Slice, SliceResult, gaps
from shoal.evaluation.slices import find as find_slices

__all__ = [
    "Accepted",
    "ConfusedPair",
    "Confusion",
    "CurvePoint",
    "Data",
    "Gap",
    "LabelRow",
    "Metrics",
    "Mistake",
    "NoneOfThese",
    "OutOfScope",
    "Report",
    "Slice",
    "SliceResult",
    "Speed",
    "SuspiciousLabel",
    "TierShare",
    "Training",
    "evaluate",
    "find_slices",
    "gaps",
]
