"""May this version be released? Rules against a report and, paired on the same rows, against the champion. Pure."""

from collections.abc import Callable
from typing import Literal, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from shoal.evaluation import Report
from shoal.metrics import Estimate, PairedComparison, compare

Bools = NDArray[np.bool_]


class Rules(Protocol):
    """What is asked of a version; None asks for nothing. `shoal.config.GateConfig` is one."""

    @property
    def accuracy(self) -> float | None:
        """At least, over all test rows."""
        ...

    @property
    def macro_f1(self) -> float | None:
        """At least."""
        ...

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
        """Whether a certificate is asked for, without which nothing is kept."""
        ...

    @property
    def max_regression(self) -> float:
        """Margin of accuracy by which it may be worse than the champion."""
        ...


class Rule(msgspec.Struct, frozen=True):
    """One rule and what was measured.

    Attributes:
        name: as in the config.
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


def check(report: Report, rules: Rules, champion_pairs: tuple[Bools, Bools] | None = None) -> Verdict:
    """Hold a report against the rules.

    Args:
        report: of the version that wants to be released.
        rules: the limits.
        champion_pairs: correctness [n] of the champion and of this version on the same test rows; None without one.
    """
    kept = report.accepted.coverage
    measured: list[tuple[str, float, float | None, Literal["least", "most"], Callable[[float], str], str]] = [
        ("accuracy", report.metrics.accuracy.value, rules.accuracy, "least", _percent, _span(report.metrics.accuracy)),
        ("macro_f1", report.metrics.macro_f1.value, rules.macro_f1, "least", _percent, _span(report.metrics.macro_f1)),
        ("coverage", kept.value, rules.coverage, "least", _percent, _span(kept)),
        ("p99_ms", report.speed.p99_ms, rules.p99_ms, "most", _plain, f" over {report.speed.calls:,} single calls"),
        ("size_mb", report.size_bytes / 1e6, rules.size_mb, "most", _plain, ""),
    ]
    reasons = [
        _threshold(name, value, limit, side, shown, note)
        for name, value, limit, side, shown, note in measured
        if limit is not None
    ]
    if rules.certified:
        reasons.append(_certified(report))
    reasons.append(_regression(champion_pairs, rules.max_regression))
    return Verdict(all(rule.passed for rule in reasons), reasons)


def check_unmeasured(rules: Rules, *, size_bytes: int, over_measured: bool) -> Verdict:
    """Hold a version that no labelled row has measured against the rules: what was not measured does not pass.

    It keeps nothing, so that it harms nothing where nothing serves yet: where no more is asked, it passes.

    Args:
        rules: the limits.
        size_bytes: of its models.
        over_measured: whether it would take the place of a champion that labelled rows have measured.
    """
    asked = {
        "accuracy": rules.accuracy,
        "macro_f1": rules.macro_f1,
        "coverage": rules.coverage,
        "p99_ms": rules.p99_ms,
        "certified": 1.0 if rules.certified else None,
    }
    why = "there are no labelled rows to measure it on. Add rows, or take this rule out until there are some"
    reasons = [
        Rule(name, None, limit, False, f"{name} is asked, and {why}")
        for name, limit in asked.items()
        if limit is not None
    ]
    if rules.size_mb is not None:
        reasons.append(_threshold("size_mb", size_bytes / 1e6, rules.size_mb, "most", _plain, ""))
    against = (
        "the champion has learnt from labelled rows; names alone do not take its place"
        if over_measured
        else "no champion has learnt from labelled rows yet, so there is nothing to be worse than"
    )
    reasons.append(Rule("max_regression", None, rules.max_regression, not over_measured, against))
    return Verdict(all(rule.passed for rule in reasons), reasons)


def _threshold(
    name: str, value: float, limit: float, side: Literal["least", "most"], shown: Callable[[float], str], note: str
) -> Rule:
    passed = value >= limit if side == "least" else value <= limit
    return Rule(name, value, limit, passed, f"{name} is {shown(value)}{note}; at {side} {shown(limit)} is asked")


def _certified(report: Report) -> Rule:
    certificate = report.certificate
    if certificate is None:
        return Rule("certified", None, 1.0, False, "not certified: the specialist was never calibrated")
    return Rule("certified", float(certificate.certified), 1.0, certificate.certified, certificate.reason)


def _regression(pairs: tuple[Bools, Bools] | None, margin: float) -> Rule:
    """Paired non-inferiority, as far as the rows can tell.

    Not worse by more than `margin` is shown when the one-sided 95 % score bound of the paired difference (Tango 1998)
    lies above -margin. A test set often holds too few rows for that: two equally good models differ by chance on a few
    per cent of rows. Where even the smallest drop that the rows can show (80 % power) exceeds the margin, the observed
    difference decides instead, and the message says that nothing more was shown.
    """
    if pairs is None:
        return Rule("max_regression", None, margin, True, "there is no champion yet, so nothing to be worse than")
    if len(pairs[0]) == 0:
        return Rule("max_regression", None, margin, False, "there are no rows on which to compare with the champion")
    seen = compare(*pairs)
    detail = (
        f"{_points(seen.difference)} points against the champion on {seen.rows:,} rows ({seen.gained:,} gained, "
        f"{seen.lost:,} lost), at worst {_points(seen.low)} with 95% confidence; {_points(-margin)} is allowed"
    )
    passed, remark = _decide(seen, margin)
    return Rule("max_regression", seen.difference, -margin, passed, f"{detail}{remark}")


def _decide(seen: PairedComparison, margin: float) -> tuple[bool, str]:
    if seen.low >= -margin:
        return True, ": shown to be no worse"
    if seen.gained + seen.lost == 0:
        return True, ": it is right on the very same rows"
    if seen.detectable <= margin:
        return False, ": not shown to be no worse"
    remark = f"; these rows can only show a drop of {100 * seen.detectable:.1f} points, so the difference seen decides"
    return seen.difference >= -margin, remark


def _percent(value: float) -> str:
    return f"{100 * value:.1f}%"


def _plain(value: float) -> str:
    return f"{value:.3g}"


def _points(value: float) -> str:
    return f"{100 * value:+.2f}"


def _span(estimate: Estimate) -> str:
    return f" ({_percent(estimate.low)} to {_percent(estimate.high)})"
