"""What `train` and `evaluate` share: the gate with the champion beside it, what is written and what is printed."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape

if TYPE_CHECKING:
    from shoal.behaviour import Suite
    from shoal.config import BehaviourConfig, GateConfig
    from shoal.data import Dataset, Terms
    from shoal.evaluation import Report, TaskReport
    from shoal.gate import Verdict
    from shoal.models import Model


def suites_of(behaviour: "Sequence[BehaviourConfig]") -> "list[Suite]":
    """Read the suites of behavioural tests that a specialist's table names.

    Raises:
        ConfigError: every mistake in a file, each with its line.
        InputError: what the table says of a suite does not fit it.
    """
    from shoal.behaviour import load

    return [load(one.suite, labels=one.labels, pass_rates=one.pass_rates, skip=one.skip) for one in behaviour]


def judged(
    report: "Report | TaskReport",
    rules: "GateConfig",
    specialist: "Model",
    champion: "Model | None",
    test: "Dataset",
    terms: "Terms",
) -> "Verdict":
    """Hold a report against the rules, and the specialist against the champion on the same rows, slice by slice."""
    import numpy as np

    from shoal import gate
    from shoal.evaluation import Report, TaskReport, evaluate_any, find_slices
    from shoal.models import Specialist

    # A champion of another task is no rival: nobody could say which of the two is better.
    rival = champion if champion is not None and champion.task.kind == specialist.task.kind else None
    if isinstance(report, TaskReport):
        before = None if rival is None else evaluate_any(rival, test, timing_seconds=0)
        return gate.check_task(report, rules, before if isinstance(before, TaskReport) else None)
    assert isinstance(report, Report) and isinstance(specialist, Specialist)
    pairs = None
    if isinstance(rival, Specialist):
        truth = np.array(test.targets)
        right = [np.array(one.task.labels)[one.judge(test.texts).label] == truth for one in (rival, specialist)]
        pairs = right[0], right[1]
    return gate.check(report, rules, pairs, find_slices(test, terms))


def documents(report: "Report | TaskReport", verdict: "Verdict | None") -> dict[str, str]:
    """Write what people read, by file name: the report twice, and the model card."""
    from shoal import report as views
    from shoal.evaluation import TaskReport

    if isinstance(report, TaskReport):
        return {
            "README.md": views.outcome_card(report),
            "report.md": views.outcome_markdown(report, verdict),
            "report.html": views.outcome_html(report, verdict),
        }
    return {
        "README.md": views.model_card(report),
        "report.md": views.evaluation_markdown(report, verdict),
        "report.html": views.evaluation_html(report, verdict),
    }


def as_values(place: str, report: "Report | TaskReport", verdict: "Verdict | None") -> dict[str, Any]:
    """Give what was measured and decided as plain values."""
    import msgspec

    return {
        "name": report.name,
        "place": place,
        "gate": msgspec.to_builtins(verdict),
        "report": report.as_dict(),
    }


def headline(report: "Report | TaskReport", verdict: "Verdict") -> dict[str, Any]:
    """Give the few figures that the registry lists."""
    from shoal.evaluation import TaskReport

    gate = "passed" if verdict.passed else "failed"
    if isinstance(report, TaskReport):
        kept = {"coverage": round(report.rows_kept.value, 4)} if report.rows_kept else {}
        return {report.headline: round(report.metrics[report.headline].value, 4), **kept, "gate": gate}
    return {
        "accuracy": round(report.metrics.accuracy.value, 4),
        "coverage": round(report.accepted.coverage.value, 4),
        "gate": gate,
    }


def print_json(values: Any) -> None:
    """Print JSON for programs."""
    import msgspec

    print(msgspec.json.format(msgspec.json.encode(values)).decode())


def print_summary(place: str, report: "Report | TaskReport", verdict: "Verdict | None") -> None:
    """Print a few lines: quality, promise, and each rule of the gate."""
    from shoal.evaluation import TaskReport

    console = Console(highlight=False, soft_wrap=True)
    console.print(f"[bold]{escape(place)}[/]  {report.speed.p50_ms:.1f} ms a text, {report.size_bytes / 1e6:.1f} MB")
    if isinstance(report, TaskReport):
        _print_outcome(console, report)
    else:
        _print_classification(console, report)
    for rule in verdict.reasons if verdict else []:
        mark = "[green]passed[/]" if rule.passed else "[red]failed[/]"
        console.print(f"  {mark} {escape(rule.message)}")


def _print_classification(console: Console, report: "Report") -> None:
    from shoal.report import promise, teacher_lines

    accuracy, kept = report.metrics.accuracy, report.accepted
    wrong = f", {kept.risk.value:.1%} of them wrong" if kept.risk else ""
    console.print(
        f"  accuracy {accuracy.value:.1%} ({accuracy.low:.1%} to {accuracy.high:.1%}) on {report.data.tested:,} "
        f"test rows; keeps {kept.coverage.value:.1%}{wrong}"
    )
    console.print(f"  {promise(report)}")
    other = report.none_of_these
    for certificate in (report.certificate, other.certificate if other else None):
        if certificate and not certificate.certified:
            console.print(f"  [yellow]{escape(certificate.reason)}[/]")
    for line in teacher_lines(report):
        console.print(f"  {escape(line)}")


def _print_outcome(console: Console, report: "TaskReport") -> None:
    from shoal.report import figure_name, promise_lines

    shown = [
        f"{figure_name(name)} {value.value:.1%} ({value.low:.1%} to {value.high:.1%})"
        for name, value in list(report.metrics.items())[:3]
    ]
    wrong = f", {report.risk.value:.1%} of them wrong" if report.risk else ""
    kept = f"; keeps {report.rows_kept.value:.1%} whole{wrong}" if report.rows_kept else ""
    console.print(f"  {', '.join(shown)} on {report.data.tested:,} test rows{kept}")
    for line in [*promise_lines(report), *report.notes]:
        console.print(f"  {escape(line)}")
