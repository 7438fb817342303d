"""HTML: the text that a browser would show, block by block."""
# lxml carries no types:
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportAttributeAccessIssue=false

import re
from typing import Any

from lxml import etree

from shoal.documents.document import Writer
from shoal.documents.numbering import to_letters, to_roman
from shoal.documents.plain import paragraphs

_UNSEEN = {
    *("head", "script", "style", "template", "noscript", "iframe", "object", "embed", "svg", "math", "canvas"),
    *("audio", "video", "select", "textarea", "datalist", "button", "map"),
}
_BLOCKS = {
    *("address", "article", "aside", "blockquote", "body", "caption", "center", "dd", "details", "dialog", "div", "dl"),
    *("dt", "fieldset", "figcaption", "figure", "footer", "form", "header", "hgroup", "hr", "html", "legend", "main"),
    *("menu", "nav", "p", "pre", "search", "section", "summary", "table", "tbody", "tfoot", "thead"),
}
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_HIDDEN = re.compile(r"(?:display\s*:\s*none|visibility\s*:\s*hidden)", re.IGNORECASE)
_SPACE = re.compile(r"[ \t\r\n\f]+")
_CELLS = ("td", "th")


def read(text: str, writer: Writer | None = None) -> Writer:
    """Read HTML, whole pages and parts of one alike.

    Args:
        text: of the page.
        writer: to go on with; None begins a new one.
    """
    walk = _Walk(writer or Writer())
    parser = etree.HTMLParser(encoding="utf-8", huge_tree=True, remove_comments=True, remove_pis=True)
    root = etree.fromstring(text.encode(errors="replace"), parser) if text.strip() else None
    if root is not None:
        walk.through(root)
    return walk.writer


class _Walk:
    """Goes through the elements in their order; text is gathered until a block begins or ends."""

    def __init__(self, writer: Writer) -> None:
        self.writer = writer
        self._lines: list[list[str]] = [[]]
        self._heading = 0
        self._pre = 0
        self._lists: list[_List] = []
        self._mark = ""  # of the list item that has just begun
        self._tables: list[bool] = []  # whether each table that is open has rows that are read as one text
        self._cells: list[list[list[str]]] | None = None

    def through(self, root: Any) -> None:
        """Read an element and all in it."""
        walker = etree.iterwalk(root, events=("start", "end"))
        for event, element in walker:
            tag = element.tag if isinstance(element.tag, str) else ""
            if event == "start":
                if tag in _UNSEEN or "hidden" in element.attrib or _HIDDEN.search(element.get("style") or ""):
                    walker.skip_subtree()
                    continue
                self._begin(tag, element)
                self._say(element.text)
            else:
                if tag not in _UNSEEN:
                    self._end(tag)
                self._say(element.tail if element is not root else None)
        self._flush()

    def _say(self, text: str | None) -> None:
        if text:
            self._lines[-1].append(text)

    def _begin(self, tag: str, element: Any) -> None:
        if tag == "br":
            self._lines.append([])
        elif tag in ("ul", "ol"):
            self._flush()
            self._lists.append(_List.of(tag, element))
        elif tag == "li":
            self._flush()
            self._mark = self._lists[-1].next(element) if self._lists else "•"
        elif tag in _HEADINGS and self._cells is None:
            self._flush()
            self._heading = _HEADINGS[tag]
        elif tag == "table":
            self._flush()
            self._tables.append(self._cells is None and not _is_layout(element))
        elif tag == "tr" and self._tables and self._tables[-1]:
            self._flush()
            self._cells = []
        elif tag in _CELLS and self._cells is not None:
            self._cells.append(self._taken())
        elif tag in _BLOCKS or tag in _CELLS:
            self._flush()
            self._pre += tag == "pre"

    def _end(self, tag: str) -> None:
        if tag in ("ul", "ol"):
            self._flush()
            if self._lists:
                self._lists.pop()
        elif tag == "li":
            self._flush()
            self._mark = ""
        elif tag in _HEADINGS:
            self._flush()
            self._heading = 0
        elif tag == "table":
            self._flush()
            if self._tables:
                self._tables.pop()
        elif tag == "tr" and self._cells is not None and self._tables and self._tables[-1]:
            cells, self._cells = [*self._cells, self._taken()], None
            self.writer.add_row([_collapsed(cell) for cell in cells])
        elif tag in _BLOCKS or (tag in _CELLS and self._cells is None):
            self._flush()
            self._pre -= tag == "pre"

    def _taken(self) -> list[list[str]]:
        lines, self._lines = self._lines, [[]]
        return lines

    def _flush(self) -> None:
        """Write down what was gathered as a block of its own."""
        if self._cells is not None:  # blocks in the cells of a table part words and no more
            self._lines.append([])
            return
        lines = self._taken()
        if not any(part.strip() for line in lines for part in line):
            return
        if self._heading:
            self.writer.add(" ".join(_collapsed(lines).split("\n")), kind="heading", level=self._heading)
            return
        text = "\n".join("".join(line) for line in lines) if self._pre else _collapsed(lines)
        for paragraph in paragraphs(text):
            mark, self._mark = self._mark, ""
            kind = "item" if mark else "paragraph"
            self.writer.add(paragraph, kind=kind, level=max(len(self._lists) - 1, 0), mark=mark, bullet=mark == "•")


class _List:
    """A list that is open: how its items are counted."""

    def __init__(self, kind: str, value: int, step: int) -> None:
        self._kind, self._value, self._step = kind, value, step

    @classmethod
    def of(cls, tag: str, element: Any) -> "_List":
        """Read how a list counts."""
        if tag == "ul":
            return cls("", 0, 0)
        step = -1 if "reversed" in element.attrib else 1
        default = len(element.findall("li")) if step < 0 else 1
        return cls(element.get("type", "1"), _number(element.get("start"), default) - step, step)

    def next(self, item: Any) -> str:
        """Go on to an item; returns its mark."""
        if not self._kind:
            return "•"
        self._value = _number(item.get("value"), self._value + self._step)
        if self._kind in "aAiI" and 0 < self._value < 4000:
            written = to_letters(self._value) if self._kind in "aA" else to_roman(self._value)
            return f"({written.upper() if self._kind.isupper() else written})"
        return f"{self._value}."


def _number(text: str | None, default: int) -> int:
    return int(text) if text and re.fullmatch(r"-?[0-9]{1,6}", text.strip()) else default


def _collapsed(lines: list[list[str]]) -> str:
    return "\n".join(_SPACE.sub(" ", "".join(line)).strip(" ") for line in lines)


def _is_layout(table: Any) -> bool:
    """Whether a table only places blocks on the page, so that its cells are read one by one."""
    if next(table.iter("h1", "h2", "h3", "h4", "ol", "ul"), None) is not None or len(list(table.iter("table"))) > 1:
        return True
    return all(sum(cell.tag in _CELLS for cell in row) < 2 for row in table.iter("tr"))
