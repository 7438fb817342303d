"""What a report says in words and rows of tables, for Markdown and HTML alike."""

from shoal.calibration import Certificate
from shoal.evaluation import NoneOfThese, Report, TaskReport
from shoal.metrics import Estimate


def promise(report: Report) -> str:
    """Say in one sentence what is promised."""
    certificate = report.certificate
    if certificate is None:
        return "Not calibrated: nothing is promised and no answer is kept."
    other = report.none_of_these
    if other is None:
        return _promised(certificate, "of kept answers disagree with the reference", "answer")
    both = _promised(certificate, f"of kept answers but {other.label!r} disagree with the reference", "such answer")
    if other.certificate is None:
        return f"{both} Answers of {other.label!r} are never kept."
    return f"{both} {_promised(other.certificate, f'of kept answers {other.label!r} belong elsewhere', 'such answer')}"


def evidence(report: Report) -> str:
    """Say on which evidence each promise stands or why there is none; empty without calibration."""
    other = report.none_of_these
    if report.certificate is None or other is None or other.certificate is None:
        return report.certificate.reason if report.certificate else ""
    return f"{report.certificate.reason}. For {other.label!r}: {other.certificate.reason}"


def _promised(certificate: Certificate, terms: str, answer: str) -> str:
    terms = f"at most {percent(certificate.risk)} {terms}"
    if not certificate.certified:
        return f"No certificate that {terms}: no {answer} is kept."
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
    return rows + (_none_of_these(report.none_of_these) if report.none_of_these else [])


def _none_of_these(found: NoneOfThese) -> list[tuple[str, str, str]]:
    label = repr(found.label)
    rows = [("accuracy on the other labels lost to it, points", f"{100 * found.accuracy_lost:.1f}", "")]
    if found.recall is not None:
        value = f"{100 * found.recall.value:.1f}"
        rows.insert(0, (f"of {found.rows:,} {label} answered so, %", value, span(found.recall)))
    if found.auroc is not None:
        rows.append((f"AUROC of {label}, %", f"{100 * found.auroc:.1f}", ""))
    if found.risk is not None:
        rows.append((f"wrong of {found.kept:,} {label} kept, %", f"{100 * found.risk.value:.1f}", span(found.risk)))
    return rows


def facts(report: Report | TaskReport) -> list[tuple[str, str]]:
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
