"""Texts that stand in the data twice, or almost: found in time linear in the rows.

Exact duplicates are equal after `normalised`. Near-duplicates share at least 80 % of their character 5-shingles
(Jaccard similarity). Candidates come from MinHash signatures (Broder, "On the resemblance and containment of
documents", 1997) in bands of locality-sensitive hashing (Leskovec, Rajaraman, Ullman, "Mining of Massive Datasets",
chapter 3); each candidate is confirmed on the shingles themselves, so nothing reported is a chance hit.
A pair at similarity 0.8 is found with a probability of about 0.99, above it with more.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shoal.data.dataset import SPLITS, Dataset, Row, normalised

SIMILARITY = 0.8
_SHINGLE = 5
_BANDS, _BAND_ROWS = 10, 4
_HASHES = _BANDS * _BAND_ROWS
# A row is compared with this many others of its bucket in each band: bounds the work when thousands of texts come from
# one template; such texts meet in several bands, so nearly all are still found.
_NEIGHBOURS = 10
_WORTH_A_LOOK = 0.65  # share of equal hashes; at similarity 0.8 that is 2.4 standard deviations below what is expected
_MISSES = 8  # a pair of texts that each failed so often with likelier candidates is not looked at
_CHUNK_CHARACTERS = 200_000  # a chunk's hashes (8 bytes) stay in the processor's cache
_MAX_CHARACTERS = 20_000  # of a text, the rest does not change whether it is a near-duplicate

Codes = NDArray[np.uint64]
Signatures = NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class Twins:
    """Two rows, by their indices, with (almost) the same text; `similarity` in [0.8, 1], 1 for equal texts."""

    first: int
    second: int
    similarity: float


def find_twins(dataset: Dataset) -> list[Twins]:
    """Find rows that repeat another row's text exactly or almost; empty texts are left out.

    Every row with an equal text elsewhere is in a pair, and in one across splits where there is one. For almost equal
    texts one row of each split stands for all that are equal to it. Not every pair inside a split is listed.
    """
    owners: dict[str, list[int]] = defaultdict(list)
    for index, row in enumerate(dataset.rows):
        owners[normalised(row.text)].append(index)
    owners.pop("", None)
    twins = [
        Twins(first, second, 1.0)
        for equal in owners.values()
        if len(equal) > 1
        for first, second in sorted(_equal_pairs(dataset.rows, equal))
    ]
    texts = list(owners)
    # One row for each split stands for all equal texts of that split.
    agents = [list({dataset.rows[index].split: index for index in reversed(rows)}.values()) for rows in owners.values()]
    paired: set[int] = set()
    misses: Counter[int] = Counter()
    for one, other in _candidates(texts):
        pairs = [(a, b) for a in agents[one] for b in agents[other]]
        across = [(a, b) for a, b in pairs if dataset.rows[a].split != dataset.rows[b].split]
        # A pair inside one split is worth a look only if one of the two has no twin yet.
        if (not across and {one, other} <= paired) or min(misses[one], misses[other]) >= _MISSES:
            continue
        similarity = _jaccard(texts[one], texts[other])
        if similarity < SIMILARITY:
            misses.update((one, other))
            continue
        twins.extend(Twins(min(pair), max(pair), similarity) for pair in across or pairs[:1])
        paired |= {one, other}
    return twins


def drop_leaks(dataset: Dataset) -> tuple[Dataset, tuple[Row, ...]]:
    """Remove rows that repeat, exactly or almost, a row of a later split (train < dev < calibration < test).

    Returns:
        The rows that stay, and the rows that were removed; test is never touched.
    """
    rank = {split: place for place, split in enumerate(SPLITS)}
    leaking: set[int] = set()
    for pair in find_twins(dataset):
        first, second = dataset.rows[pair.first], dataset.rows[pair.second]
        if first.split and second.split and first.split != second.split:
            leaking.add(pair.first if rank[first.split] < rank[second.split] else pair.second)
    # Equal texts of one split leak together, though one row stood for them.
    keys = {(dataset.rows[index].split, normalised(dataset.rows[index].text)) for index in leaking}
    splits = {split for split, _ in keys}
    gone = [row.split in splits and (row.split, normalised(row.text)) in keys for row in dataset.rows]
    kept = tuple(row for row, leaks in zip(dataset.rows, gone, strict=True) if not leaks)
    return replace(dataset, rows=kept), tuple(row for row, leaks in zip(dataset.rows, gone, strict=True) if leaks)


def unseen(texts: Iterable[str], dataset: Dataset) -> list[str]:
    """Keep of texts without labels those that repeat no dev, calibration or test row, exactly or almost.

    Texts of train rows are left out as well: their labels are known. Nothing is learnt then from what judges.
    """
    trained = {normalised(row.text) for row in dataset.rows if row.split == "train"}
    held = [row for row in dataset.rows if row.split != "train"]
    others = [Row(text, "", split="train") for text in texts if normalised(text) not in trained]
    kept, _ = drop_leaks(Dataset.of([*held, *others]))
    return [row.text for row in kept.rows if row.split == "train"]


def _equal_pairs(rows: Sequence[Row], equal: Sequence[int]) -> set[tuple[int, int]]:
    """Pair each row of one text with the first row of its own split and the first of every other."""
    firsts: dict[str | None, int] = {}
    for index in equal:
        firsts.setdefault(rows[index].split, index)
    return {(min(index, first), max(index, first)) for index in equal for first in firsts.values() if index != first}


def _shingles(text: str) -> set[str]:
    return {text[start : start + _SHINGLE] for start in range(max(1, min(len(text), _MAX_CHARACTERS) - _SHINGLE + 1))}


def _jaccard(one: str, other: str) -> float:
    first, second = _shingles(one), _shingles(other)
    return len(first & second) / len(first | second)


def _candidates(texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield pairs of indices whose signatures agree in a band and in most of all hashes; most alike first."""
    if len(texts) < 2:
        return
    # In random order, so that the neighbours of a bucket are a fair sample of it, whatever the order of the file.
    order = np.random.default_rng(0).permutation(len(texts))
    signatures = _signatures([texts[int(index)] for index in order])
    codes: list[NDArray[np.int64]] = [np.empty(0, dtype=np.int64)]
    alike: list[NDArray[np.float32]] = [np.empty(0, dtype=np.float32)]
    for band in range(_BANDS):
        one, other = _neighbours(signatures[:, band * _BAND_ROWS : (band + 1) * _BAND_ROWS])
        for start in range(0, len(one), 100_000):
            left, right = one[start : start + 100_000], other[start : start + 100_000]
            equal = (signatures[left] == signatures[right]).mean(axis=1, dtype=np.float32)
            worth = equal >= _WORTH_A_LOOK
            pair = np.sort(np.stack([order[left[worth]], order[right[worth]]]), axis=0)
            codes.append(pair[0] * len(texts) + pair[1])
            alike.append(equal[worth])
    distinct, where = np.unique(np.concatenate(codes), return_index=True)
    for code in distinct[np.argsort(-np.concatenate(alike)[where], kind="stable")].tolist():
        yield divmod(code, len(texts))


def _neighbours(band: Signatures) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pair rows that agree in a whole band, each with at most `_NEIGHBOURS` that follow it in its bucket."""
    wide = band.astype(np.uint64)
    keys = (wide[:, 0] << np.uint64(32) | wide[:, 1]) * np.uint64(0x9E3779B97F4A7C15)
    keys ^= (wide[:, 2] << np.uint64(32) | wide[:, 3]) * np.uint64(0xC2B2AE3D27D4EB4F)
    by_key = np.argsort(keys, kind="stable")
    ordered = keys[by_key]
    ones: list[NDArray[np.int64]] = []
    others: list[NDArray[np.int64]] = []
    for step in range(1, min(_NEIGHBOURS, len(ordered) - 1) + 1):
        places = np.flatnonzero(ordered[:-step] == ordered[step:])
        ones.append(by_key[places])
        others.append(by_key[places + step])
    return np.concatenate(ones), np.concatenate(others)


def _signatures(texts: Sequence[str]) -> Signatures:
    """MinHash signatures, uint32 [texts, hashes]."""
    random = np.random.default_rng(20_240_817)
    factors = random.integers(1, 2**63, size=_HASHES, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    signatures = np.empty((len(texts), _HASHES), dtype=np.uint32)
    start = 0
    while start < len(texts):
        stop, size = start, 0
        while stop < len(texts) and (size == 0 or size < _CHUNK_CHARACTERS):
            size += len(texts[stop])
            stop += 1
        codes, offsets = _shingle_codes(texts[start:stop])
        for place, factor in enumerate(factors):
            # Multiply-shift hashing (Dietzfelbinger et al. 1997): the upper half of an odd multiple.
            mixed = codes * factor
            signatures[start:stop, place] = np.minimum.reduceat(mixed, offsets) >> np.uint64(32)
        start = stop
    return signatures


def _shingle_codes(texts: Sequence[str]) -> tuple[Codes, NDArray[np.int64]]:
    """Hash the character shingles of each text: codes one after the other, and where each text's begin."""
    # Padding gives a text shorter than a shingle one shingle of its own.
    padded = [text[:_MAX_CHARACTERS].ljust(_SHINGLE, "\0") for text in texts]
    points = np.frombuffer("".join(padded).encode("utf-32-le"), dtype=np.uint32).astype(np.uint64)
    codes = np.zeros(len(points) - _SHINGLE + 1, dtype=np.uint64)
    for place in range(_SHINGLE):
        codes = codes * np.uint64(0x100000001B3) + points[place : len(points) - _SHINGLE + 1 + place]
    codes ^= codes >> np.uint64(29)
    codes *= np.uint64(0xBF58476D1CE4E5B9)
    codes ^= codes >> np.uint64(32)
    lengths = np.array([len(text) for text in padded])
    starts = np.cumsum(lengths) - lengths
    inside = np.ones(len(points), dtype=bool)
    for place in range(1, _SHINGLE):
        inside[starts + lengths - place] = False  # shingles that would run into the next text
    kept = lengths - _SHINGLE + 1
    return codes[inside[: len(codes)]], np.cumsum(kept) - kept
