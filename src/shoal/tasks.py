"""The vocabulary: what is asked of a specialist (`Task`) and what it answers (`Prediction`).

Pure values; every other package speaks in them. `Task` is a union on `kind`: further tasks join it here.
"""

from typing import Annotated, Literal, Self

import msgspec
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

MAX_LABELS = 10_000


class Classification(BaseModel):
    """Exactly one label of a closed set for each text.

    Attributes:
        labels: the closed answer set, sorted; the column order of every logits matrix.
        never: labels whose predictions are never kept, always escalated.
        out_of_scope: the label of texts that belong to none of the others; kept answers of it have a promise of their
            own. None: there is no such label.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    kind: Literal["classification"] = "classification"
    labels: tuple[str, ...] = Field(min_length=2, max_length=MAX_LABELS)
    never: tuple[str, ...] = ()
    out_of_scope: str | None = None

    @field_validator("labels")
    @classmethod
    def _distinct(cls, labels: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(labels)) != len(labels):
            raise ValueError("labels must be distinct")
        return labels

    @model_validator(mode="after")
    def _known(self) -> Self:
        if self.out_of_scope is not None and self.out_of_scope not in self.labels:
            raise ValueError("out_of_scope must be one of the labels")
        return self


Task = Annotated[Classification, Field(description="What is asked of a specialist, told apart by `kind`.")]

Reason = Literal["certified", "below_threshold", "never_label", "out_of_scope", "not_certified", "empty_text"]
Outcome = Literal["accepted", "escalated", "reviewed", "abstained", "failed", "passed_through"]


# gc=False here and below: plain values that cannot be part of a cycle, made by the hundred thousand; the garbage
# collector, which would look at each of them several times, took a fifth of the time of a bulk prediction.
class Score(msgspec.Struct, frozen=True, gc=False):
    """One label with its calibrated probability."""

    label: str
    probability: float


class Prediction(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A specialist's answer to one text.

    Attributes:
        label: the most probable label, always one of the task's labels.
        confidence: calibrated probability that `label` agrees with the reference, in [0, 1].
        accepted: whether the answer is kept inside the guarantee; False means escalate, review or abstain.
        reason: why it was accepted or not.
        tier: name of the tier that gave the answer ("tfidf", "static", "encoder", "finetune").
        in_scope: conformal p-value that the text is of the kind seen in training, in (0, 1]; small means far away.
        top: the most probable labels, best first (at most five).
    """

    label: str
    confidence: float
    accepted: bool
    reason: Reason
    tier: str
    in_scope: float = 1.0
    top: tuple[Score, ...] = ()


class Usage(msgspec.Struct, frozen=True):
    """Tokens that a larger model was given and produced."""

    input_tokens: int = 0
    output_tokens: int = 0


class Timings(msgspec.Struct, frozen=True):
    """Where the time of one request went, in milliseconds."""

    queue_ms: float = 0.0
    model_ms: float = 0.0
    llm_ms: float = 0.0
    total_ms: float = 0.0
