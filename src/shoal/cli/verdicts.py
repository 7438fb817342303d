"""What `train` and `evaluate` share: the gate with the champion beside it, what is written and what is printed."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape

if TYPE_CHECKING:
    from shoal.behaviour import Suite
    from shoal.config import BehaviourConfig
    from shoal.data import Dataset, Terms
    from shoal.evaluation import Report
    from shoal.gate import Rules, Verdict
    from shoal.models import Specialist


def suites_of(behaviour: "Sequence[BehaviourConfig]") -> "list[Suite]":
    """Read the suites of behavioural tests that a specialist's table names.

    Raises:
        ConfigError: every mistake in a file, each with its line.
        InputError: what the table says of a suite does not fit it.
    """
    from shoal.behaviour import load

    return [load(one.suite, labels=one.labels, pass_rates=one.pass_rates, skip=one.skip) for one in behaviour]


def judged(
    report: "Report",
    rules: "Rules",
    specialist: "Specialist",
    champion: "Specialist | None",
    test: "Dataset",
    terms: "Terms",
) -> "Verdict":
    """Hold a report against the rules, and the specialist against the champion on the same rows, slice by slice."""
    import numpy as np

    from shoal import gate
    from shoal.evaluation import find_slices

    pairs = None
    if champion is not None:
        truth = np.array(test.targets)
        right = [np.array(one.task.labels)[one.judge(test.texts).label] == truth for one in (champion, specialist)]
        pairs = right[0], right[1]
    return gate.check(report, rules, pairs, find_slices(test, terms))


def documents(report: "Report", verdict: "Verdict | None") -> dict[str, str]:
    """Write what people read, by file name: the report twice, and the model card."""
    from shoal.report import evaluation_html, evaluation_markdown, model_card

    return {
        "README.md": model_card(report),
        "report.md": evaluation_markdown(report, verdict),
        "report.html": evaluation_html(report, verdict),
    }


def as_values(place: str, report: "Report", verdict: "Verdict | None") -> dict[str, Any]:
    """Give what was measured and decided as plain values."""
    import msgspec

    return {
        "name": report.name,
        "place": place,
        "gate": msgspec.to_builtins(verdict),
        "report": report.as_dict(),
    }


def print_json(values: Any) -> None:
    """Print JSON for programs."""
    import msgspec

    print(msgspec.json.format(msgspec.json.encode(values)).decode())


def print_summary(place: str, report: "Report", verdict: "Verdict | None") -> None:
    """Print a few lines: quality, promise, and each rule of the gate."""
    from shoal.report import promise, teacher_lines

    console = Console(highlight=False, soft_wrap=True)
    accuracy, kept = report.metrics.accuracy, report.accepted
    wrong = f", {kept.risk.value:.1%} of them wrong" if kept.risk else ""
    console.print(f"[bold]{escape(place)}[/]  {report.speed.p50_ms:.1f} ms a text, {report.size_bytes / 1e6:.1f} MB")
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
    for rule in verdict.reasons if verdict else []:
        mark = "[green]passed[/]" if rule.passed else "[red]failed[/]"
        console.print(f"  {mark} {escape(rule.message)}")
