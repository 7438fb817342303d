"""The evaluation report as one self-contained HTML page."""

from shoal.evaluation import Report
from shoal.gate import Verdict
from shoal.report import closer, plots
from shoal.report.figures import evidence, facts, metric_rows, percent, promise, span
from shoal.report.page import render
from shoal.report.teaching import teacher_lines

_DECISIONS = {
    "certified": "kept: inside the guarantee",
    "below_threshold": "not sure enough",
    "never_label": "a label that is never kept",
    "out_of_scope": "unlike the training texts",
    "not_certified": "no certificate",
    "empty_text": "empty",
}


def evaluation_html(report: Report, verdict: Verdict | None = None) -> str:
    """Draw the report as one page that loads nothing; `verdict` adds the gate."""
    certificate = report.certificate
    return render(
        "evaluation.html.j2",
        report=report,
        verdict=verdict,
        subtitle=_subtitle(report),
        certified=bool(certificate and certificate.certified),
        promise=promise(report),
        evidence=evidence(report) or "No calibration rows were used.",
        figures=_figures(report),
        metrics=metric_rows(report),
        decisions=_decisions(report),
        tiers=_tiers(report),
        labels=sorted(report.per_label, key=lambda row: (row.support == 0, row.f1, row.label)),
        curve=plots.risk_coverage(report),
        curve_note=_curve_note(report),
        reliability=plots.reliability(report),
        map=plots.confusion_map(report),
        slices_head=closer.SLICES_HEAD,
        slices=closer.slice_rows(report),
        gap_notes=closer.gap_notes(report),
        tests_head=closer.TESTS_HEAD,
        tests=closer.behaviour_rows(report),
        failures_head=closer.FAILURES_HEAD,
        failures=closer.failure_rows(report, each=5),
        facts=facts(report),
        teacher=teacher_lines(report),
        width=plots.WIDTH,
        height=plots.HEIGHT,
    )


def _subtitle(report: Report) -> str:
    return (
        f"Evaluation on {report.data.tested:,} test rows the model never saw, {report.data.labels:,} labels, "
        f"data {report.data.hash[:12]}"
    )


def _figures(report: Report) -> list[tuple[str, str, str]]:
    kept, speed = report.accepted, report.speed
    return [
        (percent(report.metrics.accuracy.value), "accuracy", f"{span(report.metrics.accuracy)}%"),
        (percent(kept.coverage.value), "of texts kept", f"{span(kept.coverage)}%"),
        (
            percent(kept.risk.value) if kept.risk else "none",
            "of the kept wrong",
            f"{span(kept.risk)}%" if kept.risk else "nothing is kept",
        ),
        (f"{speed.p50_ms:.2g} ms", "one text, median", f"99th percentile {speed.p99_ms:.3g} ms"),
        (f"{speed.docs_per_second:,.0f}", "texts a second", f"in bulk, {speed.cores} cores"),
        (f"{report.size_bytes / 1e6:,.1f} MB", "on disk", "the models"),
    ]


def _decisions(report: Report) -> list[tuple[str, str, str]]:
    total = report.data.tested
    return [
        (_DECISIONS.get(reason, reason), f"{rows:,}", percent(rows / total))
        for reason, rows in report.accepted.reasons.items()
    ]


def _tiers(report: Report) -> list[tuple[str, str, str, str]]:
    return [
        (tier.name, f"{tier.rows:,}", f"{tier.accepted:,}", "" if tier.accuracy is None else percent(tier.accuracy))
        for tier in report.tiers
    ]


def _curve_note(report: Report) -> str:
    parts = ["Keeping only the surest answers, strict on the left."]
    if report.accepted.risk:
        parts.append("The green point is where this specialist works, with its exact 95% interval on the test rows.")
    if report.certificate and report.certificate.feasible_coverage < 1:
        parts.append(
            f"No rule at all could keep more than {percent(report.certificate.feasible_coverage)} at the promised risk "
            "(dotted)."
        )
    return " ".join(parts)
