"""Hold a report against the rules."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shoal.calibration import Certificate
from shoal.evaluation import Report, Slice, TaskReport
from shoal.gate.behaviour import behaviour_rules
from shoal.gate.champion import against_champion
from shoal.gate.slices import slice_rules
from shoal.gate.verdict import Limits, Rule, Rules, Verdict, percent, plain, span, threshold
from shoal.metrics import Estimate

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
    reasons = [
        threshold(name, value.value, limit, "least", percent, span(value))
        for name, value, limit in (
            ("accuracy", report.metrics.accuracy, rules.accuracy),
            ("macro_f1", report.metrics.macro_f1, rules.macro_f1),
        )
        if limit is not None
    ]
    reasons += limits(report, report.accepted.coverage, rules)
    reasons += slice_rules(report.slices, rules.slice_accuracy, rules.slice_gap)
    reasons += behaviour_rules(report.behaviour)
    reasons += against_champion(champion_pairs, slices, rules)
    return Verdict(all(rule.passed for rule in reasons), reasons)


def limits(report: Report | TaskReport, kept: Estimate | None, rules: Limits) -> list[Rule]:
    """Ask what every task is asked: share kept (None where nothing is kept whole), time, size, a certificate."""
    reasons: list[Rule] = []
    if rules.coverage is not None and kept is not None:
        reasons.append(threshold("coverage", kept.value, rules.coverage, "least", percent, span(kept)))
    if rules.p99_ms is not None:
        note = f" over {report.speed.calls:,} single calls"
        reasons.append(threshold("p99_ms", report.speed.p99_ms, rules.p99_ms, "most", plain, note))
    if rules.size_mb is not None:
        reasons.append(threshold("size_mb", report.size_bytes / 1e6, rules.size_mb, "most", plain, ""))
    if rules.certified:
        reasons.append(_certified(report.certificate))
    return reasons


def _certified(certificate: Certificate | None) -> Rule:
    if certificate is None:
        return Rule("certified", None, 1.0, False, "not certified: the specialist was never calibrated")
    return Rule("certified", float(certificate.certified), 1.0, certificate.certified, certificate.reason)
