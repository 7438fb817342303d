"""The labelled rows nearest to a text, to show to a larger model. Needs nothing but the rows."""

import copy
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import chain, islice, zip_longest
from typing import Self

_WORD = re.compile(r"[\w\u0300-\u036f]+")  # with marks that combine: a lower-case \u0130 has one
_MAX_ROWS = 5_000


class ExampleIndex:
    """Nearest labelled rows by cosine of TF-IDF vectors over words and word beginnings (Salton and Buckley 1988).

    Args:
        rows: (text, label) pairs; the first 5,000 are used.
    """

    def __init__(self, rows: Iterable[tuple[str, str]]) -> None:
        self._rows = [row for row, _ in zip(rows, range(_MAX_ROWS), strict=False)]
        self._among: tuple[str, ...] = ()
        counts = [Counter(_terms(text)) for text, _ in self._rows]
        seen = Counter(term for count in counts for term in count)
        self._idf = {term: math.log((1 + len(counts)) / (1 + n)) + 1.0 for term, n in seen.items()}
        self._postings: dict[str, list[tuple[int, float]]] = defaultdict(list)
        for row, count in enumerate(counts):
            for term, weight in self._unit(count).items():
                self._postings[term].append((row, weight))

    def __len__(self) -> int:
        return len(self._rows)

    def among(self, labels: Sequence[str]) -> Self:
        """Return a view that shows rows of these labels alone, each label's nearest in turn, in the order given."""
        view = copy.copy(self)
        view._among = tuple(labels)
        return view

    def nearest(self, text: str, k: int) -> list[tuple[str, str]]:
        """Return the k most similar (text, label) rows, most similar first; fewer when there are fewer rows."""
        scores: dict[int, float] = defaultdict(float)
        for term, weight in self._unit(Counter(_terms(text))).items():
            for row, other in self._postings.get(term, ()):
                scores[row] += weight * other
        ranked = (self._rows[at] for at in sorted(range(len(self._rows)), key=lambda at: (-scores.get(at, 0.0), at)))
        if not self._among:
            return list(islice(ranked, k))
        by_label: dict[str, list[tuple[str, str]]] = {label: [] for label in self._among}
        for row in ranked:
            if row[1] in by_label:
                by_label[row[1]].append(row)
        return [row for row in chain.from_iterable(zip_longest(*by_label.values())) if row is not None][:k]

    def _unit(self, count: Counter[str]) -> dict[str, float]:
        """Weights of length 1 for the terms that the rows know; a term counts by the logarithm of its frequency."""
        weights = {t: (1.0 + math.log(n)) * self._idf[t] for t, n in count.items() if t in self._idf}
        length = math.sqrt(sum(weight * weight for weight in weights.values())) or 1.0
        return {term: weight / length for term, weight in weights.items()}


def _terms(text: str) -> list[str]:
    """Words, and the beginnings of long ones: "refunded" is near "refunds"."""
    words = _WORD.findall(text.lower())
    return words + [f"{word[:5]}*" for word in words if len(word) > 5]
