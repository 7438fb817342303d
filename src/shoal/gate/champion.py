"""Paired against the champion: stopped when shown to be worse, over all rows or on one slice.

Two equally good models differ on a few per cent of rows, by chance in either direction; on a small test set by points.
To let the difference seen decide would stop many of them, so it has to be shown, by the exact test of McNemar (1947),
one-sided, and it has to be more than the margin. That it is no more is shown by the score bound of Tango (1998) where
there are rows enough; the message says which it is, and which drop the rows could show.

All comparisons together stop an equally good model in at most 5 % of cases: with slices the overall comparison takes
one half of that, and the slices share the other by Holm's method (1979).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shoal.evaluation import Slice
from shoal.gate.verdict import Rule, Rules, points
from shoal.metrics import PairedComparison, compare, holm

Bools = NDArray[np.bool_]

FALSE_STOPS = 0.05  # of equally good models, all comparisons together
_LEAST = 6  # rows that differ: even if all are lost, fewer have a p-value above 2.5 %


def against_champion(pairs: tuple[Bools, Bools] | None, slices: Sequence[Slice], rules: Rules) -> list[Rule]:
    """Compare over all rows and, where there are slices, on each of them.

    Args:
        pairs: correctness [n] of the champion and of the challenger on the same rows; None without a champion.
        slices: of these rows; those without a row are passed over.
        rules: for the two margins.
    """
    there = [one for one in slices if one.rows.any()]
    alpha = FALSE_STOPS / 2 if there else FALSE_STOPS
    found = [_overall(pairs, rules.max_regression, alpha)]
    if there and pairs is not None:
        found.append(_by_slice(pairs, there, rules.max_slice_regression, alpha))
    return found


def _overall(pairs: tuple[Bools, Bools] | None, margin: float, alpha: float) -> Rule:
    name = "max_regression"
    if pairs is None:
        return Rule(name, None, margin, True, "there is no champion that it could be worse than")
    if len(pairs[0]) == 0:
        return Rule(name, None, margin, False, "there are no rows on which to compare with the champion")
    seen = compare(*pairs, level=1 - alpha)
    passed, remark = _decide(seen, margin, shown_worse=seen.worse_p <= alpha)
    message = f"{_told(seen)}, at worst {points(seen.low)} with {1 - alpha:.1%} confidence: {remark}"
    return Rule(name, seen.difference, -margin, passed, message)


def _by_slice(pairs: tuple[Bools, Bools], slices: Sequence[Slice], margin: float, alpha: float) -> Rule:
    """Look at each slice; the message tells of those that stop it, else of the one nearest to it.

    A slice on which the two differ in fewer than `_LEAST` rows could not show anything whoever is better. It is set
    aside: how many rows differ says nothing of who is better, so leaving slices out by it costs no validity.
    """
    champion, challenger = pairs
    counted = [one for one in slices if (champion[one.rows] != challenger[one.rows]).sum() >= _LEAST]
    if not counted:
        told = (
            f"on none of {len(slices)} slices do the two differ in {_LEAST} rows, which is the least to show anything"
        )
        return Rule("max_slice_regression", None, -margin, True, told)
    level = 1 - alpha / len(counted)
    seen = [compare(champion[one.rows], challenger[one.rows], level=level) for one in counted]
    worse = holm([one.worse_p for one in seen], alpha)
    decided = [_decide(one, margin, shown_worse=shown) for one, shown in zip(seen, worse, strict=True)]
    order = sorted(range(len(seen)), key=lambda at: (decided[at][0], seen[at].worse_p, seen[at].difference))
    stopping = [at for at in order if not decided[at][0]]
    told = "; ".join(f"{counted[at].name}: {_told(seen[at])}, {decided[at][1]}" for at in stopping or order[:1])
    among = f" ({len(counted)} of {len(slices)} slices can show something, all looked at together)"
    first = seen[order[0]]
    return Rule("max_slice_regression", first.difference, -margin, not stopping, told + among)


def _told(seen: PairedComparison) -> str:
    return (
        f"{points(seen.difference)} points against the champion on {seen.rows:,} rows ({seen.gained:,} gained, "
        f"{seen.lost:,} lost)"
    )


def _decide(seen: PairedComparison, margin: float, *, shown_worse: bool) -> tuple[bool, str]:
    allowed = f"{100 * margin:.3g} points"
    if seen.low >= -margin:
        return True, f"shown to be no more than {allowed} worse"
    if shown_worse and seen.difference < -margin:
        return False, f"shown to be worse, and by more than the {allowed} allowed"
    if shown_worse:
        return True, f"shown to be worse, and by no more than the {allowed} allowed as far as is seen"
    if seen.gained + seen.lost == 0:
        return True, "right on the very same rows"
    return True, f"not shown to be worse; these rows can show a drop of {100 * seen.detectable:.1f} points or more"
