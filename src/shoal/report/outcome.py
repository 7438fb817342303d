"""The report of a task other than classification: one HTML page, Markdown, and the model card."""

import re

from shoal.calibration import Certificate
from shoal.evaluation import Example, TaskReport
from shoal.gate import Verdict
from shoal.report.evaluation_text import gate_table, safe, table
from shoal.report.figures import facts, percent, span
from shoal.report.page import render

_TASKS = {
    "multilabel": ("Gives a text any number of {parts} labels", "text-classification", "labels"),
    "tagging": ("Marks spans of {parts} types in a text", "token-classification", "spans"),
    "summarization": ("Quotes the sentences or turns that say most of a text", "summarization", "quotes"),
    "extraction": ("Fills a record of {parts} fields from a text", "token-classification", "record"),
}
_WHOLE = {
    "multilabel": "of kept answers differ from the reference in a label",
    "tagging": "of kept answers miss or mistake a span",
    "summarization": "of kept summaries fall short of the promised share of what could be reached",
    "extraction": "of kept records have a required field wrong",
}
_USE = (
    "Act on an answer only where `accepted` is true, or on a part of it that is `kept`; give the others to a larger "
    "model or a person. Loading needs the core of shoal only; no network, no GPU."
)
_LIMITS = (
    "Promises are about texts like those they were calibrated on, and about the reference that judged them. They are "
    "void after drift, retraining, quantisation, or a change of the task."
)
_NAMES = {"macro_f1": "macro-F1", "micro_f1": "micro-F1", "f1": "F1", "exact_match": "exact match"}
_SHOWN_PARTS = 40


def outcome_html(report: TaskReport, verdict: Verdict | None = None) -> str:
    """Draw the report as one page that loads nothing; `verdict` adds the gate."""
    certificate = report.certificate
    some = any(each.certified for part in report.parts for each in part.promises.values())
    return render(
        "outcome.html.j2",
        report=report,
        verdict=verdict,
        subtitle=f"Evaluation on {report.data.tested:,} test rows the model never saw, data {report.data.hash[:12]}",
        certified=bool(certificate and certificate.certified) or some,
        promises=promise_lines(report),
        figures=_figures(report),
        metrics_head=("figure", "value", "95% interval", *report.baselines),
        metrics=_metric_rows(report),
        parts_head=_parts_head(report),
        parts=_part_rows(report),
        examples=[(each, _pieces(each)) for each in report.examples],
        facts=facts(report),
    )


def outcome_markdown(report: TaskReport, verdict: Verdict | None = None) -> str:
    """Write the report for a pull request."""
    parts = [f"## {safe(report.name)}{f' {safe(report.version)}' if report.version else ''}"]
    parts += [safe(line) for line in promise_lines(report)]
    if verdict:
        parts += gate_table(verdict)
    parts.append(table(("figure", "value", "95% interval", *report.baselines), _metric_rows(report)))
    if report.parts:
        parts.append(table(_parts_head(report), _part_rows(report)[:_SHOWN_PARTS]))
    parts += [safe(note) for note in report.notes]
    parts.append(table(("", ""), facts(report)))
    return "\n\n".join(parts) + "\n"


def outcome_card(report: TaskReport) -> str:
    """Write the README.md of a model folder (Mitchell et al. 2019)."""
    does, tag, field = _TASKS[report.task]
    folder = re.sub(r"[^\w.-]", "-", report.name)
    return (
        "\n\n".join(
            [
                f"---\nlibrary_name: shoal\npipeline_tag: {tag}\n---",
                f"# {safe(report.name)}",
                does.format(parts=len(report.parts)) + ".",
                "## Use",
                f'```python\nimport shoal\n\nspecialist = shoal.load("{folder}")\n'
                f'answer = specialist.predict(["..."])[0]\nanswer.{field}, answer.confidence, answer.accepted\n```',
                _USE,
                "## What is promised",
                *[safe(line) for line in promise_lines(report)],
                _LIMITS,
                "## How good it is",
                f"On {report.data.tested:,} test rows that neither training nor calibration saw:",
                table(("figure", "value", "95% interval", *report.baselines), _metric_rows(report)),
                "## How it was made",
                table(("", ""), facts(report)),
            ]
        )
        + "\n"
    )


def promise_lines(report: TaskReport) -> list[str]:
    """Say what is promised of whole answers, and of how many parts."""
    lines: list[str] = []
    if report.certificate is not None:
        terms = f"at most {percent(report.certificate.risk)} {_WHOLE[report.task]}"
        if report.certificate.certified:
            lines.append(f"Promise: {terms}, with {percent(report.certificate.confidence)} confidence.")
        else:
            lines.append(f"No certificate that {terms}: no whole answer is kept. {report.certificate.reason}.")
    kinds = list(dict.fromkeys(name for part in report.parts for name in part.promises))
    for kind in kinds:
        made = [part.promises[kind] for part in report.parts if kind in part.promises]
        held = sum(each.certified for each in made)
        lines.append(f"{kind.capitalize()} at {percent(made[0].risk)} risk: certified for {held} of {len(made)} parts.")
    return lines or ["Not calibrated: nothing is promised and no answer is kept."]


def _figures(report: TaskReport) -> list[tuple[str, str, str]]:
    main, speed = report.metrics[report.headline], report.speed
    found = [(percent(main.value), figure_name(report.headline), f"{span(main)}%")]
    if report.rows_kept is not None:
        found.append((percent(report.rows_kept.value), "of texts kept whole", f"{span(report.rows_kept)}%"))
    if report.risk is not None:
        found.append((percent(report.risk.value), "of the kept wrong", f"{span(report.risk)}%"))
    return [
        *found,
        (f"{speed.p50_ms:.2g} ms", "one text, median", f"99th percentile {speed.p99_ms:.3g} ms"),
        (f"{speed.docs_per_second:,.0f}", "texts a second", f"in bulk, {speed.cores} cores"),
        (f"{report.size_bytes / 1e6:,.1f} MB", "on disk", "the models"),
    ]


def _metric_rows(report: TaskReport) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for name, value in report.metrics.items():
        rivals = [figures.get(name) for figures in report.baselines.values()]
        others = ["" if each is None else f"{100 * each.value:.1f}" for each in rivals]
        rows.append((f"{figure_name(name)}, %", f"{100 * value.value:.1f}", span(value), *others))
    return rows


def _parts_head(report: TaskReport) -> tuple[str, ...]:
    kinds = dict.fromkeys(name for part in report.parts for name in part.promises)
    what = {"multilabel": "label", "tagging": "type", "extraction": "field"}.get(report.task, "part")
    return (what, "in test", "precision, %", "recall, %", "F1, %", "kept, %", *(f"promised {kind}" for kind in kinds))


def _part_rows(report: TaskReport) -> list[tuple[str, ...]]:
    kinds = list(dict.fromkeys(name for part in report.parts for name in part.promises))
    return [
        (
            part.name,
            f"{part.support:,}",
            f"{100 * part.precision.value:.1f}" if part.precision else "",
            f"{100 * part.recall.value:.1f}" if part.recall else "",
            f"{100 * part.f1:.1f}" if part.f1 is not None else "",
            f"{100 * part.kept.value:.1f}" if part.kept else "",
            *(_promised(part.promises.get(kind)) for kind in kinds),
        )
        for part in report.parts
    ]


def _promised(certificate: Certificate | None) -> str:
    if certificate is None:
        return ""
    if certificate.certified:
        return f"yes, on {certificate.accepted:,}"
    return f"no, {certificate.rows_needed:,} rows more" if certificate.rows_needed else "no"


def figure_name(metric: str) -> str:
    """Write the name of a figure as people do: "ROUGE-1", "macro-F1"."""
    if metric.startswith("rouge"):
        return f"ROUGE-{metric.removeprefix('rouge')}"
    return _NAMES.get(metric, metric.replace("_", " "))


def _pieces(example: Example) -> list[tuple[str, str, str]]:
    """Cut the text of an example at its marks: (text, kind, label), kind empty between marks."""
    pieces: list[tuple[str, str, str]] = []
    at = 0
    for mark in sorted(example.marks, key=lambda mark: mark.start):
        start, end = max(mark.start, at), min(mark.end, len(example.text))
        if start >= end:
            continue
        if start > at:
            pieces.append((example.text[at:start], "", ""))
        pieces.append((example.text[start:end], mark.kind, mark.label))
        at = end
    return [*pieces, (example.text[at:], "", "")] if at < len(example.text) else pieces
