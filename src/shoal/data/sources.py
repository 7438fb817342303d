"""Public data sets fetched from where they are published, at a pinned commit, every file checked by SHA-256."""

import difflib
import hashlib
import http.client
import urllib.error
import urllib.request
from pathlib import Path

from shoal.data.catalogue import SOURCES, File, Source
from shoal.errors import DataError, EnvironmentProblem, NotFoundError

RAW = "https://raw.githubusercontent.com/{repository}/{commit}/{path}"
TIMEOUT_S = 30.0


def names() -> list[str]:
    """List the names that `get` knows."""
    return [source.name for source in SOURCES]


def source(name: str) -> Source:
    """Find a source by name.

    Raises:
        NotFoundError: there is none; lists those there are.
    """
    for one in SOURCES:
        if one.name == name:
            return one
    found = difflib.get_close_matches(name, names(), n=1)
    nearest = f"; did you mean {found[0]!r}?" if found else ""
    raise NotFoundError(f"there is no public data set {name!r}{nearest} (there are {', '.join(names())})")


def get(name: str, destination: str | Path, *, local: str | Path | None = None, url: str = RAW) -> Path:
    """Put a public data set into `destination/name`; files that are already there and right are left alone.

    Args:
        name: one of `names()`.
        destination: the folder that gets a folder of that name.
        local: a folder that holds `name/` already; files are copied from it rather than fetched.
        url: template with {repository}, {commit} and {path}, for a mirror.

    Returns:
        The folder of the data set.

    Raises:
        NotFoundError: no source of that name.
        DataError: what was fetched is not what was pinned; nothing of it is kept.
        EnvironmentProblem: the source cannot be reached, or the disk cannot be written.
    """
    wanted = source(name)
    folder = Path(destination) / name
    for file in wanted.files:
        target = folder / file.name
        if target.is_file() and _sha256(target.read_bytes()) == file.sha256:
            continue
        content = _copied(wanted, file, Path(local)) if local is not None else _fetched(wanted, file, url)
        _write(target, content)
    return folder


def _copied(wanted: Source, file: File, local: Path) -> bytes:
    origin = local / wanted.name / file.name
    try:
        return _checked(origin.read_bytes(), file, str(origin))
    except FileNotFoundError:
        raise DataError(f"{origin}: there is no such file in the local folder of public data") from None
    except OSError as error:
        raise EnvironmentProblem(f"{origin}: cannot be read: {error.strerror or error}") from None


def _fetched(wanted: Source, file: File, url: str) -> bytes:
    if file.path is None:
        raise DataError(
            f"{wanted.name}: {file.name} was joined from files of {wanted.repository} and is published nowhere; "
            f"it can only be copied from a folder that holds {wanted.name}/{file.name}: set SHOAL_DATA to it"
        )
    address = url.format(repository=wanted.repository, commit=wanted.commit, path=file.path)
    try:
        with urllib.request.urlopen(address, timeout=TIMEOUT_S) as response:  # noqa: S310  the scheme is ours
            content = response.read(file.size + 1)
    except (OSError, http.client.HTTPException) as error:  # URLError and time-outs are OSErrors
        if isinstance(error, urllib.error.HTTPError):
            error.close()  # it is the response, too
        reason = error.reason if type(error) is urllib.error.URLError else error
        raise EnvironmentProblem(
            f"{address}: cannot be fetched: {reason}; try again, or set SHOAL_DATA to a folder "
            f"that holds {wanted.name}/{file.name}"
        ) from None
    return _checked(content, file, address)


def _checked(content: bytes, file: File, origin: str) -> bytes:
    found = _sha256(content)
    if found != file.sha256:
        raise DataError(f"{origin}: SHA-256 is {found}, expected {file.sha256}; damaged or changed, nothing was kept")
    return content


def _write(target: Path, content: bytes) -> None:
    """Write aside and rename, so that a file that is there is whole."""
    partial = target.with_name(f"{target.name}.partial")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(content)
        partial.replace(target)
    except OSError as error:
        raise EnvironmentProblem(f"{target}: cannot be written: {error.strerror or error}") from None
    finally:
        if partial.exists():
            partial.unlink()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
