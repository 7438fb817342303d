"""Learning from a larger model's answers with their noise in mind: how the rows are taken is chosen on dev.

Three ways to take a training row: its answer as it is; every answer that the model gave when it was asked again, each
as a row of its own (the empirical soft target); and either of these without the rows that the rest contradicts
(confident learning, Northcutt et al. 2021, by cleanlab). A quick head on features that are there anyway says which
predicts held-out answers best. Errors that a model makes by rule are not noise: they can be learnt, and pruning then
only loses rows.
"""
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
# scikit-learn and cleanlab ship no types.

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from shoal.calibration import fit_temperature, log_softmax
from shoal.training.heads import MOST_CELLS, linear

if TYPE_CHECKING:
    from shoal.training.label_errors import Doubts
    from shoal.training.ladder import Climb

Indices = NDArray[np.integer]

_C = 10.0
_ITERATIONS = 60


@dataclass(frozen=True, slots=True)
class Taken:
    """Which training rows are learnt from, and as what.

    Attributes:
        rows: indices [m]; a row may come more than once, or not at all.
        targets: label numbers [m].
        treatment: "plain", "votes", "pruned", or "votes, pruned".
        tried: each treatment with its number of rows and its log-loss on dev.
    """

    rows: Indices
    targets: Indices
    treatment: str
    tried: list[dict[str, Any]]

    @property
    def found(self) -> tuple[str, list[dict[str, Any]]]:
        """What was chosen, and what was tried."""
        return self.treatment, self.tried


def take(
    features: Any,
    targets: Indices,
    votes: Sequence[Sequence[int]],
    doubtful: NDArray[np.bool_],
    dev: Any,
    dev_targets: Indices,
    labels: int,
) -> Taken:
    """Choose how to take the rows, by log-loss on dev at the best temperature.

    Args:
        features: of the training rows [n, d], a dense or sparse matrix.
        targets: their label numbers [n].
        votes: label numbers of further answers to each [n].
        doubtful: rows that the others contradict [n]; of a label that has no others, none is left out.
        dev: features of the dev rows [k, d].
        dev_targets: their label numbers [k].
        labels: how many labels there are.
    """
    alone = np.arange(len(targets)), targets
    ways = {"plain": alone}
    if any(votes):
        again = np.repeat(np.arange(len(targets)), [len(each) for each in votes])
        told = np.array([vote for each in votes for vote in each], dtype=np.intp)
        ways["votes"] = np.concatenate([alone[0], again]), np.concatenate([targets, told])
    sound = np.bincount(targets[~doubtful], minlength=labels)
    left_out = doubtful & (sound[targets] > 0)
    if left_out.any():
        for name, (rows, wanted) in list(ways.items()):
            kept = ~left_out[rows]
            ways["pruned" if name == "plain" else f"{name}, pruned"] = rows[kept], wanted[kept]
    tried: list[dict[str, Any]] = [
        {"treatment": name, "rows": len(rows), "dev_log_loss": _loss(features[rows], wanted, dev, dev_targets, labels)}
        for name, (rows, wanted) in ways.items()
    ]
    best = min(tried, key=lambda one: one["dev_log_loss"])["treatment"]
    return Taken(*ways[best], best, tried)


def apply(climb: "Climb", votes: Sequence[Sequence[int]], names: Sequence[str], seed: int) -> "tuple[Taken, Doubts]":
    """Have the rungs of these names learn from the rows as dev likes them best.

    Args:
        climb: before its first rung.
        votes: label numbers of further answers to each training text.
        names: the rungs that will be trained; an encoder among them gives the features.
        seed: of the folds.
    """
    from shoal.training import label_errors, tfidf

    if len(climb.texts) * climb.labels > MOST_CELLS:
        return Taken(np.arange(len(climb.texts)), climb.targets, "plain", []), label_errors.none(len(climb.texts))
    if {"encoder", "finetune"} & set(names):
        embedded = climb.features()
        features, dev = embedded.train, (embedded.small or embedded.exact).embed(climb.judging.texts)
    else:
        features, transform = tfidf.features(climb.texts, climb.labels)
        dev = transform(climb.judging.texts)
    doubts = label_errors.find(features, climb.targets, climb.labels, seed=seed)
    taken = take(features, climb.targets, votes, doubts.mask, dev, climb.judging.targets, climb.labels)
    climb.take(taken.rows, taken.targets)
    return taken, doubts


def _loss(rows: Any, wanted: Indices, dev: Any, dev_targets: Indices, labels: int) -> float:
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        head = linear(LogisticRegression(C=_C, max_iter=_ITERATIONS).fit(rows, wanted), labels)
    logits = dev @ head.weight + head.bias
    chances = log_softmax(logits, fit_temperature(logits, dev_targets))
    return -float(chances[np.arange(len(dev_targets)), dev_targets].mean())
