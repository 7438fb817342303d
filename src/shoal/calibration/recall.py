"""The promise about what is found: of the texts that hold a thing, in at most `risk` was one missed, with 1 - delta.

A threshold asks how sure a finding must be to be answered; the lower, the less is missed. Learn-then-Test with a fixed
sequence (Angelopoulos et al. 2021) from the lowest threshold to the highest: misses only grow on the way, so the walk
stops at its first failure. Exact binomial p-values, as in `guarantee`.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.calibration.guarantee import Certificate
from shoal.calibration.power import affordable, floor_rows, rows_needed
from shoal.errors import InputError
from shoal.metrics import binomial_cdf, clopper_pearson_upper

Floats = NDArray[np.floating]

_HOPELESS = 0.9  # above this share of the budget, the rows that would certify grow past any labelling effort


def certify_recall(
    found: Floats,
    thresholds: Floats,
    *,
    risk: float = 0.05,
    delta: float = 0.05,
    what: str = "texts with the label",
    fault: str = "are cleared",
) -> Certificate:
    """Find the highest threshold at which the promise holds, on texts that chose nothing else.

    Args:
        found: for each calibration text that holds the thing, how sure the model was of it; of several, of the one it
            was least sure of [n]. 0 where it did not see one at any threshold.
        thresholds: that may be used, chosen without these texts.
        risk: alpha: of the texts that hold one, the share in which it may be missed.
        delta: chance that the promise fails; of this promise alone, not of several together.
        what: the texts, for the sentence.
        fault: what befalls those below the threshold, for the sentence.

    Returns:
        A certificate, also when there is none: then `reason` and `rows_needed` say what is missing. `rows` and
        `accepted` count the texts, `errors` those in which it was missed, `coverage` is 1 where there are such texts.

    Raises:
        InputError: risk or delta outside (0, 1).
        ValueError: there is no threshold.
    """
    for name, value in (("risk", risk), ("delta (1 - confidence)", delta)):
        if not 0 < value < 1:
            raise InputError(f"{name} is {value}; it must lie between 0 and 1, both excluded. 0.05 is usual.")
    ordered = np.unique(np.asarray(thresholds, dtype=np.float64))
    if not len(ordered):
        raise ValueError("certify_recall needs a threshold")
    rows = len(found)
    misses = [int((np.asarray(found) < threshold).sum()) for threshold in ordered]
    chosen: int | None = None
    for at, missed in enumerate(misses):
        if binomial_cdf(missed, rows, risk) > delta:
            break
        chosen = at
    at = chosen or 0
    missed = misses[at]
    evidence: dict[str, Any] = {
        "risk": risk,
        "confidence": 1 - delta,
        "rows": rows,
        "accepted": rows,
        "errors": missed,
        "coverage": float(rows > 0),
        "p_value": binomial_cdf(missed, rows, risk),
        "risk_upper": clopper_pearson_upper(missed, rows, 1 - delta) if rows else 1.0,
        "feasible_coverage": float(rows > 0),
    }
    if chosen is not None:
        reason = f"certified at {risk:.1%} with {1 - delta:.1%} confidence: of {rows:,} {what} {missed:,} {fault}"
        return Certificate(threshold=float(ordered[at]), certified=True, rows_needed=None, reason=reason, **evidence)
    more, reason = _missing(rows, missed, f"{what} {missed:,} {fault}", risk, delta)
    return Certificate(threshold=None, certified=False, rows_needed=more, reason=reason, **evidence)


def _missing(rows: int, missed: int, outcome: str, risk: float, delta: float) -> tuple[int | None, str]:
    """How many more texts that hold one a certificate would take, and the sentence that says so."""
    usual = rows_needed(risk, delta)
    assert usual is not None  # half the budget is far enough from the budget for every risk
    if rows < floor_rows(risk, delta):
        seen = f"not certified: of only {rows:,} {outcome}"
    else:
        seen = f"not certified: of {rows:,} {outcome} where at most {affordable(rows, risk, delta):,} may"
    observed = missed / max(rows, 1)
    too_many = missed > 0 and 1 - binomial_cdf(missed - 1, rows, risk) <= delta
    if too_many or (rows >= usual and observed > _HOPELESS * risk):
        return None, (
            f"{seen}. The promise allows {risk:.1%}: more calibration rows will hardly help; more training rows that "
            "hold one, a rule, or a larger risk will"
        )
    expected = (missed + 0.5) / (rows + 1)  # none missed in a few says little: half a miss is added to them
    needed = rows_needed(risk, delta, error=expected) if expected < risk / 2 else usual
    if needed is None or needed <= rows:
        needed = rows_needed(risk, delta, error=max(observed, risk / 2)) or 2 * rows
    more = max(1, math.ceil(needed - rows))
    return more, (
        f"{seen}. A promise of at most {risk:.1%} needs about {needed:,} such texts: label about {more:,} more"
    )
