"""What the ledger adds up to: sums and exact quantiles, computed by the database, returned as plain values."""

from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Engine, Select, case, cast, func, literal, select

from shoal.ledger.tables import inference, review

_C = inference.c
# Who gave the answer: the specialist's tier when its label was kept, else what became of the request.
_ANSWERED_BY = case((_C.outcome == "accepted", func.coalesce(_C.tier, "specialist")), else_=_C.outcome)


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """The requests that came the same way and ended the same way.

    Attributes:
        route: the way they came in.
        specialist: who was asked; None for traffic passed through.
        outcome: what became of them.
        tier: the tier that gave the label; None unless a specialist was asked.
        requests: how many.
        llm_calls: how many of them asked a larger model.
        input_tokens: sum over the larger model's calls.
        output_tokens: sum over the larger model's calls.
        cost_usd: sum.
        baseline_cost_usd: sum of what the larger model alone would have cost, as estimated request by request.
        energy_j: sum, joules.
        p50_ms: median latency (nearest rank, as the two below).
        p95_ms: 95th percentile of the latency.
        p99_ms: 99th percentile of the latency.
    """

    route: str
    specialist: str | None
    outcome: str
    tier: str | None
    requests: int
    llm_calls: int
    input_tokens: int
    output_tokens: int
    cost_usd: float
    baseline_cost_usd: float
    energy_j: float
    p50_ms: float
    p95_ms: float
    p99_ms: float


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """Exact quantiles (nearest rank) of some requests' latency, in milliseconds.

    Attributes:
        of: whose requests: a tier's name for what a specialist kept, else the outcome; or "served" or "llm_call".
        requests: how many.
        p50_ms: median.
        p95_ms: 95th percentile.
        p99_ms: 99th percentile.
    """

    of: str
    requests: int
    p50_ms: float
    p95_ms: float
    p99_ms: float


class RouteTokens(msgspec.Struct, frozen=True, kw_only=True):
    """The calls of a route to its larger model that were answered and counted.

    Attributes:
        route: the route's name.
        calls: escalated requests with a token count.
        cost_usd: their sum.
        input_tokens: their sum.
        output_tokens: their sum.
    """

    route: str
    calls: int
    cost_usd: float
    input_tokens: int
    output_tokens: int


class EnergyReading(msgspec.Struct, frozen=True, kw_only=True):
    """Energy by the way it was obtained: "rapl", "cpu_time", or None when it was not recorded."""

    method: str | None
    requests: int
    energy_j: float


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """The ledger between two times.

    Attributes:
        since: lower bound asked for (inclusive), seconds since 1970 UTC; None for the beginning.
        until: upper bound asked for (exclusive); None for the end.
        first: time of the first row within; None when there is none.
        last: time of the last row within; None when there is none.
        requests: rows within.
        groups: the rows by route, specialist, outcome and tier, most numerous first.
        latencies: by who answered, most numerous first.
        served: latency of all that was kept or escalated; None when nothing was.
        llm_call: the larger model's own time in the escalated requests; None when there are none.
        llm_calls: what real calls of the larger model took, by route.
        energy: energy by the way it was obtained.
        waiting: texts that wait for a person now, whenever they came.
    """

    since: float | None = None
    until: float | None = None
    first: float | None = None
    last: float | None = None
    requests: int = 0
    groups: tuple[Group, ...] = ()
    latencies: tuple[Latency, ...] = ()
    served: Latency | None = None
    llm_call: Latency | None = None
    llm_calls: tuple[RouteTokens, ...] = ()
    energy: tuple[EnergyReading, ...] = ()
    waiting: int = 0


def summarise(engine: Engine, since: float | None, until: float | None) -> Summary:
    """Add up the rows with `since` <= time < `until`."""
    within = _within(since, until)
    # All queries must see the same rows; a transaction of SQLite's does by itself.
    options = {"isolation_level": "REPEATABLE READ"} if engine.dialect.name == "postgresql" else {}
    with engine.connect().execution_options(**options) as connection:
        requests, first, last = connection.execute(
            select(func.count(), func.min(_C.time), func.max(_C.time)).where(*within)
        ).one()
        served = [*within, _C.outcome.in_(("accepted", "escalated"))]
        called = [*within, _C.outcome == "escalated", _C.llm_ms > 0]
        return Summary(
            since=since,
            until=until,
            first=first,
            last=last,
            requests=requests,
            groups=_groups(connection, within),
            latencies=_latencies(connection, _ANSWERED_BY, _C.latency_ms, within),
            served=next(iter(_latencies(connection, literal("served"), _C.latency_ms, served)), None),
            llm_call=next(iter(_latencies(connection, literal("llm_call"), _C.llm_ms, called)), None),
            llm_calls=_llm_calls(connection, within),
            energy=_energy(connection, within),
            waiting=connection.execute(select(func.count()).where(review.c.resolved.is_(None))).scalar_one(),
        )


def _within(since: float | None, until: float | None) -> list[ColumnElement[bool]]:
    bounds: list[ColumnElement[bool]] = []
    if since is not None:
        bounds.append(_C.time >= since)
    if until is not None:
        bounds.append(_C.time < until)
    return bounds


def _total(column: ColumnElement[Any]) -> ColumnElement[Any]:
    # PostgreSQL sums 64-bit integers to arbitrary precision, which would come back as Decimal.
    return cast(func.sum(column), column.type).label(column.key)


def _quantiles(
    keys: Mapping[str, ColumnElement[Any]], value: ColumnElement[float], within: list[ColumnElement[bool]]
) -> Select[*tuple[Any, ...]]:
    """By `keys`: the number of rows and three quantiles of `value`, most numerous first.

    Nearest rank, the value at position ceil(p * n): exact, and plain SQL (SQLite has no percentile_cont).
    """
    named = [column.label(name) for name, column in keys.items()]
    ranked = (
        select(
            *named,
            value.label("value"),
            func.row_number().over(partition_by=list(keys.values()), order_by=value).label("rank"),
            func.count().over(partition_by=list(keys.values())).label("size"),
        )
        .where(*within)
        .subquery()
    )
    r = ranked.c
    positions = {f"p{percent}_ms": (r.size * percent + 99) // 100 for percent in (50, 95, 99)}
    return (
        select(
            *(r[name] for name in keys),
            func.count().label("requests"),
            *(func.max(case((r.rank == position, r.value))).label(name) for name, position in positions.items()),
        )
        .group_by(*(r[name] for name in keys))
        .order_by(func.count().desc(), *(r[name] for name in keys))
    )


def _latencies(
    connection: Connection, of: ColumnElement[str], value: ColumnElement[float], within: list[ColumnElement[bool]]
) -> tuple[Latency, ...]:
    return tuple(Latency(**row) for row in connection.execute(_quantiles({"of": of}, value, within)).mappings())


def _groups(connection: Connection, within: list[ColumnElement[bool]]) -> tuple[Group, ...]:
    keys = {column.key: column for column in (_C.route, _C.specialist, _C.outcome, _C.tier)}
    totals = (_C.input_tokens, _C.output_tokens, _C.cost_usd, _C.baseline_cost_usd, _C.energy_j)
    sums = select(*keys.values(), func.count(_C.llm).label("llm_calls"), *map(_total, totals))
    by_key = {
        tuple(row[name] for name in keys): row
        for row in connection.execute(sums.where(*within).group_by(*keys.values())).mappings()
    }
    return tuple(
        Group(**row, **{name: value for name, value in by_key[tuple(row[k] for k in keys)].items() if name not in keys})
        for row in connection.execute(_quantiles(keys, _C.latency_ms, within)).mappings()
    )


def _llm_calls(connection: Connection, within: list[ColumnElement[bool]]) -> tuple[RouteTokens, ...]:
    counted = [_C.outcome == "escalated", _C.input_tokens > 0]
    query = (
        select(_C.route, func.count().label("calls"), *map(_total, (_C.cost_usd, _C.input_tokens, _C.output_tokens)))
        .where(*within, *counted)
        .group_by(_C.route)
        .order_by(_C.route)
    )
    return tuple(RouteTokens(**row) for row in connection.execute(query).mappings())


def _energy(connection: Connection, within: list[ColumnElement[bool]]) -> tuple[EnergyReading, ...]:
    query = (
        select(_C.energy_method.label("method"), func.count().label("requests"), _total(_C.energy_j))
        .where(*within, _C.energy_j > 0)
        .group_by(_C.energy_method)
        .order_by(func.count().desc())
    )
    return tuple(EnergyReading(**row) for row in connection.execute(query).mappings())
