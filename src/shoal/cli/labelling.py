"""`shoal data suspects` and `shoal data next`: what a person should look at, as files to fill in."""

import csv
import io
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shoal.cli.progress import progress_bars
from shoal.cli.project import PROJECT, open_classifier, read_rows, writable_cache
from shoal.errors import EnvironmentProblem, InputError

if TYPE_CHECKING:
    from shoal.training.acquisition import Choice

_DECISIONS = "keep, suggested, drop, or the right label"


def suspects(
    target: Annotated[str, typer.Argument(help="A model folder, or the name of a specialist of the project.")],
    out: Annotated[Path | None, typer.Option(help="CSV to write; NAME_suspects.csv if not given.")] = None,
    project: Annotated[Path, PROJECT] = Path("shoal.toml"),
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Write the training rows whose label looks wrong, for a person to decide on; rows decided before are left out.

    Fill the column `decision`, then name the file in `corrections` of shoal.toml, or by `shoal train --corrections`.
    Example: shoal data suspects intent --out data/suspects.csv
    """
    from shoal.data.corrections import Suspect, as_csv

    specialist = open_classifier(target, project)
    found: list[dict[str, Any]] = list(specialist.report.get("suspicious", []))
    if any(not row.get("id") for row in found):
        raise InputError(f"{target} was trained by a shoal that did not note which rows look wrong; train it again.")
    done = _decided(target, project)
    rows = [Suspect(**row) for row in found if (row["id"], row["label"]) not in done]
    place = out or Path(f"{specialist.name}_suspects.csv")
    if rows:
        _write_new(place, as_csv(rows))
    if as_json:
        print(json.dumps({"rows": len(rows), "decided": len(found) - len(rows), "file": str(place) if rows else None}))
    elif rows:
        print(f"{len(rows):,} rows written to {place}. Fill the column `decision` ({_DECISIONS}; empty is undecided),")
        print(f'then: corrections = ["{place}"] in shoal.toml, or shoal train --data ... --corrections {place}')
    else:
        print(f"no label looks wrong{' beside those decided before' if found else ''}; nothing was written.")


def next_texts(
    texts: Annotated[Path, typer.Argument(help="Texts without labels: CSV, JSON Lines or Parquet.")],
    specialist: Annotated[
        str | None, typer.Option(help="What was trained so far: a model folder or a specialist of the project.")
    ] = None,
    count: Annotated[int, typer.Option(min=1, help="How many texts to choose.")] = 100,
    labelled: Annotated[
        list[Path] | None, typer.Option(help="Rows that have labels already, to be left out; repeatable.")
    ] = None,
    random: Annotated[float, typer.Option(min=0, max=1, help="Share that is drawn at random.")] = 0.25,
    seed: Annotated[int, typer.Option(min=0, help="Of everything random.")] = 0,
    column: Annotated[str, typer.Option(help="Column of the texts, in TEXTS and --labelled.")] = "text",
    out: Annotated[Path, typer.Option(help="CSV to write; it must not be there yet.")] = Path("next.csv"),
    project: Annotated[Path, PROJECT] = Path("shoal.toml"),
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Choose which texts to label next: typical ones at first, with --specialist those it is unsure of.

    Example: shoal data next data/unlabelled.csv --specialist intent --count 100
    """
    from shoal import data
    from shoal.training import acquisition

    pool = data.read(texts, text=column, label=None).texts
    known = [text for file in labelled or () for text in data.read(file, text=column, label=None).texts]
    model = open_classifier(specialist, project) if specialist else None
    if specialist and not Path(specialist).is_dir():
        known += _own_texts(specialist, project)
    _refuse_taken(out)
    with progress_bars("next") as bars:
        chosen = acquisition.choose(
            pool,
            count,
            specialist=model,
            labelled=known,
            random=random,
            seed=seed,
            cache=writable_cache(),
            progress=bars,
        )
    _write_new(out, _to_label(chosen))
    found = Counter(choice.why for choice in chosen)
    if as_json:
        print(json.dumps({"rows": len(chosen), "why": found, "file": str(out)}))
        return
    print(f"{len(chosen):,} texts written to {out} ({', '.join(f'{n:,} {why}' for why, n in found.items())}).")
    print("Fill the column `label`, from the top; the file, or its rows in your data, can then be trained on.")


def _own_texts(name: str, project: Path) -> list[str]:
    """Texts that the project's specialist of this name has labels for."""
    from shoal import config

    found = config.load(project).specialists.get(name.partition("@")[0])
    rows = read_rows(found) if found else None
    return rows.texts if rows else []


def _to_label(chosen: "Sequence[Choice]") -> str:
    """Write texts with an empty label, as the content of a CSV file that spreadsheets know to be UTF-8."""
    target = io.StringIO()
    lines = csv.writer(target, lineterminator="\n")
    lines.writerow(["text", "label", "suggested", "confidence", "why"])
    for choice in chosen:
        confidence = "" if choice.confidence is None else f"{choice.confidence:.3f}"
        lines.writerow([choice.text, "", choice.suggested, confidence, choice.why])
    return f"\ufeff{target.getvalue()}"


def _decided(target: str, project: Path) -> set[tuple[str, str]]:
    """Rows that the project's specialist of this name has decisions on."""
    from shoal import config
    from shoal.data.corrections import decided

    if Path(target).is_dir() or not project.is_file():
        return set()
    specialist = config.load(project).specialists.get(target.partition("@")[0])
    return {key for file in (specialist.corrections if specialist else ()) for key in decided(file)}


def _refuse_taken(place: Path) -> None:
    if place.exists():
        raise InputError(f"{place} is there already and may hold a person's work; name another by --out.")


def _write_new(place: Path, content: str) -> None:
    """Write a file that is not there yet."""
    _refuse_taken(place)
    try:
        with place.open("x", encoding="utf-8", newline="") as file:
            file.write(content)
    except OSError as error:
        raise EnvironmentProblem(f"{place}: cannot be written: {error.strerror or error}") from None
