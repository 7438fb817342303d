"""Which training rows carry a label that looks wrong: confident learning on out-of-fold probabilities.

Northcutt, Jiang & Chuang, "Confident Learning" (2021), by cleanlab. The rows are shown to a person, never dropped.
"""
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
# cleanlab and scikit-learn ship no types.

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.data import Row
from shoal.data.corrections import row_id
from shoal.evaluation import SuspiciousLabel
from shoal.training.blas import one_thread
from shoal.training.heads import MOST_CELLS

_FOLDS = 3
_C = 10.0
_ITERATIONS = 60
_SHOWN = 200
_TEXT_CHARS = 400


@dataclass(frozen=True, slots=True)
class Doubts:
    """What rows say of each other's labels.

    Attributes:
        rows: how many rows there are.
        found: the rows whose label looks wrong, worst first.
        suggested: the likeliest label of each of them, by number.
        belief: the probability of the label that it carries, by models that had not seen it.
    """

    rows: int
    found: NDArray[np.integer]
    suggested: NDArray[np.integer]
    belief: NDArray[np.floating]

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Whether each row's label looks wrong."""
        return np.isin(np.arange(self.rows), self.found)

    def listed(self, rows: Sequence[Row], labels: Sequence[str]) -> list[SuspiciousLabel]:
        """List suspicious rows, worst first, at most 200."""
        return [
            SuspiciousLabel(
                text=rows[row].text[:_TEXT_CHARS],
                label=rows[row].label,
                suggested=labels[int(suggested)],
                score=round(float(belief), 4),
                origin=rows[row].origin,
                id=row_id(rows[row].text),
            )
            for row, suggested, belief in zip(self.found[:_SHOWN], self.suggested, self.belief, strict=False)
        ]


def find(features: Any, targets: NDArray[np.integer], labels: int, *, seed: int = 0) -> Doubts:
    """Find the rows whose label the other rows contradict.

    Args:
        features: of the rows [n, d], a dense or sparse matrix: frozen embeddings or TF-IDF.
        targets: their label numbers [n]. Rows of labels with fewer than three rows are not judged.
        labels: how many labels there are.
        seed: of the folds.
    """
    if len(targets) * labels > MOST_CELLS:
        return none(len(targets))
    counts = np.bincount(targets, minlength=labels)
    judged = np.flatnonzero(counts[targets] >= _FOLDS)
    classes, given = np.unique(targets[judged], return_inverse=True)
    if len(classes) < 2:
        return none(len(targets))
    chances = _out_of_fold(features[judged], given, len(classes), seed)
    from cleanlab.filter import find_label_issues

    at = np.asarray(find_label_issues(given, chances, return_indices_ranked_by="self_confidence", n_jobs=1), np.intp)
    return Doubts(len(targets), judged[at], classes[chances[at].argmax(axis=1)], chances[at, given[at]])


def none(rows: int) -> Doubts:
    """Doubt none of so many rows."""
    return Doubts(rows, np.empty(0, np.intp), np.empty(0, np.intp), np.empty(0))


def _out_of_fold(features: Any, given: NDArray[np.integer], classes: int, seed: int) -> NDArray[np.float64]:
    """Probabilities [n, L] of each row by a model that was trained without it."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold

    chances = np.zeros((len(given), classes))
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=seed)
    with warnings.catch_warnings(), one_thread():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for inside, outside in folds.split(np.zeros(len(given)), given):
            model = LogisticRegression(C=_C, max_iter=_ITERATIONS).fit(features[inside], given[inside])
            chances[outside] = model.predict_proba(features[outside])
    return chances
