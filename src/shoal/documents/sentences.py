"""Sentences of a long paragraph, by their offsets."""
# sentencex carries no types:
# pyright: reportMissingTypeStubs=false, reportUnknownVariableType=false, reportAttributeAccessIssue=false

from collections.abc import Callable, Iterator, Sequence
from typing import TypedDict, cast

from sentencex import get_sentence_boundaries

_MOST = 2_000  # characters of a sentence: what has no end for longer is cut between words
_AT_ONCE = 20_000  # characters that are looked at once


class _Boundary(TypedDict):
    start_index: int
    end_index: int


_boundaries = cast(Callable[[str, str], Sequence[_Boundary]], get_sentence_boundaries)


def parts(text: str, start: int, end: int, longest: int | None) -> Iterator[tuple[int, int]]:
    """Cut a part of a text into sentences if it is longer than `longest`; yields offsets without white space around.

    What has no end of a sentence for 2,000 characters is cut between words, or where it must.
    """
    if longest is None or end - start <= longest:
        yield from _trimmed(text, start, end)
        return
    position = start
    while position < end:
        stop = _cut(text, position, min(position + _AT_ONCE, end), end)
        for found in _boundaries("en", text[position:stop]):
            one, other = position + found["start_index"], position + found["end_index"]
            while other - one > _MOST:
                at = _cut(text, one, one + _MOST, other)
                yield from _trimmed(text, one, at)
                one = at
            yield from _trimmed(text, one, other)
        position = stop


def _cut(text: str, start: int, stop: int, end: int) -> int:
    """Find where to cut at `stop` at the latest: behind white space if there is any."""
    if stop >= end:
        return end
    at = max(text.rfind(each, start, stop) for each in (" ", "\n", "\t"))
    return at + 1 if at > start else stop


def _trimmed(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the offsets without the white space around; nothing where all is white."""
    inner = text[start:end]
    if inner and not inner.isspace():
        yield start + len(inner) - len(inner.lstrip()), end - (len(inner) - len(inner.rstrip()))
