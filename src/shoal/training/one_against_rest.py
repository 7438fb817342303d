"""Linear heads of multi-label tasks: for each label a logistic regression of having it against not having it.

Rows that have a label may weigh more where few do.
"""
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
# scipy and scikit-learn ship no types.

import warnings
from collections.abc import Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.sparse import issparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from shoal.calibration import Platt, fit_platt, sigmoid
from shoal.training.heads import Head

Floats = NDArray[np.floating]
Bools = NDArray[np.bool_]

FOLDS = 5
_STRENGTHS = (3.0, 30.0)
_LIFTS = (0.0, 0.5)
_CERTAIN = 10.0  # bias of a label that every row has, or none: in a fold it may come to that
_ITERATIONS = 50  # bounds the time
# Of sparse features, on which a choice would take minutes and changed little.
LEXICAL_STRENGTH, LEXICAL_LIFT = 10.0, 0.5


class Plan(NamedTuple):
    """How the heads are to be fitted.

    Attributes:
        strength: inverse regularisation C, as scikit-learn has it.
        lift: rows with a label weigh (rows without it / rows with it) to this power.
    """

    strength: float
    lift: float


def fitted(features: Any, has: Bools, plan: Plan) -> Head:
    """Fit on features [n, d], dense or sparse, and labels [n, L]: weight [d, L], bias [L]."""
    rows, _ = has.shape
    positives = np.maximum(has.sum(axis=0), 1)
    lifts = np.maximum((rows - positives) / positives, 1.0) ** plan.lift
    return _sparse(features, has, plan.strength, lifts) if issparse(features) else _dense(features, has, plan, lifts)


def _sparse(features: Any, has: Bools, strength: float, lifts: Floats) -> Head:
    """Fit label by label in the dual (Hsieh, Chang, Lin, Keerthi & Sundararajan 2008): few rows, very many columns."""
    weight, bias = np.zeros((features.shape[1], has.shape[1])), np.zeros(has.shape[1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for label, lift in enumerate(lifts):
            if not has[:, label].any() or has[:, label].all():
                bias[label] = _CERTAIN if has[:, label].any() else -_CERTAIN
                continue
            model = LogisticRegression(
                C=strength,
                solver="liblinear",
                dual=True,
                class_weight={False: 1.0, True: float(lift)},
                max_iter=_ITERATIONS,
                random_state=0,
            ).fit(features, has[:, label])
            weight[:, label], bias[label] = model.coef_[0], model.intercept_[0]
    return Head(weight, bias)


def _dense(features: Floats, has: Bools, plan: Plan, lifts: Floats) -> Head:
    """Fit all labels at once, by L-BFGS on the sum of their losses."""
    (rows, labels), width = has.shape, features.shape[1]
    positives = np.maximum(has.sum(axis=0), 1)
    weights = np.where(has, lifts, 1.0)
    signs = np.where(has, 1.0, -1.0)
    kind = features.dtype  # products in the features' own precision

    def loss(flat: Floats) -> tuple[float, Floats]:
        weight, bias = flat[: width * labels].reshape(width, labels), flat[width * labels :]
        margins = signs * (features @ weight.astype(kind) + bias)
        slopes = -plan.strength * weights * signs * sigmoid(-margins)
        value = plan.strength * float((weights * np.logaddexp(0.0, -margins)).sum()) + 0.5 * float((weight**2).sum())
        gradient = np.asarray(features.T @ slopes.astype(kind), np.float64) + weight
        return value, np.concatenate([gradient.ravel(), slopes.sum(axis=0)])

    start = np.zeros((width + 1) * labels)
    start[width * labels :] = np.log(positives / np.maximum(rows - positives, 1))
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": _ITERATIONS, "maxcor": 5})
    return Head(found.x[: width * labels].reshape(width, labels), found.x[width * labels :])


def folds(groups: Sequence[str], has: Bools, seed: int) -> NDArray[np.intp]:
    """Deal rows [n] out over five folds: whole groups, each where the group's rarest label is scarcest so far.

    Greedy stratification as in Sechidis, Tsoumakas & Vlahavas (2011), over groups instead of rows.
    """
    names = {name: index for index, name in enumerate(dict.fromkeys(groups))}
    member = np.array([names[group] for group in groups], dtype=np.intp)
    counts = np.zeros((len(names), has.shape[1] + 1))
    np.add.at(counts, member, np.column_stack([has, np.ones(len(has))]).astype(np.float64))
    rarity = 1.0 / np.maximum(counts.sum(axis=0), 1)
    wants = (counts * rarity).max(axis=1)
    order = np.lexsort((np.random.default_rng([seed, 3]).random(len(names)), -wants))
    filled = np.zeros((FOLDS, counts.shape[1]))
    fold = np.zeros(len(names), np.intp)
    for group in order:
        load = (filled * rarity * (counts[group] > 0)).sum(axis=1) + filled[:, -1] * rarity[-1]
        fold[group] = int(load.argmin())
        filled[fold[group]] += counts[group]
    return fold[member]


def choose(features: Any, has: Bools, fold: NDArray[np.intp]) -> Plan:
    """Choose how to fit, by the log-loss of the first fold under heads of the others, each label calibrated."""
    out = fold == 0
    plans = [Plan(*one) for one in product(_STRENGTHS, _LIFTS)]
    if not out.any() or out.all():
        return plans[0]

    def held_out(plan: Plan) -> float:
        head = fitted(features[~out], has[~out], plan)
        logits = np.asarray(features[out] @ head.weight) + head.bias
        return float(losses(calibrated(logits, has[out])[0], has[out]).mean())

    return min(plans, key=held_out)


def cross_validated(features: Any, has: Bools, fold: NDArray[np.intp], plan: Plan) -> NDArray[np.float64]:
    """Logits [n, L] of rows by heads that had not seen them."""
    logits = np.zeros(has.shape)
    for number in np.unique(fold):
        out = fold == number
        head = fitted(features[~out], has[~out], plan)
        logits[out] = np.asarray(features[out] @ head.weight) + head.bias
    return logits


def calibrated(logits: Floats, has: Bools) -> tuple[NDArray[np.float64], list[Platt]]:
    """Calibrated logits [n, L], and the scale and bias of each label."""
    found = [fit_platt(logits[:, label], has[:, label]) for label in range(has.shape[1])]
    scale, bias = np.array([each.scale for each in found]), np.array([each.bias for each in found])
    return np.asarray(logits * scale + bias, np.float64), found


def losses(logits: Floats, has: Bools) -> NDArray[np.float64]:
    """Log-loss of each row [n], summed over labels, in nats."""
    return np.logaddexp(0.0, np.where(has, -logits, logits)).sum(axis=1)
