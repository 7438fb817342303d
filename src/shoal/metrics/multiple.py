"""Many groups of rows looked at together: which is worse than another, and which findings survive their number."""

import math
from collections.abc import Sequence


def holm(p_values: Sequence[float], alpha: float) -> list[bool]:
    """Which hypotheses are rejected when the chance of even one false rejection is to be at most alpha (Holm 1979).

    The smallest p-value is held against alpha over their number, the next against alpha over one fewer, up to the first
    that is not small enough. Nothing is assumed about how they depend on each other.
    """
    rejected = [False] * len(p_values)
    for place, index in enumerate(sorted(range(len(p_values)), key=lambda index: p_values[index])):
        if p_values[index] > alpha / (len(p_values) - place):
            break
        rejected[index] = True
    return rejected


def fisher(right: int, rows: int, other_right: int, other_rows: int) -> float:
    """Fisher's exact test (1935), one-sided: the chance of at most `right` of `rows` if both groups were equally good.

    Small where the first group is right less often than the other, beyond what chance would do.
    """
    total, hits = rows + other_rows, right + other_right
    first = max(0, hits - other_rows)
    logs = [_log_choose(hits, k) + _log_choose(total - hits, rows - k) for k in range(first, right + 1)]
    return min(1.0, math.exp(_log_sum(logs) - _log_choose(total, rows)))


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def _log_sum(logs: Sequence[float]) -> float:
    top = max(logs)
    return top + math.log(math.fsum(math.exp(one - top) for one in logs))
