"""Read rows from files, from lists, from separate files for each split: checked, or refused with file and line."""

import datetime
import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast

from shoal.data.dataset import SPLITS, Dataset, Row, Split, split_named
from shoal.data.files import READERS, Record, missing_column
from shoal.data.moments import moments
from shoal.data.targets import Target, read_target
from shoal.data.votes import answered, read_probabilities, read_votes
from shoal.errors import DataError, EnvironmentProblem
from shoal.tasks import TaskKind

MOST_SLICES = 50  # values of a column: with more, hardly a slice has rows enough to say anything

_Value = TypeVar("_Value")
Source = str | Path | Mapping[str, str | Path] | Sequence[Mapping[str, object]] | Dataset


@dataclass(frozen=True, slots=True)
class _Columns:
    """What the columns are called; `split` is optional when it was not named by the caller."""

    text: str
    label: str | None
    split: str | None
    group: str | None
    time: str | None
    slices: tuple[str, ...] = ()
    truth: str | None = None
    votes: tuple[str, ...] = ()
    probabilities: str | None = None
    task: TaskKind = "classification"
    query: str | None = None

    @property
    def found_split(self) -> bool:
        """Whether a column called "split" counts without being named: not for rows to predict."""
        return self.split is None and self.label is not None

    @property
    def answered_elsewhere(self) -> bool:
        """Whether rows have an answer without a column of that usual name."""
        return self.label == "label" and bool(self.votes or self.probabilities)

    def optional(self) -> list[str]:
        return ["split"] * self.found_split + ["label"] * self.answered_elsewhere

    def required(self) -> list[str]:
        names = (
            self.text,
            None if self.answered_elsewhere else self.label,
            self.split,
            self.group,
            self.time,
            *self.slices,
            self.truth,
            *self.votes,
            self.probabilities,
            self.query,
        )
        return list(dict.fromkeys(name for name in names if name is not None))


def read(
    source: Source,
    *,
    text: str = "text",
    label: str | None = "label",
    split: str | None = None,
    group: str | None = None,
    time: str | None = None,
    slices: Sequence[str] = (),
    truth: str | None = None,
    votes: Sequence[str] = (),
    probabilities: str | None = None,
    task: TaskKind = "classification",
    query: str | None = None,
) -> Dataset:
    """Read labelled rows.

    Args:
        source: a path (.csv, .tsv, .jsonl, .ndjson, .parquet; .txt for texts alone), a mapping of split name to path, a
            list of mappings, or a `Dataset`, which is returned as it is.
        text: name of the column with the texts.
        label: name of the column with the reference answers, as the task has them (`shoal.data.targets`); None reads
            rows without, for prediction only. White space around a label is dropped.
        split: name of the column that assigns rows to splits. When it is not named, a column called "split" is taken,
            if there is one.
        group: name of the column whose values never straddle two splits.
        time: name of the column with the time of a row (ISO 8601 or numbers).
        slices: names of columns with few values (a channel, a region) by which a report looks closer.
        truth: name of the column with a person's label, where `label` is a larger model's; blank is none.
        votes: names of columns with further answers of that model or of others, one or a list each; blank is none. The
            label is then the commonest of all, of several the first named; a column "label" need not be there.
        probabilities: name of a column with an object label -> number. The label is then the most probable one.
        task: what the answers are of.
        query: name of the column with what a summary is to be about; blank is none.

    Raises:
        DataError: names the file, the line and the column of the first fault.
        EnvironmentProblem: the file cannot be opened, or Parquet is not installed.
    """
    if isinstance(source, Dataset):
        return source
    named = tuple(dict.fromkeys(slices)), truth, tuple(votes), probabilities
    columns = _Columns(text, label, split, group, time, *named, task, query)
    if isinstance(source, Mapping):
        rows = list(_split_files(source, columns))
    elif isinstance(source, str | Path):
        rows = list(_rows(str(source), _file_records(Path(source), columns), columns))
    else:
        rows = list(_rows("row", _listed(source), columns))
    if not rows:
        raise DataError(f"{source if isinstance(source, str | Path) else 'the list'}: no rows to read")
    if time is not None:
        moments(rows)
    _check_slices(rows, columns.slices)
    return Dataset.of(rows)


def _check_slices(rows: Sequence[Row], columns: Sequence[str]) -> None:
    for column in columns:
        values = {value for row in rows for name, value in row.slices if name == column}
        if len(values) > MOST_SLICES:
            raise DataError(
                f"column {column!r} has {len(values):,} different values; a column for slices has at most "
                f"{MOST_SLICES}, such as channels or regions"
            )


def _split_files(files: Mapping[str, str | Path], columns: _Columns) -> Iterator[Row]:
    if columns.split is not None:
        raise DataError(f"give either a split column (here {columns.split!r}) or a file for each split, not both")
    for name, path in files.items():
        split = split_named(name)
        if split is None:
            raise DataError(f"{path}: {name!r} is not the name of a split; there are {', '.join(SPLITS)}")
        yield from _rows(str(path), _file_records(Path(path), columns), columns, split)


def _file_records(path: Path, columns: _Columns) -> Iterator[Record]:
    reader = READERS.get(path.suffix.lower())
    if path.is_dir():
        raise DataError(f"{path}: is a folder; name a file in it")
    if not path.exists():
        names = [other.name for other in path.parent.iterdir()] if path.parent.is_dir() else []
        found = difflib.get_close_matches(path.name, names, n=1)
        raise DataError(f"{path}: there is no such file" + (f"; did you mean {found[0]!r}?" if found else ""))
    if reader is None:
        raise DataError(f"{path}: {path.suffix or 'no suffix'} is not a known format; use {', '.join(READERS)}")
    try:
        yield from reader(path, columns.required(), columns.optional())
    except OSError as error:
        raise EnvironmentProblem(f"{path}: cannot be read: {error.strerror or error}") from None


def _listed(items: Sequence[Mapping[str, object]]) -> Iterator[Record]:
    for number, item in enumerate(cast(Iterable[object], items), start=1):
        if not isinstance(item, Mapping):
            raise DataError(f"row {number}: expected a mapping with 'text' and 'label', got {_seen(item)}")
        yield number, cast(Mapping[str, object], item)


def _rows(source: str, records: Iterator[Record], columns: _Columns, split: Split | None = None) -> Iterator[Row]:
    """Turn records into rows; a column that was named must be in every record, its value may be blank."""
    required = columns.required()
    splits = columns.split or ("split" if columns.found_split else "")
    for line, record in records:
        origin = f"{source} {line}" if source == "row" else f"{source}:{line}"
        for name in required:
            if name not in record:
                raise missing_column(origin, name, record)
        named = _label(record, columns, origin)
        told = [vote for name in columns.votes for vote in _parsed(read_votes, record, name, origin)]
        chances = _parsed(read_probabilities, record, columns.probabilities, origin) if columns.probabilities else ()
        yield Row(
            text=_string(record, columns.text, origin),
            label=answered(named, told, chances) if columns.votes or columns.probabilities else named,
            split=split or _split(record.get(splits), splits, origin, named=columns.split is not None),
            group=_scalar(record, columns.group, origin),
            time=_scalar(record, columns.time, origin),
            origin=origin,
            slices=tuple(
                (name, value) for name in columns.slices if (value := _scalar(record, name, origin)) is not None
            ),
            truth=None if columns.truth is None else _string(record, columns.truth, origin).strip() or None,
            votes=tuple(votes) if len(votes := [*filter(None, [named]), *told]) > 1 else (),
            probabilities=chances,
            target=_target(record, columns, origin),
            query=_scalar(record, columns.query, origin),
        )


def _label(record: Mapping[str, object], columns: _Columns, origin: str) -> str:
    if columns.label is None or columns.task != "classification":
        return ""
    if columns.answered_elsewhere and record.get("label") is None:
        return ""
    return _string(record, columns.label, origin).strip()


def _parsed(parse: Callable[[object], _Value], record: Mapping[str, object], column: str, origin: str) -> _Value:
    try:
        return parse(record[column])
    except DataError as error:
        raise DataError(f"{origin}: column {column!r}: {error}") from None


def _target(record: Mapping[str, object], columns: _Columns, origin: str) -> Target | None:
    if columns.label is None or columns.task == "classification":
        return None
    text = _string(record, columns.text, origin)
    return _parsed(lambda value: read_target(columns.task, value, text), record, columns.label, origin)


def _string(record: Mapping[str, object], column: str, origin: str) -> str:
    value = record[column]
    if not isinstance(value, str):
        raise DataError(f"{origin}: column {column!r}: got {_seen(value)}, must be a string")
    if "\0" in value:
        place = value.index("\0") + 1
        raise DataError(f"{origin}: column {column!r}: character {place} is a NUL byte; the file may be damaged")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            place = error.start + 1
            raise DataError(f"{origin}: column {column!r}: character {place} is half of a surrogate pair") from None
    return value


def _split(value: object, column: str, origin: str, *, named: bool) -> Split | None:
    if value is None or value == "":
        return None
    if isinstance(value, str) and (split := split_named(value)):
        return split
    remedy = "" if named else "; if this column means something else, rename it"
    raise DataError(f"{origin}: column {column!r}: got {_seen(value)}, must be one of {', '.join(SPLITS)}{remedy}")


def _scalar(record: Mapping[str, object], column: str | None, origin: str) -> str | None:
    """Take a group, a time or a slice: a string, a number or a date; blank is None."""
    value = None if column is None else record[column]
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if isinstance(value, datetime.date):  # also datetime
        return value.isoformat()
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return str(value).strip()
    raise DataError(f"{origin}: column {column!r}: got {_seen(value)}, must be a string, a number or a date")


def _seen(value: object) -> str:
    shown = repr(value)
    return f"{shown[:40]}{'...' if len(shown) > 40 else ''} ({type(value).__name__})"
