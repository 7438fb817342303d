"""Linear heads on frozen embeddings: multinomial logistic regression, and how strongly it is held back.

With few rows a label, what a label is called says much of what belongs to it: its name, put through the encoder like
any text, then stands beside the rows as one more (on Banking77 with five rows a label: 80 % right instead of 77 %). It
is tried wherever rows are few and kept where cross-validation or the dev rows approve.
"""
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
# scikit-learn ships no types.

import re
import warnings
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from shoal.calibration import fit_temperature, log_softmax

Floats = NDArray[np.floating]
Targets = NDArray[np.integer]
SoftTargets = NDArray[Any]  # label numbers [n], or shares of the labels [n, L]

_STRENGTHS = (1.0, 3.0, 10.0, 30.0, 100.0)  # inverse regularisation C, tried from left to right while it gets better
_FEW_STRENGTHS = (3.0, 10.0, 50.0)
_USUAL = 10.0  # without rows to choose on
_ITERATIONS = 200
MOST_CELLS = 100_000_000  # rows x labels up to which logistic regression looks at all rows at once, in some gigabytes
_ABSENT = -20.0  # bias of labels without a training row
_NAMED = 64  # rows a label up to which the names of the labels are tried
_FEW = 20  # rows a label up to which cross-validation chooses, since the dev rows are too few to
_FOLDS = 4


class Head(NamedTuple):
    """A linear head: weight [d, L] and bias [L]."""

    weight: Floats
    bias: Floats


class Plan(NamedTuple):
    """How a head is to be fitted: inverse regularisation C, and whether the labels' names are rows too."""

    strength: float = _USUAL
    named: bool = False


def phrases(labels: Sequence[str], descriptions: Mapping[str, str]) -> list[str]:
    """Say each label in words: "card_arrival" becomes "card arrival", followed by its description if it has one."""
    spaced = (re.sub(r"[\W_]+", " ", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", label)).strip() for label in labels)
    return [
        ": ".join(filter(None, (words, descriptions.get(label)))) for words, label in zip(spaced, labels, strict=True)
    ]


def names_help(rows: int, labels: int) -> bool:
    """Whether there are so few rows that the names of the labels are worth trying."""
    return rows <= _NAMED * labels


def choose(
    train: Floats, targets: SoftTargets, dev: Floats, dev_targets: Targets, names: Floats | None, labels: int
) -> Plan:
    """Choose how to fit a head on embeddings [n, d] with targets [n], by log-loss at the best temperature.

    Args:
        train: embeddings of the training rows.
        targets: their label numbers, or shares of the labels.
        dev: embeddings of the dev rows.
        dev_targets: their label numbers.
        names: embeddings of the labels' names [L, d]; None does not try them.
        labels: L.
    """
    if len(train) + len(dev) <= _FEW * labels:
        rows, wanted = np.concatenate([train, dev]), joined([targets, dev_targets], labels)
        return min(
            (Plan(*one) for one in product(_FEW_STRENGTHS, (False, True)) if names is not None or not one[1]),
            key=lambda plan: _cross_validated_loss(rows, wanted, names, labels, plan),
        )
    if len(dev) < labels:
        return Plan()
    best: tuple[float, Plan] | None = None
    for named in (False, True) if names is not None else (False,):
        for strength in _STRENGTHS:
            plan = Plan(strength, named)
            head = fitted(train, targets, names, labels, plan)
            loss = _log_loss(dev @ head.weight + head.bias, dev_targets)
            if best is not None and best[1].named == named and loss >= best[0]:
                break
            if best is None or loss < best[0]:
                best = (loss, plan)
    assert best is not None
    return best[1]


def fitted(train: Floats, targets: SoftTargets, names: Floats | None, labels: int, plan: Plan) -> Head:
    """Fit a head on embeddings [n, d] with targets [n] or shares of the labels [n, L]; see `choose`."""
    if plan.named and names is not None:
        train, targets = np.concatenate([train, names]), joined([targets, np.arange(labels)], labels)
    return regression(train, targets, labels, strength=plan.strength, iterations=_ITERATIONS)


def regression(features: Any, targets: SoftTargets, labels: int, *, strength: float, iterations: int) -> Head:
    """Fit multinomial logistic regression; a row with shares of several labels is a weighted row of each of them.

    The cross-entropy of shares is linear in them, so this is the minimum of exactly that loss.

    Args:
        features: of the rows [n, d], a dense or sparse matrix.
        targets: their label numbers [n], or shares of the labels [n, L]; a row's shares sum to its weight.
        labels: L.
        strength: inverse regularisation C.
        iterations: after which it stops.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    weights = None
    if targets.ndim == 2:
        rows, numbers = np.nonzero(targets)
        features, weights, targets = features[rows], targets[rows, numbers], numbers
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = LogisticRegression(C=strength, max_iter=iterations)
        return linear(model.fit(features, targets, sample_weight=weights), labels)


def joined(parts: Sequence[SoftTargets], labels: int) -> SoftTargets:
    """Put targets one after the other: label numbers, or shares of the labels [n, L] where some are shares."""
    if all(part.ndim == 1 for part in parts):
        return np.concatenate(parts)
    return np.concatenate([part if part.ndim == 2 else np.eye(labels, dtype=np.float32)[part] for part in parts])


def numbers(targets: SoftTargets) -> Targets:
    """Give label numbers [n]; of shares the label with the largest."""
    return np.asarray(targets if targets.ndim == 1 else targets.argmax(axis=1), dtype=np.intp)


def linear(model: Any, labels: int) -> Head:
    """Weight and bias of a fitted logistic regression; of two labels each gets half of the difference."""
    coefficients, intercepts = model.coef_, model.intercept_
    if len(intercepts) == 1:
        coefficients = np.concatenate([-coefficients / 2, coefficients / 2])
        intercepts = np.concatenate([-intercepts / 2, intercepts / 2])
    weight = np.zeros((coefficients.shape[1], labels))
    bias = np.full(labels, _ABSENT)
    weight[:, model.classes_] = coefficients.T
    bias[model.classes_] = intercepts
    return Head(weight, bias)


def cross_validated(
    rows: Floats, targets: SoftTargets, names: Floats | None, labels: int, plan: Plan
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Logits [n, L] of rows by heads that had not seen them, in four folds (`folds`).

    Returns:
        The logits, and which rows they say something of [n]: a label with one row says nothing of heads that have not
        seen it.
    """
    wanted = numbers(targets)
    fold = folds(wanted)
    logits = np.zeros((len(wanted), labels))
    for number in range(_FOLDS):
        out = fold == number
        head = fitted(rows[~out], targets[~out], names, labels, plan)
        logits[out] = rows[out] @ head.weight + head.bias
    return logits, np.bincount(wanted, minlength=labels)[wanted] > 1


def folds(targets: Targets) -> NDArray[np.intp]:
    """Deal each label's rows out over four folds in turn [n]."""
    fold = np.empty(len(targets), np.intp)
    fold[np.argsort(targets, kind="stable")] = np.arange(len(targets)) % _FOLDS
    return fold


def losses(logits: Floats, targets: Targets) -> NDArray[np.float64]:
    """Log-loss of each row [n] in nats, at the temperature that suits them best."""
    chances = log_softmax(logits, fit_temperature(logits, targets))
    return -chances[np.arange(len(targets)), targets]


def _cross_validated_loss(rows: Floats, targets: SoftTargets, names: Floats | None, labels: int, plan: Plan) -> float:
    logits, told = cross_validated(rows, targets, names, labels, plan)
    return _log_loss(logits[told], numbers(targets)[told])


def _log_loss(logits: Floats, targets: Targets) -> float:
    return float(losses(logits, targets).mean()) if len(targets) else 0.0
