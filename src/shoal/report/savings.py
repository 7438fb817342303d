"""What the ledger's rows saved: who answered, at what cost, latency and energy, next to the larger model alone. Pure.

How the cost of the larger model alone is found, route by route:

- Counted are the requests that got an answer: kept (accepted), escalated, passed through. What waited for a person,
  abstained or failed saves nothing, while what it cost is counted as cost.
- Passed through: it would have cost what it did cost.
- Kept and escalated: when the route has at least `ENOUGH_CALLS` escalated calls whose tokens the larger model
  reported, each request would have cost their mean ("measured"). The texts that are escalated may be longer than those
  that are kept. With fewer calls, the estimates made request by request are added up ("estimated", see
  `shoal.meter.baseline`).
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

import msgspec

from shoal.meter import energy_cost

if TYPE_CHECKING:  # the ledger's database takes longer to load than all other reports together
    from shoal.ledger import EnergyReading, Group, Latency, Summary

ENOUGH_CALLS = 20
_ANSWERED = ("accepted", "escalated", "passed_through")
_ORDER = ("escalated", "passed_through", "reviewed", "abstained", "failed")
_WHO = {
    "escalated": "larger model (escalated)",
    "passed_through": "larger model (passed through)",
    "reviewed": "a person (review)",
    "abstained": "nobody (abstained)",
    "failed": "nobody (failed)",
}


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """The requests that one party answered, or nobody did.

    Attributes:
        key: a tier's name for what a specialist kept, else the outcome.
        who: the same in words.
        requests: how many.
        share: of all requests, in [0, 1].
        p50_ms: median latency, milliseconds.
        p95_ms: 95th percentile of the latency, milliseconds.
    """

    key: str
    who: str
    requests: int
    share: float
    p50_ms: float
    p95_ms: float


class RouteSavings(msgspec.Struct, frozen=True, kw_only=True):
    """Cost of one route.

    Attributes:
        route: its name.
        requests: all of them.
        answered: those that got an answer.
        kept: those that a specialist answered.
        llm_calls: those that asked a larger model.
        cost_usd: what was spent, US dollars.
        llm_only_usd: what the larger model alone would have cost for `answered`, US dollars.
        saved_usd: the difference.
        method: where `llm_only_usd` comes from: mean of "measured" calls, "estimated" request by request, or the
            "actual" cost of traffic passed through.
        measured_calls: calls behind "measured".
    """

    route: str
    requests: int
    answered: int
    kept: int
    llm_calls: int
    cost_usd: float
    llm_only_usd: float
    saved_usd: float
    method: Literal["measured", "estimated", "actual"]
    measured_calls: int


class Savings(msgspec.Struct, frozen=True, kw_only=True):
    """The whole report.

    Attributes:
        since: begin of the period asked for, seconds since 1970 UTC; None for the beginning.
        until: its end; None for now.
        first: time of the first request in it.
        last: time of the last request in it.
        requests: all of them.
        answered: those that got an answer.
        shares: who answered.
        routes: cost by route.
        cost_usd: what was spent on larger models.
        llm_only_usd: what the larger model alone would have cost.
        saved_usd: the difference.
        saved_share: of `llm_only_usd`; None when that is 0.
        per_thousand: US dollars per 1,000 answered requests: "cost", "llm_only", "saved".
        served: latency of the kept and the escalated requests together; None without such.
        llm_call: the larger model's own time in the escalated requests, which is what each would have taken without a
            specialist in front; None without such.
        energy_j: joules of this machine.
        energy_per_thousand_j: joules per 1,000 requests.
        energy_usd: their cost.
        energy_by: the joules by the way they were obtained.
        usd_per_kwh: price of energy.
        waiting: texts that wait for a person now.
        notes: how to read the figures.
    """

    since: float | None
    until: float | None
    first: float | None
    last: float | None
    requests: int
    answered: int
    shares: tuple[Share, ...]
    routes: tuple[RouteSavings, ...]
    cost_usd: float
    llm_only_usd: float
    saved_usd: float
    saved_share: float | None
    per_thousand: dict[str, float]
    served: "Latency | None"
    llm_call: "Latency | None"
    energy_j: float
    energy_per_thousand_j: float
    energy_usd: float
    energy_by: "tuple[EnergyReading, ...]"
    usd_per_kwh: float
    waiting: int
    notes: tuple[str, ...]


def savings(summary: "Summary", *, usd_per_kwh: float) -> Savings:
    """Work out what `summary` saved.

    Args:
        summary: from `Ledger.summary`.
        usd_per_kwh: price of energy, US dollars.
    """
    routes = tuple(_routes(summary))
    cost, llm_only = sum(r.cost_usd for r in routes), sum(r.llm_only_usd for r in routes)
    answered = sum(r.answered for r in routes)
    energy = sum(reading.energy_j for reading in summary.energy)
    return Savings(
        since=summary.since,
        until=summary.until,
        first=summary.first,
        last=summary.last,
        requests=summary.requests,
        answered=answered,
        shares=_shares(summary),
        routes=routes,
        cost_usd=cost,
        llm_only_usd=llm_only,
        saved_usd=llm_only - cost,
        saved_share=(llm_only - cost) / llm_only if llm_only > 0 else None,
        per_thousand={
            "cost": _per_thousand(cost, answered),
            "llm_only": _per_thousand(llm_only, answered),
            "saved": _per_thousand(llm_only - cost, answered),
        },
        served=summary.served,
        llm_call=summary.llm_call,
        energy_j=energy,
        energy_per_thousand_j=_per_thousand(energy, summary.requests),
        energy_usd=energy_cost(energy, usd_per_kwh),
        energy_by=summary.energy,
        usd_per_kwh=usd_per_kwh,
        waiting=summary.waiting,
        notes=tuple(_notes(summary, routes, llm_only)),
    )


def _per_thousand(amount: float, count: int) -> float:
    return 1000 * amount / count if count else 0.0


def _shares(summary: "Summary") -> tuple[Share, ...]:
    """Specialists' tiers first, the most numerous first; then the larger model, people, nobody."""
    shares = [
        Share(
            key=at.of,
            who=_WHO.get(at.of, f"specialist ({at.of})"),
            requests=at.requests,
            share=at.requests / summary.requests,
            p50_ms=at.p50_ms,
            p95_ms=at.p95_ms,
        )
        for at in summary.latencies
    ]
    rank = {key: place for place, key in enumerate(_ORDER, 1)}
    return tuple(sorted(shares, key=lambda share: rank.get(share.key, 0)))


def _routes(summary: "Summary") -> Iterable[RouteSavings]:
    by_route: defaultdict[str, list[Group]] = defaultdict(list)
    for group in summary.groups:
        by_route[group.route].append(group)
    measured = {calls.route: calls for calls in summary.llm_calls if calls.calls >= ENOUGH_CALLS}
    for route, groups in sorted(by_route.items(), key=lambda item: -sum(group.requests for group in item[1])):
        passed = [group for group in groups if group.outcome == "passed_through"]
        decided = [group for group in groups if group.outcome in ("accepted", "escalated")]
        calls = measured.get(route)
        if calls:
            llm_only = calls.cost_usd / calls.calls * sum(group.requests for group in decided)
        else:
            llm_only = sum(group.baseline_cost_usd for group in decided)
        llm_only += sum(group.cost_usd for group in passed)
        cost = sum(group.cost_usd for group in groups)
        yield RouteSavings(
            route=route,
            requests=sum(group.requests for group in groups),
            answered=sum(group.requests for group in groups if group.outcome in _ANSWERED),
            kept=sum(group.requests for group in groups if group.outcome == "accepted"),
            llm_calls=sum(group.llm_calls for group in groups),
            cost_usd=cost,
            llm_only_usd=llm_only,
            saved_usd=llm_only - cost,
            method="measured" if calls else "estimated" if decided or not passed else "actual",
            measured_calls=calls.calls if calls else 0,
        )


def _notes(summary: "Summary", routes: tuple[RouteSavings, ...], llm_only: float) -> Iterable[str]:
    if not summary.requests:
        return
    yield "Larger model alone: what the answered requests would have cost with no specialist in front of it."
    methods = {route.method for route in routes}
    if "measured" in methods:
        yield "Measured: the mean cost of the route's own escalated calls, times its kept and escalated requests."
    if "estimated" in methods:
        yield (
            "Estimated: input tokens from the bytes of the text and of the classification prompt, output tokens from "
            f"the label, times the larger model's price; used for routes with fewer than {ENOUGH_CALLS} counted calls."
        )
    if llm_only == 0 and any(route.answered for route in routes):
        yield "All costs are 0: the larger model has no price above 0 (price = { input = ..., output = ... })."
    if any(group.outcome in ("reviewed", "abstained", "failed") for group in summary.groups):
        yield "What waited for a person, abstained or failed counts as saving nothing; people's time is not priced."
    if summary.energy:
        yield f"Energy is this machine's alone, not the larger model's; {_energy_methods(summary.energy)}."


def _energy_methods(readings: "tuple[EnergyReading, ...]") -> str:
    words = {
        "rapl": "measured by the processor's own counters (RAPL)",
        "cpu_time": "worked out from CPU time and an assumed power of a busy core",
        None: "obtained in a way that was not recorded",
    }
    return " and ".join(f"for {at.requests:,} requests {words.get(at.method, at.method)}" for at in readings)
