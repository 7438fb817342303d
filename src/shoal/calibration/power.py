"""How many labelled rows a promise takes: exact binomial floors and power."""

import math
from functools import lru_cache

from shoal.metrics import binomial_cdf

_MOST_ERRORS = 20_000  # beyond this many tolerated errors no one labels enough rows


def floor_rows(risk: float, delta: float) -> int:
    """Fewest rows that can certify, all being right: the smallest n with (1 - risk)^n <= delta (59 for 5 % at 5 %)."""
    return math.ceil(math.log(delta) / math.log1p(-risk) - 1e-9)


def affordable(rows: int, risk: float, delta: float) -> int | None:
    """Most errors among `rows` kept ones with which the exact test still passes; None when even 0 are too many."""
    if binomial_cdf(0, rows, risk) > delta:
        return None
    low, high = 0, rows
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if binomial_cdf(middle, rows, risk) <= delta else (low, middle)
    return low


@lru_cache(maxsize=256)
def rows_needed(risk: float, delta: float, *, error: float | None = None, power: float = 0.8) -> int | None:
    """Kept rows that certify with chance `power` when the true error among them is `error` (default half the budget).

    Returns:
        The number, e.g. 361 for risk 5 % and delta 5 %; None when `error` is so near the budget that none is enough.
    """
    assumed = risk / 2 if error is None else error
    if assumed >= risk:
        return None

    def strong(errors: int) -> bool:
        return binomial_cdf(errors, _rows_for(errors, risk, delta), assumed) >= power

    low, high = -1, 1
    while not strong(high):
        low, high = high, 2 * high
        if high > _MOST_ERRORS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if strong(middle) else (middle, high)
    return _rows_for(high, risk, delta)


def _rows_for(errors: int, risk: float, delta: float) -> int:
    """Fewest kept rows with which `errors` of them wrong still pass."""
    low, high = errors, max(floor_rows(risk, delta), math.ceil(2 * (errors + 1) / risk))
    while binomial_cdf(errors, high, risk) > delta:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if binomial_cdf(errors, middle, risk) <= delta else (middle, high)
    return high
