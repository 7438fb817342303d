"""Fewer training rows where there are more than fit: chosen by hash, so that the choice stays."""

import hashlib
import logging
from collections import Counter
from dataclasses import replace

from shoal.data.dataset import Dataset, normalised

_EACH = 50  # rows of a label that are kept before others are chosen

_log = logging.getLogger(__name__)


def thin(dataset: Dataset, most: int, *, seed: int = 0) -> Dataset:
    """Leave out train rows beyond `most`; rows of other splits stay, and so does the order.

    Which rows stay follows from a hash of their text and the seed: more rows later change little. Of each label the
    first 50 are kept before any other, or an equal share of `most` where there are too many labels for that.
    """
    places = [place for place, row in enumerate(dataset.rows) if row.split == "train"]
    if len(places) <= most:
        return dataset
    draws = {place: _draw(dataset.rows[place].text, seed) for place in places}
    places.sort(key=draws.__getitem__)
    each = min(_EACH, most // max(len(dataset.labels), 1))
    seen: Counter[str] = Counter()
    first: list[int] = []
    others: list[int] = []
    for place in places:
        label = dataset.rows[place].label
        (first if seen[label] < each else others).append(place)
        seen[label] += 1
    kept = {*first, *others[: most - len(first)]}
    _log.warning("%d of %d train rows are used: more do not fit into memory and time", len(kept), len(places))
    return replace(
        dataset, rows=tuple(row for place, row in enumerate(dataset.rows) if row.split != "train" or place in kept)
    )


def _draw(text: str, seed: int) -> bytes:
    return hashlib.blake2b(normalised(text).encode(errors="replace"), digest_size=8, key=str(seed).encode()).digest()
