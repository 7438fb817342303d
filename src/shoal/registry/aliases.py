"""Movable names for versions; every move is remembered, so that rolling back is exact. Pure but for the clock."""

from datetime import UTC, datetime
from typing import Literal

import msgspec


class AliasMove(msgspec.Struct, frozen=True, kw_only=True):
    """An alias went from one version to another.

    Attributes:
        time: ISO 8601, UTC.
        alias: the moving name ("champion").
        action: "set" or "rollback".
        before: the version it named; None when it was new.
        after: the version it names since.
    """

    time: str
    alias: str
    action: Literal["set", "rollback"]
    before: str | None
    after: str


class Alias(msgspec.Struct, frozen=True):
    """The version that an alias names, and those it named before (the last one last) that can be gone back to."""

    version: str
    previous: tuple[str, ...] = ()


class Aliases(msgspec.Struct, frozen=True):
    """The aliases of one specialist; a value: moving an alias gives a new one."""

    schema: int = 1
    aliases: dict[str, Alias] = {}
    history: tuple[AliasMove, ...] = ()

    def set(self, alias: str, version: str) -> "Aliases":
        """Let `alias` name `version`; naming the same version again changes nothing."""
        old = self.aliases.get(alias)
        if old is None:
            return self._moved(alias, Alias(version), "set")
        if old.version == version:
            return self
        return self._moved(alias, Alias(version, (*old.previous, old.version)), "set")

    def roll_back(self, alias: str) -> "Aliases | None":
        """Let `alias` name again what it named before; None when it named nothing before."""
        old = self.aliases.get(alias)
        if old is None or not old.previous:
            return None
        return self._moved(alias, Alias(old.previous[-1], old.previous[:-1]), "rollback")

    def _moved(self, alias: str, new: Alias, action: Literal["set", "rollback"]) -> "Aliases":
        old = self.aliases.get(alias)
        move = AliasMove(
            time=datetime.now(UTC).isoformat(timespec="seconds"),
            alias=alias,
            action=action,
            before=old.version if old else None,
            after=new.version,
        )
        return Aliases(self.schema, {**self.aliases, alias: new}, (*self.history, move))
