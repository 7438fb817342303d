"""Markdown: CommonMark with tables, as the plain text that a reader sees."""

import re

from markdown_it import MarkdownIt
from markdown_it.token import Token

from shoal.documents.document import Writer
from shoal.documents.plain import paragraphs

_FRONT_MATTER = re.compile(r"\A---[ \t]*\r?\n(?:[^\n]*\n){0,100}?(?:---|\.\.\.)[ \t]*(?:\r?\n|\Z)")
_DEEPEST = 100  # lists and quotes inside each other
_HTML_SPACE = re.compile(r"<br\s*/?>", re.IGNORECASE)


def read(text: str) -> Writer:
    """Read Markdown; what is set in bold or linked is plain text here, and front matter is left out."""
    walk = _Walk()
    for token in MarkdownIt("commonmark", {"maxNesting": _DEEPEST}).enable("table").parse(_FRONT_MATTER.sub("", text)):
        walk.take(token)
    return walk.writer


class _Walk:
    """Goes through the tokens of the blocks from top to bottom."""

    def __init__(self) -> None:
        self.writer = Writer()
        self._depth = -1  # of the list
        self._ordered: list[bool] = []
        self._mark = ""  # of the list item that has just begun
        self._heading = 0
        self._cells: list[str] | None = None  # of the row of a table

    def take(self, token: Token) -> None:
        """Read one token."""
        if token.type == "inline":
            self._text(_plain(token.children or []))
        elif token.type in ("fence", "code_block"):
            self._text(token.content)
        elif token.type == "html_block":
            self._html(token.content)
        elif token.type == "heading_open":
            self._heading = int(token.tag[1:])
        elif token.type == "heading_close":
            self._heading = 0
        elif token.type in ("ordered_list_open", "bullet_list_open"):
            self._depth += 1
            self._ordered.append(token.type.startswith("ordered"))
        elif token.type in ("ordered_list_close", "bullet_list_close"):
            self._depth -= 1
            self._ordered.pop()
        elif token.type == "list_item_open":
            self._mark = f"{token.info}{token.markup}" if self._ordered[-1] else "•"
        elif token.type == "tr_open":
            self._cells = []
        elif token.type == "tr_close":
            cells, self._cells = self._cells or [], None
            self.writer.add_row(cells)

    def _text(self, text: str) -> None:
        if self._heading:
            self.writer.add(" ".join(text.split("\n")), kind="heading", level=self._heading)
        elif self._cells is not None:
            self._cells.append(text)
        else:
            for paragraph in paragraphs(text):
                mark, self._mark = self._mark, ""
                kind = "item" if mark else "paragraph"
                level = max(self._depth, 0)
                self.writer.add(paragraph, kind=kind, level=level, mark=mark, bullet=mark == "•")

    def _html(self, text: str) -> None:
        from shoal.documents import web

        web.read(text, self.writer)


def _plain(tokens: list[Token]) -> str:
    """Put down what is seen of a line of text: no markup, the words of links and pictures."""
    found: list[str] = []
    for token in tokens:
        if token.type in ("text", "text_special", "code_inline"):
            found.append(token.content)
        elif token.type in ("softbreak", "hardbreak"):
            found.append("\n")
        elif token.type == "image":
            found.append(_plain(token.children or []))
        elif token.type == "html_inline" and _HTML_SPACE.fullmatch(token.content):
            found.append("\n")
    return "".join(found)
