"""The line on which each key of a TOML text stands.

The standard parser tells no positions, and no light, maintained library does either. But it can be asked: a TOML text
is a row of statements (a table header, or a key with its value), and the lines of one statement are the fewest that
parse. So each statement is parsed on its own, under the header it stands beneath, and what comes out is what stands
on its lines. The grammar stays the parser's business.
"""

import tomllib
from collections.abc import Iterator
from typing import Any, cast

Path = tuple[str | int, ...]

# A statement of several lines is an array, an inline table or a long string: its last line holds one of these.
_CLOSING = ("]", "}", '"""', "'''")
_LONGEST = 300  # lines of an array whose items are told apart; in a longer one they stand where it begins


class Lines:
    """Looks up the line (from 1) of a key by its path, such as ("specialists", "intent", "guarantee", "risk")."""

    def __init__(self, text: str) -> None:
        """Index a text that `tomllib` accepts as a whole."""
        self._lines: dict[Path, int] = {}
        header = ""
        for start, statement in _statements(text):
            if statement.lstrip().startswith("["):
                header = statement
            self._index(header if statement is header else f"{header}\n{statement}", start)
            if 0 < statement.count("\n") < _LONGEST:
                self._index_items(header, start, statement)

    def of(self, path: Path) -> int:
        """Find the line of a path, or of the nearest table around it; 1 when nothing of it stands in the text."""
        while path and path not in self._lines:
            path = path[:-1]
        return self._lines.get(path, 1)

    def _index(self, text: str, line: int) -> None:
        for path in _paths(tomllib.loads(text)):
            self._lines.setdefault(path, line)

    def _index_items(self, header: str, start: int, statement: str) -> None:
        """Index an array of several lines: what appears when the array is closed after a line stands on that line."""
        lines = statement.split("\n")
        above = set(_paths(tomllib.loads(header)))
        placed: dict[Path, int] = {}
        for count in range(1, len(lines) + 1):
            opened = "\n".join([header, *lines[:count], "]" * (count < len(lines))])
            try:
                found = tomllib.loads(opened)
            except tomllib.TOMLDecodeError:
                continue
            for path in set(_paths(found)) - above:
                # Only what stands inside the array moves; the key itself stands where the statement begins.
                inside = any(isinstance(path[end], int) and path[:end] not in above for end in range(1, len(path)))
                if inside and path not in placed:
                    placed[path] = start + count - 1
        self._lines |= placed


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Yield each statement with the line on which it begins; comments and empty lines between them are left out."""
    lines = text.replace("\r\n", "\n").split("\n")
    start = 0
    for end in range(len(lines)):
        if end > start and not any(mark in lines[end] for mark in _CLOSING):
            continue
        statement = "\n".join(lines[start : end + 1])
        try:
            tomllib.loads(statement)
        except tomllib.TOMLDecodeError:
            continue  # a value that goes on in the next line
        if statement.strip() and not statement.lstrip().startswith("#"):
            yield start + 1, statement
        start = end + 1


def _paths(value: Any, path: Path = ()) -> Iterator[Path]:
    """Yield the paths of all tables, arrays and values in a parsed text."""
    if path:
        yield path
    if isinstance(value, dict):
        for key, inner in cast(dict[str, Any], value).items():
            yield from _paths(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(cast(list[Any], value)):
            yield from _paths(inner, (*path, index))
