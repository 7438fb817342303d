"""What is asked of a version, and what came of it."""

from collections.abc import Callable
from typing import Literal, Protocol

import msgspec

from shoal.metrics import Estimate


class Limits(Protocol):
    """What a version for any task is asked; None asks for nothing. `shoal.config.GateConfig` is one."""

    @property
    def coverage(self) -> float | None:
        """Share of test rows kept inside the guarantee, at least."""
        ...

    @property
    def p99_ms(self) -> float | None:
        """Latency of one text, 99th percentile in milliseconds, at most."""
        ...

    @property
    def size_mb(self) -> float | None:
        """Megabytes (10^6 bytes) of the models, at most."""
        ...

    @property
    def certified(self) -> bool:
        """Whether a certificate is asked for, without which nothing is kept whole."""
        ...

    @property
    def max_regression(self) -> float:
        """Margin of accuracy, or of the mean score of a row, by which it may be worse than the champion."""
        ...


class Rules(Limits, Protocol):
    """What a classification is asked as well."""

    @property
    def accuracy(self) -> float | None:
        """At least, over all test rows."""
        ...

    @property
    def macro_f1(self) -> float | None:
        """At least."""
        ...

    @property
    def slice_accuracy(self) -> float | None:
        """At least, in every slice."""
        ...

    @property
    def slice_gap(self) -> float | None:
        """Between two slices of one kind, at most."""
        ...

    @property
    def max_slice_regression(self) -> float:
        """The same margin on every slice."""
        ...


class TaskRules(Limits, Protocol):
    """What another task is asked as well."""

    @property
    def figures(self) -> dict[str, float]:
        """At least, by the name of a figure of the report."""
        ...

    @property
    def part_recall(self) -> float | None:
        """Recall of every label, type or field, at least."""
        ...


class Rule(msgspec.Struct, frozen=True):
    """One rule and what was measured.

    Attributes:
        name: as in the config; `behaviour` for the tests of one suite.
        value: measured; None where there was nothing to measure.
        limit: what was asked; for `certified` 1 means asked for.
        passed: whether it holds.
        message: one sentence for a person.
    """

    name: str
    value: float | None
    limit: float
    passed: bool
    message: str


class Verdict(msgspec.Struct, frozen=True):
    """Passed when every rule passed."""

    passed: bool
    reasons: list[Rule]

    @property
    def failures(self) -> list[Rule]:
        """The rules that did not pass."""
        return [rule for rule in self.reasons if not rule.passed]


def threshold(
    name: str, value: float, limit: float, side: Literal["least", "most"], shown: Callable[[float], str], note: str
) -> Rule:
    """Hold a value against a limit from below or above; `note` stands behind the value."""
    passed = value >= limit if side == "least" else value <= limit
    return Rule(name, value, limit, passed, f"{name} is {shown(value)}{note}; at {side} {shown(limit)} is asked")


def percent(value: float) -> str:
    """Write a share as "97.5%"."""
    return f"{100 * value:.1f}%"


def plain(value: float) -> str:
    """Write three digits that count."""
    return f"{value:.3g}"


def points(value: float) -> str:
    """Write a difference of shares as "-0.52"."""
    return f"{100 * value:+.2f}"


def span(estimate: Estimate) -> str:
    """Write an interval as " (91.2% to 93.4%)"."""
    return f" ({percent(estimate.low)} to {percent(estimate.high)})"
