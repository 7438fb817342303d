"""DOCX: paragraphs, lists and tables in their order, with the numbers that Word counts by itself."""
# python-docx gives elements of lxml, which carries no types:
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportAttributeAccessIssue=false

import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import docx
from docx.oxml.ns import qn

from shoal.documents.document import Writer
from shoal.documents.word_numbers import Styles, WordNumbers
from shoal.errors import InputError

_MOST_BYTES = 100_000_000  # unpacked
_MOST_FILES = 5_000
_UNSEEN = {qn("w:moveFrom"), qn("w:del"), qn("w:instrText"), qn("w:footnoteReference"), qn("w:endnoteReference")}
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"


def read(path: Path, content: bytes) -> Writer:
    """Read a DOCX as it is with all tracked changes accepted; headers, footers, notes and comments are left out.

    Raises:
        InputError: damaged, encrypted, or larger than is safe when unpacked.
    """
    _check(path, content)
    try:
        opened = docx.Document(BytesIO(content))
        styles = Styles(opened.styles.element)
        numbers = WordNumbers(_numbering(opened))
        writer = Writer()
        for element in _inner(opened.element.body):
            _block(writer, element, styles, numbers)
    except Exception as error:  # a damaged file makes the reader stumble in any way: a fuzzer saw six kinds of errors
        said = " ".join(str(error).split())[:120] or type(error).__name__
        raise InputError(f"{path} is damaged, or is no DOCX: {said}. Open it and save it anew.") from error
    return writer


def _check(path: Path, content: bytes) -> None:
    """Refuse what is no archive, or unpacks to more than is safe: sizes are looked at before anything is unpacked."""
    if content.startswith(b"\xd0\xcf\x11\xe0"):
        raise InputError(f"{path} is encrypted, or an old .doc: save it as .docx without a password.")
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            parts = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError) as error:
        raise InputError(f"{path} is damaged, or is no DOCX: {error}. Open it and save it anew.") from error
    size = sum(part.file_size for part in parts)
    if size > _MOST_BYTES or len(parts) > _MOST_FILES:
        raise InputError(
            f"{path} is not read: it unpacks to {size / 1e6:,.0f} MB in {len(parts):,} files; at most "
            f"{_MOST_BYTES / 1e6:.0f} MB in {_MOST_FILES:,} are safe."
        )


def _numbering(opened: Any) -> Any:
    """Find the part with the numbers; None where a document has no lists."""
    try:
        return opened.part.numbering_part.element
    except (KeyError, NotImplementedError):
        return None


def _inner(parent: Any) -> Iterator[Any]:
    """Yield paragraphs and tables in order, also those inside content controls and tracked insertions."""
    for child in parent:
        if child.tag in (qn("w:p"), qn("w:tbl")):
            yield child
        elif child.tag in (qn("w:sdt"), qn("w:sdtContent"), qn("w:customXml"), qn("w:ins"), qn("w:moveTo")):
            yield from _inner(child)


def _block(writer: Writer, element: Any, styles: Styles, numbers: WordNumbers) -> None:
    if element.tag == qn("w:tbl"):
        for row in element.iter(qn("w:tr")):
            if row.getparent() is element:
                _row(writer, row, styles, numbers)
        return
    text = _text(element)
    if not text.strip():
        return
    level = styles.heading(element)
    mark = numbers.next(*styles.numbered(element))
    if level:
        shown = f"{mark.text} " if mark and not mark.bullet else ""
        writer.add(shown + " ".join(text.split()), kind="heading", level=level)
    elif mark is not None and mark.bullet:
        writer.add(text, kind="item", level=mark.level, mark="•", bullet=True)
    else:
        writer.add(f"{mark.text} {text}" if mark else text)


def _row(writer: Writer, row: Any, styles: Styles, numbers: WordNumbers) -> None:
    cells = [cell for cell in row if cell.tag == qn("w:tc")]
    if len(cells) == 1:
        for element in _inner(cells[0]):
            _block(writer, element, styles, numbers)
        return
    writer.add_row([_cell(cell, styles, numbers) for cell in cells])


def _cell(cell: Any, styles: Styles, numbers: WordNumbers) -> str:
    said: list[str] = []
    for paragraph in cell.iter(qn("w:p")):
        text = _text(paragraph)
        mark = numbers.next(*styles.numbered(paragraph)) if text.strip() else None
        said.append(f"{mark.text} {text}" if mark and not mark.bullet else text)
    return " ".join(said)


def _text(paragraph: Any) -> str:
    """Put down what is seen of a paragraph."""
    said: list[str] = []

    def walk(parent: Any) -> None:
        for child in parent:
            if child.tag in _UNSEEN or child.tag == _FALLBACK:
                continue
            if child.tag == qn("w:t"):
                said.append(child.text or "")
            elif child.tag == qn("w:tab"):
                said.append("\t" if child.getparent().tag == qn("w:r") else "")
            elif child.tag in (qn("w:br"), qn("w:cr")):
                said.append("\n")
            elif child.tag == qn("w:noBreakHyphen"):
                said.append("-")
            else:
                walk(child)

    walk(paragraph)
    return "".join(said)
