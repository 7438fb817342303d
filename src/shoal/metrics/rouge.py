"""ROUGE: how much of a reference a summary says, in its very words (Lin 2004).

Words are found as Google's rouge-score finds them without stemming: lower case, runs of the letters a-z and digits. No
Porter stemmer: it would take a library that nothing else here needs. References in other scripts, in which that finds
next to nothing, are compared by runs of any letters and digits.
"""

import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple, TypeVar

_GOOGLES = re.compile("[a-z0-9]+")
_ANY = re.compile(r"[^\W_]+")

Words = Sequence[str]
_Gram = TypeVar("_Gram", str, tuple[str, str])


class Overlap(NamedTuple):
    """Shares in [0, 1]: of the summary that stands in the reference, of the reference that stands in the summary."""

    precision: float
    recall: float

    @property
    def f1(self) -> float:
        """Harmonic mean of both."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


class Rouge(NamedTuple):
    """Overlap of words, of pairs of neighbouring words, and of the longest common subsequence of words."""

    rouge1: Overlap
    rouge2: Overlap
    rougeL: Overlap


def rouge(summary: str, reference: str) -> Rouge:
    """Compare a summary with one reference; all zeros where either has no word.

    ROUGE-L takes each as one sequence of words (rouge-score's `rougeL`, not `rougeLsum`).
    """
    words = reading(reference)
    return of_words(words.findall(summary.lower()), words.findall(reference.lower()))


def reading(reference: str) -> re.Pattern[str]:
    """Give the pattern of a word (in lower case) that fits the script of a reference."""
    found = sum(map(len, _GOOGLES.findall(reference.lower())))
    return _GOOGLES if 2 * found >= sum(map(len, _ANY.findall(reference))) else _ANY


def of_words(summary: Words, reference: Words) -> Rouge:
    """Compare words, in lower case."""
    return Rouge(
        _overlap(Counter(summary), Counter(reference)),
        _overlap(pairs(summary), pairs(reference)),
        _shares(longest_common(summary, reference), len(summary), len(reference)),
    )


def pairs(words: Words) -> Counter[tuple[str, str]]:
    """Count neighbouring words."""
    return Counter(pairwise(words))


def longest_common(one: Words, other: Words) -> int:
    """Length of the longest common subsequence, by bit-parallel dynamic programming (Hyyro 2004)."""
    places: dict[str, int] = {}
    for place, word in enumerate(one):
        places[word] = places.get(word, 0) | 1 << place
    full = (1 << len(one)) - 1
    open_still = full
    for word in other:
        met = open_still & places.get(word, 0)
        open_still = (open_still + met | open_still - met) & full
    return len(one) - open_still.bit_count()


def _overlap(summary: Counter[_Gram], reference: Counter[_Gram]) -> Overlap:
    common = sum(min(count, summary[each]) for each, count in reference.items())
    return _shares(common, summary.total(), reference.total())


def _shares(common: int, summary: int, reference: int) -> Overlap:
    return Overlap(common / summary, common / reference) if common else Overlap(0.0, 0.0)
