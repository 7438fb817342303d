"""Floors and gaps of slices: a version that is good on the whole and bad on one group is not released.

A slice has few rows, and with many slices one of them looks bad by chance. So a finding has to be more than chance,
corrected for how many slices were looked at (Holm 1979); from `MANY` rows on a floor is held against the value itself,
as over all rows.
"""

from collections.abc import Sequence

from shoal.evaluation import Gap, SliceResult, gaps
from shoal.gate.verdict import Rule, percent, span
from shoal.metrics import binomial_cdf, holm

MANY = 200  # rows from which on the value decides: its 95 % interval is then about 5 points to either side
_LEAST = 10  # rows: a pair with a smaller slice is set aside, so that it does not count against the others
ALPHA = 0.05  # chance of stopping a version none of whose slices is below the floor (or apart), all of them together


def slice_rules(results: Sequence[SliceResult], floor: float | None, limit: float | None) -> list[Rule]:
    """Hold the slices against the lowest accuracy and the largest gap that are allowed; None asks for nothing."""
    there = [result for result in results if result.rows]
    found: list[Rule] = []
    if floor is not None:
        found.append(_floor(there, floor) if there else _nothing("slice_accuracy", floor))
    if limit is not None:
        found.append(_gap(list(gaps([result for result in there if result.rows >= _LEAST])), limit))
    return found


def _nothing(name: str, limit: float) -> Rule:
    return Rule(name, None, limit, False, f"{name} asks about slices, and no test row is in one")


def _floor(results: Sequence[SliceResult], floor: float) -> Rule:
    few = [result for result in results if result.rows < MANY and binomial_cdf(0, result.rows, floor) <= ALPHA]
    shown = holm([binomial_cdf(result.right, result.rows, floor) for result in few], ALPHA)
    below = [result for result in results if result.rows >= MANY and result.accuracy.value < floor]
    below += [result for result, is_shown in zip(few, shown, strict=True) if is_shown]
    told = sorted(below or results, key=lambda result: result.accuracy.value)[: None if below else 1]
    named = "; ".join(
        f"{one.name} is right on {percent(one.accuracy.value)}{span(one.accuracy)} of {one.rows:,} rows" for one in told
    )
    message = f"{'' if below else 'the lowest slice: '}{named}; at least {percent(floor)} is asked of every slice"
    if few:
        message += f"; {_power(min(result.rows for result in few), floor, ALPHA / len(few))}"
    return Rule("slice_accuracy", told[0].accuracy.value, floor, not below, message)


def _power(rows: int, floor: float, level: float) -> str:
    """Say how bad the smallest slice would have to be to be found out four times of five."""
    most = next((right for right in range(rows, -1, -1) if binomial_cdf(right, rows, floor) <= level), None)
    if most is None:
        return f"a slice of {rows:,} rows is too small to show anything"
    low, high = 0.0, floor
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if binomial_cdf(most, rows, middle) >= 0.8 else (low, middle)
    return f"a slice of {rows:,} rows can only show what is below {percent(low)}"


def _gap(pairs: Sequence[Gap], limit: float) -> Rule:
    if not pairs:
        return Rule(
            "slice_gap", None, limit, False, f"slice_gap asks about slices, and no two of one kind have {_LEAST} rows"
        )
    beyond = holm([pair.p_value for pair in pairs], ALPHA)
    stopping = [pair for pair, is_shown in zip(pairs, beyond, strict=True) if is_shown and pair.difference > limit]
    told = max(stopping or pairs, key=lambda pair: pair.difference)
    message = (
        f"{told.worse.name} is right on {percent(told.worse.accuracy.value)} of {told.worse.rows:,} rows, "
        f"{told.better.value} on {percent(told.better.accuracy.value)} of {told.better.rows:,}: "
        f"{100 * told.difference:.1f} points apart; at most {100 * limit:.3g} are allowed"
    )
    if not stopping and told.difference > limit:
        message += f", but these rows can only show gaps of {100 * told.detectable:.1f} points or more"
    return Rule("slice_gap", told.difference, limit, not stopping, message)
