"""The promise: of the answers that are kept, at most `risk` disagree with the reference, with confidence 1 - delta.

Learn-then-Test with a fixed sequence (Angelopoulos, Bates, Candes, Jordan & Lei 2021): thresholds fixed beforehand
are tested from strict to loose with exact binomial p-values, stopping at the first that fails, so that many thresholds
cost no multiplicity. An answer is kept when its confidence is at or above the threshold.
"""

import math
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from shoal.calibration.power import affordable, floor_rows, rows_needed
from shoal.calibration.thresholds import FIXED
from shoal.errors import InputError
from shoal.metrics import binomial_cdf, clopper_pearson_upper

Floats = NDArray[np.floating]
Bools = NDArray[np.bool_]

_HOPELESS = 0.9  # above this share of the budget, the rows that would certify grow past any labelling effort


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    """What was promised, on which evidence.

    Attributes:
        risk: alpha, the largest share of kept answers that may disagree with the reference.
        confidence: 1 - delta, over draws of the calibration rows.
        threshold: confidence from which answers are kept; None without a certificate.
        certified: whether the promise holds.
        rows: calibration rows looked at, kept or not.
        accepted: of them kept at `threshold`; without a certificate, at the strictest threshold tried.
        errors: of the kept that disagree with the reference.
        coverage: accepted / rows.
        p_value: of "the risk exceeds alpha" at that threshold, exact binomial.
        risk_upper: Clopper-Pearson upper bound of the risk at that threshold, at `confidence`. It is at most `risk`
            when certified; read it as evidence about this threshold, the promise itself is `risk`.
        feasible_coverage: no rule whatsoever can keep more than this share at this risk, given the error over all
            rows.
        rows_needed: about how many more labelled calibration rows a certificate would take; None when certified, or
            when no number would do.
        reason: one or two sentences for a person.
    """

    risk: float
    confidence: float
    threshold: float | None
    certified: bool
    rows: int
    accepted: int
    errors: int
    coverage: float
    p_value: float
    risk_upper: float
    feasible_coverage: float
    rows_needed: int | None
    reason: str


def certify(
    confidence: Floats,
    correct: Bools,
    eligible: Bools | None = None,
    *,
    risk: float = 0.05,
    delta: float = 0.05,
    grid: Floats | None = None,
) -> Certificate:
    """Find the loosest threshold that keeps the promise, on rows that chose nothing else.

    In a cascade, the thresholds of earlier tiers are fixed beforehand and rows that they keep enter with confidence
    +inf: they are kept at every threshold, and the certificate is about the whole policy. Should that fixed part alone
    break the promise, there is no certificate.

    Testing begins at the first threshold that keeps `floor_rows` rows: below that not even a faultless record passes.
    This start looks at how many rows are kept, not at which are right; rows that only the looser threshold keeps are
    then over-represented if anything, so the test only gets more cautious where risk grows as the threshold loosens.

    Args:
        confidence: calibrated probability that the answer is right [n]; +inf for rows kept by an earlier tier.
        correct: whether the answer agrees with the reference [n].
        eligible: rows that may be kept at all [n]: False for never-labels, out-of-scope and empty texts. Default all.
        risk: alpha in (0, 1).
        delta: chance that the promise fails, in (0, 1).
        grid: thresholds [m], chosen without these rows (`thresholds.grid`); default a fixed one.

    Returns:
        A certificate, also when there is none: then `reason` and `rows_needed` say what is missing.

    Raises:
        InputError: risk or delta outside (0, 1).
        ValueError: arrays of different lengths, or NaN confidence.
    """
    scores, right = _checked(confidence, correct, eligible, risk, delta)
    thresholds = np.unique(FIXED if grid is None else np.asarray(grid, dtype=np.float64))[::-1]
    accepted, errors = _counts(scores, right, thresholds)
    chosen, p_value = _walk(accepted, errors, floor_rows(risk, delta), risk, delta)
    certified = chosen is not None and p_value <= delta
    at = chosen if chosen is not None else len(thresholds) - 1
    n, k = int(accepted[at]), int(errors[at])
    evidence: dict[str, Any] = {
        "risk": risk,
        "confidence": 1 - delta,
        "rows": len(scores),
        "accepted": n,
        "errors": k,
        "coverage": n / max(len(scores), 1),
        "p_value": p_value,
        "risk_upper": clopper_pearson_upper(k, n, 1 - delta) if n else 1.0,
        "feasible_coverage": _feasible(right, risk),
    }
    if certified:
        return Certificate(
            threshold=float(thresholds[at]),
            certified=True,
            rows_needed=None,
            reason=f"certified at {risk:.1%} with {1 - delta:.1%} confidence: of {len(scores):,} calibration rows "
            f"{n:,} are kept ({n / len(scores):.1%}), {k:,} of them wrong",
            **evidence,
        )
    more, reason = _missing(n, k, len(scores), risk, delta)
    return Certificate(threshold=None, certified=False, rows_needed=more, reason=reason, **evidence)


def certify_both(
    confidence: Floats,
    correct: Bools,
    true: Bools,
    judged: Bools,
    *,
    risk: float = 0.05,
    delta: float = 0.05,
    grid: Floats | None = None,
    second_from: float = np.inf,
) -> tuple[Certificate, Certificate]:
    """Promise agreement with the reference and, on the rows that people judged, with the truth: both or the first.

    One walk from strict to loose: a threshold passes when both exact tests pass. To reject "one of the two risks is
    above alpha" both must be rejected, each at delta (intersection-union test, Berger 1982), and the sequence is fixed:
    the joint statement holds with confidence 1 - delta, and delta is not divided. The second test begins where the
    first had begun already, so that falling back on the first alone looks at no threshold that it had not passed.

    Args:
        confidence: as for `certify` [n].
        correct: whether the answer agrees with the reference [n].
        true: whether it agrees with the truth [n]; looked at where `judged`.
        judged: rows whose truth is known [n]: a random part of the traffic.
        risk: alpha of both.
        delta: chance that one of the promises that are made fails.
        grid: as for `certify`.
        second_from: where the second test begins, or at the first looser threshold with rows enough; chosen without
            these rows. The judged are few, and where the first begins one unlucky error among them would end the walk.

    Returns:
        The certificate against the reference and that against the truth. Where the second is certified, both are at
        one threshold; where it is not, the first stands alone at its own.
    """
    scores, rows = np.asarray(confidence, dtype=np.float64), np.asarray(judged, dtype=bool)
    alone = certify(scores, correct, risk=risk, delta=delta, grid=grid)
    tested = np.unique(FIXED if grid is None else np.asarray(grid, dtype=np.float64))
    begun = tested[[(scores >= at).sum() >= floor_rows(risk, delta) for at in tested]]
    loosest = 0.0 if alone.threshold is None else alone.threshold
    passed = np.append(begun[(begun >= loosest) & (begun <= second_from)], loosest)
    truth = certify(scores[rows], np.asarray(true, dtype=bool)[rows], risk=risk, delta=delta, grid=passed)
    if truth.threshold is None:
        return alone, truth
    if alone.threshold is None:
        reason = (
            f"not certified: nothing is kept without agreement with the reference; alone it would be {truth.reason}"
        )
        return alone, msgspec.structs.replace(truth, certified=False, threshold=None, reason=reason)
    return certify(scores, correct, risk=risk, delta=delta, grid=begun[begun >= truth.threshold]), truth


def _checked(
    confidence: Floats, correct: Bools, eligible: Bools | None, risk: float, delta: float
) -> tuple[Floats, Bools]:
    """Scores with -inf where a row may never be kept, and correctness, of one length."""
    for name, value in (("risk", risk), ("delta (1 - confidence)", delta)):
        if not 0 < value < 1:
            raise InputError(f"{name} is {value}; it must lie between 0 and 1, both excluded. 0.05 is usual.")
    scores = np.asarray(confidence, dtype=np.float64)
    right = np.asarray(correct, dtype=bool)
    if scores.shape != right.shape or (eligible is not None and np.shape(eligible) != scores.shape):
        raise ValueError(f"confidence {scores.shape}, correct {right.shape} and eligible must be of one length")
    if np.isnan(scores).any():
        raise ValueError("confidence holds NaN")
    return scores if eligible is None else np.where(eligible, scores, -np.inf), right


def _counts(scores: Floats, right: Bools, thresholds: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows kept and rows wrong at each threshold [m]."""
    order = np.argsort(-scores, kind="stable")
    wrong = np.concatenate(([0], np.cumsum(~right[order])))
    accepted = np.searchsorted(-scores[order], -thresholds, side="right")
    return accepted, wrong[accepted]


def _walk(
    accepted: NDArray[np.int64], errors: NDArray[np.int64], floor: int, risk: float, delta: float
) -> tuple[int | None, float]:
    """Index and p-value of the loosest threshold that passed before the first failure, or of the failing start."""
    passed: tuple[int | None, float] = (None, 1.0)
    for at in range(len(accepted)):
        if accepted[at] < floor:
            continue
        p_value = binomial_cdf(int(errors[at]), int(accepted[at]), risk)
        if p_value > delta:
            return passed if passed[0] is not None else (at, p_value)
        passed = (at, p_value)
    return passed


def _feasible(right: Bools, risk: float) -> float:
    """1 - (mu - alpha) / (1 - alpha), from mu <= alpha * coverage + (1 - coverage): an error is kept or escalated."""
    if len(right) == 0:
        return 0.0
    return 1.0 - max(0.0, (float(1 - right.mean()) - risk) / (1 - risk))


def _missing(accepted: int, errors: int, rows: int, risk: float, delta: float) -> tuple[int | None, str]:
    """How many more labelled rows a certificate would take, and the sentence that says so."""
    kept_for_half = rows_needed(risk, delta)
    assert kept_for_half is not None  # half the budget is far enough from the budget for every risk
    if accepted < floor_rows(risk, delta):
        seen = f"not certified: only {accepted:,} of {rows:,} calibration rows can be kept"
    else:
        seen = (
            f"not certified: the strictest threshold keeps {accepted:,} calibration rows, {errors:,} of them wrong "
            f"where at most {affordable(accepted, risk, delta):,} may be"
        )
    observed = errors / max(accepted, 1)
    enough = accepted >= kept_for_half
    kept = rows_needed(risk, delta, error=max(observed, risk / 2)) if enough else kept_for_half
    if kept is None or (enough and observed > _HOPELESS * risk):
        return None, (
            f"{seen}. Even the surest answers are wrong in {observed:.1%} and the promise allows {risk:.1%}: more rows "
            "will hardly help; cleaner labels, a stronger backbone or a larger risk will"
        )
    more_kept = max(1, kept - accepted)
    more = math.ceil(more_kept * rows / accepted) if accepted else more_kept
    return more, (
        f"{seen}. A promise of at most {risk:.1%} needs about {kept:,} rows kept, {more_kept:,} more: label about "
        f"{more:,} more calibration rows"
    )
