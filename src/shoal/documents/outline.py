"""From the pieces of a format to a document: numbers read, sections followed, long paragraphs cut into sentences."""

from collections.abc import Sequence

from shoal.documents.document import Block, Document, Piece, Segment
from shoal.documents.headings import heading_level, is_heading
from shoal.documents.numbering import Mark, Numbering, find_mark
from shoal.documents.sentences import parts

LONGEST = 600  # characters of a paragraph that is judged as a whole: about as much as an encoder reads at once
_MOST_HEADING = 250  # characters; what is longer was only set as one


def outline(
    name: str, text: str, pieces: Sequence[Piece], *, longest: int | None = LONGEST, pages: int | None = None
) -> Document:
    """Put a document together.

    Args:
        name: of the file.
        text: what the pieces' offsets refer to.
        pieces: in the order of the text.
        longest: paragraphs of more characters are cut into sentences; 0 cuts every one, None none.
        pages: how many there are.
    """
    reader = _Outline(text, titled=len(pieces) > 1)
    blocks = tuple(reader.block(piece) for piece in pieces)
    segments: list[Segment] = []
    heading = ""
    for block in blocks:
        if block.kind == "heading":
            heading = " ".join(text[block.body : block.end].split("\n")[0].split()) or text[block.start : block.end]
            continue
        for start, end in parts(text, block.body, block.end, longest):
            segments.append(Segment(start, end, text[start:end], block.section, heading, block.page))
    return Document(name, text, tuple(segments), blocks, pages)


class _Outline:
    """Reads the pieces from top to bottom."""

    def __init__(self, text: str, *, titled: bool) -> None:
        self._text = text
        self._first = titled  # whether the next piece may be the document's title
        self._numbering = Numbering()
        self._level = 0  # of the last numbered heading
        self._bare = False  # whether the last block was a heading of a number alone, whose title may follow

    def block(self, piece: Piece) -> Block:
        """Read one piece."""
        text = self._text[piece.start : piece.end]
        first, self._first = self._first, False
        if piece.kind == "heading" and len(text) <= _MOST_HEADING:
            return self._heading(piece, find_mark(text, bare=True), piece.level)
        if piece.kind == "row":
            self._bare = False
            return Block(piece.start, piece.start, piece.end, "row", 0, self._numbering.section, piece.page)
        if piece.mark:
            return self._item(piece)
        mark = find_mark(text)
        line = text.strip()
        bare = mark or find_mark(line, bare=True)
        if is_heading(line, bare, first=first):
            level = heading_level(bare, line[bare.end :] if bare else line, self._level)
            return self._heading(piece, bare, level)
        self._bare = False
        if mark is None:
            return Block(piece.start, piece.start, piece.end, "paragraph", 0, self._numbering.section, piece.page)
        section = self._numbering.take(mark)
        kind = "item" if mark.style in ("bullet", "paren") else "paragraph"
        return Block(piece.start, piece.start + mark.end, piece.end, kind, 0, section, piece.page)

    def _heading(self, piece: Piece, mark: Mark | None, level: int) -> Block:
        if mark is not None and mark.style != "bullet":
            self._numbering.take(mark, heading=True)
            self._level = level
            self._bare = mark.end >= piece.end - piece.start
        else:
            if not self._bare and level <= self._level:
                self._numbering.unnumbered()
                self._level = 0
            self._bare = False
        body = piece.start + (mark.end if mark else 0)
        body = piece.start if body >= piece.end else body
        return Block(piece.start, body, piece.end, "heading", level, self._numbering.section, piece.page)

    def _item(self, piece: Piece) -> Block:
        """Read an item whose number or bullet the format gives; its text may begin with a number all the same."""
        self._bare = False
        body = piece.start + piece.mark
        shown = find_mark(f"{self._text[piece.start : body].rstrip()} ")
        if shown is not None and shown.style != "bullet" and not piece.bullet:
            # What is counted within the document's own numbers needs no depth: only single numbers are ambiguous.
            depth = piece.level if shown.style in ("single", "letter", "paren") else None
            self._numbering.take(shown, depth=depth)
        else:
            written = find_mark(self._text[body : piece.end])
            if written is not None and written.style != "bullet" and written.end < piece.end - body:
                self._numbering.take(written)
                body += written.end
        return Block(piece.start, body, piece.end, "item", piece.level, self._numbering.section, piece.page)
