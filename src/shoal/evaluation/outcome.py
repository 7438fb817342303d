"""The report of the tasks other than classification: figures by name, labels or types or fields, marked examples."""

import hashlib
from typing import Any, Literal

import msgspec

from shoal.calibration import Certificate
from shoal.data import Row
from shoal.evaluation.report import Data, Speed, Training
from shoal.metrics import Estimate
from shoal.tasks import TaskKind

SCHEMA = 1


class PartResult(msgspec.Struct, frozen=True, kw_only=True):
    """One label, type of span or field of a record.

    Attributes:
        name: which.
        support: how often the reference has it.
        precision: of what was answered; None where nothing was, 95 % interval (Wilson) like all here.
        recall: of what the reference has; None where it has nothing.
        f1: of both; None where neither is known.
        kept: share of the test rows on which this part's answer is inside its promise; None without a promise.
        risk: share of the kept that is wrong; None where nothing is kept.
        promises: what was promised about the part, by name ("precision", "recall"), and on which evidence.
    """

    name: str
    support: int
    precision: Estimate | None = None
    recall: Estimate | None = None
    f1: float | None = None
    kept: Estimate | None = None
    risk: Estimate | None = None
    promises: dict[str, Certificate] = {}


class Mark(msgspec.Struct, frozen=True):
    """Characters of an example: `kind` is "right", "wrong" (answered, not in the reference), "missed" or "quoted"."""

    start: int
    end: int
    label: str
    kind: Literal["right", "wrong", "missed", "quoted"]


class Example(msgspec.Struct, frozen=True, kw_only=True):
    """A test row, with its answer to look at.

    Attributes:
        text: its beginning.
        answer: in words.
        reference: in words.
        confidence: of the answer.
        accepted: whether it is kept.
        score: how good it is, in [0, 1].
        marks: what to mark in the text, by start.
        origin: file and line of the row.
    """

    text: str
    answer: str
    reference: str
    confidence: float
    accepted: bool
    score: float
    marks: list[Mark] = []
    origin: str = ""


def row_key(row: Row) -> str:
    """Name a test row by what was asked, whatever its place: the start of a SHA-256."""
    asked = row.text if row.query is None else f"{row.text}\0{row.query}"
    return hashlib.sha256(asked.encode()).hexdigest()[:16]


class TaskReport(msgspec.Struct, frozen=True, kw_only=True):
    """One specialist on one set of test rows.

    Attributes:
        task: kind of the task.
        headline: name of the figure that counts most; the gate compares the champion by it.
        metrics: figures by name ("macro_f1", "recall", "rouge1"), each in [0, 1] with a 95 % interval.
        baselines: the same figures of simple rivals ("lead", "oracle"), by name.
        rows_kept: share of the test rows whose answer is kept.
        risk: share of the kept that is wrong; None when nothing is kept, or when no whole answer can be wrong.
        certificate: the promise about whole answers; None where only parts have promises, or before calibration.
        parts: labels, types or fields.
        examples: the worst answers first, then some right ones.
        row_scores: how good each answer is [n], in [0, 1], in the order of `row_keys`: for paired comparison.
        row_keys: hash of each test row's text.
        notes: what else a reader must know, in sentences.
    """

    schema: int = SCHEMA
    task: TaskKind
    name: str
    version: str | None = None
    headline: str
    data: Data
    metrics: dict[str, Estimate]
    baselines: dict[str, dict[str, Estimate]] = {}
    rows_kept: Estimate | None = None
    risk: Estimate | None = None
    certificate: Certificate | None = None
    parts: list[PartResult] = []
    examples: list[Example] = []
    row_scores: list[float] = []
    row_keys: list[str] = []
    size_bytes: int
    speed: Speed
    training: Training
    notes: list[str] = []

    def as_dict(self) -> dict[str, Any]:
        """Plain dicts, lists, strings and numbers, ready for JSON."""
        return msgspec.to_builtins(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "TaskReport":
        """Read back what `as_dict` gave; unknown fields are ignored."""
        return msgspec.convert(values, cls)
