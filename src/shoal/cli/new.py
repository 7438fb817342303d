"""`shoal new`: a project folder that works at once, with a commented shoal.toml and example rows."""

import json
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from shoal.errors import EnvironmentProblem, InputError

# A file of this name in the package would be taken for the package's own.
_RENAMED = {"gitignore": ".gitignore"}


def register(app: typer.Typer) -> None:
    """Add `new`."""
    app.command("new")(_new)


def _new(
    folder: Annotated[Path, typer.Argument(metavar="NAME", help="Folder to create; its name is the project's.")],
) -> None:
    """Start a project: a folder with a commented shoal.toml and data/ with example rows.

    Example: shoal new helpdesk && cd helpdesk && shoal train
    """
    try:
        written = create(folder)
    except OSError as error:
        raise EnvironmentProblem(f"{folder}: cannot be written: {error.strerror or error}") from None
    console = Console()
    for path in written:
        console.print(f"  {path}", soft_wrap=True, highlight=False, markup=False)
    console.print(f"Next: cd {folder} && shoal train", soft_wrap=True, highlight=False, markup=False)


def create(folder: Path) -> list[Path]:
    """Write a project into a new or empty folder.

    Returns:
        The files written.

    Raises:
        InputError: the folder is a file, or holds something already; nothing was changed.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file; choose another name")
    if folder.is_dir() and any(folder.iterdir()):
        raise InputError(f"{folder}: is not empty, and nothing is overwritten; choose another name")
    template = resources.files("shoal") / "cli" / "template"
    return list(_copy(template, folder, json.dumps(folder.resolve().name, ensure_ascii=False)))


def _copy(source: Traversable, target: Path, name: str) -> list[Path]:
    """Copy a tree of the package; `{name}` in shoal.toml becomes the project's name."""
    target.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for entry in sorted(source.iterdir(), key=lambda entry: entry.name):
        path = target / _RENAMED.get(entry.name, entry.name)
        if entry.is_dir():
            written += _copy(entry, path, name)
            continue
        content = entry.read_text(encoding="utf-8")
        path.write_text(content.replace("{name}", name) if path.suffix == ".toml" else content, encoding="utf-8")
        written.append(path)
    return written
