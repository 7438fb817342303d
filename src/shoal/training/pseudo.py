"""Texts without labels: a head on the frozen encoder guesses them, and rungs that see words alone learn its guesses.

Self-training (Lee, "Pseudo-Label", 2013) across two views of a text (Blum & Mitchell 1998), with soft targets (Hinton,
Vinyals & Dean 2015): what the head is sure of is learnt as the shares that it gave the labels, and so the cheap rungs
learn what the encoder knows. They do where rows with labels, held out, are predicted better by more than one standard
error. The encoder's own head learns nothing from itself (docs/experiments.md) and is left alone.
"""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from shoal.calibration import fit_temperature, softmax
from shoal.training import heads, tfidf
from shoal.training.frozen import embedded
from shoal.training.noise import sparse

if TYPE_CHECKING:
    from shoal.training.ladder import Climb

Bools = NDArray[np.bool_]

_RUNGS = ("tfidf", "static")
_THRESHOLDS = (0.5, 0.9)
_MOST_LABELLED = 20_000  # rows with labels above which guesses are not worth the time
_MOST_FOLDED = 2_000  # rows up to which two folds of four choose: the dev rows would be too few to
_LOOKS = 2
_MOST_TEXTS = 10_000
_MOST_CELLS = 500_000  # texts x labels that are learnt from: bounds time
_TIMED = 100  # texts
_SHARE = 0.1  # of the seconds left, for embedding the texts
_C = 10.0
_ITERATIONS = 60


class Guesses(NamedTuple):
    """Texts that no one has labelled, with what a head on the frozen encoder is sure enough of.

    Attributes:
        texts: none of which repeats a dev, calibration or test row.
        shares: of the labels in each [n, L].
        rungs: that learn from them.
    """

    texts: Sequence[str]
    shares: NDArray[np.floating]
    rungs: Sequence[str]


class Words(NamedTuple):
    """Lexical features, sparse matrices.

    `alone` [n, d] are those of the rows with labels as they would be without the other texts, `known` [n, D] the same
    with them, `others` [m, D] those of the texts without labels.
    """

    alone: Any
    known: Any
    others: Any


def most_texts(labels: int) -> int:
    """How many texts without labels are looked at."""
    return min(_MOST_TEXTS, _MOST_CELLS // labels)


def apply(climb: "Climb", texts: Sequence[str], names: Sequence[str]) -> dict[str, Any]:
    """Have those of the rungs of these names that see words alone learn from texts without labels, where that pays.

    Args:
        climb: before its first rung, when its rows are taken.
        texts: that repeat none of the rows.
        names: the rungs that will be trained.

    Returns:
        What was tried and chosen, in plain values.
    """
    rungs = [rung for rung in _RUNGS if rung in names]
    held, labels = climb.judging, climb.labels
    rows = [*climb.texts, *held.texts]
    # What is right is the answer, though shares are learnt.
    right = np.concatenate([climb.targets, held.targets])
    parts = _parts(right, len(climb.texts))
    why = _useless(rungs, texts, len(rows), parts)
    if why:
        return {"texts": len(texts), "verdict": f"not used: {why}", "tried": []}
    features, dev = climb.features(), climb.features().scorer.embed(held.texts)
    others = _embedded(climb, texts)
    texts = texts[: len(others)]
    try:
        words = _words(rows, texts, labels)
    except tfidf.NoWords:
        return {"texts": len(texts), "verdict": "not used: the texts hold no words", "tried": []}
    targets, vectors = heads.joined([climb.learnt, held.targets], labels), np.concatenate([features.train, dev])
    guessed = [guess(vectors[~out], targets[~out], vectors[out], right[out], others, labels) for out in parts]
    threshold, tried = choose(words, targets, right, list(zip(parts, guessed, strict=True)))
    if threshold is None:
        return {
            "texts": len(texts),
            "verdict": "not used: held-out rows are predicted no better with them",
            "tried": tried,
        }
    chances = guess(features.train, climb.learnt, dev, held.targets, others, labels)
    sure = chances.max(axis=1) >= threshold
    learnt = [text for text, each in zip(texts, sure, strict=True) if each]
    climb.guesses = Guesses(learnt, sparse(chances[sure]), rungs)
    return {"texts": len(texts), "verdict": f"{len(learnt):,} are learnt from by {' and '.join(rungs)}", "tried": tried}


def _useless(rungs: Sequence[str], texts: Sequence[str], rows: int, parts: Sequence[Bools]) -> str:
    """Say why nothing can be learnt from the texts; nothing if something may be."""
    if not rungs:
        return f"only {' and '.join(_RUNGS)} learn from guesses, and neither is trained"
    if not texts:
        return "no text is left that repeats no row"
    if rows > _MOST_LABELLED:
        return f"{rows:,} rows with labels teach enough"
    return "" if parts else "too few rows with labels to tell what they bring"


def guess(
    train: Any, targets: heads.SoftTargets, held: Any, right: heads.Targets, others: Any, labels: int
) -> NDArray[np.float32]:
    """Give texts probabilities [m, L], by a head on rows that is calibrated on other rows.

    Args:
        train: embeddings of rows [n, d].
        targets: their label numbers, or shares of the labels.
        held: embeddings of the other rows.
        right: their label numbers.
        others: embeddings of the texts [m, d].
        labels: L.
    """
    head = heads.regression(train, targets, labels, strength=_C, iterations=_ITERATIONS)
    temperature = fit_temperature(held @ head.weight + head.bias, right)
    return softmax(others @ head.weight + head.bias, temperature).astype(np.float32)


def choose(
    words: Words,
    targets: heads.SoftTargets,
    right: heads.Targets,
    guessed: Sequence[tuple[Bools, NDArray[np.floating]]],
) -> tuple[float | None, list[dict[str, Any]]]:
    """Choose from which confidence texts are learnt, by log-loss on rows held out.

    Args:
        words: the features.
        targets: label numbers of the rows, or shares of the labels.
        right: their label numbers [n].
        guessed: which rows are held out [n], with probabilities of the texts [m, L] that owe them nothing; several
            times.

    Returns:
        The threshold that gains most, None where none gains more than its standard error; and what was found.
    """
    labels = guessed[0][1].shape[1]
    gains: dict[float, list[NDArray[np.floating]]] = {threshold: [] for threshold in _THRESHOLDS}
    for out, chances in guessed:
        told = out & (np.bincount(right[~out], minlength=labels)[right] > 0)
        alone = _losses(words.alone[~out], targets[~out], words.alone[told], right[told], labels)
        for threshold in _THRESHOLDS:
            sure = chances.max(axis=1) >= threshold
            rows = tfidf.stacked([words.known[~out], words.others[sure]])
            wanted = heads.joined([targets[~out], sparse(chances[sure])], labels)
            gains[threshold].append(alone - _losses(rows, wanted, words.known[told], right[told], labels))
    found: list[dict[str, Any]] = []
    for threshold, parts in gains.items():
        gain = np.concatenate(parts)
        error = float(gain.std() / np.sqrt(len(gain))) if len(gain) else 0.0
        found.append(
            {"threshold": threshold, "gain": float(gain.mean()) if len(gain) else 0.0, "standard_error": error}
        )
    best = max(found, key=lambda one: one["gain"])
    return best["threshold"] if best["gain"] > best["standard_error"] else None, found


def _losses(rows: Any, wanted: heads.SoftTargets, held: Any, right: heads.Targets, labels: int) -> NDArray[np.float64]:
    head = heads.regression(rows, wanted, labels, strength=_C, iterations=_ITERATIONS)
    return heads.losses(held @ head.weight + head.bias, right)


def _parts(right: heads.Targets, train: int) -> list[Bools]:
    """Which rows are held out, several times: two folds of few rows, of many those behind the training rows."""
    if len(right) > _MOST_FOLDED:
        return [np.arange(len(right)) >= train]
    fold = heads.folds(right)
    parts = [fold == number for number in range(int(fold.max()) + 1)]
    return [out for out in parts if len(np.unique(right[~out])) > 1][:_LOOKS]


def _words(rows: Sequence[str], texts: Sequence[str], labels: int) -> Words:
    alone, _ = tfidf.features(rows, labels)
    every, _ = tfidf.features([*rows, *texts], labels)
    return Words(alone, every[: len(rows)], every[len(rows) :])


def _embedded(climb: "Climb", texts: Sequence[str]) -> NDArray[np.float32]:
    """Embed the texts, or as many of the first as a tenth of the time left allows."""
    scorer, began = climb.features().scorer, time.monotonic()
    first = scorer.embed(texts[:_TIMED])
    each = (time.monotonic() - began) / len(first)
    most = len(first) + int(max(_SHARE * climb.left, 0.0) / each)
    return np.concatenate([first, embedded(scorer, texts[len(first) : most], climb.progress)])
