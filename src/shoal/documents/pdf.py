"""PDF: the text of its pages, line by line, put together to paragraphs again."""

import logging
import re
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import pypdf
from pypdf.errors import DependencyError, LimitReachedError

from shoal.documents.document import Writer
from shoal.documents.plain import breadth, groups
from shoal.errors import InputError

_MOST_PAGES = 2_000
_FEWEST_CHARS = 20  # a page on average; fewer means pictures of pages
_EDGE_LINES = 2  # of a page, at the top and at the bottom, that may be running heads
_FEWEST_REPEATS = 3
_LIGATURES = {0xFB00 + index: letters for index, letters in enumerate(("ff", "fi", "fl", "ffi", "ffl", "st", "st"))}
_DIGITS = re.compile(r"\d+")

logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # it warns of every flaw it mends


def read(path: Path, content: bytes) -> tuple[Writer, int]:
    """Read a PDF; running heads and page numbers are left out, words cut at the end of a line are joined.

    Returns:
        what was read, and the number of pages.

    Raises:
        InputError: encrypted, damaged, without text (scanned), too many pages.
    """
    pages = _pages(path, content)
    characters = sum(not each.isspace() for page in pages for each in page)
    if characters < _FEWEST_CHARS * len(pages):
        raise InputError(
            f"{path} holds {characters:,} characters on {len(pages):,} page{'s' if len(pages) != 1 else ''}: its pages "
            "are pictures (scanned). Have the text recognised first (OCR), such as by: ocrmypdf in.pdf out.pdf"
        )
    writer = Writer()
    _write(writer, _without_running_heads([page.splitlines() for page in pages]))
    return writer, len(pages)


def _pages(path: Path, content: bytes) -> list[str]:
    try:
        reader = pypdf.PdfReader(BytesIO(content))
        if reader.is_encrypted and not reader.decrypt(""):
            raise InputError(f"{path} is encrypted. Save it without a password first, such as by: qpdf --decrypt")
        if len(reader.pages) > _MOST_PAGES:
            raise InputError(f"{path} has {len(reader.pages):,} pages; at most {_MOST_PAGES:,} are read. Split it.")
        pages = [page.extract_text().translate(_LIGATURES) for page in reader.pages]
    except InputError:
        raise
    except LimitReachedError as error:
        raise InputError(f"{path} is not read: it unpacks to more than is safe ({error}).") from error
    except DependencyError as error:
        raise InputError(
            f"{path} is encrypted by a method that needs a further library ({error}). Save it without a password first."
        ) from error
    except Exception as error:
        # A damaged file makes the reader stumble in any way: a fuzzer saw ten kinds of errors.
        raise InputError(f"{path} is damaged, or is no PDF: {_said(error)}. Open it and save it anew.") from error
    if not pages:
        raise InputError(f"{path} has no pages.")
    return pages


def _said(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__


def _without_running_heads(pages: Sequence[list[str]]) -> list[list[str]]:
    """Leave out lines at the edges of pages that come on most of them, numbers aside."""
    trimmed = [[line for line in page if line.strip()] for page in pages]

    def edges(page: list[str]) -> set[int]:
        count = len(page)
        return {index for index in (*range(_EDGE_LINES), *range(count - _EDGE_LINES, count)) if 0 <= index < count}

    seen: dict[str, list[str]] = {}
    for page in trimmed:
        for shape, line in {_shape(page[index]): page[index] for index in edges(page)}.items():
            seen.setdefault(shape, []).append(line)
    running = {shape for shape, lines in seen.items() if _runs(lines, len(pages))}
    kept: list[list[str]] = []
    for raw, page in zip(pages, trimmed, strict=True):
        gone = {page[index] for index in edges(page) if _shape(page[index]) in running}
        inner = [line for line in raw if line not in gone]
        kept.append(inner)
    return kept


def _runs(lines: Sequence[str], pages: int) -> bool:
    """Whether a line comes on most pages: on three at least, or on two of two with another number on each."""
    least = 2 if len(set(lines)) == len(lines) else _FEWEST_REPEATS
    return len(lines) >= max(least, pages // 2 + 1)


def _shape(line: str) -> str:
    return _DIGITS.sub("#", " ".join(line.split()))


def _write(writer: Writer, pages: Sequence[list[str]]) -> None:
    """Join lines to paragraphs, across pages too, and write them down with the page where each begins."""
    lines = [(line.strip(), number) for number, page in enumerate(pages, start=1) for line in _trimmed(page)]
    breadths = sorted(breadth(line) for line, _ in lines if line)
    width = breadths[int(0.9 * (len(breadths) - 1))] if breadths else 0
    words = set(re.findall(r"\w+-\w+", " ".join(line for line, _ in lines)))
    for group in groups([line for line, _ in lines], width=width):
        writer.add(_joined([line for line, _ in lines[group.first : group.last]], words), page=lines[group.first][1])


def _trimmed(page: list[str]) -> list[str]:
    """Drop empty lines at the edges, so that a paragraph can go on over the page."""
    lines = page
    while lines and not lines[0].strip():
        lines = lines[1:]
    while lines and not lines[-1].strip():
        lines = lines[:-1]
    return lines


def _joined(lines: Sequence[str], hyphened: set[str]) -> str:
    """Put lines together; a hyphen at the end of one goes unless the word is written with it elsewhere."""
    text = ""
    for line in lines:
        if not text:
            text = line
        elif text.endswith("-") and len(text) > 1 and text[-2].isalpha() and line[:1].islower():
            left = re.findall(r"\w+-$", text)
            right = re.match(r"\w+", line)
            whole = f"{left[0]}{right[0]}" if left and right else ""
            text = text + line if whole in hyphened else text[:-1] + line
        else:
            text = f"{text} {line}"
    return text
