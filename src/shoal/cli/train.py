"""`shoal train`: rows in; a trained, calibrated, certified, measured, gated and registered version out."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer
from rich.console import Console
from rich.markup import escape

from shoal.cli.first import First, as_values, show_first, train_first
from shoal.cli.progress import progress_bars
from shoal.cli.project import PROJECT, corrected, read_rows, writable_cache
from shoal.errors import GateFailed, InputError, NotFoundError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from shoal.config import SpecialistConfig
    from shoal.data import Dataset
    from shoal.evaluation import Report
    from shoal.gate import Verdict
    from shoal.models import Specialist
    from shoal.registry import Registry

_BACKBONE = "With --data: auto, tfidf, static, encoder, finetune, a folder or a hub name of an encoder."
_JSON = typer.Option("--json", help="Print the figures as JSON.")


class _Trained(NamedTuple):
    """One specialist after its way through the gate; without a project there is no gate."""

    place: str
    report: "Report"
    documents: Path
    verdict: "Verdict | None" = None


def register(app: typer.Typer) -> None:
    """Add `train`."""

    @app.command()
    def train(  # pyright: ignore[reportUnusedFunction]
        names: Annotated[list[str] | None, typer.Argument(help="Specialists of the project; all if none.")] = None,
        project: Annotated[Path, PROJECT] = Path("shoal.toml"),
        data: Annotated[Path | None, typer.Option(help="Without a project: CSV, JSON Lines or Parquet.")] = None,
        out: Annotated[Path | None, typer.Option(help="With --data: the model folder to write.")] = None,
        backbone: Annotated[str, typer.Option(help=_BACKBONE)] = "auto",
        risk: Annotated[float, typer.Option(help="With --data: promised share of wrong kept answers.")] = 0.05,
        confidence: Annotated[float, typer.Option(help="With --data: confidence of that promise.")] = 0.95,
        budget: Annotated[float, typer.Option(help="With --data: seconds that training may take.")] = 600.0,
        seed: Annotated[int, typer.Option(help="With --data: seed of everything random.")] = 0,
        corrections: Annotated[
            list[Path] | None, typer.Option(help="With --data: decisions on `shoal data suspects`; repeatable.")
        ] = None,
        as_json: Annotated[bool, _JSON] = False,
    ) -> None:
        """Train, calibrate, certify, evaluate, gate and register. Exit code 1: a gate failed.

        Example: shoal train intent      or: shoal train --data intent.csv --out models/intent
        """
        if data is None:
            if out is not None:
                raise InputError("--out goes with --data FILE; a project's versions go into its registry.")
            _train_project(project, names or [], as_json)
            return
        if names or out is None:
            raise InputError("--data FILE trains one specialist into --out FOLDER; name both, and no specialist.")
        options = {"backbone": backbone, "risk": risk, "confidence": confidence, "budget_seconds": budget, "seed": seed}
        _train_file(data, corrections or [], out, options, as_json)


def _train_file(source: Path, corrections: Sequence[Path], out: Path, options: dict[str, Any], as_json: bool) -> None:
    from shoal import data, training

    if out.exists() and (out.is_file() or any(out.iterdir())):
        raise InputError(f"--out {out} is there already. Name a new folder, or remove that one first.")
    dataset = corrected(data.read(source), corrections, quiet=False)
    _warn(dataset)
    with progress_bars(out.name) as bars:
        specialist = training.train(dataset, name=out.name, progress=bars, cache=writable_cache(), **options)
    specialist.save(out, documents=_documents(_report(specialist), None))
    _show([_Trained(str(out), _report(specialist), out)], as_json)


def _train_project(path: Path, names: Sequence[str], as_json: bool) -> None:
    from shoal import config
    from shoal.registry import Registry

    project = config.load(path)
    unknown = [name for name in names if name not in project.specialists]
    if unknown:
        raise NotFoundError(
            f"{path} has no specialist {unknown[0]!r}; it has {', '.join(project.specialists) or 'none yet'}."
        )
    if not project.specialists:
        raise InputError(f"{path} names no specialist to train. Add a table such as [specialists.intent].")
    registry = Registry(project.registry)
    done: list[_Trained | First] = []
    for name in names or project.specialists:
        done.append(_train_one(registry, name, project.specialists[name]))
        if not as_json:
            _show(done[-1:], as_json=False)
    if as_json:
        _show(done, as_json=True)
    failed = [one.place for one in done if one.verdict and not one.verdict.passed]
    if failed:
        raise GateFailed(
            f"the gate did not pass {', '.join(failed)}; the champion stays what it was. The version and its report "
            "are in the registry, and `shoal promote NAME VERSION` would release it all the same."
        )
    if not as_json:
        print(f'Next: shoal predict {done[0].place.split()[0]} "..."   or: shoal serve')


def _train_one(registry: "Registry", name: str, config: "SpecialistConfig") -> _Trained | First:
    from shoal import data, gate, training

    read = read_rows(config, quiet=False)
    if read is None:
        with progress_bars(name) as bars:
            return train_first(registry, name, config, bars, writable_cache())
    dataset = data.split(read, seed=config.seed, drop_leaks=True)
    _warn(read)
    with progress_bars(name) as bars:
        specialist = training.train(
            dataset,
            task=config.task,
            backbone=config.backbone,
            risk=config.guarantee.risk,
            confidence=config.guarantee.confidence,
            budget_seconds=config.budget_seconds,
            seed=config.seed,
            name=name,
            never=tuple(config.never),
            descriptions=config.descriptions,
            progress=bars,
            cache=writable_cache(),
        )
    report = _report(specialist)
    verdict = gate.check(report, config.gate, _champion_pairs(registry, name, specialist, dataset.part("test")))
    with tempfile.TemporaryDirectory(prefix="shoal-") as scratch:
        folder = Path(scratch) / name
        specialist.save(folder, documents=_documents(report, verdict))
        version = registry.publish(name, folder, report=_headline(report, verdict))
    if verdict.passed:
        registry.promote(name, version.version)
    return _Trained(f"{name} {version.version}", report, registry.path(version), verdict)


def _champion_pairs(
    registry: "Registry", name: str, challenger: "Specialist", test: "Dataset"
) -> "tuple[NDArray[np.bool_], NDArray[np.bool_]] | None":
    """Tell which test rows the champion and the challenger get right; None without a champion."""
    import numpy as np

    from shoal.models import load

    if name not in registry.names() or "champion" not in registry.aliases(name):
        return None
    champion = load(registry.path(registry.resolve(name)))
    truth = np.array(test.targets)
    right = [np.array(one.task.labels)[one.judge(test.texts).label] == truth for one in (champion, challenger)]
    return right[0], right[1]


def _report(specialist: "Specialist") -> "Report":
    from shoal.evaluation import Report

    return Report.from_dict(dict(specialist.report))


def _documents(report: "Report", verdict: "Verdict | None") -> dict[str, str]:
    """Write what people read, to be sealed into the model folder."""
    from shoal.report import evaluation_html, evaluation_markdown, model_card

    return {
        "README.md": model_card(report),
        "report.md": evaluation_markdown(report, verdict),
        "report.html": evaluation_html(report, verdict),
    }


def _headline(report: "Report", verdict: "Verdict") -> dict[str, Any]:
    return {
        "accuracy": round(report.metrics.accuracy.value, 4),
        "coverage": round(report.accepted.coverage.value, 4),
        "gate": "passed" if verdict.passed else "failed",
    }


def _warn(dataset: "Dataset") -> None:
    """Print what is doubtful about the rows; refuse what cannot be trained on."""
    from shoal import data

    found = data.check(dataset)
    found.raise_on_errors()
    console = Console(stderr=True, highlight=False)
    for problem in found.warnings:
        where = f" [dim]({escape(', '.join(problem.origins))})[/]" if problem.origins else ""
        console.print(f"[yellow]data:[/] {escape(problem.message)}{where}")


def _show(done: Sequence[_Trained | First], as_json: bool) -> None:
    """Print what was reached: as JSON, or a few lines for each specialist."""
    import msgspec

    if as_json:
        rows = [
            as_values(one)
            if isinstance(one, First)
            else {
                "name": one.report.name,
                "place": one.place,
                "folder": str(one.documents),
                "gate": msgspec.to_builtins(one.verdict),
                "report": one.report.as_dict(),
            }
            for one in done
        ]
        print(msgspec.json.format(msgspec.json.encode(rows)).decode())
        return
    from shoal.report import promise

    console = Console(highlight=False, soft_wrap=True)
    for one in done:
        if isinstance(one, First):
            show_first(one)
            continue
        report = one.report
        accuracy, kept = report.metrics.accuracy, report.accepted
        wrong = f", {kept.risk.value:.1%} of them wrong" if kept.risk else ""
        console.print(
            f"[bold]{escape(one.place)}[/]  {report.speed.p50_ms:.1f} ms a text, {report.size_bytes / 1e6:.1f} MB"
        )
        console.print(
            f"  accuracy {accuracy.value:.1%} ({accuracy.low:.1%} to {accuracy.high:.1%}) on {report.data.tested:,} "
            f"test rows; keeps {kept.coverage.value:.1%}{wrong}"
        )
        console.print(f"  {promise(report)}")
        if report.certificate and not report.certificate.certified:
            console.print(f"  [yellow]{escape(report.certificate.reason)}[/]")
        for rule in one.verdict.reasons if one.verdict else []:
            mark = "[green]passed[/]" if rule.passed else "[red]failed[/]"
            console.print(f"  {mark} {escape(rule.message)}")
        console.print(f"  [dim]report: {escape(str(one.documents / 'report.html'))}[/]")
        if report.suspicious:
            target = one.place.replace(" ", "@") if one.verdict else one.place
            console.print(
                f"  [dim]{len(report.suspicious):,} training labels look wrong; to decide on them: "
                f"shoal data suspects {escape(target)}[/]"
            )
