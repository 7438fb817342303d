"""The first version of a project's specialist, before there is an answer to learn: from names of labels, or nothing."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.console import Console
from rich.markup import escape

from shoal.cli.project import unlabelled_texts
from shoal.errors import InputError

if TYPE_CHECKING:
    from shoal.behaviour import BehaviourResult, Suite
    from shoal.config import SpecialistConfig
    from shoal.gate import Verdict
    from shoal.models import Model
    from shoal.registry import Registry


class First(NamedTuple):
    """A first version after its way through the gate."""

    place: str
    specialist: "Model"
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
    """Make, gate and register it.

    Raises:
        InputError: its task cannot do without answers to learn from.
    """
    from shoal import behaviour, gate
    from shoal.models import Specialist
    from shoal.report import unmeasured_card

    for suite in suites:
        suite.check(config.labels)
    texts = unlabelled_texts(config)
    specialist = _made(name, config, texts, progress, cache)
    results: list[BehaviourResult] = []
    if isinstance(specialist, Specialist):
        results = [one for suite in suites for one in behaviour.run(specialist, suite, texts, seed=config.seed)]
    verdict = gate.check_unmeasured(
        config.gate,
        size_bytes=specialist.size_bytes,
        over_measured=_champion_is_measured(registry, name),
        behaviour=results,
    )
    card = unmeasured_card(specialist, verdict)
    with tempfile.TemporaryDirectory(prefix="shoal-") as scratch:
        folder = Path(scratch) / name
        specialist.save(folder, documents={"README.md": card, "report.md": card})
        figure = "rouge1" if config.task == "summarization" else "accuracy"
        headline = {figure: "not measured", "gate": "passed" if verdict.passed else "failed"}
        version = registry.publish(name, folder, report=headline)
    if verdict.passed:
        registry.promote(name, version.version)
    return First(f"{name} {version.version}", specialist, registry.path(version), verdict)


def _made(
    name: str,
    config: "SpecialistConfig",
    texts: list[str],
    progress: Callable[[str, int, int], None],
    cache: Path | None,
) -> "Model":
    promise: Any = {"risk": config.guarantee.risk, "confidence": config.guarantee.confidence}
    if config.task == "summarization":
        from shoal.training.summarization import untrained

        backbone = config.backbone if isinstance(config.backbone, str) else config.backbone[0]
        options: dict[str, Any] = {**summary_options(config), **promise, "backbone": backbone, "cache": cache}
        return untrained(name=name, unlabelled=texts, **options)
    if config.task != "classification":
        raise InputError(
            f"{name} has the task {config.task!r}, learnt from answers alone, and no row has one. Name rows by `data`."
        )
    from shoal import training

    return training.from_names(
        config.labels,
        config.descriptions,
        unlabelled=texts,
        backbone=config.backbone,
        **promise,
        seed=config.seed,
        name=name,
        never=config.never,
        progress=progress,
        cache=cache,
    )


def summary_options(config: "SpecialistConfig") -> dict[str, Any]:
    """Give the arguments of a summarizer's training that its table names."""
    from shoal.tasks import Budget

    told = config.summary
    lengths = {"sentences": told.sentences, "words": told.words, "tokens": told.tokens}
    given = {name: value for name, value in lengths.items() if value is not None}
    return {"unit": told.unit, "floor": told.floor, "budget": Budget.model_validate(given) if given else None}


def show_first(one: First) -> None:
    """Print what was made, and what is missing for a promise."""
    from shoal.report import rows_needed
    from shoal.tasks import Classification

    console = Console(highlight=False, soft_wrap=True)
    texts, task = one.specialist.provenance["texts"], one.specialist.task
    if isinstance(task, Classification):
        seen = f" and {texts:,} unlabelled texts" if texts else ""
        made, missing = f"from the names of {len(task.labels):,} labels{seen}", "no row has a label"
    else:
        made, missing = "by centrality: nothing was learnt", "no text has a reference summary"
    console.print(f"[bold]{escape(one.place)}[/]  {made}")
    console.print(f"  Not measured: {missing}. Nothing is promised and no answer is kept: all are handed on.")
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
