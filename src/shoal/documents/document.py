"""A document as plain text with its parts marked by offsets: blocks as on the page, segments to be judged."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from shoal.documents.numbering import find_mark

Kind = Literal["heading", "paragraph", "item", "row"]


class Segment(msgspec.Struct, frozen=True, gc=False):
    """A paragraph, list item, numbered clause, row of a table, or a sentence of a long one.

    Attributes:
        start: of the first character, counted from 0 in characters (code points) of the document's text.
        end: behind the last one.
        text: the characters, verbatim; without the number or bullet before them.
        section: the number it stands under, such as "4.2", "4.2(a)" or "Article IV(b)"; empty where there is none.
        heading: the nearest heading above; empty where there is none.
        page: on which it begins, from 1; None where the format knows no pages.
    """

    start: int
    end: int
    text: str
    section: str = ""
    heading: str = ""
    page: int | None = None


class Block(msgspec.Struct, frozen=True, gc=False):
    """What stands by itself on the page: a heading, or what one or more segments were cut from.

    Attributes:
        start: of its number or bullet if it has one, else of its text.
        body: where its text begins.
        end: behind its last character.
        kind: what it is.
        level: depth of a heading from 1, or of a list item from 0.
        section: the number it stands under.
        page: on which it begins.
    """

    start: int
    body: int
    end: int
    kind: Kind
    level: int = 0
    section: str = ""
    page: int | None = None


class Document(msgspec.Struct, frozen=True):
    """A text that was read.

    Attributes:
        name: of the file.
        text: plain text; every offset refers to it.
        segments: what is judged, in the order of the text, none overlapping another. Headings are no segments.
        blocks: everything, in the order of the text; what no block covers is white space.
        pages: how many there are; None where the format knows none.
    """

    name: str
    text: str
    segments: tuple[Segment, ...]
    blocks: tuple[Block, ...]
    pages: int | None = None


class Piece(msgspec.Struct, gc=False):
    """A block as a format gives it, before numbers are read.

    Attributes:
        start: of its text with whatever mark stands in it.
        end: behind its last character.
        kind: what the format says it is; a "paragraph" may still turn out to be a heading or a numbered clause.
        level: depth of a heading from 1, or of a list item from 0.
        page: on which it begins.
        mark: characters at the start that the format itself gives as number or bullet; 0 where the text may hold one.
        bullet: whether that mark is no number.
    """

    start: int
    end: int
    kind: Kind = "paragraph"
    level: int = 0
    page: int | None = None
    mark: int = 0
    bullet: bool = False


class Writer:
    """Puts a plain text together from blocks, and notes where each one stands."""

    def __init__(self) -> None:
        self.pieces: list[Piece] = []
        self._parts: list[str] = []
        self._length = 0

    @property
    def text(self) -> str:
        """All that was added."""
        return "".join(self._parts)

    def add(
        self,
        text: str,
        *,
        kind: Kind = "paragraph",
        level: int = 0,
        page: int | None = None,
        mark: str = "",
        bullet: bool = False,
    ) -> None:
        """Add a block, an empty line before it; list items and rows that follow each other get a line each.

        Args:
            text: of the block; white space around it is dropped, and nothing is added if no other is left.
            kind: what the format says it is.
            level: depth.
            page: on which it begins.
            mark: number or bullet that the format shows before the text.
            bullet: whether the mark is no number.
        """
        text = text.strip().encode(errors="replace").decode()  # a PDF may hold half a surrogate pair
        if not text:
            return
        if self.pieces:
            tight = kind in ("item", "row") and self.pieces[-1].kind == kind
            self._append("\n" if tight else "\n\n")
        start = self._length
        if mark:
            self._append(f"{mark} ")
        taken = self._length - start
        self._append(text)
        self.pieces.append(Piece(start, self._length, kind, level, page, taken, bullet))

    def add_row(self, cells: Sequence[str], *, page: int | None = None) -> None:
        """Add a row of a table; one whose first cell is a clause's number is that clause."""
        filled = [cell for cell in (" ".join(each.split()) for each in cells) if cell]
        if len(filled) > 1 and find_mark(f"{filled[0]} "):
            self.add(f"{filled[0]} {' | '.join(filled[1:])}", page=page)
        else:
            self.add(" | ".join(filled), kind="row", page=page)

    def _append(self, text: str) -> None:
        self._parts.append(text)
        self._length += len(text)
