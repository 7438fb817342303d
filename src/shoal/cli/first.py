"""The first version of a project's specialist, before any row has a label: from the names of its labels."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from rich.console import Console
from rich.markup import escape

from shoal.cli.project import unlabelled_texts

if TYPE_CHECKING:
    from shoal.behaviour import Suite
    from shoal.config import SpecialistConfig
    from shoal.gate import Verdict
    from shoal.models import Specialist
    from shoal.registry import Registry


class First(NamedTuple):
    """A first version after its way through the gate."""

    place: str
    specialist: "Specialist"
    folder: Path
    verdict: "Verdict"


def train_first(
    registry: "Registry",
    name: str,
    config: "SpecialistConfig",
    suites: "Sequence[Suite]",
    progress: Callable[[str, int, int], None],
    cache: Path | None,
) -> First:
    """Make, gate and register it."""
    from shoal import behaviour, gate, training
    from shoal.report import unmeasured_card

    for suite in suites:
        suite.check(config.labels)
    texts = unlabelled_texts(config)
    specialist = training.from_names(
        config.labels,
        config.descriptions,
        unlabelled=texts,
        backbone=config.backbone,
        risk=config.guarantee.risk,
        confidence=config.guarantee.confidence,
        seed=config.seed,
        name=name,
        never=config.never,
        progress=progress,
        cache=cache,
    )
    verdict = gate.check_unmeasured(
        config.gate,
        size_bytes=specialist.size_bytes,
        over_measured=_champion_is_measured(registry, name),
        behaviour=[one for suite in suites for one in behaviour.run(specialist, suite, texts, seed=config.seed)],
    )
    card = unmeasured_card(specialist, verdict)
    with tempfile.TemporaryDirectory(prefix="shoal-") as scratch:
        folder = Path(scratch) / name
        specialist.save(folder, documents={"README.md": card, "report.md": card})
        headline = {"accuracy": "not measured", "gate": "passed" if verdict.passed else "failed"}
        version = registry.publish(name, folder, report=headline)
    if verdict.passed:
        registry.promote(name, version.version)
    return First(f"{name} {version.version}", specialist, registry.path(version), verdict)


def show_first(one: First) -> None:
    """Print what was made, and what is missing for a promise."""
    from shoal.report import rows_needed

    console = Console(highlight=False, soft_wrap=True)
    texts = one.specialist.provenance["texts"]
    seen = f" and {texts:,} unlabelled texts" if texts else ""
    console.print(f"[bold]{escape(one.place)}[/]  from the names of {len(one.specialist.task.labels):,} labels{seen}")
    console.print("  Not measured: no row has a label. Nothing is promised and no answer is kept: all are handed on.")
    console.print(f"  {rows_needed(one.specialist)}")
    for rule in one.verdict.reasons:
        mark = "[green]passed[/]" if rule.passed else "[red]failed[/]"
        console.print(f"  {mark} {escape(rule.message)}")
    console.print(f"  [dim]report: {escape(str(one.folder / 'report.md'))}[/]")


def as_values(one: First) -> dict[str, object]:
    """Give the figures for JSON."""
    import msgspec

    return {
        "name": one.specialist.name,
        "place": one.place,
        "folder": str(one.folder),
        "gate": msgspec.to_builtins(one.verdict),
        "needs": one.specialist.provenance["needs"],
        "report": None,
    }


def _champion_is_measured(registry: "Registry", name: str) -> bool:
    from shoal.models import load

    if name not in registry.names() or "champion" not in registry.aliases(name):
        return False
    return bool(load(registry.path(registry.resolve(name))).report)
