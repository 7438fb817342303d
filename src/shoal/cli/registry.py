"""`shoal versions`, `promote` and `rollback`: which version of a specialist serves."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shoal.cli.project import PROJECT
from shoal.cli.wide import wide_console

if TYPE_CHECKING:
    from shoal.registry import Registry

_DEFAULT_PROJECT = Path("shoal.toml")


def register(app: typer.Typer) -> None:
    """Add `versions`, `promote` and `rollback`."""
    app.command("versions")(versions)
    app.command("promote")(promote)
    app.command("rollback")(rollback)


def versions(
    name: Annotated[str | None, typer.Argument(help="A specialist; all of them if not given.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    project: Annotated[Path, PROJECT] = _DEFAULT_PROJECT,
) -> None:
    """List the published versions and which of them serve.

    Example: shoal versions intent
    """
    import msgspec

    registry = _open(project)
    rows = [row for each in ([name] if name else registry.names()) for row in _rows(registry, each)]
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(rows)).decode())
        return
    if not rows:
        print("No versions yet. Train some: shoal train")
        return
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("specialist", "version", "is", "published", "size", "report", "note"):
        table.add_column(column, justify="right" if column == "size" else "left")
    for row in rows:
        table.add_row(
            row["name"],
            row["version"],
            ", ".join(row["aliases"]),
            row["created"][:16].replace("T", " "),
            f"{row['size_bytes'] / 1e6:.1f} MB",
            escape(", ".join(f"{key} {_short(value)}" for key, value in row["report"].items())),
            escape(row["note"]),
        )
    wide_console().print(table)


def promote(
    name: Annotated[str, typer.Argument(help="The specialist.")],
    version: Annotated[str, typer.Argument(help="v3, latest, or an alias.")],
    project: Annotated[Path, PROJECT] = _DEFAULT_PROJECT,
) -> None:
    """Make a version the champion: the one that serves. A running gateway changes over by itself.

    Example: shoal promote intent v3
    """
    registry = _open(project)
    before = registry.aliases(name).get("champion")
    now = registry.promote(name, version).version
    print(f"{name}: champion is {now}" + (f" (was {before})" if before not in (None, now) else ""))


def rollback(
    name: Annotated[str, typer.Argument(help="The specialist.")],
    project: Annotated[Path, PROJECT] = _DEFAULT_PROJECT,
) -> None:
    """Make the champion what it was before the last promotion; again, and it is the one before that.

    Example: shoal rollback intent
    """
    registry = _open(project)
    before = registry.aliases(name).get("champion")
    print(f"{name}: champion is {registry.rollback(name).version} (was {before})")


def _open(project: Path) -> "Registry":
    from shoal import config
    from shoal.registry import Registry

    return Registry(config.load(project).registry)


def _rows(registry: "Registry", name: str) -> list[dict[str, Any]]:
    import msgspec

    aliases = registry.aliases(name)
    return [
        {**msgspec.to_builtins(version), "aliases": [alias for alias, at in aliases.items() if at == version.version]}
        for version in registry.versions(name)
    ]


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
