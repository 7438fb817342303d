"""Bytes to text: UTF-8, or a sentence that says what was found instead."""

import re
from pathlib import Path

from shoal.errors import InputError

_MARKS = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe\x00\x00", "UTF-32"),
    (b"\x00\x00\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
)
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_DECLARED = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([\w.:-]{1,40})""", re.IGNORECASE)
_FEW = 0.001  # share of control characters that a text may have: old files hold a stray one


def decode(path: Path, content: bytes, *, html: bool = False) -> str:
    """Decode a text file; a byte order mark is dropped.

    Args:
        path: for the message.
        content: of the file.
        html: whether a charset that the page declares counts where it is not UTF-8.

    Raises:
        InputError: it is not UTF-8, or no text at all.
    """
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            if encoding != "utf-8":
                raise _not_utf8(path, f"it is {encoding}, as its first bytes say", encoding)
            content = content.removeprefix(mark)
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        declared = _DECLARED.search(content[:4096]) if html else None
        if declared is None:
            raise _undecodable(path, content, error.start) from None
        text = _declared(path, content, declared[1].decode())
    found = _CONTROLS.search(text)
    if found is not None and ("\x00" in text or len(_CONTROLS.findall(text)) > _FEW * len(text)):
        line = text.count("\n", 0, found.start()) + 1
        raise InputError(
            f"{path} is not text: line {line} holds the control character {ord(found[0]):#04x}. Give a text file, or "
            "name it by what it is (.pdf, .docx, .html, .md)."
        )
    return text


def _declared(path: Path, content: bytes, encoding: str) -> str:
    try:
        return content.decode(encoding)
    except (LookupError, UnicodeDecodeError):
        raise _not_utf8(path, f"it declares {encoding}, which does not decode it", encoding) from None


def _undecodable(path: Path, content: bytes, at: int) -> InputError:
    byte = content[at]
    if b"\x00" in content[:4096]:
        return InputError(
            f"{path} is not text: it holds zero bytes and is not UTF-8. Give a text file, or name it by what it is "
            "(.pdf, .docx, .html, .md)."
        )
    line = content.count(b"\n", 0, at) + 1
    try:
        reading = content[at : at + 1].decode("cp1252")
    except UnicodeDecodeError:
        return _not_utf8(path, f"byte {byte:#04x} in line {line} is no part of it", "LATIN1")
    return _not_utf8(
        path,
        f"byte {byte:#04x} in line {line} is no part of it, it would be {reading!r} in Windows-1252",
        "WINDOWS-1252",
    )


def _not_utf8(path: Path, found: str, encoding: str) -> InputError:
    return InputError(
        f"{path} is not UTF-8: {found}. Convert it, such as by: "
        f"iconv -f {encoding} -t UTF-8 {path.name} > utf8-{path.name}"
    )
