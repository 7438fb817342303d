"""A text made ready to be summarised: units that each fit the budget, what they cost, and what they are like."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from shoal.models.salience import features
from shoal.models.sentences import Kind, Unit, units
from shoal.tasks import Budget

MOST_UNITS = 2_000  # of a text, the first; memory and time grow with their square. About 250,000 characters
_MOST_TOGETHER = 8_000  # units of several texts that are embedded in one pass
_SURROGATE = re.compile("[\ud800-\udfff]")


class Encoder(Protocol):
    """What makes vectors of units and counts their tokens."""

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of unit length in the first columns [n, d]."""
        ...

    def lengths(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Tokens of each text [n]."""
        ...


@dataclass(frozen=True, slots=True)
class Passages:
    """One text under one budget.

    Attributes:
        text: the whole.
        query: what the summary is to be about; "": everything.
        units: that may be quoted [n]; one that is longer than the whole budget is cut to its beginning.
        costs: of each, in what the budget counts [n].
        limit: the budget.
        vectors: of the units, of unit length [n, d].
        features: of the units (`salience.NAMES`) [n, f].
    """

    text: str
    query: str
    units: list[Unit]
    costs: NDArray[np.int64]
    limit: int
    vectors: NDArray[np.float32]
    features: NDArray[np.float32]

    def quote(self, index: int) -> str:
        """Give the characters of a unit."""
        unit = self.units[index]
        return self.text[unit.start : unit.end]


@dataclass(frozen=True, slots=True)
class Reader:
    """Makes passages of texts.

    Attributes:
        encoder: embeds units and queries.
        width: of its vectors, the first columns are used.
        kind: what is quoted.
    """

    encoder: Encoder
    width: int
    kind: Kind

    def read(self, texts: Sequence[str], queries: Sequence[str], budget: Budget) -> Iterator[Passages]:
        """Make ready one text after the other; units of several are embedded in one pass sorted by length."""
        waiting: list[tuple[str, str, list[Unit]]] = []
        for text, query in zip(texts, queries, strict=True):
            waiting.append((text, query, units(text, self.kind)[:MOST_UNITS]))
            if sum(len(found) for *_, found in waiting) >= _MOST_TOGETHER:
                yield from self._embedded(waiting, budget)
                waiting = []
        yield from self._embedded(waiting, budget)

    def _embedded(self, waiting: Sequence[tuple[str, str, list[Unit]]], budget: Budget) -> Iterator[Passages]:
        fitted = [(text, query, *self._fitted(text, found, budget)) for text, query, found in waiting]
        pieces = [text[unit.start : unit.end] for text, _, found, _ in fitted for unit in found]
        vectors = self._vectors([*pieces, *(query for _, query, *_ in fitted if query.strip())])
        asked = iter(vectors[len(pieces) :])
        limit, start = _limit(budget), 0
        for text, query, found, costs in fitted:
            own = vectors[start : start + len(found)]
            start += len(found)
            about = query.strip()
            described = features(text, found, own, costs / limit, about, next(asked) if about else None)
            yield Passages(text, about, found, costs, limit, own, described)

    def _vectors(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed each different text once."""
        number = {text: place for place, text in enumerate(dict.fromkeys(texts))}
        vectors = self.encoder.embed([_SURROGATE.sub("?", text) for text in number])[:, : self.width]
        return vectors[[number[text] for text in texts]]

    def _fitted(self, text: str, found: Sequence[Unit], budget: Budget) -> tuple[list[Unit], NDArray[np.int64]]:
        """Cut units to the budget and tell what they cost."""
        if budget.sentences is not None:
            return list(found), np.ones(len(found), np.int64)
        limit = _limit(budget)
        costs = self._costs([text[unit.start : unit.end] for unit in found], budget)
        kept = list(found)
        for row in np.flatnonzero(costs > limit).tolist():
            kept[row] = found[row]._replace(end=found[row].start + self._beginning(text, found[row], budget))
        cut = np.flatnonzero(costs > limit)
        costs[cut] = self._costs([text[kept[row].start : kept[row].end] for row in cut.tolist()], budget)
        fits = np.flatnonzero(costs <= limit)  # a single word may have more tokens than the budget
        return [kept[row] for row in fits.tolist()], costs[fits]

    def _beginning(self, text: str, unit: Unit, budget: Budget) -> int:
        """Count the characters of a unit that fit the budget, in whole words: at least one."""
        ends = [word.end() for word in re.finditer(r"\S+", text[unit.start : unit.end])]
        limit = _limit(budget)
        if budget.words is not None:
            return ends[limit - 1]
        low, high = 0, len(ends) - 1
        while low < high:
            middle = (low + high + 1) // 2
            fits = self._costs([text[unit.start : unit.start + ends[middle]]], budget)[0] <= limit
            low, high = (middle, high) if fits else (low, middle - 1)
        return ends[low]

    def _costs(self, pieces: Sequence[str], budget: Budget) -> NDArray[np.int64]:
        if budget.words is not None:
            return np.array([len(piece.split()) for piece in pieces], np.int64)
        return self.encoder.lengths([_SURROGATE.sub("?", piece) for piece in pieces])


def _limit(budget: Budget) -> int:
    limit = budget.sentences or budget.words or budget.tokens
    assert limit is not None  # a budget has one of the three
    return limit
