"""`shoal data suspects`: the rows whose labels look wrong, as a file to decide on."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from shoal.cli.project import PROJECT, open_specialist
from shoal.errors import EnvironmentProblem, InputError

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

    specialist = open_specialist(target, project)
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


def _decided(target: str, project: Path) -> set[tuple[str, str]]:
    """Rows that the project's specialist of this name has decisions on."""
    from shoal import config
    from shoal.data.corrections import decided

    if Path(target).is_dir() or not project.is_file():
        return set()
    specialist = config.load(project).specialists.get(target.partition("@")[0])
    return {key for file in (specialist.corrections if specialist else ()) for key in decided(file)}


def _write_new(place: Path, content: str) -> None:
    """Write a file that is not there yet: one that is may hold a person's work."""
    try:
        with place.open("x", encoding="utf-8", newline="") as file:
            file.write(content)
    except FileExistsError:
        raise InputError(f"{place} is there already and may hold decisions; name another by --out.") from None
    except OSError as error:
        raise EnvironmentProblem(f"{place}: cannot be written: {error.strerror or error}") from None
