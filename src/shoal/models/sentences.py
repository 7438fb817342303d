"""The units of a text that a summary may quote: sentences, or turns of a dialogue, by exact character offsets.

Whatever the text, its units are in order, do not overlap, begin and end with a character that is no white space, and
together hold every such character.
"""
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportAttributeAccessIssue=false
# pyright: reportMissingTypeStubs=false
# sentencex is compiled and ships no types.

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Literal, NamedTuple

from sentencex import get_sentence_boundaries

Kind = Literal["sentence", "turn"]

_LONGEST = 1_000  # characters: a list without full stops, or text without spaces, is cut
_BREAK = re.compile(
    r"\n[^\S\n]*\n|\n(?=[^\S\n]*(?:[-*\u2022\u00b7\u2013]|\(?\d{1,3}[.)]|\([a-z]\))[^\S\n])"
)  # blank line, item of a list
_SURROGATE = re.compile("[\ud800-\udfff]")
# "Agent: ...", "Dr. Lee (host): ...": few words, no sentence of its own; not "https://", not "12:30".
_TURN = re.compile(r"^[^\S\n]*([^\W\d][^:\n.!?]{0,40}?(?:\.[^:\n.!?]{1,30})?)[^\S\n]*[:\uff1a](?=\s|$)", re.MULTILINE)
_MOST_WORDS_OF_A_NAME = 5


class Unit(NamedTuple):
    """Characters `start` to `end` of a text, and who says them ("" where nobody is named).

    `turn` counts the turns of a dialogue from 0, so that sentences know which of them belong together.
    """

    start: int
    end: int
    speaker: str = ""
    turn: int = 0


def units(text: str, kind: Kind) -> list[Unit]:
    """Cut a text into sentences or into turns.

    A turn is what begins with a name and a colon at the start of a line. A text that is no dialogue, or a dialogue of a
    single turn, has no turns to choose from and is cut into sentences whatever `kind` says. A sentence never reaches
    from one turn into the next; the first one of a turn holds the name of its speaker. One that is longer than 1,000
    characters is cut at white space.
    """
    turns = _turns(text)
    if kind == "turn" and len(turns) > 1:
        return turns
    return [Unit(start, end, turn.speaker, turn.turn) for turn in turns for start, end in _sentences(text, turn)]


def _turns(text: str) -> list[Unit]:
    """Find the turns of a dialogue; the whole text is one where nobody, or only one line, begins with a name."""
    found = [match for match in _TURN.finditer(text) if len(match[1].split()) <= _MOST_WORDS_OF_A_NAME]
    if len(found) < 2:
        found = []
    edges = sorted({0, *(match.start() for match in found), len(text)})
    names = {match.start(): match[1].strip() for match in found}
    stripped = ((_stripped(text, start, end), names.get(start, "")) for start, end in pairwise(edges))
    kept = ((span, name) for span, name in stripped if span[0] < span[1])
    return [Unit(*span, name, number) for number, (span, name) in enumerate(kept)]


def _sentences(text: str, within: Unit) -> Iterator[tuple[int, int]]:
    for start, end in _paragraphs(text, within.start, within.end):
        # A lone half of a surrogate pair is no text to the library; any other character keeps the offsets.
        piece = _SURROGATE.sub("?", text[start:end])
        first = start
        for found in get_sentence_boundaries("en", piece):
            last = start + int(found["end_index"])
            if last < end and not any(character.isalpha() for character in text[first:last]):
                continue  # the number of an item belongs to what follows
            parts, first = _cut(text, first, last), last
            for part in parts:
                span = _stripped(text, *part)
                if span[0] < span[1]:
                    yield span


def _paragraphs(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    edges = [start, *(match.end() for match in _BREAK.finditer(text, start, end)), end]
    return ((first, last) for first, last in pairwise(edges) if first < last)


def _cut(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Cut what is too long, at the last white space that makes a piece short enough, or in the middle of a word."""
    while end - start > _LONGEST:
        piece = text[start : start + _LONGEST]
        last = max((match.end() for match in re.finditer(r"\s", piece)), default=_LONGEST)
        yield start, start + last
        start += last
    yield start, end


def _stripped(text: str, start: int, end: int) -> tuple[int, int]:
    """Leave out white space at both ends."""
    piece = text[start:end]
    return start + len(piece) - len(piece.lstrip()), start + len(piece.rstrip())
