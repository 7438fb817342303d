"""Records of CSV, JSON Lines, Parquet and plain text files, one after the other, each with the line on which it begins.

A fault in a file is told by file, line and column: a person opens the file there and sees it.
"""
# pyarrow carries no types:
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import csv
import difflib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import cast

from shoal.errors import DataError, EnvironmentProblem

Record = tuple[int, Mapping[str, object]]
Reader = Callable[[Path, Sequence[str], Sequence[str]], Iterator[Record]]

_DELIMITERS = (",", ";", "\t", "|")
_MOST_CHARACTERS = 10_000_000  # of one field; more is a quote that is never closed
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


def missing_column(origin: str, name: str, there: Iterable[str]) -> DataError:
    """Say that a column is missing, what there is instead, and which name comes nearest."""
    names = list(there)
    found = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    nearest = f"; did you mean {found[0]!r}?" if found else ""
    listed = ", ".join(repr(column if len(column) <= 60 else f"{column[:60]}...") for column in names[:20]) or "none"
    more = f" and {len(names) - 20} more" if len(names) > 20 else ""
    return DataError(f"{origin}: there is no column {name!r}{nearest}; the columns are {listed}{more}")


def csv_records(path: Path, required: Sequence[str], optional: Sequence[str]) -> Iterator[Record]:
    """Yield the rows of a CSV or TSV file with a header line.

    The delimiter (comma, semicolon, tab or bar) is the one under which the wanted columns appear.

    Raises:
        DataError: not UTF-8, a required column is missing, a quote that is never closed, too many or too few fields.
    """
    delimiter = _delimiter(path, required)
    csv.field_size_limit(max(_MOST_CHARACTERS, csv.field_size_limit()))  # of the process: never lowered
    with path.open(encoding="utf-8-sig", newline="") as lines:
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
        header: list[str] | None = None
        start = 1
        try:
            for fields in reader:
                if header is None:
                    header = _header(path, fields, required, optional)
                elif fields:
                    yield start, _fields(path, start, header, fields)
                start = reader.line_num + 1
        except UnicodeDecodeError:
            raise _encoding_fault(path) from None
        except csv.Error as error:
            raise DataError(_csv_fault(path, start, reader.line_num, str(error))) from None
    if header is None:
        raise DataError(f"{path}: is empty; expected a header line with the columns {', '.join(required)}")


def _delimiter(path: Path, required: Sequence[str]) -> str:
    with path.open("rb") as file:
        first = file.readline(65_536).decode("utf-8-sig", errors="replace").partition("\r")[0]
    header = {delimiter: _split_line(first, delimiter) for delimiter in _DELIMITERS}
    # Most wanted columns first, then most columns: so that a missing column is reported next to those there are.
    return max(_DELIMITERS, key=lambda one: (len(set(required) & set(header[one])), len(header[one])))


def _split_line(line: str, delimiter: str) -> list[str]:
    for fields in csv.reader([line], delimiter=delimiter):
        return [name.strip() for name in fields]
    return []


def _header(path: Path, fields: list[str], required: Sequence[str], optional: Sequence[str]) -> list[str]:
    header = [name.strip() for name in fields]
    for name in required:
        if name not in header:
            raise missing_column(f"{path}:1", name, header)
    for name in (*required, *optional):
        if header.count(name) > 1:
            raise DataError(f"{path}:1: {header.count(name)} columns are called {name!r}; rename all but one")
    return header


def _fields(path: Path, line: int, header: list[str], fields: list[str]) -> Mapping[str, object]:
    if len(fields) != len(header):
        raise DataError(
            f"{path}:{line}: {len(fields)} fields where the header has {len(header)}; "
            "a text that holds the delimiter, a quote or a line break must stand in double quotes"
        )
    return dict(zip(header, fields, strict=True))


def _csv_fault(path: Path, start: int, end: int, fault: str) -> str:
    if "unexpected end of data" in fault:
        return f"{path}:{start}: a double quote is opened in this row and never closed"
    if "field larger than field limit" in fault:
        return (
            f"{path}:{start}: a field of more than {csv.field_size_limit():,} characters, up to line {end}; "
            "most likely a double quote is opened in this row and never closed"
        )
    return f"{path}:{end}: {fault}; inside a quoted field write a double quote twice"


def json_records(path: Path, required: Sequence[str], optional: Sequence[str]) -> Iterator[Record]:
    """Yield the objects of a JSON Lines file; empty lines are skipped, which keys are there is left to the caller.

    Raises:
        DataError: not UTF-8, or a line that is not one JSON object.
    """
    empty = True
    with path.open(encoding="utf-8-sig") as lines:
        numbered = enumerate(lines, start=1)
        try:
            for number, line in numbered:
                if line.strip():
                    empty = False
                    yield number, _object(path, number, line)
        except UnicodeDecodeError:
            raise _encoding_fault(path) from None
    if empty:
        raise DataError(
            f"{path}: is empty; expected one JSON object a line with the keys {', '.join((*required, *optional))}"
        )


def _object(path: Path, number: int, line: str) -> Mapping[str, object]:
    try:
        value = json.loads(line)
    except json.JSONDecodeError as error:
        raise DataError(f"{path}:{number}:{error.colno}: not valid JSON: {error.msg}") from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}:{number}: not usable JSON: {error}") from None
    if not isinstance(value, dict):
        raise DataError(f'{path}:{number}: expected one JSON object such as {{"text": ...}}, got {line.strip()[:40]!r}')
    return cast(dict[str, object], value)


def parquet_records(path: Path, required: Sequence[str], optional: Sequence[str]) -> Iterator[Record]:
    """Yield the rows of a Parquet file, counted from 1; only the wanted columns are read.

    Raises:
        DataError: not a Parquet file.
        EnvironmentProblem: pyarrow is not installed.
    """
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError:
        raise EnvironmentProblem(f"{path}: Parquet needs the 'train' extra: pip install 'shoal[train]'") from None
    try:
        file = ParquetFile(path)
        there = [str(name) for name in file.schema_arrow.names]
        for name in required:
            if name not in there:
                raise missing_column(str(path), name, there)
        wanted = [name for name in (*required, *optional) if name in there]
        number = 0
        for batch in file.iter_batches(batch_size=8192, columns=wanted):
            for values in cast(list[dict[str, object]], batch.to_pylist()):
                number += 1
                yield number, values
    except ArrowException as error:
        raise DataError(f"{path}: not a readable Parquet file: {str(error).splitlines()[0]}") from None


def text_records(path: Path, required: Sequence[str], optional: Sequence[str]) -> Iterator[Record]:
    """Yield the lines of a text file, each as the one column that is wanted; blank lines are skipped.

    Raises:
        DataError: not UTF-8, empty, or more than one column is wanted.
    """
    if len(required) != 1:
        raise DataError(
            f"{path}: a text file has one text a line and nothing else, but the columns {', '.join(required)} are "
            "wanted; give them as .csv, .jsonl or .parquet"
        )
    empty = True
    with path.open(encoding="utf-8-sig") as lines:
        numbered = enumerate(lines, start=1)
        try:
            for number, line in numbered:
                if text := line.strip():
                    empty = False
                    yield number, {required[0]: text}
        except UnicodeDecodeError:
            raise _encoding_fault(path) from None
    if empty:
        raise DataError(f"{path}: is empty; expected one text a line")


def _encoding_fault(path: Path) -> DataError:
    """Find the first byte that is not UTF-8 and name its line and its column in characters."""
    with path.open("rb") as file:
        lines: Iterable[bytes] = file
        for number, line in enumerate(lines, start=1):
            if number == 1 and line.startswith(_UTF16_MARKS):
                return DataError(f"{path}:1:1: the file is UTF-16; save it as UTF-8")
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                column = len(line[: error.start].decode("utf-8")) + 1
                return DataError(
                    f"{path}:{number}:{column}: byte 0x{line[error.start]:02X} is not UTF-8; "
                    "save the file as UTF-8 (from a spreadsheet: 'CSV UTF-8')"
                )
    return DataError(f"{path}: changed while it was read; try again")


READERS: dict[str, Reader] = {
    ".csv": csv_records,
    ".tsv": csv_records,
    ".jsonl": json_records,
    ".ndjson": json_records,
    ".parquet": parquet_records,
    ".txt": text_records,
}
