"""Files that survive a kill, a power cut and a second process; and what to say when the disk is full."""

import errno
import fcntl
import os
import shutil
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path

from shoal.errors import EnvironmentProblem

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def copy_files(source: Path, target: Path, names: Iterable[str]) -> None:
    """Copy the named files into a new folder and have them on the disk before returning.

    Copied rather than hard-linked: a link would let a later write to the source change the copy.
    """
    target.mkdir()
    for name in names:
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, path)
        sync(path)
    for folder, _, _ in os.walk(target, topdown=False):
        sync(Path(folder))


def write_new(path: Path, content: bytes) -> None:
    """Write a file that was not there, and have it on the disk before returning."""
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def replace(path: Path, content: bytes) -> None:
    """Give `path` new content at once: a reader, or whoever looks after a kill, finds the old or the new, whole."""
    temporary = path.with_name(f".{path.name}.new")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    sync(path.parent)


def sync(path: Path) -> None:
    """Have a file's content, or a folder's list of names, on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def locked(path: Path, *, wait: bool = True) -> Generator[bool]:
    """Hold an exclusive lock on the file `path` (made when missing); the kernel frees it when its holder dies.

    Yields whether the lock is held: always True with `wait`, else False when another process holds it.
    """
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def explained(error: OSError, path: Path, needed: int | None = None) -> EnvironmentProblem:
    """Say what the operating system refused, where, and what to do.

    Args:
        error: what was raised.
        path: where something was to be written.
        needed: bytes that were to be written, when that is known.
    """
    if error.errno in _NO_ROOM:
        room = f"; {needed:,} bytes are needed" if needed is not None else ""
        return EnvironmentProblem(
            f"no room left on the disk of {path}{room}. Nothing was changed. Free some space and try again."
        )
    return EnvironmentProblem(
        f"cannot write in {path}: {error.strerror or error}. Nothing was changed. Check its permissions and its disk."
    )
