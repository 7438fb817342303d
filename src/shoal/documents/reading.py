"""Read a document of any of five formats."""

import importlib.util
from pathlib import Path

from shoal.documents import plain
from shoal.documents.decoding import decode
from shoal.documents.document import Document, Writer
from shoal.documents.outline import LONGEST, outline
from shoal.errors import EnvironmentProblem, InputError, NotFoundError

SUFFIXES = (".txt", ".md", ".markdown", ".html", ".htm", ".pdf", ".docx")
MOST_BYTES = 50_000_000

_NEEDS = {
    ".md": ("markdown_it",),
    ".markdown": ("markdown_it",),
    ".html": ("lxml",),
    ".htm": ("lxml",),
    ".pdf": ("pypdf",),
    ".docx": ("docx", "lxml"),
}


def read(path: str | Path, *, longest: int | None = LONGEST) -> Document:
    """Read a document: plain text, Markdown, HTML, PDF or DOCX, told apart by the suffix.

    Args:
        path: of the file; .txt, .md, .markdown, .html, .htm, .pdf or .docx.
        longest: paragraphs of more characters are cut into sentences; 0 cuts every one, None none.

    Raises:
        NotFoundError: there is no such file.
        InputError: another suffix, too large, empty, not UTF-8, damaged, encrypted, or scanned pages without text.
        EnvironmentProblem: it cannot be opened, or the extra `documents` is not installed.
    """
    place = Path(path)
    suffix = place.suffix.lower()
    if not place.exists():
        raise NotFoundError(f"there is no file {place}.")
    if suffix not in SUFFIXES:
        raise _unknown(place, suffix)
    return _read(place, suffix, _bytes(place), longest)


def read_bytes(name: str, content: bytes, *, longest: int | None = LONGEST) -> Document:
    """Read a document that is at hand.

    Args:
        name: what it is called; its suffix tells what it is.
        content: of the file.
        longest: as for `read`.

    Raises:
        InputError: as for `read`.
        EnvironmentProblem: the extra `documents` is not installed.
    """
    place = Path(name)
    suffix = place.suffix.lower()
    if suffix not in SUFFIXES:
        raise _unknown(place, suffix)
    if not content.strip():
        raise InputError(f"{name} is empty.")
    return _read(place, suffix, content, longest)


def _read(place: Path, suffix: str, content: bytes, longest: int | None) -> Document:
    _require(place, suffix)
    if suffix == ".txt":
        return _whole(place, parse(place.name, decode(place, content), longest=longest))
    pages = None
    if suffix == ".pdf":
        from shoal.documents import pdf

        writer, pages = pdf.read(place, content)
    elif suffix == ".docx":
        from shoal.documents import word

        writer = word.read(place, content)
    else:
        writer = _marked_up(decode(place, content, html=suffix.startswith(".htm")), suffix)
    return _whole(place, outline(place.name, writer.text, writer.pieces, longest=longest, pages=pages))


def parse(name: str, text: str, *, longest: int | None = LONGEST) -> Document:
    """Make a document of plain text that is at hand; its text is the one given, to the character.

    Args:
        name: what it is called.
        text: the whole of it.
        longest: as for `read`.
    """
    return outline(name, text, plain.pieces(text), longest=longest)


def _marked_up(text: str, suffix: str) -> Writer:
    if suffix.startswith(".htm"):
        from shoal.documents import web

        return web.read(text)
    from shoal.documents import markup

    return markup.read(text)


def _unknown(place: Path, suffix: str) -> InputError:
    return InputError(f"{place}: documents of {suffix or 'no suffix'} are not read; give {', '.join(SUFFIXES)}.")


def _bytes(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise InputError(f"{path} has {size / 1e6:,.0f} MB; at most {MOST_BYTES / 1e6:.0f} MB are read. Split it.")
        content = path.read_bytes()
    except OSError as error:
        raise EnvironmentProblem(f"cannot read {path}: {error.strerror or error}.") from error
    if not content.strip():
        raise InputError(f"{path} is empty.")
    return content


def _require(path: Path, suffix: str) -> None:
    missing = [name for name in _NEEDS.get(suffix, ()) if importlib.util.find_spec(name) is None]
    if missing:
        raise EnvironmentProblem(
            f"{path}: reading {suffix} needs {' and '.join(missing)}. Install the extra: pip install 'shoal[documents]'"
        )


def _whole(path: Path, document: Document) -> Document:
    if not document.blocks:
        raise InputError(f"{path} holds no text that a reader would see.")
    return document
