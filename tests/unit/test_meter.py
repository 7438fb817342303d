"""Money and joules: exact arithmetic, and what happens at the edges of the counters."""

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.errors import InputError
from shoal.meter import EnergyMeter, Price, baseline, cost, count_tokens_estimate, energy_cost
from shoal.tasks import Usage


def test_cost_is_tokens_times_price_per_million() -> None:
    assert cost(Usage(2_000_000, 500_000), Price(2.5, 10.0)) == pytest.approx(10.0)


@pytest.mark.parametrize("price", [(-0.1, 1.0), (1.0, -5.0), (float("nan"), 1.0)])
def test_a_price_below_zero_is_refused(price: tuple[float, float]) -> None:
    with pytest.raises(InputError, match=r"price is .*; it must be 0 or more"):
        Price(*price)


@given(st.text(), st.text())
def test_longer_text_never_has_fewer_tokens(first: str, second: str) -> None:
    assert count_tokens_estimate(first + second) >= count_tokens_estimate(first)
    assert count_tokens_estimate(first) <= 3 * len(first) + 1


def test_tokens_of_plain_english() -> None:
    assert count_tokens_estimate("") == 0
    assert count_tokens_estimate("abcd") == 1
    assert count_tokens_estimate("abcde") == 2
    assert count_tokens_estimate("\ud800") == 1


def test_baseline_is_estimated_from_the_whole_prompt() -> None:
    found = baseline("a" * 40, Price(1.0, 2.0), prompt="p" * 400, answer='{"label": "x"}')
    assert found.method == "estimated"
    assert found.usage == Usage(input_tokens=100 + 10 + 8, output_tokens=4)
    assert found.cost_usd == pytest.approx((118 * 1.0 + 4 * 2.0) / 1e6)


def test_baseline_prefers_measured_tokens() -> None:
    found = baseline("a" * 40, Price(1.0, 2.0), prompt="p" * 400, answer="x", measured=Usage(500, 7))
    assert (found.method, found.usage) == ("measured", Usage(500, 7))
    assert found.cost_usd == pytest.approx(514 / 1e6)


def test_energy_cost() -> None:
    assert energy_cost(3_600_000, 0.3) == pytest.approx(0.3)


def _burn(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


@pytest.mark.parametrize("scope", ["process", "thread"])
def test_cpu_time_times_watts(scope: str, tmp_path: Path) -> None:
    with EnergyMeter(watts_per_core=10.0, scope=scope, powercap=tmp_path) as meter:  # type: ignore[arg-type]
        _burn(0.05)
    assert meter.method == "cpu_time"
    assert 0.5 <= meter.joules < 5.0
    assert "assumed" in meter.description


def test_sleeping_costs_nothing(tmp_path: Path) -> None:
    with EnergyMeter(watts_per_core=10.0, powercap=tmp_path) as meter:
        time.sleep(0.1)
    assert meter.joules < 0.5


def test_laps_add_up(tmp_path: Path) -> None:
    meter = EnergyMeter(watts_per_core=1.0, powercap=tmp_path)
    laps: list[float] = []
    for _ in range(3):
        _burn(0.01)
        laps.append(meter.lap())
    assert min(laps) >= 0.01
    assert meter.joules == pytest.approx(sum(laps))


@pytest.mark.parametrize("watts", [0.0, -1.0, float("nan")])
def test_watts_must_be_above_zero(watts: float) -> None:
    with pytest.raises(InputError, match="watts_per_core"):
        EnergyMeter(watts_per_core=watts)


def _zone(powercap: Path, name: str, label: str, microjoules: int, *, top: int = 1_000_000) -> Path:
    folder = powercap / name
    folder.mkdir()
    (folder / "name").write_text(label + "\n")
    (folder / "energy_uj").write_text(f"{microjoules}\n")
    (folder / "max_energy_range_uj").write_text(f"{top}\n")
    return folder / "energy_uj"


def test_rapl_sums_the_packages_and_nothing_else(tmp_path: Path) -> None:
    first = _zone(tmp_path, "intel-rapl:0", "package-0", 100)
    second = _zone(tmp_path, "intel-rapl:1", "package-1", 200)
    core = _zone(tmp_path, "intel-rapl:0:0", "core", 50)
    whole = _zone(tmp_path, "intel-rapl:2", "psys", 70)
    again = _zone(tmp_path, "intel-rapl-mmio:0", "package-0", 100)
    meter = EnergyMeter(powercap=tmp_path)
    assert meter.method == "rapl"
    assert "2 processor package(s)" in meter.description
    first.write_text("400100")
    second.write_text("100200")
    for other in (core, whole, again):
        other.write_text("999999")
    assert meter.lap() == pytest.approx(0.5)
    assert meter.lap() == 0.0


def test_rapl_counter_wraps_around(tmp_path: Path) -> None:
    counter = _zone(tmp_path, "intel-rapl:0", "package-0", 999_990)
    meter = EnergyMeter(powercap=tmp_path)
    counter.write_text("9")
    assert meter.lap() == pytest.approx(20 / 1e6)


def test_unreadable_rapl_falls_back_to_cpu_time(tmp_path: Path) -> None:
    _zone(tmp_path, "intel-rapl:0", "package-0", 1)
    _zone(tmp_path, "intel-rapl:1", "package-1", 1).unlink()
    assert EnergyMeter(powercap=tmp_path).method == "cpu_time"


def test_rapl_that_becomes_unreadable_falls_back_to_cpu_time(tmp_path: Path) -> None:
    counter = _zone(tmp_path, "intel-rapl:0", "package-0", 1)
    meter = EnergyMeter(powercap=tmp_path)
    counter.unlink()
    _burn(0.01)
    assert meter.lap() > 0
    assert meter.method == "cpu_time"


def test_one_thread_is_always_measured_by_cpu_time(tmp_path: Path) -> None:
    _zone(tmp_path, "intel-rapl:0", "package-0", 1)
    assert EnergyMeter(scope="thread", powercap=tmp_path).method == "cpu_time"
