"""What a specialist answers: one kind of prediction for each task, all with a calibrated confidence."""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

Reason = Literal["certified", "below_threshold", "never_label", "out_of_scope", "not_certified", "empty_text"]
Outcome = Literal["accepted", "escalated", "reviewed", "abstained", "failed", "passed_through"]


# gc=False here and below: plain values that cannot be part of a cycle, made by the hundred thousand; the garbage
# collector, which would look at each of them several times, took a fifth of the time of a bulk prediction.
class Prediction(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A specialist's answer to one text.

    Attributes:
        confidence: calibrated probability that the answer agrees with the reference, in [0, 1].
        accepted: whether the answer is kept inside the guarantee; False means escalate, review or abstain.
        reason: why it was accepted or not.
        tier: name of the tier that gave the answer ("tfidf", "static", "encoder", "finetune").
        in_scope: conformal p-value that the text is of the kind seen in training, in (0, 1]; small means far away.
    """

    confidence: float
    accepted: bool
    reason: Reason
    tier: str
    in_scope: float = 1.0

    @property
    def said(self) -> str:
        """The answer as one string: a label, a summary, or JSON."""
        raise NotImplementedError


class Score(msgspec.Struct, frozen=True, gc=False):
    """One label with its calibrated probability."""

    label: str
    probability: float


class Label(Prediction, frozen=True, kw_only=True, gc=False):
    """The answer of a classification.

    Attributes:
        label: the most probable label, always one of the task's labels.
        top: the most probable labels, best first (at most five).
    """

    label: str
    top: tuple[Score, ...] = ()

    @property
    def said(self) -> str:
        """The label."""
        return self.label


class Flag(msgspec.Struct, frozen=True, gc=False):
    """What a multi-label specialist says of one label.

    Attributes:
        label: which.
        probability: calibrated, that the text has it.
        flagged: whether the answer is that it has.
        kept: whether that answer is inside the label's promise.
    """

    label: str
    probability: float
    flagged: bool
    kept: bool


class Labels(Prediction, frozen=True, kw_only=True, gc=False):
    """The answer of a multi-label classification; `confidence` is that of its least sure label.

    Attributes:
        labels: those that were flagged, in the order of the task; none is an answer too.
        flags: each label that was flagged or is in doubt, the most probable first.
    """

    labels: tuple[str, ...]
    flags: tuple[Flag, ...] = ()

    @property
    def said(self) -> str:
        """The labels as a JSON list."""
        return msgspec.json.encode(self.labels).decode()


class Span(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """Characters of a text that are of one type.

    Attributes:
        start: of the first character, counted from 0 in characters (code points), not bytes.
        end: behind the last one.
        type: which.
        text: the characters.
        confidence: calibrated probability that start, end and type are right.
        source: who found it: "rule" or "model"; empty in reference rows.
    """

    start: int
    end: int
    type: str
    text: str = ""
    confidence: float = 1.0
    source: str = ""


class Spans(Prediction, frozen=True, kw_only=True, gc=False):
    """The answer of tagging; `confidence` is that nothing was missed or mistaken.

    Attributes:
        spans: by where they start; none overlaps another.
    """

    spans: tuple[Span, ...]

    @property
    def said(self) -> str:
        """The spans as a JSON list of objects."""
        return msgspec.json.encode(self.spans).decode()


class Quote(msgspec.Struct, frozen=True, gc=False):
    """One sentence or turn of a text: its characters from `start` to `end`, and how much of a summary it is worth."""

    start: int
    end: int
    text: str
    score: float


class Summary(Prediction, frozen=True, kw_only=True, gc=False):
    """The answer of summarization; `confidence` is the expected share of the ROUGE that was within reach.

    Attributes:
        quotes: what was chosen, in the order of the text.
    """

    quotes: tuple[Quote, ...]

    @property
    def said(self) -> str:
        """The quotes, a line each."""
        return "\n".join(quote.text.strip() for quote in self.quotes)


class Filled(msgspec.Struct, frozen=True, gc=False):
    """One field of a record.

    Attributes:
        name: of the field.
        value: what the text says of it; None where it says nothing.
        confidence: calibrated probability that the value is right.
        start: where a number or span stands in the text ...
        end: ... and ends; None for what is not quoted.
    """

    name: str
    value: str | float | bool | tuple[str, ...] | None
    confidence: float
    start: int | None = None
    end: int | None = None


class Record(Prediction, frozen=True, kw_only=True, gc=False):
    """The answer of extraction; `confidence` is that every required field is right.

    Attributes:
        fields: in the order of the task.
    """

    fields: tuple[Filled, ...]

    @property
    def record(self) -> Mapping[str, Any]:
        """Values by field."""
        return {field.name: field.value for field in self.fields}

    @property
    def said(self) -> str:
        """The record as a JSON object."""
        return msgspec.json.encode(self.record).decode()
