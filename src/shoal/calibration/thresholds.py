"""Which thresholds to test, fixed before any calibration row is looked at.

The fixed sequence stops at its first failure, so where it starts decides its power: the strictest threshold keeps so
few rows that one unlucky error ends the walk. The start is therefore put where the dev rows expect the clearest pass,
and the walk goes from there to "keep everything" in steps of equal traffic. On Banking77 (frozen encoder, 1,000
calibration rows, 3 % risk) this certified 78.0 % of the traffic on average, ten quantiles from the strict end 43.1 %.
"""

import numpy as np
from numpy.typing import NDArray

from shoal.calibration.power import floor_rows

Floats = NDArray[np.floating]
Bools = NDArray[np.bool_]

POINTS = 40
FIXED: NDArray[np.float64] = 1.0 - np.logspace(-3, 0, POINTS)  # 0.999 ... 0.0, for callers without dev rows

_ROOM = 1.1  # expected rows kept at the start, as a multiple of the floor below which no test can pass


def grid(
    confidence: Floats,
    correct: Bools | None = None,
    *,
    rows: int,
    risk: float = 0.05,
    delta: float = 0.05,
    points: int = POINTS,
) -> NDArray[np.float64]:
    """Thresholds from strict to loose for `certify`, ending in 0 (keep every eligible row).

    The start maximises (risk - expected risk) * sqrt(expected rows kept), the expected risk being the mean over dev
    rows of 1 - confidence and, when given, of observed errors. A bad estimate costs coverage, never the promise.

    Args:
        confidence: calibrated confidence of dev rows [n]; +inf = always kept, -inf = never kept.
        correct: whether their answers are right [n].
        rows: how many calibration rows will be tested.
        risk: alpha.
        delta: chance of failure.
        points: at most so many thresholds.
    """
    order = np.argsort(-confidence, kind="stable")
    ranked = confidence[order]
    expected = np.cumsum(1.0 - np.clip(ranked, 0.0, 1.0))
    kept = np.arange(1, len(ranked) + 1)
    if correct is not None:
        expected = (expected + np.cumsum(~correct[order]) + 0.5) / 2
    finite = np.flatnonzero(np.isfinite(ranked))
    if len(finite) == 0:
        return FIXED.copy()
    share = kept / len(ranked) * rows
    clearness = (risk - expected / kept) * np.sqrt(share)
    testable = finite[share[finite] >= _ROOM * floor_rows(risk, delta)]
    start = testable[np.argmax(clearness[testable])] if len(testable) else finite[-1]
    steps = np.asarray(np.linspace(start, finite[-1], points - 1), dtype=np.int64)
    return np.unique(np.append(ranked[steps], 0.0))[::-1]
