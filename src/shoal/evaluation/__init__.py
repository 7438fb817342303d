"""A specialist and labelled rows -> a report with intervals."""

from shoal.evaluation.evaluate import evaluate
from shoal.evaluation.kinds import evaluate_any, read_report
from shoal.evaluation.multilabel import evaluate_labels, label_matrix
from shoal.evaluation.outcome import Example, Mark, PartResult, TaskReport
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
    Teacher,
    TierShare,
    Training,
)
from shoal.evaluation.slices import Gap, Slice, SliceResult, gaps
from shoal.evaluation.slices import find as find_slices
from shoal.evaluation.teaching import teacher_facts

__all__ = [
    "Accepted",
    "ConfusedPair",
    "Confusion",
    "CurvePoint",
    "Data",
    "Example",
    "Gap",
    "LabelRow",
    "Mark",
    "Metrics",
    "Mistake",
    "NoneOfThese",
    "OutOfScope",
    "PartResult",
    "Report",
    "Slice",
    "SliceResult",
    "Speed",
    "SuspiciousLabel",
    "TaskReport",
    "Teacher",
    "TierShare",
    "Training",
    "evaluate",
    "evaluate_any",
    "evaluate_labels",
    "find_slices",
    "gaps",
    "label_matrix",
    "read_report",
    "teacher_facts",
]
