"""Learning from a larger model's answers with their noise in mind: how the rows are taken is chosen on dev.

Three ways to take a training row: its answer as it is; the shares of all answers that were given to it, or how probable
the model finds each label (a soft target, Hinton, Vinyals & Dean 2015); and either of these without the rows that the
rest contradicts (confident learning, Northcutt et al. 2021, by cleanlab). A quick head on features that are there
anyway says which predicts held-out answers best. Errors that a model makes by rule are not noise: they can be learnt,
and pruning then only loses rows.
"""
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
# scikit-learn ships no types.

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from shoal.data import Row
from shoal.training.heads import MOST_CELLS, SoftTargets, losses, regression

if TYPE_CHECKING:
    from shoal.training.label_errors import Doubts
    from shoal.training.ladder import Climb

Indices = NDArray[np.integer]
Floats = NDArray[np.floating]

_C = 10.0
_ITERATIONS = 60
_MOST_SHARED = 4  # labels that share a row; the others, and ...
_LEAST_SHARE = 0.02  # ... smaller shares are left out: each label is one more row to learn from


@dataclass(frozen=True, slots=True)
class Taken:
    """Which training rows are learnt from, and as what.

    Attributes:
        rows: indices [m]; a row may be left out.
        shares: of the labels in each of them [m, L]; None: the answer alone is learnt.
        treatment: "plain", "soft", "pruned", or "soft, pruned".
        tried: each treatment with its number of rows and its log-loss on dev.
    """

    rows: Indices
    shares: Floats | None
    treatment: str
    tried: list[dict[str, Any]]

    @property
    def found(self) -> tuple[str, list[dict[str, Any]]]:
        """What was chosen, and what was tried."""
        return self.treatment, self.tried


def shares(rows: Sequence[Row], labels: Sequence[str]) -> Floats | None:
    """Tell which share each label has in each row [n, L]: its probability, or else its share of the votes.

    Returns:
        None where every row has one answer alone.
    """
    if not any(row.votes or row.probabilities for row in rows):
        return None
    number = {label: index for index, label in enumerate(labels)}
    made = np.zeros((len(rows), len(labels)), np.float32)
    for at, row in enumerate(rows):
        said: Mapping[str, float] = dict(row.probabilities) or Counter(row.votes) or {row.label: 1.0}
        made[at, [number[label] for label in said]] = list(said.values())
    made /= made.sum(axis=1, keepdims=True)
    return sparse(made)


def sparse(shares: Floats) -> Floats:
    """Leave out small shares [n, L]; what is left has the weight of the whole row."""
    total, largest = shares.sum(axis=1), shares.max(axis=1)
    kept = shares >= np.minimum(_LEAST_SHARE * total, largest)[:, None]
    if shares.shape[1] > _MOST_SHARED:
        np.put_along_axis(kept, np.argpartition(-shares, _MOST_SHARED, axis=1)[:, _MOST_SHARED:], False, axis=1)
    made = np.where(kept, shares, np.float32(0.0))
    return made * (total / made.sum(axis=1))[:, None]


def take(
    features: Any,
    targets: Indices,
    shared: Floats | None,
    doubtful: NDArray[np.bool_],
    dev: Any,
    dev_targets: Indices,
    labels: int,
) -> Taken:
    """Choose how to take the rows, by log-loss on dev at the best temperature.

    Args:
        features: of the training rows [n, d], a dense or sparse matrix.
        targets: their label numbers [n].
        shared: shares of the labels in each [n, L] (`shares`), or None.
        doubtful: rows that the others contradict [n]; of a label that has no others, none is left out.
        dev: features of the dev rows [k, d].
        dev_targets: their label numbers [k].
        labels: how many labels there are.
    """
    every = np.arange(len(targets))
    ways: dict[str, tuple[Indices, Floats | None]] = {"plain": (every, None)}
    if shared is not None:
        ways["soft"] = every, shared
    sound = np.bincount(targets[~doubtful], minlength=labels)
    left_out = doubtful & (sound[targets] > 0)
    if left_out.any():
        kept = every[~left_out]
        ways["pruned"] = kept, None
        if shared is not None:
            ways["soft, pruned"] = kept, shared[kept]
    tried: list[dict[str, Any]] = []
    for name, (rows, soft) in ways.items():
        loss = _loss(features[rows], targets[rows] if soft is None else soft, dev, dev_targets, labels)
        tried.append({"treatment": name, "rows": len(rows), "dev_log_loss": loss})
    best = min(tried, key=lambda one: one["dev_log_loss"])["treatment"]
    return Taken(*ways[best], best, tried)


def apply(climb: "Climb", rows: Sequence[Row], labels: Sequence[str], names: Sequence[str]) -> "tuple[Taken, Doubts]":
    """Have the rungs of these names learn from the rows as dev likes them best.

    Args:
        climb: before its first rung.
        rows: the training rows.
        labels: the labels in their order.
        names: the rungs that will be trained; an encoder among them gives the features.
    """
    from shoal.training import label_errors, tfidf

    if len(climb.texts) * climb.labels > MOST_CELLS:
        return Taken(np.arange(len(climb.texts)), None, "plain", []), label_errors.none(len(climb.texts))
    if {"encoder", "finetune"} & set(names):
        embedded = climb.features()
        features, dev = embedded.train, embedded.scorer.embed(climb.judging.texts)
    else:
        features, transform = tfidf.features(climb.texts, climb.labels)
        dev = transform(climb.judging.texts)
    doubts = label_errors.find(features, climb.targets, climb.labels, seed=climb.seed)
    told = climb.targets, shares(rows, labels)
    taken = take(features, *told, doubts.mask, dev, climb.judging.targets, climb.labels)
    climb.take(taken.rows, taken.shares)
    return taken, doubts


def _loss(rows: Any, wanted: SoftTargets, dev: Any, dev_targets: Indices, labels: int) -> float:
    head = regression(rows, wanted, labels, strength=_C, iterations=_ITERATIONS)
    return float(losses(dev @ head.weight + head.bias, dev_targets).mean())
