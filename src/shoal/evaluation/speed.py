"""How fast a specialist answers here and now, within a bounded time."""

import math
import os
import time
from collections.abc import Callable, Sequence
from itertools import cycle, islice

from shoal.evaluation.report import Speed

_WARM = 8
_BULK = 256
_MOST_CALLS = 2000
_FEWEST_CALLS = 20


def measure(
    predict: Callable[[list[str]], object], texts: Sequence[str], seconds: float, *, bulk: int = _BULK
) -> Speed:
    """Time `predict` on one text a call and on `bulk`, half of `seconds` each. Needs at least one text.

    In 0 seconds nothing is called, and every figure is 0.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not seconds:
        return Speed(p50_ms=0.0, p99_ms=0.0, calls=0, docs_per_second=0.0, bulk=bulk, cores=cores)
    predict(list(texts[:_WARM]))
    single = _single_calls(predict, texts, seconds / 2)
    many = list(islice(cycle(texts), bulk))
    calls, started = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - started) < seconds / 2:
        predict(many)
        calls += 1
    single.sort()
    return Speed(
        p50_ms=_quantile(single, 0.50) * 1e3,
        p99_ms=_quantile(single, 0.99) * 1e3,
        calls=len(single),
        docs_per_second=calls * bulk / elapsed,
        bulk=bulk,
        cores=cores,
    )


def _single_calls(predict: Callable[[list[str]], object], texts: Sequence[str], limit: float) -> list[float]:
    taken: list[float] = []
    started = time.perf_counter()
    for text in islice(cycle(texts), _MOST_CALLS):
        before = time.perf_counter()
        predict([text])
        after = time.perf_counter()
        taken.append(after - before)
        if after - started > limit and len(taken) >= _FEWEST_CALLS:
            break
    return taken


def _quantile(ordered: list[float], share: float) -> float:
    """Nearest-rank quantile: a latency that was really seen."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
