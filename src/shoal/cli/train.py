"""`shoal train`: rows in; a trained, calibrated, certified, measured, gated and registered version out."""

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer
from rich.console import Console
from rich.markup import escape

from shoal.cli import first
from shoal.cli.first import First, summary_options
from shoal.cli.progress import progress_bars
from shoal.cli.project import PROJECT, corrected, read_source, unlabelled_texts, writable_cache
from shoal.cli.verdicts import as_values, documents, headline, judged, print_json, print_summary, suites_of
from shoal.errors import GateFailed, InputError, NotFoundError

if TYPE_CHECKING:
    from shoal.behaviour import Suite
    from shoal.config import SpecialistConfig
    from shoal.data import Dataset
    from shoal.evaluation import Report, TaskReport
    from shoal.gate import Verdict
    from shoal.models import Model
    from shoal.registry import Registry

_BACKBONE = "With --data: auto, tfidf, static, encoder, finetune, a folder or a hub name of an encoder."
_JSON = typer.Option("--json", help="Print the figures as JSON.")


class _Trained(NamedTuple):
    """One specialist after its way through the gate; without a project there is no gate."""

    place: str
    report: "Report | TaskReport"
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
        task: Annotated[
            str, typer.Option(help="With --data: classification, multilabel, tagging, summarization, extraction.")
        ] = "classification",
        backbone: Annotated[str, typer.Option(help=_BACKBONE)] = "auto",
        risk: Annotated[float, typer.Option(help="With --data: promised share of wrong kept answers.")] = 0.05,
        confidence: Annotated[float, typer.Option(help="With --data: confidence of that promise.")] = 0.95,
        budget: Annotated[float, typer.Option(help="With --data: seconds that training may take.")] = 600.0,
        seed: Annotated[int, typer.Option(help="With --data: seed of everything random.")] = 0,
        corrections: Annotated[
            list[Path] | None, typer.Option(help="With --data: decisions on `shoal data suspects`; repeatable.")
        ] = None,
        out_of_scope: Annotated[
            str | None, typer.Option(help="With --data: the label of rows that belong to no other.")
        ] = None,
        schema: Annotated[
            Path | None, typer.Option(help="With --task extraction: the JSON schema of a record.")
        ] = None,
        as_json: Annotated[bool, _JSON] = False,
    ) -> None:
        """Train, calibrate, certify, evaluate, gate and register. Exit code 1: a gate failed.

        Example: shoal train intent      or: shoal train --data intent.csv --out models/intent
        """
        from shoal.data import COLUMN

        if data is None:
            if out is not None:
                raise InputError("--out goes with --data FILE; a project's versions go into its registry.")
            _train_project(project, names or [], as_json)
            return
        if names or out is None:
            raise InputError("--data FILE trains one specialist into --out FOLDER; name both, and no specialist.")
        if task not in COLUMN:
            raise InputError(f"--task is {task!r}; it must be one of {', '.join(COLUMN)}.")
        options: dict[str, Any] = {
            "task": task,
            "backbone": backbone,
            "risk": risk,
            "confidence": confidence,
            "budget_seconds": budget,
            "seed": seed,
            "out_of_scope": out_of_scope,
        }
        if task == "extraction" and schema is None:
            raise InputError("--task extraction needs --schema FILE: the JSON schema of the records.")
        if task != "extraction" and schema is not None:
            raise InputError(f"--schema {schema} is for --task extraction, and --task is {task!r}. Leave it out.")
        if schema is not None:
            from shoal.config import read_schema_file

            options["schema"] = read_schema_file(schema)
        _train_file(data, corrections or [], out, options, as_json)


def _train_file(source: Path, corrections: Sequence[Path], out: Path, options: dict[str, Any], as_json: bool) -> None:
    from shoal import data, training
    from shoal.evaluation import read_report

    if out.exists() and (out.is_file() or any(out.iterdir())):
        raise InputError(f"--out {out} is there already. Name a new folder, or remove that one first.")
    task = options["task"]
    dataset = data.read(source, label=data.COLUMN[task], task=task)
    if task == "classification":
        dataset = corrected(dataset, corrections, quiet=False)
    elif corrections or options.pop("out_of_scope") is not None:
        raise InputError(f"--corrections and --out-of-scope are for a classification, not for --task {task}.")
    _warn(dataset)
    with progress_bars(out.name) as bars:
        specialist = training.train(dataset, name=out.name, progress=bars, cache=writable_cache(), **options)
    report = read_report(specialist.report)
    specialist.save(out, documents=documents(report, None))
    _show([_Trained(str(out), report, out)], as_json)


def _train_project(path: Path, names: Sequence[str], as_json: bool) -> None:
    from shoal.config import load
    from shoal.registry import Registry

    project = load(path)
    unknown = [name for name in names if name not in project.specialists]
    if unknown:
        raise NotFoundError(
            f"{path} has no specialist {unknown[0]!r}; it has {', '.join(project.specialists) or 'none yet'}."
        )
    if not project.specialists:
        raise InputError(f"{path} names no specialist to train. Add a table such as [specialists.intent].")
    registry = Registry(project.registry)
    wanted = {name: project.specialists[name] for name in names or project.specialists}
    suites = {name: suites_of(config.behaviour) for name, config in wanted.items()}  # mistakes before any training
    done: list[_Trained | First] = []
    for name, config in wanted.items():
        done.append(_train_one(registry, name, config, suites[name]))
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


def _train_one(
    registry: "Registry", name: str, config: "SpecialistConfig", suites: "Sequence[Suite]"
) -> _Trained | First:
    from shoal import data, training
    from shoal.evaluation import read_report

    read = read_source(config, quiet=False)
    if read is None:
        with progress_bars(name) as bars:
            return first.train_first(registry, name, config, suites, bars, writable_cache())
    rows = read.dataset if isinstance(read, data.Answers) else read
    dataset = data.split(rows, seed=config.seed, drop_leaks=True)
    _warn(rows)
    with progress_bars(name) as bars:
        specialist = training.train(
            replace(read, dataset=dataset) if isinstance(read, data.Answers) else dataset,
            **_options(config, suites),
            backbone=config.backbone,
            risk=config.guarantee.risk,
            confidence=config.guarantee.confidence,
            budget_seconds=config.budget_seconds,
            seed=config.seed,
            name=name,
            progress=bars,
            cache=writable_cache(),
        )
    if found := specialist.provenance.get("unlabelled"):
        print(f"unlabelled: {found['verdict']}", file=sys.stderr)
    report = read_report(specialist.report)
    champion = _champion(registry, name)
    verdict = judged(report, config.gate, specialist, champion, dataset.part("test"), config.slices.terms)
    with tempfile.TemporaryDirectory(prefix="shoal-") as scratch:
        folder = Path(scratch) / name
        specialist.save(folder, documents=documents(report, verdict))
        version = registry.publish(name, folder, report=headline(report, verdict))
    if verdict.passed:
        registry.promote(name, version.version)
    return _Trained(f"{name} {version.version}", report, registry.path(version), verdict)


def _options(config: "SpecialistConfig", suites: "Sequence[Suite]") -> dict[str, Any]:
    """Give the arguments of `train` that belong to the task."""
    if config.task == "multilabel":
        return {"task": config.task, "labels": config.labels}
    by_rule = {"rules": config.rules, **({"regions": config.regions} if config.regions else {})}
    if config.task == "tagging":
        return {"task": config.task, "types": config.labels, **by_rule}
    if config.task == "extraction":
        from shoal.config import read_schema_file

        assert config.record is not None  # checked as the file was read
        return {"task": config.task, "schema": read_schema_file(config.record), **by_rule}
    if config.task == "summarization":
        return {"task": config.task, **summary_options(config)}
    return {
        "task": config.task,
        "never": tuple(config.never),
        "out_of_scope": config.out_of_scope,
        "descriptions": config.descriptions,
        # Otherwise a row without a label is a mistake, and reading all rows again would find none.
        "unlabelled": unlabelled_texts(config) if config.unlabelled or config.teacher else (),
        "terms": config.slices.terms,
        "suites": suites,
    }


def _champion(registry: "Registry", name: str) -> "Model | None":
    """Open the version that serves now, if there is one."""
    from shoal.models import load

    if name not in registry.names() or "champion" not in registry.aliases(name):
        return None
    return load(registry.path(registry.resolve(name)))


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
    if as_json:
        print_json([first.as_values(one) if isinstance(one, First) else _values(one) for one in done])
        return
    from shoal.evaluation import Report

    console = Console(highlight=False, soft_wrap=True)
    for one in done:
        if isinstance(one, First):
            first.show_first(one)
            continue
        print_summary(one.place, one.report, one.verdict)
        console.print(f"  [dim]report: {escape(str(one.documents / 'report.html'))}[/]")
        if isinstance(one.report, Report) and one.report.suspicious:
            target = one.place.replace(" ", "@") if one.verdict else one.place
            console.print(
                f"  [dim]{len(one.report.suspicious):,} training labels look wrong; to decide on them: "
                f"shoal data suspects {escape(target)}[/]"
            )


def _values(one: _Trained) -> dict[str, Any]:
    return as_values(one.place, one.report, one.verdict) | {"folder": str(one.documents)}
