"""The savings report for people: a table for the terminal and one self-contained HTML page, from the same cells."""

import math
from collections import Counter
from datetime import UTC, datetime

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from shoal.report.page import render
from shoal.report.savings import RouteSavings, Savings, Share

_ANSWER_COLUMNS = ("answered by", "requests", "share", "p50 ms", "p95 ms")
_TIME_COLUMNS = ("kept and escalated requests", "measured on", "p50 ms", "p95 ms", "p99 ms")
_COST_COLUMNS = ("route", "answered", "spent", "larger model alone", "saved", "how known")


def savings_table(savings: Savings) -> RenderableType:
    """Return the report for a terminal."""
    if not savings.requests:
        return Text(_nothing(savings))
    blocks: list[RenderableType] = [
        Text(_headline(savings), style="bold"),
        _table(_ANSWER_COLUMNS, _answer_rows(savings)),
        _table(_COST_COLUMNS, _cost_rows(savings)),
        *([_table(_TIME_COLUMNS, rows)] if (rows := _time_rows(savings)) else []),
        *(Text(line) for line in _sentences(savings)),
        *(Text(note, style="dim") for note in savings.notes),
    ]
    return Group(
        *(Padding(block, (0, 0, 1, 0), expand=False) if isinstance(block, Table) else block for block in blocks)
    )


def savings_html(savings: Savings) -> str:
    """Return the report as one page that needs nothing else."""
    if not savings.requests:
        return render("savings.html.j2", headline=_nothing(savings), figures=(), notes=savings.notes)
    return render(
        "savings.html.j2",
        headline=_headline(savings),
        figures=_figures(savings),
        shares=_painted(savings.shares),
        answer_columns=_ANSWER_COLUMNS,
        answer_rows=_answer_rows(savings),
        cost_columns=_COST_COLUMNS,
        cost_rows=_cost_rows(savings),
        time_columns=_TIME_COLUMNS,
        time_rows=_time_rows(savings),
        sentences=_sentences(savings),
        notes=savings.notes,
    )


def kind_of(key: str) -> str:
    """Return who a share belongs to: "specialist", "llm", "person" or "nobody"."""
    known = {
        "escalated": "llm",
        "passed_through": "llm",
        "reviewed": "person",
        "abstained": "nobody",
        "failed": "nobody",
    }
    return known.get(key, "specialist")


def _painted(shares: tuple[Share, ...]) -> list[tuple[Share, str, int]]:
    """Each share with its kind and which tone of the kind's colour it takes."""
    seen: Counter[str] = Counter()
    painted: list[tuple[Share, str, int]] = []
    for share in shares:
        kind = kind_of(share.key)
        painted.append((share, kind, min(seen[kind], 3)))
        seen[kind] += 1
    return painted


def _table(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for place, column in enumerate(columns):
        table.add_column(column, justify="left" if place == 0 or column == "how known" else "right")
    for row in rows:
        table.add_row(*row, style="bold" if row[0] == "total" else None)
    return table


def _nothing(savings: Savings) -> str:
    if savings.since is None and savings.until is None:
        return "No requests yet. Serve some: shoal serve"
    return "No requests in this period."


def _headline(savings: Savings) -> str:
    period = f"{_moment(savings.first)} to {_moment(savings.last)} UTC"
    plural = "s" if savings.requests != 1 else ""
    return f"{savings.requests:,} request{plural}, {period}"


def _figures(savings: Savings) -> list[tuple[str, str, str]]:
    """Return the figures at the top of the page: value, what it is, a word more."""
    kept = sum(share.requests for share in savings.shares if kind_of(share.key) == "specialist")
    saved = "-" if savings.saved_share is None else f"{savings.saved_share:.0%}"
    return [
        (f"{kept / savings.requests:.0%}", "answered by specialists", f"{kept:,} of {savings.requests:,} requests"),
        (saved, "saved", f"{usd(savings.saved_usd)} of {usd(savings.llm_only_usd)}"),
        (
            usd(savings.per_thousand["cost"]),
            "per 1,000 answers",
            f"larger model alone {usd(savings.per_thousand['llm_only'])}",
        ),
        (joules(savings.energy_per_thousand_j), "per 1,000 requests", f"{joules(savings.energy_j)} in all"),
    ]


def _answer_rows(savings: Savings) -> list[tuple[str, ...]]:
    return [
        (share.who, f"{share.requests:,}", f"{share.share:.1%}", milliseconds(share.p50_ms), milliseconds(share.p95_ms))
        for share in savings.shares
    ]


def _cost_rows(savings: Savings) -> list[tuple[str, ...]]:
    rows = [
        (r.route, f"{r.answered:,}", usd(r.cost_usd), usd(r.llm_only_usd), usd(r.saved_usd), _how(r))
        for r in savings.routes
    ]
    percent = "" if savings.saved_share is None else f"{savings.saved_share:.1%} saved"
    total = (savings.cost_usd, savings.llm_only_usd, savings.saved_usd)
    per_thousand = (savings.per_thousand[key] for key in ("cost", "llm_only", "saved"))
    return [
        *rows,
        ("total", f"{savings.answered:,}", *map(usd, total), percent),
        ("per 1,000", "", *map(usd, per_thousand), ""),
    ]


def _time_rows(savings: Savings) -> list[tuple[str, ...]]:
    rows = (("as served", savings.served), ("larger model alone, its own time", savings.llm_call))
    return [
        (name, f"{at.requests:,}", milliseconds(at.p50_ms), milliseconds(at.p95_ms), milliseconds(at.p99_ms))
        for name, at in rows
        if at is not None
    ]


def _how(route: RouteSavings) -> str:
    if route.method == "measured":
        return f"measured on {route.measured_calls:,} calls"
    return route.method


def _sentences(savings: Savings) -> list[str]:
    lines: list[str] = []
    if savings.energy_by:
        per_thousand = savings.energy_usd / savings.requests * 1000
        lines.append(
            f"Energy of this machine: {joules(savings.energy_j)}, {joules(savings.energy_per_thousand_j)} per 1,000 "
            f"requests, which cost {cents(per_thousand)} at {usd(savings.usd_per_kwh)} a kWh."
        )
    if savings.waiting:
        verb = "text waits" if savings.waiting == 1 else "texts wait"
        lines.append(f"{savings.waiting:,} {verb} for a person: shoal review list")
    return lines


def usd(amount: float) -> str:
    """Return dollars with two decimals, or three significant digits below one dollar."""
    sign = "-" if amount < 0 else ""
    return f"{sign}${_number(abs(amount), 2)}"


def cents(amount: float) -> str:
    """Return dollars as cents with three significant digits at least."""
    return f"{_number(amount * 100, 2)} cents"


def joules(amount: float) -> str:
    """Return an energy with its unit."""
    for factor, unit in ((3_600_000, "kWh"), (1000, "kJ")):
        if amount >= factor:
            return f"{amount / factor:,.2f} {unit}"
    return f"{_number(amount, 1)} J"


def milliseconds(amount: float) -> str:
    """Return milliseconds: whole ones from 100 on, else three significant digits."""
    return f"{amount:,.0f}" if amount >= 100 else _number(amount, 1)


def _number(amount: float, decimals: int) -> str:
    """`amount` with `decimals` digits after the point, or as many as show three significant digits below one."""
    if amount == 0:
        return "0"
    if amount < 1:
        decimals = min(9, 2 - math.floor(math.log10(amount)))
    return f"{amount:,.{decimals}f}"


def _moment(seconds: float | None) -> str:
    return "-" if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")
