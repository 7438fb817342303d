"""The folder of a model: what it is (specialist.json), what was measured (report.json), and the parts it names.

Written whole or not at all, every byte sealed by the manifest and checked when it is opened (`artifact`).
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from shoal.errors import ArtifactError
from shoal.models import artifact

SETTINGS = "specialist.json"
REPORT = "report.json"

_Settings = TypeVar("_Settings", bound=msgspec.Struct)
_Opened = TypeVar("_Opened")


class _Kind(msgspec.Struct):
    task: dict[str, Any]


def write(
    folder: str | Path,
    settings: msgspec.Struct,
    report: Mapping[str, Any],
    save_parts: Callable[[Path], None],
    *,
    overwrite: bool = False,
    documents: Mapping[str, str] | None = None,
) -> artifact.Manifest:
    """Write a model folder, whole or not at all.

    Args:
        folder: where; it must not exist yet, or be empty.
        settings: what specialist.json is to hold; its `task` says what kind of model it is.
        report: what report.json is to hold.
        save_parts: writes everything else into the folder that it is given.
        overwrite: replace a model folder that is there.
        documents: further text files by name, such as a rendered report; sealed with the rest.

    Raises:
        InputError: the folder is taken.
        EnvironmentProblem: disk full, permissions.
    """
    with artifact.writing(Path(folder), overwrite=overwrite) as place:
        save_parts(place)
        (place / SETTINGS).write_bytes(msgspec.json.format(msgspec.json.encode(settings), indent=1))
        (place / REPORT).write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1))
        for name, text in (documents or {}).items():
            (place / name).write_text(text, encoding="utf-8")
    return artifact.read_manifest(Path(folder))


def read(
    folder: str | Path, settings: type[_Settings], build: Callable[[_Settings, Path, dict[str, Any]], _Opened]
) -> _Opened:
    """Open a folder that `write` wrote, after checking every byte of it.

    Args:
        folder: the model folder.
        settings: the type of what specialist.json holds.
        build: makes the model of settings, folder and report; a ValueError or IndexError of its means that they do not
            fit together.

    Raises:
        ArtifactError: not a model folder, damaged, or written by a newer shoal; names the file.
        EnvironmentProblem: it cannot be read.
    """
    place = Path(folder)
    manifest = artifact.verify(place)
    for name in (SETTINGS, REPORT):
        if name not in manifest.files:
            raise ArtifactError(f"{place / name} is missing from {artifact.MANIFEST}. Train again or copy it again.")
    try:
        found = msgspec.json.decode((place / SETTINGS).read_bytes(), type=settings)
        report = msgspec.json.decode((place / REPORT).read_bytes(), type=dict[str, Any])
        return build(found, place, report)
    except (ValueError, IndexError) as error:  # both msgspec's and pydantic's ValidationError are ValueErrors
        raise ArtifactError(f"{place / SETTINGS} does not fit this shoal: {error}") from error


def task_kind(folder: str | Path) -> str:
    """Tell which kind of task a model folder is for, before anything of it is checked; "" where it cannot be told."""
    try:
        task = msgspec.json.decode((Path(folder) / SETTINGS).read_bytes(), type=_Kind).task
    except (OSError, ValueError):
        return ""
    return str(task.get("kind", ""))


def scorer_home(index: int) -> Path:
    """Where the scorer of this number lies in the folder."""
    return Path("scorers") / str(index)
