"""One folder is the model: plain files, written aside, synced, renamed into place; every byte checked on load.

`manifest.json` is written last and holds the SHA-256 and size of every other file, and a seal over itself, so that one
flipped bit anywhere is refused with the name of the file it is in. Nothing is ever unpickled.
"""

import errno
import hashlib
import importlib.metadata
import json
import os
import secrets
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from shoal.errors import ArtifactError, EnvironmentProblem, InputError

SCHEMA = 1
MANIFEST = "manifest.json"

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class FileEntry(msgspec.Struct, frozen=True):
    """One file of an artifact: hexadecimal SHA-256 and bytes."""

    sha256: str
    size: int


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What an artifact is made of.

    Attributes:
        schema: version of the folder's layout.
        shoal: version of shoal that wrote it.
        created: UTC time, ISO 8601.
        content_id: SHA-256 over the sorted paths and hashes of the files: equal content, equal id.
        files: by path relative to the folder, with forward slashes.
        seal: SHA-256 over everything else in the manifest.
    """

    schema: int
    shoal: str
    created: str
    content_id: str
    files: dict[str, FileEntry]
    seal: str

    @property
    def size_bytes(self) -> int:
        """Bytes of all files but the manifest."""
        return sum(entry.size for entry in self.files.values())


@contextmanager
def writing(folder: Path, *, overwrite: bool = False) -> Generator[Path]:
    """Write an artifact: yields a new folder to fill; on a clean end it appears at `folder`, whole, on the disk.

    A kill at any moment leaves at `folder` the old artifact, the new one or (in the instant between two renames, when
    overwriting) none; never a half-written one. After an exception nothing is left behind.

    Args:
        folder: where the artifact shall be; missing parents are made.
        overwrite: replace an artifact that is there. Anything else that is there is never touched.

    Raises:
        InputError: something is there that may not be replaced.
        EnvironmentProblem: disk full, permissions; names the path.
    """
    target = Path(os.path.abspath(folder))  # noqa: PTH100 - resolve() would follow a link that is to be replaced
    _refuse_occupied(target, overwrite)
    temporary = target.parent / f".{target.name}.{secrets.token_hex(6)}.new"
    try:
        temporary.mkdir(parents=True)
        yield temporary
        _seal(temporary)
        _put_in_place(temporary, target)
    except OSError as error:
        raise _explained(error, target) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def verify(folder: Path) -> Manifest:
    """Check every byte of the artifact in `folder` against its manifest.

    Files that the manifest does not name are ignored: nothing reads them.

    Raises:
        ArtifactError: not an artifact, damaged, incomplete, or written by a newer shoal; names the file.
        EnvironmentProblem: a file cannot be read.
    """
    try:
        manifest = read_manifest(folder)
        for name, entry in manifest.files.items():
            _verify_file(folder, name, entry)
    except OSError as error:
        raise EnvironmentProblem(
            f"cannot read {error.filename or folder}: {error.strerror or error}. Check its permissions and its disk."
        ) from error
    return manifest


def read_manifest(folder: Path) -> Manifest:
    """Read and check the manifest alone.

    Raises:
        ArtifactError: there is none, it is damaged or newer; names the file.
    """
    path = folder / MANIFEST
    if not folder.is_dir():
        seen = "it is a file" if folder.exists() else "it does not exist"
        raise ArtifactError(
            f"{folder} is not a model folder: {seen}. Give a folder that `save` or `shoal train` wrote."
        )
    if not path.is_file():
        raise ArtifactError(
            f"{folder} is not a model folder: it has no {MANIFEST}. Give a folder that `save` or `shoal train` wrote."
        )
    raw = path.read_bytes()
    try:
        fields: Any = json.loads(raw)
        schema = int(fields["schema"])
    except (ValueError, TypeError, KeyError) as error:
        raise ArtifactError(f"{path} is damaged: {error}. Restore the folder from a copy or train again.") from error
    if schema > SCHEMA:
        raise ArtifactError(
            f"{path} has schema {schema}; this shoal reads up to {SCHEMA}. Upgrade shoal: it was written by version "
            f"{fields.get('shoal', 'unknown')}."
        )
    seal = fields.pop("seal", None)
    if seal != _seal_of(fields) or raw != _render(fields | {"seal": seal}):
        raise ArtifactError(f"{path} is damaged: its own seal does not fit. Restore the folder from a copy.")
    try:
        return msgspec.convert(fields | {"seal": seal}, Manifest)
    except msgspec.ValidationError as error:
        raise ArtifactError(f"{path} is damaged: {error}. Restore the folder from a copy.") from error


def _verify_file(folder: Path, name: str, entry: FileEntry) -> None:
    """Check one file's name, size and hash."""
    parts = PurePosixPath(name)
    path = folder / parts
    inside = not parts.is_absolute() and ".." not in parts.parts and "\\" not in name and name != MANIFEST
    if not inside or not path.resolve().is_relative_to(folder.resolve()):
        raise ArtifactError(f"{folder / MANIFEST} names {name!r}, which lies outside the folder; it is refused.")
    if not path.is_file():
        raise ArtifactError(f"{path} is missing. Copy the folder again, whole, or train again.")
    if path.stat().st_size != entry.size or _hash(path) != entry.sha256:
        raise ArtifactError(
            f"{path} is damaged: its content differs from what was saved. Copy the folder again or train again."
        )


def _refuse_occupied(target: Path, overwrite: bool) -> None:
    """Let only an artifact that may be replaced, or an empty folder, be in the way."""
    if not os.path.lexists(target):
        return
    if target.is_dir() and not target.is_symlink():
        if not any(target.iterdir()):
            return
        if (target / MANIFEST).is_file():
            if overwrite:
                return
            raise InputError(f"{target} already holds a model. Choose another folder, or ask to overwrite it.")
    raise InputError(f"{target} exists and is not a model folder, so it is left alone. Choose another folder.")


def _seal(folder: Path) -> None:
    """Hash and sync every file, then write and sync the manifest."""
    files: dict[str, dict[str, str | int]] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            name = path.relative_to(folder).as_posix()
            files[name] = {"sha256": _hash(path), "size": path.stat().st_size}
        _sync(path)
    listing = "".join(f"{name}\0{entry['sha256']}\n" for name, entry in sorted(files.items()))
    fields: dict[str, Any] = {
        "schema": SCHEMA,
        "shoal": importlib.metadata.version("shoal"),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "content_id": hashlib.sha256(listing.encode()).hexdigest(),
        "files": files,
    }
    manifest = folder / MANIFEST
    manifest.write_bytes(_render(fields | {"seal": _seal_of(fields)}))
    _sync(manifest)
    _sync(folder)


def _put_in_place(temporary: Path, target: Path) -> None:
    """Rename the finished folder to its name; an old one is moved aside first and deleted last."""
    if target.is_dir() and any(target.iterdir()):
        old = target.parent / f".{target.name}.{secrets.token_hex(6)}.old"
        target.rename(old)
        try:
            temporary.rename(target)
        except OSError:
            old.rename(target)
            raise
        _sync(target.parent)
        shutil.rmtree(old, ignore_errors=True)
    else:
        temporary.rename(target)
        _sync(target.parent)


def _render(fields: dict[str, Any]) -> bytes:
    """Write a manifest's fields in the one way there is; a file that differs from it was changed."""
    return (json.dumps(fields, indent=2, sort_keys=True) + "\n").encode()


def _seal_of(fields: dict[str, Any]) -> str:
    return hashlib.sha256(_render(fields)).hexdigest()


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    """Have a file's content, or a folder's list of names, on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _explained(error: OSError, target: Path) -> EnvironmentProblem:
    """Say what the operating system refused, where, and what to do."""
    if error.errno in _NO_ROOM:
        return EnvironmentProblem(
            f"no room left on the disk of {target}; nothing was changed. Free some space, try again."
        )
    return EnvironmentProblem(
        f"cannot write {target}: {error.strerror or error}. Nothing was changed. Check its permissions and its disk."
    )
