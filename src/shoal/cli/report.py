"""`shoal report`: what the ledger adds up to. `shoal review list` and `label`: what waits for a person."""

import re
import time
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shoal.cli.project import PROJECT
from shoal.cli.wide import wide_console
from shoal.errors import EnvironmentProblem, InputError, NotFoundError

if TYPE_CHECKING:
    from shoal.config import Project
    from shoal.ledger import Ledger

_SECONDS = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_DEFAULT_PROJECT = Path("shoal.toml")
_LEDGER = typer.Option("--ledger", help="A ledger's file or URL, instead of the project's.")
_JSON = typer.Option("--json", help="Print JSON.")


def register(app: typer.Typer) -> None:
    """Add `report`."""
    app.command("report")(report)


def report(
    since: Annotated[
        str | None, typer.Option(help="30m, 24h, 7d, 4w, or a date and time such as 2026-05-31T08:00.")
    ] = None,
    until: Annotated[str | None, typer.Option(help="The same, for the end of the period.")] = None,
    as_json: Annotated[bool, _JSON] = False,
    html: Annotated[Path | None, typer.Option(help="Write one self-contained page to this file.")] = None,
    project: Annotated[Path, PROJECT] = _DEFAULT_PROJECT,
    ledger: Annotated[str | None, _LEDGER] = None,
) -> None:
    """Show who answered, what it cost, how long it took: beside the larger model alone.

    Example: shoal report --since 24h --html report.html
    """
    from shoal import config
    from shoal.ledger import Summary
    from shoal.report import savings, savings_html, savings_table

    settings = None if ledger is not None else config.load(project)
    energy = settings.energy if settings else config.EnergyConfig()
    begin, end = _moment("--since", since), _moment("--until", until)
    opened = _open(settings, ledger)
    if opened is None:
        summary = Summary(since=begin, until=end)
    else:
        with opened:
            summary = opened.summary(begin, end)
    result = savings(summary, usd_per_kwh=energy.price_per_kwh)
    if html is not None:
        _write(html, savings_html(result))
    if as_json:
        _print_json(result)
    else:
        _print(savings_table(result))
        if html is not None:
            print(f"\nWritten to {html}")


def review_list(
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the longest waiting first.")] = 20,
    as_json: Annotated[bool, _JSON] = False,
    project: Annotated[Path, PROJECT] = _DEFAULT_PROJECT,
    ledger: Annotated[str | None, _LEDGER] = None,
) -> None:
    """List the texts that wait for a person's label.

    Example: shoal review list --limit 5
    """
    opened = _open(None if ledger is not None else _load(project), ledger)
    if opened is None:
        items, waiting = [], 0
    else:
        with opened:
            items, waiting = opened.review_queue(limit), opened.waiting()
    if as_json:
        _print_json(items)
        return
    if not items:
        print("Nothing waits for a person.")
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("id", "waits", "specialist", "guess", "sure", "why", "text"):
        table.add_column(column, overflow="fold" if column == "text" else "ellipsis", no_wrap=column != "text")
    for item in items:
        sure = "" if item.confidence is None else f"{item.confidence:.0%}"
        # The first 16 digits tell items apart: a time in milliseconds and 16 random bits.
        texts = (item.id[:16], _age(item.created), item.specialist, item.predicted, sure, item.reason)
        table.add_row(*(_plain(text or "") for text in texts), _plain(_text(item.text)))
    _print(table)
    more = f", {waiting - len(items):,} more wait" if waiting > len(items) else ""
    print(f"\nLabel one: shoal review label {items[0].id[:16]} LABEL{more}")


def review_label(
    id: Annotated[str, typer.Argument(help="The item's id, or its beginning.")],
    label: Annotated[str, typer.Argument(help="What the text is.")],
    new: Annotated[bool, typer.Option("--new", help="Accept a label that the specialist does not know.")] = False,
    as_json: Annotated[bool, _JSON] = False,
    project: Annotated[Path, PROJECT] = _DEFAULT_PROJECT,
    ledger: Annotated[str | None, _LEDGER] = None,
) -> None:
    """Record a person's label for a text that waits.

    Example: shoal review label 0192f3a4b5c6d7e8 refund_status
    """
    settings = None if ledger is not None else _load(project)
    opened = _open(settings, ledger)
    if opened is None:
        raise NotFoundError(f"no review item has the id {id!r}: the ledger is empty")
    with opened:
        if settings and not new:
            _refuse_unknown(label, opened.review_item(id).specialist, settings)
        item = opened.resolve_review(id, label)
    if as_json:
        _print_json(item)
    else:
        print(f"{item.id[:16]} is {label!r} now (the guess was {item.predicted!r}).")


def _load(project: Path) -> "Project":
    from shoal import config

    return config.load(project)


def _open(settings: "Project | None", ledger: str | None) -> "Ledger | None":
    """Open the ledger; None when it is a file that has not been made yet."""
    from shoal.ledger import Ledger

    url = settings.ledger.url if settings else str(ledger)
    if "://" not in url:
        if not Path(url).is_file():
            raise NotFoundError(f"there is no ledger {url}. Give its file, or a URL such as sqlite:///PATH.")
        url = f"sqlite:///{Path(url).absolute()}"
    path = url.removeprefix("sqlite:///")
    if path != url and not Path(path).exists():
        return None
    return Ledger(url)


def _refuse_unknown(label: str, specialist: str | None, settings: "Project") -> None:
    """Refuse a label that the specialist's champion does not know: most likely a slip of the hand."""
    from shoal.models import load
    from shoal.registry import Registry
    from shoal.tasks import Classification

    registry = Registry(settings.registry)
    try:
        task = load(registry.path(registry.resolve(specialist or ""))).task
    except InputError:
        return  # no specialist, or none that can be opened: nothing to compare with
    if not isinstance(task, Classification):
        return  # its answers are not one label
    labels = task.labels
    if label not in labels:
        near = get_close_matches(label, labels, 3) or list(labels[:5])
        raise InputError(
            f"{label!r} is not one of the {len(labels)} labels of {specialist!r}; near are {', '.join(near)}. "
            "If it is meant: --new"
        )


def _moment(option: str, value: str | None) -> float | None:
    """Turn a duration back from now, or a local date and time, into seconds since 1970 UTC."""
    if value is None:
        return None
    if found := re.fullmatch(r"([0-9]{1,6})([mhdw])", value.strip()):
        return time.time() - int(found[1]) * _SECONDS[found[2]]
    try:
        return datetime.fromisoformat(value.strip()).timestamp()
    except (ValueError, OverflowError) as error:
        raise InputError(
            f"{option} {value!r} is not a time; give a duration (30m, 24h, 7d) or a date and time (2026-05-31T08:00)"
        ) from error


def _age(created: float) -> str:
    seconds = max(0.0, time.time() - created)
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _text(text: str | None) -> str:
    if text is None:
        return "(not kept: ledger.text)"
    text = " ".join(text.split())
    return text if len(text) <= 300 else text[:299] + "…"


def _plain(text: str) -> str:
    from rich.markup import escape

    return escape(text)


def _print(what: object) -> None:
    wide_console().print(what)


def _print_json(value: object) -> None:
    import msgspec

    print(msgspec.json.format(msgspec.json.encode(value)).decode())


def _write(path: Path, page: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise EnvironmentProblem(f"cannot write {path}: {error.strerror}.") from error
