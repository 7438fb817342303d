"""Plain text: which lines are one paragraph. Shared by .txt files and by what is read off the pages of a PDF."""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from shoal.documents.document import Piece
from shoal.documents.headings import is_capitals, is_heading
from shoal.documents.numbering import Mark, find_mark

_UNDERLINE = re.compile(r"(?:={3,}|-{3,}|~{3,})")
_ENDED = (".", ";", ":", "!", "?", ")", '"', "”", "\u2019", "…")
_JOINED = (", and", ", or", "; and", "; or", " and", " or")
# Where no empty lines can be relied on: shares of the usual width that a line would have with the next word on it.
# If it had been so short, the line was broken on purpose; less is needed where a sentence ends.
_BROKEN = 0.75
_BROKEN_ENDED = 0.95


class Group(NamedTuple):
    """Lines that belong together.

    Attributes:
        first: index of the first line.
        last: index behind the last one.
        underlined: "=", "-" or "~" where the last line only underlines the first.
    """

    first: int
    last: int
    underlined: str = ""


def pieces(text: str) -> list[Piece]:
    """Find the paragraphs of a plain text, as they stand in it."""
    starts: list[int] = []
    lines: list[str] = []
    position = 0
    for line in text.splitlines(keepends=True):
        starts.append(position)
        lines.append(line)
        position += len(line)
    found: list[Piece] = []
    for group in groups(lines):
        last = group.last - 1
        start = starts[group.first] + _indent(lines[group.first])
        end = starts[last] + len(lines[last].rstrip())
        if group.underlined:
            found.append(Piece(start, end, "heading", 1 if group.underlined == "=" else 2))
        else:
            found.append(Piece(start, end))
    return found


def groups(lines: Sequence[str], *, width: float | None = None) -> Iterator[Group]:
    """Find which lines are one paragraph: empty lines part them, and so do numbers, bullets, and headings.

    Args:
        lines: with or without their ends.
        width: usual breadth of a full line where no empty lines can be relied on; None where they can.
    """
    first: int | None = None
    for index, raw in enumerate(lines):
        line = raw.strip()
        if not line:
            if first is not None:
                yield Group(first, index)
            first = None
        elif first is None:
            first = index
        elif index == first + 1 and _UNDERLINE.fullmatch(line):
            yield Group(first, index + 1, line[0])
            first = None
        elif _parted(lines[first].strip(), lines[index - 1].strip(), line, width, alone=index == first + 1):
            yield Group(first, index)
            first = index
    if first is not None:
        yield Group(first, len(lines))


def breadth(line: str) -> float:
    """Guess how broad a line is set in a proportional font, in breadths of an average small letter."""
    narrow = sum(line.count(each) for each in " ijltfrI.,;:'|!()[]-")
    broad = sum(line.count(each) for each in "mwMW")
    capitals = sum(each.isupper() for each in line) - sum(line.count(each) for each in "MWI")
    return len(line) - 0.45 * narrow + 0.5 * broad + 0.35 * capitals


def _parted(first: str, before: str, line: str, width: float | None, *, alone: bool) -> bool:
    """Whether a new paragraph begins on a line that follows another one directly."""
    mark = find_mark(line)
    if mark is not None and _may_begin(mark, first, before):
        return True
    if alone and _is_title(before, width) and not (is_capitals(before) and is_capitals(line)):
        return True
    if width is None:
        return False
    if before.endswith(_ENDED) and _is_title(line, None):
        return True
    share = breadth(f"{before} {line.split()[0]}") / width
    return share < (_BROKEN_ENDED if before.endswith(_ENDED) else _BROKEN) and not before.endswith("-")


def _may_begin(mark: Mark, first: str, before: str) -> bool:
    """Whether a number at the start of a line is a clause's, rather than a reference that was wrapped there."""
    if before.endswith(_ENDED) or before.endswith(_JOINED) or is_heading(before, find_mark(before)):
        return True
    listed = find_mark(first)
    same = listed is not None and listed.style == mark.style
    return same and (mark.style == "bullet" or (mark.style == "paren" and before.endswith(",")))


def _is_title(line: str, width: float | None) -> bool:
    """Whether a line is a heading although text follows on the next one: numbered or in capitals, and not full."""
    mark = find_mark(line)
    if not is_heading(line, mark) or (width is not None and breadth(line) > _BROKEN * width):
        return False
    return is_capitals(line) or (mark is not None and mark.style in ("single", "word", "letter"))


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def paragraphs(text: str) -> Iterator[str]:
    """Yield the paragraphs of a text whose line ends mean little, each on one line."""
    lines = text.splitlines()
    for group in groups(lines):
        yield " ".join(line.strip() for line in lines[group.first : group.last])
