"""Rare labels that a model overlooks: scores lifted by how rare a label is, where the dev rows approve."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal import metrics
from shoal.training.choice import Candidate
from shoal.training.judging import Judging

_SKEWED = 5.0  # times as many rows of the most frequent label as of the rarest, from which it is tried
_DEGREES = (0.25, 0.5, 0.75, 1.0)  # 1 aims at the balanced error
_LEVEL = 0.68  # one standard error to both sides


def adjusted(candidate: Candidate, counts: NDArray[np.integer], judging: Judging) -> tuple[Candidate, dict[str, Any]]:
    """Subtract a multiple of the log of each label's share from the scores (logit adjustment, Menon et al. 2021).

    The degree is the one with the highest macro-F1 on dev among those that raise it by more than one standard error
    and lower neither accuracy, nor log-loss, nor certified coverage by more than one; all differences are paired. The
    temperature is fitted anew. The promise is about what is served then, as always.

    Args:
        candidate: with its scores of the dev rows.
        counts: training rows of each label [L].
        judging: the dev rows.

    Returns:
        The candidate with its offset, or as it was, and what was found.
    """
    present = counts[counts > 0]
    skew = float(present.max() / present.min())
    if skew < _SKEWED:
        return candidate, {
            "verdict": f"none: {skew:.1f} times as many rows of the most frequent label as of the rarest"
        }
    rarity = -np.log(np.maximum(counts, 1) / counts.sum())
    rarity -= rarity.mean()
    best, found = candidate, {"verdict": "none: no degree raises macro-F1 on dev without lowering anything else"}
    highest = 0.0
    for degree in _DEGREES:
        # In units of the scores: they are divided by the temperature before softmax.
        offset = (degree * candidate.judged.temperature * rarity).astype(np.float32)
        scores = candidate.scores + offset
        one = replace(candidate, scores=scores, judged=judging.judge(scores), offset=offset)
        gain = _gain(candidate, one, judging)
        if gain.low > 0 and gain.value > highest and not _worse(candidate, one):
            best, highest = one, gain.value
            found = {"verdict": "kept: it raises macro-F1", "degree": degree, "dev_macro_f1_gain": gain.value}
    return best, found


def _gain(before: Candidate, after: Candidate, judging: Judging) -> metrics.Estimate:
    """Macro-F1 won on the dev rows, with one standard error."""
    labels = before.scores.shape[1]
    old, new = (metrics.macro_f1_of(judging.targets, one.judged.label, labels) for one in (before, after))
    rows = len(judging.targets)
    return metrics.bootstrap(lambda weights: new(weights) - old(weights), rows, seed=judging.seed, level=_LEVEL)


def _worse(before: Candidate, after: Candidate) -> bool:
    old, new = before.judged, after.judged
    lost = (
        old.correct.astype(np.float64) - new.correct,
        new.losses - old.losses,
    )
    coverage = old.coverage - new.coverage
    return any(each.mean() > each.std() / np.sqrt(len(each)) for each in lost) or coverage.mean() > coverage.std()
