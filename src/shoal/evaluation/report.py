"""The evaluation report: measured numbers with their intervals, as plain values that JSON can hold."""

from collections.abc import Mapping
from typing import Any

import msgspec

from shoal.behaviour import BehaviourResult
from shoal.calibration import Certificate
from shoal.evaluation.slices import SliceResult
from shoal.metrics import Bin, Estimate

SCHEMA = 1


class Metrics(msgspec.Struct, frozen=True):
    """Over all test rows, kept or not, each with a 95 % interval.

    Attributes:
        accuracy: share of right labels.
        macro_f1: mean F1 over labels.
        ece: expected calibration error, adaptive bins, without what chance adds (`shoal.metrics.ece_estimate`).
        classwise_ece: the same of every label's probability, averaged.
        brier: multi-class Brier score in [0, 2].
        nll: negative log-likelihood in nats.
    """

    accuracy: Estimate
    macro_f1: Estimate
    ece: Estimate
    classwise_ece: Estimate
    brier: Estimate
    nll: Estimate


class Accepted(msgspec.Struct, frozen=True):
    """The answers that are kept.

    Attributes:
        rows: how many.
        errors: of them wrong.
        coverage: share of all test rows, Wilson 95 % interval.
        risk: share of the kept that are wrong, exact (Clopper-Pearson) 95 % interval; None when nothing is kept.
        ece: calibration error among the kept; None when nothing is kept.
        reasons: rows by why they were kept or not.
    """

    rows: int
    errors: int
    coverage: Estimate
    risk: Estimate | None
    ece: Estimate | None
    reasons: dict[str, int]


class TierShare(msgspec.Struct, frozen=True):
    """What one tier contributed: rows whose answer is its own, of them kept, of the kept right (None when none)."""

    name: str
    rows: int
    accepted: int
    accuracy: float | None


class LabelRow(msgspec.Struct, frozen=True):
    """One label: precision, recall, F1, test rows, and the share of those rows that is kept."""

    label: str
    precision: float
    recall: float
    f1: float
    support: int
    coverage: float


class ConfusedPair(msgspec.Struct, frozen=True):
    """How often `label` was answered as `predicted`."""

    label: str
    predicted: str
    rows: int


class Confusion(msgspec.Struct, frozen=True):
    """Counts by reference label (row) and predicted label (column) in the order of `Report.labels`.

    Attributes:
        matrix: None above 100 labels, where it cannot be read.
        worst: the most frequent confusions.
    """

    matrix: list[list[int]] | None
    worst: list[ConfusedPair]


class CurvePoint(msgspec.Struct, frozen=True):
    """Keeping the surest `coverage` of rows, `risk` of them are wrong."""

    coverage: float
    risk: float


class Mistake(msgspec.Struct, frozen=True):
    """A wrong answer; `origin` is the file and line of the row."""

    text: str
    label: str
    predicted: str
    confidence: float
    accepted: bool
    origin: str = ""


class SuspiciousLabel(msgspec.Struct, frozen=True):
    """A training row whose label looks wrong: `score` is the cross-validated probability of the label it carries.

    `id` names its whole text (`shoal.data.corrections.row_id`), which may be cut short here.
    """

    text: str
    label: str
    suggested: str
    score: float
    origin: str = ""
    id: str = ""


class OutOfScope(msgspec.Struct, frozen=True):
    """Telling texts of another kind from test texts, by the conformal scope p-value.

    Attributes:
        rows: out-of-scope texts.
        auroc: chance that a test text looks more in scope than one of them.
        fpr95: share of them still let in where 95 % of test texts are.
        accepted: share of them whose answer is kept.
    """

    rows: int
    auroc: float
    fpr95: float
    accepted: Estimate


class NoneOfThese(msgspec.Struct, frozen=True):
    """Answers of the label for texts that belong to none of the others.

    Attributes:
        label: what it is called.
        rows: test rows of that label.
        auroc: chance that such a row gets a higher probability of the label than a row of another label; None without
            rows of both kinds, like `fpr95`.
        fpr95: share of these rows that is let in where 95 % of the others are.
        recall: share of these rows that is answered so, kept or not; None without such rows.
        accuracy_lost: share of the other rows that is answered so although the best other label would be right.
        kept: answers of the label that are kept.
        errors: of them wrong.
        risk: errors / kept, exact 95 % interval; None when none is kept.
        certificate: the promise about them.
    """

    label: str
    rows: int
    auroc: float | None
    fpr95: float | None
    recall: Estimate | None
    accuracy_lost: float
    kept: int
    errors: int
    risk: Estimate | None
    certificate: Certificate | None


class Speed(msgspec.Struct, frozen=True):
    """Measured on test texts in this process: one text a call, and many a call.

    Attributes:
        p50_ms: median latency of one text.
        p99_ms: its 99th percentile.
        calls: single calls that were timed.
        docs_per_second: throughput of calls with `bulk` texts.
        bulk: texts a call.
        cores: CPU cores the process may use.
    """

    p50_ms: float
    p99_ms: float
    calls: int
    docs_per_second: float
    bulk: int
    cores: int


class Data(msgspec.Struct, frozen=True):
    """What it was measured on: rows by split (as far as known), number of labels, content hash."""

    rows: dict[str, int]
    tested: int
    labels: int
    hash: str


class Training(msgspec.Struct, frozen=True):
    """What training took; None where it was not recorded. `energy_source` says how joules were found."""

    seconds: float | None
    joules: float | None
    energy_source: str | None

    @classmethod
    def of(cls, provenance: Mapping[str, Any]) -> "Training":
        """Take it from what a model says of how it was made."""
        found = (provenance.get(name) for name in ("training_seconds", "training_joules", "energy_source"))
        return cls(*found)


class Teacher(msgspec.Struct, frozen=True):
    """Of a specialist that learnt from a larger model's answers: the teacher, and what people say of both.

    Attributes:
        answers: usable answers.
        unusable: answers that are no label, with their number; left out.
        asked_again: rows that were answered more than once.
        self_agreement: how often the first two answers of such a row agree: whoever learns from one of them can hardly
            agree more with the other. None where no row was asked again.
        judged: rows with a person's label that trained nothing.
        teacher_accuracy: of the teacher on them; None without such rows.
        specialist_accuracy: of the specialist on them.
        certificate: the promise against people's labels; None without such rows for calibration.
        treatment: how training rows were taken: "plain", "soft", "pruned", or "soft, pruned".
        tried: each treatment with its rows and its log-loss on dev.
    """

    answers: int
    unusable: dict[str, int]
    asked_again: int
    self_agreement: Estimate | None
    judged: int
    teacher_accuracy: Estimate | None
    specialist_accuracy: Estimate | None
    certificate: Certificate | None
    treatment: str
    tried: list[dict[str, Any]]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """One specialist on one set of test rows; `schema` grows when a field changes its meaning."""

    schema: int = SCHEMA
    name: str
    version: str | None
    labels: list[str]
    never: list[str]
    data: Data
    metrics: Metrics
    accepted: Accepted
    certificate: Certificate | None
    tiers: list[TierShare]
    per_label: list[LabelRow]
    confusion: Confusion
    reliability: list[Bin]
    curve: list[CurvePoint]
    mistakes: list[Mistake]
    suspicious: list[SuspiciousLabel]
    out_of_scope: OutOfScope | None
    none_of_these: NoneOfThese | None = None
    size_bytes: int
    speed: Speed
    training: Training
    slices: list[SliceResult] = []
    behaviour: list[BehaviourResult] = []
    teacher: Teacher | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain dicts, lists, strings and numbers, ready for JSON."""
        return msgspec.to_builtins(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Report":
        """Read back what `as_dict` gave; unknown fields are ignored."""
        return msgspec.convert(values, cls)
