"""When to stop asking an endpoint that keeps failing, and when to ask again. Pure: the caller brings the clock."""

import random
from dataclasses import dataclass

_BASE_S = 0.25
_CAP_S = 8.0
_RETRY_AFTER_CAP_S = 20.0


@dataclass(slots=True)
class Breaker:
    """A circuit breaker (Nygard, Release It!, 2007).

    Closed until `threshold` failures in a row; then open, every call refused, for `cool_s` seconds; then half-open:
    one call may try, and its end decides.

    Attributes:
        threshold: failures in a row that open it.
        cool_s: seconds it stays open.
    """

    threshold: int = 5
    cool_s: float = 10.0
    failures: int = 0
    opened_at: float | None = None
    trying: bool = False

    def allows(self, now: float) -> bool:
        """Tell whether a call may be made now (seconds of any steady clock); half-open, one is let through."""
        if self.opened_at is None:
            return True
        if self.trying or now - self.opened_at < self.cool_s:
            return False
        self.trying = True
        return True

    def succeed(self) -> None:
        """Close the circuit: a call was answered."""
        self.failures, self.opened_at, self.trying = 0, None, False

    def fail(self, now: float) -> None:
        """Count a failed call."""
        self.failures += 1
        if self.trying or self.failures >= self.threshold:
            self.opened_at = now
        self.trying = False

    def forget(self) -> None:
        """End a call that says nothing about the endpoint, such as one its caller cancelled."""
        self.trying = False

    def seconds_closed_in(self, now: float) -> float:
        """Seconds until the next call may be tried; 0 when one may be now."""
        return 0.0 if self.opened_at is None else max(0.0, self.opened_at + self.cool_s - now)


def backoff_s(attempt: int, retry_after: str | None = None, draw: float | None = None) -> float:
    """Seconds to wait before attempt number `attempt` + 1: exponential with full jitter (Brooker, AWS, 2015).

    Args:
        attempt: how many attempts have failed, from 1.
        retry_after: the Retry-After header in seconds; honoured up to 20 s. A date is ignored.
        draw: a number in [0, 1); random when None.
    """
    if retry_after is not None and retry_after.strip().isdecimal():
        return min(float(retry_after), _RETRY_AFTER_CAP_S)
    return (random.random() if draw is None else draw) * min(_CAP_S, _BASE_S * 2.0**attempt)
