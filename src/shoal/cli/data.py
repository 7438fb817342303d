"""`shoal data`: look at rows before training on them, decide on doubtful labels; fetch public rows."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shoal.cli.labelling import next_texts, suspects
from shoal.cli.project import read_rows
from shoal.cli.wide import wide_console
from shoal.errors import InputError

if TYPE_CHECKING:
    from shoal.config import SpecialistConfig
    from shoal.data import DataReport

_LABELS_SHOWN = 12
_LABEL_SHOWN = 60


def register(app: typer.Typer) -> None:
    """Add `data check`, `data suspects`, `data next` and `data get`."""
    commands = typer.Typer(
        no_args_is_help=True,
        help="Check rows before training, decide on doubtful labels, choose what to label next; fetch public data.",
        epilog="Example: shoal data check data/intent.csv",
    )
    commands.command("check")(_check)
    commands.command("suspects")(suspects)
    commands.command("next")(next_texts)
    commands.command("get")(_get)
    app.add_typer(commands, name="data")


def _check(
    files: Annotated[list[Path] | None, typer.Argument(help="CSV, JSON Lines or Parquet; none: as --project.")] = None,
    project: Annotated[Path, typer.Option(help="Without FILES: check the data of every specialist.")] = Path(
        "shoal.toml"
    ),
    text: Annotated[str, typer.Option(help="Column of the texts.")] = "text",
    label: Annotated[str, typer.Option(help="Column of the labels.")] = "label",
    split: Annotated[str | None, typer.Option(help="Column that assigns rows to splits.")] = None,
    group: Annotated[str | None, typer.Option(help="Column whose values stay in one split.")] = None,
    time: Annotated[str | None, typer.Option(help="Column with the time; the newest rows calibrate.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Read, split and check data as training would; exit code 2 when something blocks training.

    Example: shoal data check data/intent.csv --label intent
    """
    from shoal import data

    if files:
        reports = {
            str(file): data.check(
                data.split(data.read(file, text=text, label=label, split=split, group=group, time=time))
            )
            for file in files
        }
    else:
        reports = _project_reports(project)
    if as_json:
        print(json.dumps({name: report.as_dict() for name, report in reports.items()}, ensure_ascii=False, indent=2))
    else:
        for name, report in reports.items():
            _print(name, report)
    if any(report.errors for report in reports.values()):
        raise typer.Exit(InputError.exit_code)


def _project_reports(project: Path) -> dict[str, "DataReport"]:
    from shoal import config

    specialists = config.load(project).specialists
    if not specialists:
        raise InputError(f"{project}: has no [specialists.NAME] whose data could be checked; name a file")
    return {name: _specialist_report(name, specialist) for name, specialist in specialists.items()}


def _specialist_report(name: str, specialist: "SpecialistConfig") -> "DataReport":
    """Check one specialist's rows, and that the labels its table names are labels of those rows."""
    from shoal import data

    rows = read_rows(specialist, quiet=False)
    if rows is None:
        message = (
            "no text has a reference summary yet: nothing is learnt or promised"
            if specialist.task == "summarization"
            else "no row has a label yet: trained from the names of the labels, without a promise"
        )
        nothing = data.Problem("warning", "no_rows", message, 0, ())
        return data.DataReport((nothing,), 0, dict.fromkeys(sorted(specialist.labels), 0), {}, 0, "")
    strangers = [
        f"specialists.{name}.{key}: {label!r} is not a label of its data"
        for key, labels in (
            ("never", specialist.never),
            ("out_of_scope", [specialist.out_of_scope] if specialist.out_of_scope else []),
            ("descriptions", specialist.descriptions),
        )
        for label in labels
        if label not in rows.labels
    ]
    if strangers:
        there = ", ".join(rows.labels[:20]) + (" ..." if len(rows.labels) > 20 else "")
        raise InputError("\n".join([*strangers, f"the labels of its data are {there}"]))
    return data.check(data.split(rows, seed=specialist.seed))


def _print(name: str, report: "DataReport") -> None:
    console = wide_console()
    splits = ", ".join(f"{split} {count:,}" for split, count in report.splits.items())
    console.print(f"[bold]{escape(name)}[/]: {report.rows:,} rows, {len(report.labels):,} labels ({splits})")
    _print_labels(console, report.labels)
    if not report.problems:
        console.print("[green]no problems[/]\n")
        return
    table = Table("", "rows", "what and where", box=None, pad_edge=False)
    for problem in report.problems:
        colour = "red" if problem.severity == "error" else "yellow"
        where = "\n".join([*problem.origins, "..."] if problem.rows > len(problem.origins) else problem.origins)
        table.add_row(
            f"[{colour}]{problem.severity}[/]",
            f"{problem.rows:,}",
            f"{escape(problem.message)} ({problem.code})\n[dim]{escape(where)}[/]",
        )
    console.print(table, "")


def _print_labels(console: Console, labels: dict[str, int]) -> None:
    cut = {label: label if len(label) <= _LABEL_SHOWN else f"{label[:_LABEL_SHOWN]}..." for label in labels}
    ranked = sorted(((cut[label], count) for label, count in labels.items()), key=lambda item: -item[1])
    if len(ranked) <= _LABELS_SHOWN:
        shown = ", ".join(f"{label} {count:,}" for label, count in ranked)
    else:
        most, least = ranked[: _LABELS_SHOWN // 2], ranked[-_LABELS_SHOWN // 2 :]
        shown = " ... ".join(", ".join(f"{label} {count:,}" for label, count in part) for part in (most, least))
    console.print(f"labels: {escape(shown)}")


def _get(
    name: Annotated[str, typer.Argument(help="Name of the data set; `list` prints all.")],
    to: Annotated[Path, typer.Option(help="Folder that gets a folder NAME.")] = Path("data"),
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Fetch a public data set at its pinned source, checked by SHA-256.

    With SHOAL_DATA set, it is copied from that folder instead. Example: shoal data get banking77 --to data
    """
    from shoal.data import sources

    if name == "list":
        _print_sources(as_json=as_json)
        return
    folder = sources.get(name, to, local=os.environ.get("SHOAL_DATA") or None)
    wanted = sources.source(name)
    seen: dict[str, Any] = {"name": name, "folder": str(folder), "files": [file.name for file in wanted.files]}
    if as_json:
        print(json.dumps(seen | {"licence": wanted.licence, "repository": wanted.repository, "commit": wanted.commit}))
        return
    Console().print(f"{folder}: {len(wanted.files)} files, SHA-256 checked; licence: {wanted.licence}", soft_wrap=True)


def _print_sources(*, as_json: bool) -> None:
    from shoal.data.catalogue import SOURCES

    if as_json:
        print(json.dumps([{"name": one.name, "about": one.about, "licence": one.licence} for one in SOURCES]))
        return
    table = Table("name", "what", "licence", box=None, pad_edge=False)
    for one in SOURCES:
        table.add_row(one.name, escape(one.about), escape(one.licence))
    wide_console().print(table)
