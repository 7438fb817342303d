"""From tokens to units: words with exact character offsets, and how they are written.

A tagger answers for units, not for tokens: no span can end within a word. Pure.
"""

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

# Letters of these scripts are no parts of words with spaces around them: each token stays a unit of its own.
_WRITTEN_WITHOUT_SPACES = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uac00-\ud7a3\uf900-\ufaff]")
_EDGE, _LOWER, _TITLE, _UPPER, _INITIAL, _MIXED, _DIGITS, _CODE, _OTHER = range(9)
SHAPES = 9
"""How a unit may be written; 0 stands for the text's edge."""


class Units(NamedTuple):
    """Words and signs of a text, in order.

    Attributes:
        starts: first character of each.
        ends: behind the last one.
        tokens: first token of each; a unit's tokens go on to the next unit's first.
    """

    starts: list[int]
    ends: list[int]
    tokens: list[int]


def find(text: str, offsets: Sequence[tuple[int, int]], words: Sequence[int | None]) -> Units:
    """Join tokens to units.

    A token goes on with the unit before it when the tokenizer calls both one word and no white space, sign or change
    to a script without spaces lies between, or when both are of the same characters (the bytes of an emoji). Marks
    that combine with a unit's last character belong to it, though many tokenizers drop them.

    Args:
        text: the text.
        offsets: characters of each token, in order.
        words: the word of each token, as the tokenizer counts.
    """
    units = Units([], [], [])
    before: int | None = None
    reach = 0
    for token, ((start, end), word) in enumerate(zip(offsets, words, strict=True)):
        while start < end and text[start].isspace():  # some tokenizers count the space before a word to it
            start += 1
        if units.ends and (end <= reach or start < reach or _continues(text, reach, start, word == before)):
            reach = units.ends[-1] = max(reach, end)
        elif start < end:
            units.starts.append(start)
            units.ends.append(end)
            units.tokens.append(token if units.tokens else 0)
            reach = end
        before = word
    if not text.isascii():
        _with_marks(text, units)
    return units


def _continues(text: str, reach: int, start: int, one_word: bool) -> bool:
    if not one_word or start != reach or start >= len(text):
        return False
    left, right = text[reach - 1], text[start]
    return left.isalnum() and right.isalnum() and not _WRITTEN_WITHOUT_SPACES.match(right)


def _with_marks(text: str, units: Units) -> None:
    last = len(units.ends) - 1
    for number, end in enumerate(units.ends):
        limit = len(text) if number == last else units.starts[number + 1]
        while end < limit and unicodedata.category(text[end]) in ("Mn", "Me", "Mc"):
            end += 1
        units.ends[number] = end


def shapes(text: str, units: Units) -> list[int]:
    """How each unit is written, a number below `SHAPES`."""
    return [_shape(text[start:end]) for start, end in zip(units.starts, units.ends, strict=True)]


@lru_cache(maxsize=65_536)
def _shape(word: str) -> int:
    letters = any(map(str.isalpha, word))
    digits = any(map(str.isdigit, word))
    if letters and digits:
        return _CODE
    if digits:
        return _DIGITS
    if not letters:
        return _OTHER
    if word.islower():
        return _LOWER
    if word.isupper():
        return _UPPER if len(word) > 1 else _INITIAL
    return _TITLE if word[0].isupper() and not any(map(str.isupper, word[1:])) else _MIXED
