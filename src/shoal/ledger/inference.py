"""What the ledger holds: an `Inference` a request (or a text of a batch), a `ReviewItem` a text that waits."""

import os
import time
from typing import Annotated, Literal

import msgspec

from shoal.tasks import Outcome

_NotNegative = Annotated[float, msgspec.Meta(ge=0)]
_Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
_Name = Annotated[str, msgspec.Meta(max_length=200)]


def new_id() -> str:
    """32 hexadecimal digits: the time in milliseconds (48 bits), then 80 random bits.

    Ids made later sort later, so that the index of a growing ledger is appended to instead of scattered (the idea of
    UUID version 7, RFC 9562).
    """
    return f"{time.time_ns() // 1_000_000:012x}{os.urandom(10).hex()}"


class Inference(msgspec.Struct, kw_only=True, frozen=True):
    """One answered request.

    Attributes:
        id: unique in the ledger; a row with a known id is not written twice.
        time: when the request came, seconds since 1970 UTC.
        route: name of the way it came in and went ("intent", or an LLM's name for traffic passed through).
        specialist: name of the specialist that was asked; None for traffic passed through.
        version: the specialist's version ("v3").
        outcome: what became of it; "reviewed" also puts the text on the review list.
        reason: why ("certified", "below_threshold", "llm_timeout", ...).
        tier: the specialist's tier that gave the label.
        label: the label that was answered; for "reviewed" the specialist's guess.
        confidence: calibrated probability of `label`, in [0, 1].
        text: the request's text; stored as the ledger's text policy says.
        text_hash: set by the ledger, never by the caller.
        llm: name of the larger model that was asked, whether it answered or not.
        input_tokens: tokens the larger model was given.
        output_tokens: tokens the larger model produced.
        cost_usd: what the larger model cost for this request, US dollars.
        baseline_cost_usd: what the larger model alone would have cost for it (`shoal.meter.baseline`), US dollars.
        latency_ms: from the request's arrival to the answer.
        llm_ms: the part of `latency_ms` spent waiting for the larger model.
        energy_j: energy of the machine attributed to this request, joules.
        energy_method: how `energy_j` was obtained: "rapl" or "cpu_time".
        status: HTTP status of the answer.
        error: one sentence when something failed.
        stream: whether the answer was streamed.
    """

    id: Annotated[str, msgspec.Meta(min_length=1, max_length=64)] = msgspec.field(default_factory=new_id)
    time: _NotNegative = msgspec.field(default_factory=time.time)
    route: _Name
    specialist: _Name | None = None
    version: _Name | None = None
    outcome: Outcome
    reason: _Name | None = None
    tier: _Name | None = None
    label: str | None = None
    confidence: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    text: str | None = None
    text_hash: str | None = None
    llm: _Name | None = None
    input_tokens: _Count = 0
    output_tokens: _Count = 0
    cost_usd: _NotNegative = 0.0
    baseline_cost_usd: _NotNegative = 0.0
    latency_ms: _NotNegative = 0.0
    llm_ms: _NotNegative = 0.0
    energy_j: _NotNegative = 0.0
    energy_method: Literal["rapl", "cpu_time"] | None = None
    status: Annotated[int, msgspec.Meta(ge=100, le=599)] = 200
    error: str | None = None
    stream: bool = False


class ReviewItem(msgspec.Struct, kw_only=True, frozen=True):
    """A text that waits for a person's label, or got it.

    Attributes:
        id: the inference's id.
        specialist: whose label is wanted.
        version: the version that was unsure.
        text: None unless the ledger stores texts in full.
        predicted: the specialist's guess.
        confidence: calibrated probability of the guess.
        reason: why it was not kept.
        created: seconds since 1970 UTC.
        resolved: seconds since 1970 UTC, None while it waits.
        label: the person's label, None while it waits.
    """

    id: str
    specialist: str | None
    version: str | None
    text: str | None
    predicted: str | None
    confidence: float | None
    reason: str | None
    created: float
    resolved: float | None
    label: str | None
