"""`Registry`: a folder of versions.

    ROOT/NAME/versions/v1/artifact/       the specialist's folder, as it was saved; never changed
    ROOT/NAME/versions/v1/version.json    when and why it was published, its report in short
    ROOT/NAME/aliases.json                champion and other movable names, with every move
    ROOT/NAME/.lock                       held while a version appears or an alias moves
    ROOT/NAME/.incoming/                  a version being copied; whoever finds it while holding the lock may remove it

A version appears by one rename and an alias moves by one rename, so that whoever is killed leaves the old or the new.
"""

import re
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import msgspec

from shoal.errors import ArtifactError, InputError, NotFoundError
from shoal.models import artifact
from shoal.registry import durable
from shoal.registry.aliases import Aliases, AliasMove

CHAMPION = "champion"
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_VERSION = re.compile(r"v[1-9][0-9]{0,8}")
_INCOMING = ".incoming"
_ALIASES = "aliases.json"


class ModelVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One immutable version of a specialist.

    Attributes:
        name: the specialist's name.
        version: "v1", "v2", ... in the order of publication.
        content_id: SHA-256 over its files' SHA-256s; the same content has the same id.
        created: when it was published, ISO 8601, UTC.
        size_bytes: of its files, the manifest not counted.
        note: a person's words about it.
        report: the figures worth a line (accuracy, coverage, ...), as the publisher gave them.
    """

    name: str
    version: str
    content_id: str
    created: str
    size_bytes: int
    note: str = ""
    report: dict[str, Any] = {}


class Registry:
    """Versions and aliases of any number of specialists, under one folder; safe for several processes at once.

    Args:
        root: the folder; made when the first version is published.
    """

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)
        for folder in self._folders():
            # A registry that may only be read can be served from all the same.
            with suppress(OSError), durable.locked(folder / ".lock", wait=False) as held:
                if held:
                    _sweep(folder)

    def names(self) -> list[str]:
        """Return the names of all specialists with at least one version, sorted."""
        return sorted(folder.name for folder in self._folders() if _numbers(folder))

    def versions(self, name: str) -> list[ModelVersion]:
        """Return all versions of a specialist, oldest first.

        Raises:
            NotFoundError: there is no such specialist; lists those there are.
        """
        folder = self._folder(name)
        numbers = _numbers(folder)
        if not numbers:
            raise NotFoundError(self._unknown_name(name))
        return [self._read_version(name, f"v{number}") for number in numbers]

    def path(self, version: ModelVersion) -> Path:
        """Return the folder of the version's artifact, for `shoal.models.load`."""
        return self._folder(version.name) / "versions" / version.version / "artifact"

    def publish(
        self, name: str, folder: Path | str, *, note: str = "", report: Mapping[str, Any] | None = None
    ) -> ModelVersion:
        """Take a saved specialist in as a new version; content that is already there gives its existing version.

        Args:
            name: 1-64 of a-z, 0-9, "_" and "-", beginning with a letter or digit.
            folder: a specialist's folder as `Specialist.save` wrote it; every SHA-256 is checked. It is copied.
            note: a person's words about it.
            report: the figures worth a line, JSON-serialisable.

        Raises:
            InputError: the name is not allowed.
            ArtifactError: a file of the folder is missing, damaged or unknown.
            EnvironmentProblem: the disk is full or not writable; nothing has changed.
        """
        home = self._folder(name)
        source = Path(folder)
        manifest = artifact.verify(source)
        try:
            (home / "versions").mkdir(parents=True, exist_ok=True)
            with durable.locked(home / ".lock"):
                _sweep(home)
                if existing := self._sound_version(name, manifest.content_id):
                    return existing
                version = ModelVersion(
                    name=name,
                    version=f"v{max(_numbers(home), default=0) + 1}",
                    content_id=manifest.content_id,
                    created=datetime.now(UTC).isoformat(timespec="seconds"),
                    size_bytes=manifest.size_bytes,
                    note=note,
                    report=dict(report or {}),
                )
                _take_in(home, source, version, manifest)
                return version
        except OSError as error:
            raise durable.explained(error, home, manifest.size_bytes) from error

    def alias(self, name: str, alias: str, version: str) -> ModelVersion:
        """Let `alias` ("champion", "challenger", "shadow", ...) name a version from now on.

        Raises:
            InputError: the alias has a form that is not allowed.
            NotFoundError: there is no such specialist or version.
            ArtifactError: the version's files are damaged; the alias stays where it was.
            EnvironmentProblem: the disk is full or not writable; the alias stays where it was.
        """
        if not _NAME.fullmatch(alias) or _VERSION.fullmatch(alias) or alias == "latest":
            raise InputError(
                f"{alias!r} cannot be an alias: allowed are 1-64 of a-z, 0-9, '_' and '-', not 'latest' and not "
                "the form of a version ('v3')"
            )
        target = self.resolve(name, version)
        artifact.verify(self.path(target))
        self._move(name, lambda aliases: aliases.set(alias, target.version))
        return target

    def promote(self, name: str, version: str) -> ModelVersion:
        """Make a version the champion, which is the one that is served; errors as in `alias`."""
        return self.alias(name, CHAMPION, version)

    def rollback(self, name: str) -> ModelVersion:
        """Make the champion what it was before the last promotion; again, and it is the one before that.

        Raises:
            NotFoundError: there is no such specialist, or no earlier champion.
            ArtifactError: the earlier champion's files are damaged; nothing has changed.
            EnvironmentProblem: the disk is full or not writable; nothing has changed.
        """
        self.versions(name)

        def back(aliases: Aliases) -> Aliases:
            earlier = aliases.roll_back(CHAMPION)
            if earlier is None:
                raise NotFoundError(
                    f"{name!r} has no earlier champion to go back to; `shoal versions {name}` lists all"
                )
            artifact.verify(self.path(self.resolve(name, earlier.aliases[CHAMPION].version)))
            return earlier

        self._move(name, back)
        return self.resolve(name)

    def resolve(self, name: str, reference: str = CHAMPION) -> ModelVersion:
        """Return the version that "v3", "latest" or an alias names now.

        Raises:
            NotFoundError: there is no such specialist, version or alias; says which there are.
        """
        versions = {version.version: version for version in self.versions(name)}
        if reference == "latest":
            return list(versions.values())[-1]
        aliases = self.aliases(name)
        wanted = aliases.get(reference, reference)
        if wanted in versions:
            return versions[wanted]
        have = f"it has the versions {', '.join(versions)}"
        if aliases:
            have += f" and the aliases {', '.join(f'{alias} = {version}' for alias, version in aliases.items())}"
        if reference == CHAMPION and CHAMPION not in aliases:
            raise NotFoundError(
                f"{name!r} has no champion yet; {have}. Make one: shoal promote {name} {list(versions)[-1]}"
            )
        raise NotFoundError(f"{name!r} has no version or alias {reference!r}; {have}")

    def aliases(self, name: str) -> dict[str, str]:
        """Return what each alias of a specialist names now: alias -> version."""
        return {alias: at.version for alias, at in self._read_aliases(name).aliases.items()}

    def history(self, name: str) -> list[AliasMove]:
        """Return every move of every alias of a specialist, oldest first."""
        self.versions(name)
        return list(self._read_aliases(name).history)

    def generation(self, name: str) -> tuple[int, int]:
        """Return a value that changes whenever an alias moves: one `stat`, cheap enough to poll."""
        try:
            found = (self._folder(name) / _ALIASES).stat()
        except OSError:
            return (0, 0)
        return (found.st_ino, found.st_mtime_ns)

    def _folders(self) -> list[Path]:
        if not self.root.is_dir():
            return []
        return [entry for entry in self.root.iterdir() if _NAME.fullmatch(entry.name) and entry.is_dir()]

    def _folder(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise InputError(
                f"{name!r} cannot be a specialist's name: allowed are 1-64 of a-z, 0-9, '_' and '-', beginning with a "
                "letter or a digit"
            )
        return self.root / name

    def _unknown_name(self, name: str) -> str:
        names = self.names()
        if not names:
            return f"no specialist {name!r}: the registry {self.root} is empty. Train and publish one: shoal train"
        near = get_close_matches(name, names, 1)
        question = f"; did you mean {near[0]!r}?" if near else "."
        return f"no specialist {name!r} in the registry {self.root}{question} It has {', '.join(names)}"

    def _read_version(self, name: str, version: str) -> ModelVersion:
        path = self._folder(name) / "versions" / version / "version.json"
        try:
            return msgspec.json.decode(path.read_bytes(), type=ModelVersion)
        except (OSError, msgspec.DecodeError) as error:
            raise ArtifactError(
                f"{path} cannot be read: {error}. Restore it, or remove the folder {path.parent}"
            ) from error

    def _sound_version(self, name: str, content_id: str) -> ModelVersion | None:
        """Return the version that has this content, unless its files have been damaged since."""
        for number in _numbers(self._folder(name)):
            version = self._read_version(name, f"v{number}")
            if version.content_id == content_id:
                with suppress(ArtifactError):
                    artifact.verify(self.path(version))
                    return version
        return None

    def _read_aliases(self, name: str) -> Aliases:
        path = self._folder(name) / _ALIASES
        try:
            return msgspec.json.decode(path.read_bytes(), type=Aliases)
        except FileNotFoundError:
            return Aliases()
        except (OSError, msgspec.DecodeError) as error:
            raise ArtifactError(
                f"{path} cannot be read: {error}. Restore it, or remove it and promote again"
            ) from error

    def _move(self, name: str, change: Callable[[Aliases], Aliases]) -> None:
        home = self._folder(name)
        try:
            with durable.locked(home / ".lock"):
                before = self._read_aliases(name)
                after = change(before)
                if after != before:
                    durable.replace(home / _ALIASES, msgspec.json.format(msgspec.json.encode(after)))
        except OSError as error:
            raise durable.explained(error, home) from error


def _numbers(home: Path) -> list[int]:
    """Return the numbers of the versions under a specialist's folder, ascending."""
    versions = home / "versions"
    if not versions.is_dir():
        return []
    return sorted(int(entry.name[1:]) for entry in versions.iterdir() if _VERSION.fullmatch(entry.name))


def _take_in(home: Path, source: Path, version: ModelVersion, manifest: artifact.Manifest) -> None:
    """Copy, check, and only then let the version appear, whole. The caller holds the lock."""
    incoming = home / _INCOMING
    incoming.mkdir()
    try:
        durable.copy_files(source, incoming / "artifact", [*manifest.files, artifact.MANIFEST])
        artifact.verify(incoming / "artifact")
        durable.write_new(incoming / "version.json", msgspec.json.format(msgspec.json.encode(version)))
        durable.sync(incoming)
        incoming.rename(home / "versions" / version.version)
    except BaseException:
        shutil.rmtree(incoming, ignore_errors=True)
        raise
    durable.sync(home / "versions")


def _sweep(home: Path) -> None:
    """Remove what a killed publisher left behind. The caller holds the lock."""
    incoming = home / _INCOMING
    if incoming.exists():
        shutil.rmtree(incoming)
