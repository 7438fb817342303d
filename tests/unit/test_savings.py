"""The savings are sums that can be checked by hand; the views show them and load nothing from anywhere."""

import re
from typing import Any

import msgspec
import pytest
from rich.console import Console

from shoal.ledger import EnergyReading, Group, Latency, RouteTokens, Summary
from shoal.report import savings, savings_html, savings_table
from shoal.report.savings_views import cents, joules, milliseconds, usd


def group(outcome: str, requests: int, **values: Any) -> Group:
    names = {"route": "intent", "specialist": "intent", "tier": "encoder"}
    sums = dict.fromkeys(("llm_calls", "input_tokens", "output_tokens"), 0)
    amounts = dict.fromkeys(("cost_usd", "baseline_cost_usd", "energy_j"), 0.0)
    quantiles = {"p50_ms": 1.0, "p95_ms": 2.0, "p99_ms": 3.0}
    return Group(outcome=outcome, requests=requests, **{**names, **sums, **amounts, **quantiles, **values})


def latency(of: str, requests: int) -> Latency:
    return Latency(of=of, requests=requests, p50_ms=1.0, p95_ms=2.0, p99_ms=3.0)


def summary(groups: list[Group], **values: Any) -> Summary:
    of = {g.outcome if g.outcome != "accepted" else "encoder": g.requests for g in groups}
    return Summary(
        first=0.0, last=60.0, requests=sum(g.requests for g in groups), groups=tuple(groups),
        latencies=tuple(latency(name, n) for name, n in of.items()), **values,
    )  # fmt: skip


TOKENS = RouteTokens(route="intent", calls=25, cost_usd=2.5, input_tokens=1, output_tokens=1)


def test_the_mean_of_real_calls_is_the_cost_of_the_larger_model() -> None:
    kept = group("accepted", 75, baseline_cost_usd=999.0)
    escalated = group("escalated", 25, cost_usd=2.5, llm_calls=25, baseline_cost_usd=999.0)
    found = savings(summary([kept, escalated], llm_calls=(TOKENS,)), usd_per_kwh=0.25)
    [route] = found.routes
    assert (route.method, route.measured_calls, route.kept, route.llm_calls) == ("measured", 25, 75, 25)
    assert route.llm_only_usd == pytest.approx(10.0)
    assert (found.cost_usd, found.saved_usd, found.saved_share) == pytest.approx((2.5, 7.5, 0.75))
    assert found.per_thousand == pytest.approx({"cost": 25.0, "llm_only": 100.0, "saved": 75.0})


def test_with_few_calls_the_estimates_are_added_up() -> None:
    kept = group("accepted", 75, baseline_cost_usd=6.0)
    escalated = group("escalated", 19, cost_usd=2.0, llm_calls=19, baseline_cost_usd=1.5)
    few = msgspec.structs.replace(TOKENS, calls=19)
    found = savings(summary([kept, escalated], llm_calls=(few,)), usd_per_kwh=0.25)
    assert found.routes[0].method == "estimated"
    assert (found.llm_only_usd, found.saved_usd) == pytest.approx((7.5, 5.5))


@pytest.mark.parametrize("outcome", ["reviewed", "abstained", "failed"])
def test_what_got_no_answer_costs_and_saves_nothing(outcome: str) -> None:
    kept = group("accepted", 10, baseline_cost_usd=1.0)
    lost = group(outcome, 10, baseline_cost_usd=5.0, cost_usd=0.25, llm_calls=10)
    found = savings(summary([kept, lost]), usd_per_kwh=0.25)
    assert (found.answered, found.llm_only_usd, found.cost_usd, found.saved_usd) == (10, 1.0, 0.25, 0.75)
    assert any("saving nothing" in note for note in found.notes)


def test_traffic_passed_through_saves_nothing_and_costs_what_it_cost() -> None:
    passed = group("passed_through", 5, route="large", specialist=None, cost_usd=3.0, llm_calls=5)
    found = savings(summary([passed]), usd_per_kwh=0.25)
    assert (found.routes[0].method, found.llm_only_usd, found.saved_usd, found.saved_share) == ("actual", 3.0, 0.0, 0.0)


def test_a_cascade_that_costs_more_than_it_saves_is_told() -> None:
    escalated = group("escalated", 10, cost_usd=2.0, llm_calls=20, baseline_cost_usd=1.0)
    found = savings(summary([escalated]), usd_per_kwh=0.25)
    assert (found.saved_usd, found.saved_share) == (-1.0, -1.0)
    assert "-$1.00" in shown(found)


def test_without_a_price_there_is_no_share_and_it_is_said() -> None:
    found = savings(summary([group("accepted", 3)]), usd_per_kwh=0.25)
    assert found.saved_share is None
    assert any("no price above 0" in note for note in found.notes)
    shown(found)
    savings_html(found)


def test_energy_and_how_it_was_obtained() -> None:
    readings = (
        EnergyReading(method="cpu_time", requests=30, energy_j=3_000_000.0),
        EnergyReading(method="rapl", requests=10, energy_j=600_000.0),
    )
    found = savings(summary([group("accepted", 40)], energy=readings), usd_per_kwh=0.25)
    assert (found.energy_j, found.energy_per_thousand_j, found.energy_usd) == pytest.approx((3.6e6, 9e7, 0.25))
    assert "for 30 requests worked out from CPU time" in found.notes[-1]
    assert "for 10 requests measured by the processor's own counters (RAPL)" in found.notes[-1]
    assert "1.00 kWh" in shown(found)


def test_shares_name_who_answered_in_a_fixed_order() -> None:
    outcomes = ["failed", "passed_through", "accepted", "escalated", "abstained", "reviewed"]
    found = savings(summary([group(outcome, n + 1) for n, outcome in enumerate(outcomes)]), usd_per_kwh=0.25)
    assert [share.key for share in found.shares] == [
        "encoder", "escalated", "passed_through", "reviewed", "abstained", "failed",
    ]  # fmt: skip
    assert sum(share.share for share in found.shares) == pytest.approx(1.0)
    assert found.shares[0].who == "specialist (encoder)"


def shown(found: Any) -> str:
    console = Console(width=160)
    with console.capture() as capture:
        console.print(savings_table(found))
    return capture.get()


@pytest.fixture
def full() -> Any:
    groups = [
        group("accepted", 1200, route="<b>intent</b>", baseline_cost_usd=1.2),
        group("escalated", 300, route="<b>intent</b>", cost_usd=0.3, llm_calls=300, baseline_cost_usd=0.3),
        group("reviewed", 40, route="<b>intent</b>"),
    ]
    return savings(
        summary(groups, waiting=40, served=latency("served", 1500), llm_call=latency("llm_call", 300)), usd_per_kwh=0.25
    )


def test_the_table_shows_the_figures(full: Any) -> None:
    text = shown(full)
    for expected in ("1,540 requests, 1970-01-01 00:00", "77.9%", "$1.20", "80.0% saved", "40 texts wait for a person"):
        assert expected in text
    assert "as served" in text
    assert "larger model alone, its own time" in text


def test_the_page_stands_alone_and_escapes(full: Any) -> None:
    page = savings_html(full)
    assert not re.search(r"(?:src|href)\s*=|url\(|@import|<script|https?://", page)
    assert "&lt;b&gt;intent&lt;/b&gt;" in page
    assert "<b>intent</b>" not in page
    assert "78%" in page
    assert "1,200 of 1,540 requests" in page


@pytest.mark.parametrize(
    ("period", "sentence"),
    [({}, "No requests yet. Serve some: shoal serve"), ({"since": 1.0}, "No requests in this period.")],
)
def test_nothing_yet(period: dict[str, float], sentence: str) -> None:
    found = savings(Summary(**period), usd_per_kwh=0.25)
    assert shown(found).strip() == sentence
    assert sentence in savings_html(found)
    assert found.shares == ()


def test_numbers_for_people() -> None:
    assert [usd(x) for x in (0, 1234.5, 0.25, 0.0042, 0.000012345, -3)] == [
        "$0", "$1,234.50", "$0.250", "$0.00420", "$0.0000123", "-$3.00",
    ]  # fmt: skip
    assert [joules(x) for x in (0, 0.0312, 42.24, 4200, 7.2e6)] == ["0 J", "0.0312 J", "42.2 J", "4.20 kJ", "2.00 kWh"]
    assert [milliseconds(x) for x in (0.123, 5.04, 99.94, 1234.5)] == ["0.123", "5.0", "99.9", "1,234"]
    assert cents(0.000001) == "0.000100 cents"
