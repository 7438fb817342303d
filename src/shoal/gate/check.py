"""Hold a report against the rules."""

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from shoal.calibration import Certificate
from shoal.evaluation import Report, Slice
from shoal.gate.behaviour import behaviour_rules
from shoal.gate.champion import against_champion
from shoal.gate.slices import slice_rules
from shoal.gate.verdict import Rule, Rules, Verdict, percent, plain, span, threshold

Bools = NDArray[np.bool_]


def check(
    report: Report,
    rules: Rules,
    champion_pairs: tuple[Bools, Bools] | None = None,
    slices: Sequence[Slice] = (),
) -> Verdict:
    """Hold a report against the rules.

    Args:
        report: of the version that wants to be released.
        rules: the limits.
        champion_pairs: correctness [n] of the champion and of this version on the same test rows; None without one.
        slices: of these test rows, on each of which the two are compared as well.
    """
    kept = report.accepted.coverage
    measured: list[tuple[str, float, float | None, Literal["least", "most"], Callable[[float], str], str]] = [
        ("accuracy", report.metrics.accuracy.value, rules.accuracy, "least", percent, span(report.metrics.accuracy)),
        ("macro_f1", report.metrics.macro_f1.value, rules.macro_f1, "least", percent, span(report.metrics.macro_f1)),
        ("coverage", kept.value, rules.coverage, "least", percent, span(kept)),
        ("p99_ms", report.speed.p99_ms, rules.p99_ms, "most", plain, f" over {report.speed.calls:,} single calls"),
        ("size_mb", report.size_bytes / 1e6, rules.size_mb, "most", plain, ""),
    ]
    reasons = [
        threshold(name, value, limit, side, shown, note)
        for name, value, limit, side, shown, note in measured
        if limit is not None
    ]
    if rules.certified:
        reasons.append(certified_rule(report.certificate))
    reasons += slice_rules(report.slices, rules.slice_accuracy, rules.slice_gap)
    reasons += behaviour_rules(report.behaviour)
    reasons += against_champion(champion_pairs, slices, rules)
    return Verdict(all(rule.passed for rule in reasons), reasons)


def certified_rule(certificate: Certificate | None) -> Rule:
    """Ask for a certificate."""
    if certificate is None:
        return Rule("certified", None, 1.0, False, "not certified: the specialist was never calibrated")
    return Rule("certified", float(certificate.certified), 1.0, certificate.certified, certificate.reason)
