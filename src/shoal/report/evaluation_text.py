"""The evaluation report as Markdown: short for a pull request, and as the model card that travels with the model."""

import html
import re
from collections.abc import Sequence

from shoal.evaluation import Report
from shoal.gate import Verdict
from shoal.report import closer
from shoal.report.figures import evidence, facts, metric_rows, promise
from shoal.report.teaching import teacher_lines

_WEAKEST = 5
_PAIRS = 5
_SUSPICIOUS = 10
_FAILURES = 2  # examples a behavioural test
_TEXT_CHARS = 120
_LABELS_NAMED = 200

_USE = (
    "Act on a label only where `accepted` is true; give the other texts to a larger model or a person. Loading needs "
    "the core of shoal only (numpy, tokenizers, onnxruntime); no network, no GPU."
)
_LIMITS = (
    "The promise is about texts like those it was calibrated on, and about the reference that labelled them. It is "
    "void after drift, retraining, quantisation, or a change of labels; it is an average over kept texts, not a "
    "statement about each label, group or single text."
)
_NOT_FOR = (
    "Not meant for decisions about people without a person in the loop, for languages or kinds of text that the "
    "training rows do not hold, or where a wrong label among the kept ones cannot be borne."
)


def evaluation_markdown(report: Report, verdict: Verdict | None = None) -> str:
    """Write the report for a pull request: promise, gate, metrics, weakest labels, confusions, doubtful labels."""
    title = f"## {safe(report.name)}{f' {safe(report.version)}' if report.version else ''}"
    parts = [title, _promise(report)]
    if verdict:
        parts += gate_table(verdict)
    parts.append(table(("metric", "value", "95% interval"), metric_rows(report)))
    parts.append(table(("", ""), facts(report)))
    tested = [row for row in report.per_label if row.support]
    weakest = sorted(tested, key=lambda row: row.f1)[:_WEAKEST]
    parts.append(
        table(
            ("weakest labels", "F1", "rows"),
            [(row.label, f"{100 * row.f1:.1f}", str(row.support)) for row in weakest],
        )
    )
    if report.confusion.worst:
        parts.append(
            table(
                ("reference", "answered as", "rows"),
                [(pair.label, pair.predicted, str(pair.rows)) for pair in report.confusion.worst[:_PAIRS]],
            )
        )
    parts += _closer(report)
    if report.suspicious:
        parts.append(_suspicious(report))
    return "\n\n".join(parts) + "\n"


def model_card(report: Report) -> str:
    """Write the README.md of a model folder (Mitchell et al. 2019): for what, how good, from which data."""
    name = safe(report.name)
    never = f" Never kept: {', '.join(safe(label) for label in report.never)}." if report.never else ""
    folder = re.sub(r"[^\w.-]", "-", report.name)
    return (
        "\n\n".join(
            [
                "---\nlibrary_name: shoal\npipeline_tag: text-classification\n---",
                f"# {name}",
                f"Gives a text exactly one of {len(report.labels):,} labels: {label_list(report.labels)}.{never}",
                "## Use",
                f'```python\nimport shoal\n\nspecialist = shoal.load("{folder}")\n'
                'prediction = specialist.predict(["..."])[0]\n'
                "prediction.label, prediction.confidence, prediction.accepted\n```",
                _USE,
                "## What is promised",
                _promise(report),
                _LIMITS,
                "## How good it is",
                f"On {report.data.tested:,} test rows that neither training nor calibration saw:",
                table(("metric", "value", "95% interval"), metric_rows(report)),
                "Weak spots and the most confident mistakes are in the evaluation report beside this file.",
                "## How it was made",
                table(("", ""), facts(report)),
                _NOT_FOR,
            ]
        )
        + "\n"
    )


def gate_table(verdict: Verdict) -> list[str]:
    """Write what the gate found: a headline and a table."""
    rows = [("✅" if rule.passed else "❌", rule.name, rule.message) for rule in verdict.reasons]
    return [f"**Gate {'passed' if verdict.passed else 'failed'}**", table(("", "rule", ""), rows)]


def label_list(labels: Sequence[str]) -> str:
    """Name labels, at most 200."""
    shown = ", ".join(safe(label) for label in labels[:_LABELS_NAMED])
    return shown + (f" and {len(labels) - _LABELS_NAMED:,} more" if len(labels) > _LABELS_NAMED else "")


def safe(text: str) -> str:
    """Text that Markdown shows as it is: labels and names come from users."""
    return re.sub(r"([\\`*_\[\]|#])", r"\\\1", html.escape(" ".join(text.split()), quote=False))


def _promise(report: Report) -> str:
    reason = f" ({evidence(report)})" if report.certificate else ""
    return "\n\n".join([f"{promise(report)}{reason}", *(safe(line) for line in teacher_lines(report))])


def _closer(report: Report) -> list[str]:
    """Slices and behavioural tests, where there are such, with a few examples of what failed."""
    parts: list[str] = []
    if report.slices:
        parts.append(table(closer.SLICES_HEAD, closer.slice_rows(report)))
        parts += [safe(note) for note in closer.gap_notes(report)]
    if report.behaviour:
        parts.append(table(closer.TESTS_HEAD, closer.behaviour_rows(report)))
        failed = closer.failure_rows(report, _FAILURES)
        if failed:
            parts.append(table(closer.FAILURES_HEAD, [tuple(_cut(cell) for cell in row) for row in failed]))
    return parts


def _suspicious(report: Report) -> str:
    """List the training rows whose labels look wrong, the least believed first as the report has them."""
    found = report.suspicious
    listed = table(
        ("training labels that look wrong", "label", "rather", "belief in label", "where"),
        [
            (_cut(row.text), row.label, row.suggested, f"{100 * row.score:.1f}%", row.origin)
            for row in found[:_SUSPICIOUS]
        ],
    )
    more = len(found) - _SUSPICIOUS
    return f"{listed}\n\nAnd {more:,} more in the JSON report." if more > 0 else listed


def _cut(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _TEXT_CHARS else f"{text[: _TEXT_CHARS - 1]}…"


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Write a table; cells are made safe."""
    lines = [head, tuple("---" for _ in head), *(tuple(safe(cell) for cell in row) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
