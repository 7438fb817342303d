"""The evaluation report as one self-contained HTML page."""

from shoal.evaluation import Report
from shoal.gate import Verdict
from shoal.metrics import Estimate
from shoal.report import plots
from shoal.report.page import render

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
        evidence=certificate.reason if certificate else "No calibration rows were used.",
        figures=_figures(report),
        metrics=metric_rows(report),
        decisions=_decisions(report),
        tiers=_tiers(report),
        labels=sorted(report.per_label, key=lambda row: (row.support == 0, row.f1, row.label)),
        curve=plots.risk_coverage(report),
        curve_note=_curve_note(report),
        reliability=plots.reliability(report),
        map=plots.confusion_map(report),
        facts=facts(report),
        width=plots.WIDTH,
        height=plots.HEIGHT,
    )


def promise(report: Report) -> str:
    """Say in one sentence what is promised."""
    certificate = report.certificate
    if certificate is None:
        return "Not calibrated: nothing is promised and no answer is kept."
    terms = f"at most {percent(certificate.risk)} of kept answers disagree with the reference"
    if not certificate.certified:
        return f"No certificate that {terms}: no answer is kept."
    return f"Promise: {terms}, with {percent(certificate.confidence)} confidence."


def percent(value: float) -> str:
    """Write a share as "97.5%", a round one as "95%"."""
    return f"{100 * value:.1f}".removesuffix(".0") + "%"


def span(estimate: Estimate, scale: float = 100.0, digits: int = 1) -> str:
    """Write an interval as "91.2 to 93.4"."""
    return f"{scale * estimate.low:.{digits}f} to {scale * estimate.high:.{digits}f}"


def metric_rows(report: Report) -> list[tuple[str, str, str]]:
    """Name, value and interval of each metric; shares in per cent."""
    found = report.metrics
    shares: list[tuple[str, Estimate | None]] = [
        ("accuracy, %", found.accuracy),
        ("macro-F1, %", found.macro_f1),
        ("coverage (kept), %", report.accepted.coverage),
        ("risk (wrong of kept), %", report.accepted.risk),
        ("calibration error beyond chance, %", found.ece),
        ("calibration error of the kept beyond chance, %", report.accepted.ece),
    ]
    rows = [(name, f"{100 * one.value:.1f}", span(one)) for name, one in shares if one is not None]
    rows += [
        (
            "classwise calibration error beyond chance, %",
            f"{100 * found.classwise_ece.value:.2f}",
            span(found.classwise_ece, digits=2),
        )
    ]
    rows += [
        (name, f"{one.value:.3f}", span(one, 1.0, 3))
        for name, one in (
            ("Brier score", found.brier),
            ("log-loss, nats", found.nll),
        )
    ]
    if report.out_of_scope:
        away = report.out_of_scope
        rows += [
            (f"out-of-scope AUROC ({away.rows:,} texts), %", f"{100 * away.auroc:.1f}", ""),
            ("out-of-scope let in at 95% of in-scope, %", f"{100 * away.fpr95:.1f}", ""),
            ("out-of-scope kept, %", f"{100 * away.accepted.value:.1f}", span(away.accepted)),
        ]
    return rows


def facts(report: Report) -> list[tuple[str, str]]:
    """Size, speed, training and data as name and value."""
    speed, training = report.speed, report.training
    rows = [
        ("size of the models", f"{report.size_bytes / 1e6:,.1f} MB"),
        (
            "one text, median / 99th percentile",
            f"{speed.p50_ms:.2f} / {speed.p99_ms:.2f} ms over {speed.calls:,} calls",
        ),
        ("in bulk", f"{speed.docs_per_second:,.0f} texts a second on {speed.cores} cores"),
    ]
    if training.seconds is not None:
        rows.append(("training took", f"{training.seconds:,.0f} s"))
    if training.joules is not None:
        source = f" ({training.energy_source})" if training.energy_source else ""
        rows.append(("training energy", f"{training.joules / 1000:,.1f} kJ{source}"))
    rows.append(("rows", ", ".join(f"{name} {count:,}" for name, count in report.data.rows.items())))
    rows.append(("data, SHA-256", report.data.hash[:16]))
    return rows


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
