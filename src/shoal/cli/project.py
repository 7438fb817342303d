"""What the commands share: the option that names the project, how a specialist and its rows are found, the cache."""

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from shoal.errors import InputError, NotFoundError

if TYPE_CHECKING:
    from shoal.config import SpecialistConfig
    from shoal.data import Answers, Dataset
    from shoal.models import Model, Specialist

PROJECT = typer.Option("--project", help="The project's shoal.toml.")


def open_classifier(target: str, project: Path) -> "Specialist":
    """Open a specialist as `open_specialist` does, for what is done with classifications alone.

    Raises:
        InputError: it has another task.
    """
    from shoal.models import Specialist

    found = open_specialist(target, project)
    if not isinstance(found, Specialist):
        raise InputError(f"{target} has the task {found.task.kind!r}; this is possible for a classification only.")
    return found


def open_specialist(target: str, project: Path) -> "Model":
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


def read_rows(config: "SpecialistConfig", *, quiet: bool = True) -> "Dataset | None":
    """Read a specialist's rows; see `read_source`."""
    from shoal.data import Answers

    found = read_source(config, quiet=quiet)
    return found.dataset if isinstance(found, Answers) else found


def read_source(config: "SpecialistConfig", *, quiet: bool = True) -> "Dataset | Answers | None":
    """Read a specialist's rows, corrected as it says, or a larger model's answers if it has a `teacher`.

    Args:
        config: of the specialist.
        quiet: False writes to standard error what the corrections changed, and which answers cannot be used.

    Returns:
        None when not one row has a label and it has the names of its labels, or when no text has a summary.
    """
    from shoal.data import usable

    read = _read(config)
    if read is None:
        return None
    if config.task == "summarization":
        labelled = any(row.target for row in read.rows)
    else:
        labelled = not config.labels or any(row.label or row.target is not None for row in read.rows)
    if not labelled:
        return None
    rows = corrected(read, config.corrections, quiet=quiet)
    if config.teacher is None:
        return rows.closed(config.labels) if config.labels else rows
    answers = usable(rows, config.labels)
    if not quiet:
        print(f"teacher: {answers}", file=sys.stderr)
    return answers


def unlabelled_texts(config: "SpecialistConfig") -> list[str]:
    """Read the texts of a specialist that no one has answered: of `unlabelled`, and of rows without a label."""
    from shoal import data

    texts = [] if config.unlabelled is None else data.read(config.unlabelled, text=config.text, label=None).texts
    read = _read(config)
    return texts + ([row.text for row in read.rows if not row.label] if read is not None else [])


def _read(config: "SpecialistConfig") -> "Dataset | None":
    from shoal import data
    from shoal.data import COLUMN

    if config.data is None:
        return None
    return data.read(
        config.data,
        text=config.text,
        label=config.label or COLUMN[config.task],
        task=config.task,
        query=config.query,
        split=config.split,
        group=config.group,
        time=config.time,
        slices=config.slices.columns,
        truth=config.teacher.truth if config.teacher else None,
        votes=config.teacher.votes if config.teacher else (),
        probabilities=config.teacher.probabilities if config.teacher else None,
    )


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
