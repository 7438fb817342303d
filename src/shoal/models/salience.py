"""What a unit of a text is like, in numbers that say how much of a summary it may be worth, whatever the text is about.

Centrality by vectors and by words (LexRank, Erkan & Radev 2004; SumBasic, Nenkova & Vanderwende 2005), likeness to the
query, place, length, speaker, and what the words look like.
"""

import math
import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shoal.models.sentences import Unit

Floats = NDArray[np.floating]

NAMES = (
    *("central", "central_rank", "dense", "lexical", "frequent"),
    *("query", "query_rank", "query_words", "query_near", "query_words_near", "query_turn", "query_speaker"),
    *("place", "first", "last", "place_in_turn", "opens", "turn_words"),
    *("words", "budget", "long_words", "numbers", "names", "question", "marks", "speaker_share"),
    *("redundant", "near"),
)
_WORD = re.compile(r"[^\W_]+")
_MARK = re.compile(r"[{}\[\]<>]")
_NAME = re.compile(r"(?<=[a-z,] )[A-Z][a-z]+")
_NEAR = np.array([0.25, 0.5, 1.0, 0.5, 0.25])  # weights of the units around one
_DENSE = 0.4  # cosine from which two units are about the same
_LONG = 6  # letters


def features(
    text: str,
    units: Sequence[Unit],
    vectors: Floats,
    share: Floats,
    query: str = "",
    query_vector: Floats | None = None,
) -> NDArray[np.float32]:
    """Describe each unit beside the others of its text [n, len(NAMES)].

    Args:
        text: the whole.
        units: of it [n].
        vectors: of the units, of unit length [n, d].
        share: cost of each unit as a share of the budget [n].
        query: what the summary is to be about; "": everything.
        query_vector: of unit length [d]; None without a query.
    """
    pieces = [text[unit.start : unit.end] for unit in units]
    words = [_WORD.findall(piece.lower()) for piece in pieces]
    asked = _asked(words, query)
    towards = np.zeros(len(units)) if query_vector is None else vectors @ query_vector
    columns = {
        **_centrality(words, vectors),
        "query": towards,
        "query_rank": _ranks(towards) if query else towards,
        "query_words": asked,
        "query_near": _smoothed(towards),
        "query_words_near": _smoothed(asked),
        "query_turn": _by_turn(units, towards),
        "query_speaker": _named(units, query),
        **_places(units, words),
        **_looks(pieces, words),
        "budget": np.minimum(share, 1.0),
    }
    return np.stack([columns[name] for name in NAMES], axis=1).astype(np.float32)


def _centrality(words: list[list[str]], vectors: Floats) -> dict[str, Floats]:
    rows = len(words)
    others = max(rows - 1, 1)
    # A random walk on an undirected graph stays at each node in proportion to its degree: LexRank without a threshold.
    central = (vectors @ vectors.sum(axis=0) - 1.0) / others
    likeness = vectors @ vectors.T
    np.fill_diagonal(likeness, 0.0)
    weights = _rarity(words)
    sizes = [math.sqrt(sum((count * weights[word]) ** 2 for word, count in Counter(each).items())) for each in words]
    centre: Counter[str] = Counter()
    for each, size in zip(words, sizes, strict=True):
        for word, count in Counter(each).items():
            centre[word] += count * weights[word] / (size or 1.0)  # pyright: ignore[reportArgumentType] - a float
    lexical = [
        (sum(count * weights[word] * centre[word] for word, count in Counter(each).items()) / (size or 1.0) - 1)
        / others
        for each, size in zip(words, sizes, strict=True)
    ]
    counts = Counter(word for each in words for word in each if len(word) > 3)
    frequent = [np.mean([math.log1p(counts[word]) for word in each if len(word) > 3] or [0.0]) for each in words]
    before = np.tril(likeness)
    return {
        "central": central,
        "central_rank": _ranks(central),
        "dense": np.maximum(likeness - _DENSE, 0.0).sum(axis=1) / math.sqrt(others),
        "lexical": np.array(lexical),
        "frequent": np.array(frequent),
        "redundant": before.max(axis=1, initial=0.0),
        "near": _smoothed(central),
    }


def _rarity(words: list[list[str]]) -> dict[str, float]:
    """Inverse document frequency of each word among the units."""
    counts = Counter(word for each in words for word in set(each))
    return {word: math.log((1 + len(words)) / count) for word, count in counts.items()}


def _asked(words: list[list[str]], query: str) -> Floats:
    """Share of the query's words that a unit has, each with the weight of its rarity."""
    weights = _rarity(words)
    wanted = {word: weights[word] for word in set(_WORD.findall(query.lower())) if word in weights}
    total = sum(wanted.values()) or 1.0
    return np.array([sum(wanted.get(word, 0.0) for word in set(each)) / total for each in words])


def _named(units: Sequence[Unit], query: str) -> Floats:
    """Whether the query names the speaker."""
    asked = set(_WORD.findall(query.lower())) - {"the", "and", "of", "a"}
    return np.array([float(bool(asked & set(_WORD.findall(unit.speaker.lower())))) for unit in units])


def _places(units: Sequence[Unit], words: list[list[str]]) -> dict[str, Floats]:
    rows = len(units)
    turns = np.array([unit.turn for unit in units])
    starts = np.flatnonzero(np.diff(turns, prepend=-1))
    sizes = np.diff(starts, append=rows)
    within = np.arange(rows) - np.repeat(starts, sizes)
    lengths = np.array([len(each) for each in words], np.float64)
    turn_words = np.repeat(np.add.reduceat(lengths, starts), sizes) if rows else lengths
    spoken: Counter[str] = Counter()
    for unit, length in zip(units, lengths, strict=True):
        spoken[unit.speaker] += int(length)
    total = max(spoken.total(), 1)
    return {
        "place": np.arange(rows) / max(rows - 1, 1),
        "first": 1.0 / (1.0 + np.arange(rows)),
        "last": 1.0 / np.arange(rows, 0, -1),
        "place_in_turn": 1.0 / (1.0 + within),
        "opens": (within == 0).astype(np.float64),
        "turn_words": np.log1p(turn_words),
        "speaker_share": np.array([spoken[unit.speaker] / total for unit in units]),
    }


def _looks(pieces: list[str], words: list[list[str]]) -> dict[str, Floats]:
    lengths = np.array([max(len(each), 1) for each in words], np.float64)
    return {
        "words": np.log(lengths),
        "long_words": np.array([sum(len(word) >= _LONG for word in each) for each in words]) / lengths,
        "numbers": np.array([sum(word[0].isdigit() for word in each) for each in words]) / lengths,
        "names": np.array([len(_NAME.findall(piece)) for piece in pieces]) / lengths,
        "question": np.array([float("?" in piece) for piece in pieces]),
        "marks": np.array([len(_MARK.findall(piece)) for piece in pieces]) / lengths,
    }


def _by_turn(units: Sequence[Unit], values: Floats) -> Floats:
    """Give each unit the largest value of its turn."""
    best: dict[int, float] = {}
    for unit, value in zip(units, values, strict=True):
        best[unit.turn] = max(float(value), best.get(unit.turn, -1.0))
    return np.array([best[unit.turn] for unit in units])


def _smoothed(values: Floats) -> Floats:
    """Average with two neighbours on each side."""
    if len(values) == 0:
        return values
    known = np.convolve(np.ones(len(values)), _NEAR)[2:-2]
    return np.convolve(values, _NEAR)[2:-2] / known


def _ranks(values: Floats) -> Floats:
    """Rank from 0, the smallest, to 1."""
    return np.argsort(np.argsort(values, kind="stable"), kind="stable") / max(len(values) - 1, 1)
