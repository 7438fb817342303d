"""Answering only when sure: risk against coverage, and telling strangers from the texts a model was trained for."""

import msgspec
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Bools = NDArray[np.bool_]


class RiskCoverage(msgspec.Struct, frozen=True):
    """One point a distinct confidence, strict to loose: accepting at `threshold` keeps `coverage` at `risk`.

    Attributes:
        threshold: confidence needed [m], falling.
        coverage: share of all rows kept [m], rising.
        risk: share of kept rows that are wrong [m].
    """

    threshold: Floats
    coverage: Floats
    risk: Floats

    @property
    def area(self) -> float:
        """Area under the curve (AURC, Geifman et al. 2019); smaller is better."""
        return float(np.sum(self.risk * np.diff(self.coverage, prepend=0.0)))


def risk_coverage(confidence: Floats, correct: Bools) -> RiskCoverage:
    """Trace the curve of El-Yaniv & Wiener (2010). Rows with confidence -inf are never kept, but count as traffic."""
    order = np.argsort(-confidence, kind="stable")
    ranked, wrong = confidence[order], ~correct[order]
    last = np.append(ranked[1:] != ranked[:-1], True) & (ranked > -np.inf) if len(ranked) else np.zeros(0, bool)
    kept = np.flatnonzero(last) + 1
    return RiskCoverage(
        threshold=ranked[kept - 1],
        coverage=kept / max(len(confidence), 1),
        risk=np.cumsum(wrong)[kept - 1] / kept,
    )


def auroc(inside: Floats, outside: Floats) -> float:
    """Chance that a row of `inside` scores above a row of `outside`, ties counting half (Hanley & McNeil 1982)."""
    ordered = np.sort(outside)
    below = np.searchsorted(ordered, inside, side="left")
    tied = np.searchsorted(ordered, inside, side="right") - below
    return float((below + tied / 2).mean() / len(outside))


def fpr_at_95(inside: Floats, outside: Floats) -> float:
    """Share of `outside` still let in at the highest threshold that lets in 95 % of `inside`."""
    threshold = np.sort(inside)[int(np.floor(0.05 * len(inside)))]
    return float((outside >= threshold).mean())
