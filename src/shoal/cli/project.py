"""What the commands share: the option that names the project, how a specialist and its rows are found, the cache."""

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from shoal.errors import NotFoundError

if TYPE_CHECKING:
    from shoal.config import SpecialistConfig
    from shoal.data import Dataset
    from shoal.models import Specialist

PROJECT = typer.Option("--project", help="The project's shoal.toml.")


def open_specialist(target: str, project: Path) -> "Specialist":
    """Open a model folder, or the champion of the project's specialist of that name ("name@v2" for a version).

    Raises:
        NotFoundError: neither a folder nor a specialist of the project.
        ArtifactError: the folder is damaged.
    """
    from shoal.models import load

    if Path(target).is_dir():
        return load(target)
    if not project.is_file():
        raise NotFoundError(
            f"{target!r} is not a model folder, and there is no project at {project} that could have "
            "it as a specialist. Give the folder of `shoal train --out`, or call from the project's folder."
        )
    from shoal import config
    from shoal.registry import Registry

    registry = Registry(config.load(project).registry)
    name, _, reference = target.partition("@")
    return load(registry.path(registry.resolve(name, reference or "champion")))


def read_rows(config: "SpecialistConfig", *, quiet: bool = True) -> "Dataset":
    """Read a specialist's rows, corrected as it says; unless `quiet`, what they changed goes to standard error."""
    from shoal import data

    rows = data.read(
        config.data, text=config.text, label=config.label, split=config.split, group=config.group, time=config.time
    )
    return corrected(rows, config.corrections, quiet=quiet)


def corrected(rows: "Dataset", files: Iterable[Path], *, quiet: bool = True) -> "Dataset":
    """Apply files of corrections, one after the other."""
    from shoal.data import corrections

    for path in files:
        rows, applied = corrections.apply(rows, path)
        if not quiet:
            print(f"{path}: {applied}", file=sys.stderr)
    return rows


def cache_folder() -> Path:
    """Return where this user keeps what is dear to make and can be made again; it need not be there yet."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "shoal"


def writable_cache() -> Path | None:
    """Return where what is learnt from the encoder alone is kept, for the next training; None if nothing can be."""
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder if os.access(folder, os.W_OK) else None
