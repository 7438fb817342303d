"""`shoal evaluate`: measure a specialist again, on its test rows or on others, and hold it against the gate."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from shoal.cli.project import PROJECT, open_specialist, read_rows
from shoal.cli.verdicts import as_values, documents, judged, print_json, print_summary, suites_of
from shoal.errors import EnvironmentProblem, GateFailed, InputError, NotFoundError

if TYPE_CHECKING:
    from shoal.config import SpecialistConfig
    from shoal.data import Dataset
    from shoal.evaluation import Report, TaskReport
    from shoal.gate import Verdict
    from shoal.models import Model

_TARGET = "A model folder, or a specialist of the project (name, name@v2); its champion if no version is named."
_AGAINST = "Another model to be no worse than: a folder or name@version; a specialist's champion if not given."


class _Question(NamedTuple):
    """Who is measured, on what, by which rules, and against whom."""

    place: str
    specialist: "Model"
    rows: "Dataset"
    config: "SpecialistConfig"
    champion: "Model | None"


def register(app: typer.Typer) -> None:
    """Add `evaluate`."""

    @app.command()
    def evaluate(  # pyright: ignore[reportUnusedFunction]
        target: Annotated[str, typer.Argument(help=_TARGET)],
        project: Annotated[Path, PROJECT] = Path("shoal.toml"),
        data: Annotated[Path | None, typer.Option(help="Other rows; needed for a model folder.")] = None,
        text: Annotated[str | None, typer.Option(help="Column of the texts in --data.")] = None,
        label: Annotated[str | None, typer.Option(help="Column of the labels in --data.")] = None,
        slices: Annotated[list[str] | None, typer.Option("--slice", help="A column to look closer by.")] = None,
        behaviour: Annotated[list[str] | None, typer.Option(help="A suite: bias, sentiment, a TOML file.")] = None,
        against: Annotated[str | None, typer.Option(help=_AGAINST)] = None,
        report: Annotated[Path | None, typer.Option(help="Folder to write report.html, .md and .json to.")] = None,
        as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
    ) -> None:
        """Measure a specialist and hold it against the gate: rules, slices, behaviour, champion. Exit code 1: failed.

        Example: shoal evaluate intent@v3      or: shoal evaluate models/intent --data new.csv --behaviour bias
        """
        columns = {name: value for name, value in (("text", text), ("label", label)) if value is not None}
        question = _question(target, project, data, columns, slices or [], behaviour or [], against)
        found, verdict = _answer(question)
        if report is not None:
            _write(report, found, verdict)
        if as_json:
            print_json(as_values(question.place, found, verdict))
        else:
            print_summary(question.place, found, verdict)
        if not verdict.passed:
            raise GateFailed(f"the gate did not pass {question.place}: {', '.join(r.name for r in verdict.failures)}.")


def _question(
    target: str,
    project: Path,
    data: Path | None,
    columns: dict[str, str],
    slices: list[str],
    behaviour: list[str],
    against: str | None,
) -> _Question:
    """Put together what was typed and, for a specialist of the project, what its table says."""
    from shoal import data as tables
    from shoal.config import BehaviourConfig, SlicesConfig, SpecialistConfig

    specialist = open_specialist(target, project)
    champion = None if against is None else open_specialist(against, project)
    if Path(target).is_dir():
        if data is None:
            raise InputError(f"{target} is a model folder: name rows with labels to measure it on, by --data FILE.")
        config = SpecialistConfig.model_construct(data=data, task=specialist.task.kind)
    else:
        config = _table(target.partition("@")[0], project)
        champion = champion or _other_champion(target, project)
    more = [BehaviourConfig.model_construct(suite=suite) for suite in behaviour]
    config = config.model_copy(
        update={
            **columns,
            **({} if data is None else {"data": data, "split": None, "group": None, "time": None, "corrections": []}),
            "slices": SlicesConfig.model_construct(
                columns=[*config.slices.columns, *slices], terms=dict(config.slices.terms)
            ),
            "behaviour": [*config.behaviour, *more],
        }
    )
    rows = read_rows(config)
    if rows is None:
        raise InputError(
            f"{target}: no row has a label yet, so there is nothing to measure it on. Add rows to its data."
        )
    if data is None:
        rows = tables.split(rows, seed=config.seed).part("test")
    elif any(row.split == "test" for row in rows.rows):
        rows = rows.part("test")
    return _Question(target, specialist, rows, config, champion)


def _table(name: str, project: Path) -> "SpecialistConfig":
    from shoal import config

    specialists = config.load(project).specialists
    if name not in specialists:
        raise NotFoundError(
            f"{project} has no specialist {name!r}, whose rules it could be held against; it has "
            f"{', '.join(specialists) or 'none yet'}."
        )
    return specialists[name]


def _other_champion(target: str, project: Path) -> "Model | None":
    """Open the champion that this version would have to follow; None where it is the champion itself."""
    from shoal import config
    from shoal.registry import Registry

    registry = Registry(config.load(project).registry)
    name, _, reference = target.partition("@")
    champion = registry.aliases(name).get("champion")
    if champion is None or registry.resolve(name, reference or "champion").version == champion:
        return None
    return open_specialist(name, project)


def _answer(question: _Question) -> "tuple[Report | TaskReport, Verdict]":
    import msgspec

    from shoal.evaluation import evaluate_any
    from shoal.tasks import Classification

    config, rows = question.config, question.rows
    suites = suites_of(config.behaviour)
    task = question.specialist.task
    for suite in suites:
        suite.check(task.labels if isinstance(task, Classification) else ())
    report = evaluate_any(question.specialist, rows, seed=config.seed, terms=config.slices.terms, suites=suites)
    report = msgspec.structs.replace(report, version=question.place.partition("@")[2] or None)
    return report, judged(report, config.gate, question.specialist, question.champion, rows, config.slices.terms)


def _write(folder: Path, report: "Report | TaskReport", verdict: "Verdict") -> None:
    import msgspec

    written = documents(report, verdict)
    written["report.json"] = msgspec.json.format(msgspec.json.encode(report.as_dict()), indent=1).decode()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("report.html", "report.md", "report.json"):
            (folder / name).write_text(written[name], encoding="utf-8")
    except OSError as error:
        raise EnvironmentProblem(f"cannot write to {folder}: {error.strerror or error}.") from error
