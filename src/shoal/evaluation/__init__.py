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
    OutOfScope,
    Report,
    Speed,
    SuspiciousLabel,
    TierShare,
    Training,
)

__all__ = [
    "Accepted",
    "ConfusedPair",
    "Confusion",
    "CurvePoint",
    "Data",
    "LabelRow",
    "Metrics",
    "Mistake",
    "OutOfScope",
    "Report",
    "Speed",
    "SuspiciousLabel",
    "TierShare",
    "Training",
    "evaluate",
]
