"""Which unlabelled texts to label next: typical ones to begin with, then those the specialist hesitates between."""
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# scikit-learn ships no types.

import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from shoal.data.dataset import normalised
from shoal.errors import InputError
from shoal.models import Specialist
from shoal.training.backbone import require_extra, resolve
from shoal.training.progress import Progress, silent

Floats = NDArray[np.floating]
Rows = NDArray[np.intp]
Why = Literal["typical", "unsure", "random"]

MOST_TEXTS = 20_000  # of a larger pool a random sample is looked at: embedding is what takes the time
_SHORTLIST = 5  # unsure texts looked at for each one chosen
_ROUNDS = 30


class Choice(NamedTuple):
    """A text to be labelled.

    Attributes:
        text: unchanged.
        why: "typical" of a cluster of texts; the specialist is "unsure"; or drawn at "random".
        suggested: the specialist's answer; empty without a specialist.
        confidence: of that answer, in [0, 1]; None without a specialist.
    """

    text: str
    why: Why
    suggested: str
    confidence: float | None


def choose(
    texts: Sequence[str],
    count: int,
    *,
    specialist: Specialist | None = None,
    labelled: Iterable[str] = (),
    random: float = 0.25,
    seed: int = 0,
    cache: Path | None = None,
    progress: Progress = silent,
) -> list[Choice]:
    """Choose which texts to label next, in the order in which it pays to label them.

    Texts of nothing but white space, repeated ones and labelled ones are left out; of more than 20,000 a random sample
    is looked at.

    Args:
        texts: without labels.
        count: how many to choose.
        specialist: trained on what has been labelled so far; without one, texts typical of clusters are chosen.
        labelled: texts that have a label already.
        random: share that is drawn at random, so that what nothing hints at is found as well.
        seed: of everything random.
        cache: folder for what can be used again (`training.cache`); None keeps nothing.
        progress: told how far embedding is.

    Raises:
        InputError: count is below 1, random not in [0, 1], or no text is left to choose from.
        EnvironmentProblem: the encoder cannot be had.
    """
    require_extra()
    if count < 1 or not 0 <= random <= 1:
        raise InputError(f"count is {count} and random is {random}; one must be at least 1, the other from 0 to 1.")
    pool = _pool(texts, labelled, seed)
    if not pool:
        raise InputError(f"none of the {len(texts):,} texts is left to label: all are empty or labelled already.")
    count = min(count, len(pool))
    drawn = np.random.default_rng(seed).choice(len(pool), round(random * count), replace=False)
    rest: Rows = np.setdiff1d(np.arange(len(pool), dtype=np.intp), drawn)
    posterior = specialist.posteriors(pool) if specialist else None
    wanted = count - len(drawn)
    chosen = rest[:0]
    if wanted:
        numbers: list[int] = rest.tolist()
        vectors = _vectors([pool[number] for number in numbers], cache, progress)
        chosen = rest[
            typical(vectors, wanted, seed) if posterior is None else unsure(vectors, posterior[rest], wanted, seed)
        ]
    # Random ones are spread over the list, so that a person who stops half-way has labelled some of them.
    order = np.argsort(_spread(len(chosen), len(drawn)), kind="stable")
    reason: Why = "typical" if specialist is None else "unsure"
    why: list[Why] = [reason if place < len(chosen) else "random" for place in order]
    rows: list[int] = np.concatenate([chosen, drawn])[order].tolist()
    if specialist is None or posterior is None:
        return [Choice(pool[row], each, "", None) for row, each in zip(rows, why, strict=True)]
    labels, best = specialist.task.labels, posterior[rows].argmax(axis=1).tolist()
    return [
        Choice(pool[row], each, labels[label], float(posterior[row, label]))
        for row, each, label in zip(rows, why, best, strict=True)
    ]


def typical(vectors: Floats, count: int, seed: int) -> Rows:
    """Rows of unit vectors [n, d] nearest to the centres of `count` clusters (k-means), those of large clusters first.

    Cold start: without a model nothing is uncertain, so the texts are covered instead.
    """
    cluster, distance = _clusters(vectors, count, None, seed)
    sizes = np.bincount(cluster, minlength=count)
    nearest = [
        int(members[distance[members].argmin()]) for members in _members(cluster, np.argsort(-sizes, kind="stable"))
    ]
    return _filled(np.array(nearest, np.intp), len(vectors), count, seed)


def unsure(vectors: Floats, posterior: Floats, count: int, seed: int) -> Rows:
    """Rows of unit vectors [n, d] about which the model, by its posterior [n, L], hesitates most, unlike each other.

    Of the five times `count` rows with the smallest margin between the two likeliest labels (Scheffer, Decomain &
    Wrobel 2001) one is taken from each of `count` clusters weighted by their doubt (Zhdanov 2019), the doubtful first.
    Weighting by density too, which keeps odd texts out, was worse than drawing at random (docs/experiments.md).
    """
    ranked = np.sort(posterior, axis=1)
    doubt = 1.0 - (ranked[:, -1] - ranked[:, -2])
    best = np.argsort(-doubt, kind="stable")[: _SHORTLIST * count]
    cluster, distance = _clusters(vectors[best], min(count, len(best)), doubt[best] + 1e-6, seed)
    nearest = [best[members[distance[members].argmin()]] for members in _members(cluster, range(count))]
    chosen = np.array(nearest, np.intp)
    return _filled(chosen[np.argsort(-doubt[chosen], kind="stable")], len(vectors), count, seed)


def _pool(texts: Sequence[str], labelled: Iterable[str], seed: int) -> list[str]:
    """Distinct texts that are worth a label."""
    done = {normalised(text) for text in labelled}
    distinct = {key: text for text in reversed(texts) if (key := normalised(text)) and key not in done}
    pool = list(distinct.values())[::-1]
    if len(pool) <= MOST_TEXTS:
        return pool
    kept = np.random.default_rng(seed).choice(len(pool), MOST_TEXTS, replace=False)
    return [pool[row] for row in np.sort(kept)]


def _vectors(texts: Sequence[str], cache: Path | None, progress: Progress) -> Floats:
    """Embeddings of unit length by the packaged encoder."""
    from shoal.training import frozen

    features = frozen.embed(resolve("auto"), texts, progress, cache)
    vectors = features.train[:, : features.width]
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)


def _clusters(vectors: Floats, count: int, weights: Floats | None, seed: int) -> tuple[Rows, Floats]:
    """Cluster of each row [n], and its squared distance from the centre."""
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    model: Any = KMeans(count, n_init="auto", max_iter=_ROUNDS, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct rows than clusters: `_filled`
        model.fit(vectors, sample_weight=weights)
    cluster = model.labels_.astype(np.intp)
    return cluster, ((vectors - model.cluster_centers_[cluster]) ** 2).sum(axis=1)


def _members(cluster: Rows, order: Iterable[int]) -> list[Rows]:
    return [members for number in order if len(members := np.flatnonzero(cluster == number))]


def _filled(chosen: Rows, rows: int, count: int, seed: int) -> Rows:
    """Add rows at random where there were fewer clusters than wanted, as texts that embed alike share one."""
    missing = count - len(chosen)
    if missing <= 0:
        return chosen
    others = np.setdiff1d(np.arange(rows), chosen)
    return np.concatenate([chosen, np.random.default_rng(seed).choice(others, missing, replace=False)])


def _spread(first: int, second: int) -> Floats:
    """Places on a line for `first` things, then `second` things, each kind evenly."""
    return np.concatenate([(np.arange(each) + 0.5) / max(each, 1) for each in (first, second)])
