"""What a later training can use again: token tables, exported encoders, embeddings, under the hash of their makings.

Nothing here is ever wrong, only absent: the name of a file is the hash of everything that its content depends on, a
file appears whole or not at all, and one that cannot be read is made again.
"""

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[np.generic]]

_MOST_BYTES = 2_000_000_000  # what was not used for longest goes first


def cached(folder: Path | None, kind: str, makings: Iterable[bytes], make: Callable[[], Arrays]) -> Arrays:
    """Give named arrays from the cache, or make and keep them.

    Args:
        folder: of the cache; None keeps nothing.
        kind: name and version of the method: to be counted up when its result changes.
        makings: everything else that the arrays depend on.
        make: makes them.

    Returns:
        The arrays, the same whether they come from the cache or not.
    """
    if folder is None:
        return make()
    digest = hashlib.sha256(kind.encode())
    for making in makings:
        digest.update(len(making).to_bytes(8, "big") + making)
    kept = folder / f"{kind}-{digest.hexdigest()[:32]}.npz"
    try:
        with kept.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            found: Arrays = {name: arrays[name] for name in arrays.files}
        os.utime(kept)
        return found
    except (OSError, ValueError, EOFError, AttributeError, BadZipFile):  # a bare array has no files
        made = make()
        _keep(kept, made)
        return made


def _keep(path: Path, arrays: Arrays) -> None:
    """Write aside, then rename. A cache that cannot be written is no reason to fail."""
    partial = path.with_suffix(f".{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _make_room(path.parent, sum(array.nbytes for array in arrays.values()))
        with partial.open("wb") as file:
            np.savez(file, **arrays)  # pyright: ignore[reportArgumentType] - its keyword allow_pickle
        partial.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def _make_room(folder: Path, wanted: int) -> None:
    ages = sorted(((file.stat().st_mtime, file) for file in folder.glob("*.npz")), reverse=True)
    for _, file in ages:
        wanted += file.stat().st_size
        if wanted > _MOST_BYTES:
            file.unlink(missing_ok=True)
