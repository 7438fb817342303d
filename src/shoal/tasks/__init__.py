"""The vocabulary: what is asked of a specialist (`Task`) and what it answers (`Prediction`).

Pure values; every other package speaks in them.
"""

from shoal.tasks.effort import Timings, Usage
from shoal.tasks.prediction import (
    Filled,
    Flag,
    Label,
    Labels,
    Outcome,
    Prediction,
    Quote,
    Reason,
    Record,
    Score,
    Span,
    Spans,
    Summary,
)
from shoal.tasks.record import absent, places, read_record, read_schema, same, write_record, write_schema
from shoal.tasks.task import (
    MAX_LABELS,
    Budget,
    Classification,
    Extraction,
    MultiLabel,
    Slot,
    Summarization,
    Tagging,
    Task,
    TaskKind,
)

__all__ = [
    "MAX_LABELS",
    "Budget",
    "Classification",
    "Extraction",
    "Filled",
    "Flag",
    "Label",
    "Labels",
    "MultiLabel",
    "Outcome",
    "Prediction",
    "Quote",
    "Reason",
    "Record",
    "Score",
    "Slot",
    "Span",
    "Spans",
    "Summarization",
    "Summary",
    "Tagging",
    "Task",
    "TaskKind",
    "Timings",
    "Usage",
    "absent",
    "places",
    "read_record",
    "read_schema",
    "same",
    "write_record",
    "write_schema",
]
