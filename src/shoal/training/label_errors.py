"""Which training rows carry a label that looks wrong: confident learning on out-of-fold probabilities.

Northcutt, Jiang & Chuang, "Confident Learning" (2021), by cleanlab. The rows are shown to a person, never dropped.
"""
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
# cleanlab and scikit-learn ship no types.

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.data import Row
from shoal.data.corrections import row_id
from shoal.evaluation import SuspiciousLabel

_FOLDS = 3
_C = 10.0
_ITERATIONS = 60
_SHOWN = 200
_TEXT_CHARS = 400


def find(
    features: Any, targets: NDArray[np.integer], rows: Sequence[Row], labels: Sequence[str], *, seed: int = 0
) -> list[SuspiciousLabel]:
    """List suspicious rows, worst first, at most 200.

    Args:
        features: of the rows [n, d], a dense or sparse matrix: frozen embeddings or TF-IDF.
        targets: their label numbers [n]. Rows of labels with fewer than three rows are not judged.
        rows: the rows themselves, for what is shown.
        labels: names, by number.
        seed: of the folds.
    """
    counts = np.bincount(targets, minlength=len(labels))
    judged = np.flatnonzero(counts[targets] >= _FOLDS)
    classes, given = np.unique(targets[judged], return_inverse=True)
    if len(classes) < 2:
        return []
    chances = _out_of_fold(features[judged], given, len(classes), seed)
    from cleanlab.filter import find_label_issues

    found: Any = find_label_issues(given, chances, return_indices_ranked_by="self_confidence", n_jobs=1)
    return [
        SuspiciousLabel(
            text=row.text[:_TEXT_CHARS],
            label=row.label,
            suggested=labels[int(classes[chances[at].argmax()])],
            score=round(float(chances[at, given[at]]), 4),
            origin=row.origin,
            id=row_id(row.text),
        )
        for at, row in ((int(at), rows[int(judged[int(at)])]) for at in found[:_SHOWN])
    ]


def _out_of_fold(features: Any, given: NDArray[np.integer], classes: int, seed: int) -> NDArray[np.float64]:
    """Probabilities [n, L] of each row by a model that was trained without it."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold

    chances = np.zeros((len(given), classes))
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for inside, outside in folds.split(np.zeros(len(given)), given):
            model = LogisticRegression(C=_C, max_iter=_ITERATIONS).fit(features[inside], given[inside])
            chances[outside] = model.predict_proba(features[outside])
    return chances
