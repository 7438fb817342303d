"""Two models on the same rows: only the rows on which they differ tell them apart."""

import math
from statistics import NormalDist

import msgspec
import numpy as np
from numpy.typing import NDArray

from shoal.metrics.binomial import cdf

Bools = NDArray[np.bool_]

_HALVINGS = 60


class PairedComparison(msgspec.Struct, frozen=True):
    """A challenger against a champion on the same rows.

    Attributes:
        rows: rows compared.
        gained: rows only the challenger has right.
        lost: rows only the champion has right.
        difference: accuracy of the challenger minus that of the champion.
        low: one-sided lower confidence bound of the difference (Tango 1998 score bound).
        p_value: exact McNemar test of "no difference", two-sided.
        worse_p: the same against "the challenger is no worse", one-sided: small where it is shown to be worse.
        detectable: smallest true drop that this many rows and disagreements would show with 80 % power.
    """

    rows: int
    gained: int
    lost: int
    difference: float
    low: float
    p_value: float
    worse_p: float
    detectable: float


def compare(champion: Bools, challenger: Bools, *, level: float = 0.95) -> PairedComparison:
    """Compare by correctness [n] of both on the same rows; needs at least one row."""
    rows = len(champion)
    gained, lost = int((challenger & ~champion).sum()), int((champion & ~challenger).sum())
    normal = NormalDist()
    # An estimate of disagreement that is never 0: no discordant pair in n rows does not mean that none exists.
    discordant = (gained + lost + 1) / (rows + 1)
    reach = normal.inv_cdf(level) + normal.inv_cdf(0.80)
    return PairedComparison(
        rows=rows,
        gained=gained,
        lost=lost,
        difference=(gained - lost) / rows,
        low=paired_lower_bound(gained, lost, rows, level),
        p_value=mcnemar(gained, lost),
        worse_p=cdf(gained, gained + lost, 0.5),
        detectable=min(1.0, reach * math.sqrt(discordant / rows)),
    )


def mcnemar(gained: int, lost: int) -> float:
    """Exact two-sided McNemar test (McNemar 1947): a fair coin over the discordant pairs."""
    return min(1.0, 2 * cdf(min(gained, lost), gained + lost, 0.5))


def paired_lower_bound(gained: int, lost: int, rows: int, level: float = 0.95) -> float:
    """One-sided lower bound of a difference of paired proportions (Tango 1998), by inverting its score test.

    The score test keeps its level where discordant pairs are few, which is where the Wald interval fails.
    """
    limit = NormalDist().inv_cdf(level)
    low, high = -1.0, (gained - lost) / rows
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if _score(gained, lost, rows, middle) > limit:
            low = middle
        else:
            high = middle
    return low


def _score(gained: int, lost: int, rows: int, difference: float) -> float:
    """Tango's statistic of H0: true difference = `difference`, the nuisance rate at its restricted likelihood."""
    a = 2.0 * rows
    b = -gained - lost + (2.0 * rows - gained + lost) * difference
    c = -lost * difference * (1 - difference)
    nuisance = (math.sqrt(max(0.0, b * b - 4 * a * c)) - b) / (2 * a)
    variance = rows * (2 * nuisance + difference * (1 - difference))
    gap = gained - lost - rows * difference
    return gap / math.sqrt(variance) if variance > 0 else math.copysign(math.inf, gap)
