"""What is wrong with a data set: errors block training, warnings say what to look at before trusting a figure."""

import re
from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any, Literal

from shoal.data.dataset import SPLITS, Dataset, Row, normalised
from shoal.data.leaks import Twins, find_twins
from shoal.errors import DataError
from shoal.tasks import MAX_LABELS

MAX_CHARACTERS = 20_000
MAX_LABEL_CHARACTERS = 200
_SHOWN = 5
_LABEL_SHOWN = 60
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_USE: dict[str | None, int] = {split: place for place, split in enumerate((None, *SPLITS))}


@dataclass(frozen=True, slots=True)
class Problem:
    """One kind of fault, however many rows have it.

    Attributes:
        severity: "error" blocks training, "warning" does not.
        code: stable name for programs, such as "leaks".
        message: a sentence with the count, the meaning and the remedy.
        rows: how many rows are concerned.
        origins: the first few of them, "file:line"; pairs as "file:line = file:line".
    """

    severity: Literal["error", "warning"]
    code: str
    message: str
    rows: int
    origins: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DataReport:
    """What `check` found, next to the size of the data.

    Attributes:
        problems: errors first.
        rows: number of rows.
        labels: rows of each label.
        splits: rows of each split.
        near_duplicates: rows whose text repeats another row's exactly or almost.
        hash: SHA-256 of the content that was checked.
    """

    problems: tuple[Problem, ...]
    rows: int
    labels: dict[str, int]
    splits: dict[str, int]
    near_duplicates: int
    hash: str

    @property
    def errors(self) -> list[Problem]:
        """The problems that block training."""
        return [problem for problem in self.problems if problem.severity == "error"]

    @property
    def warnings(self) -> list[Problem]:
        """The problems that do not block training."""
        return [problem for problem in self.problems if problem.severity == "warning"]

    def as_dict(self) -> dict[str, Any]:
        """Everything as JSON-serialisable values."""
        return {**asdict(self), "ok": not self.errors}

    def raise_on_errors(self) -> None:
        """Refuse data that cannot be trained on.

        Raises:
            DataError: one line for each error.
        """
        if self.errors:
            raise DataError(
                "the data cannot be trained on:\n"
                + "\n".join(f"  {problem.message} ({', '.join(problem.origins)})" for problem in self.errors)
            )


def check(dataset: Dataset) -> DataReport:
    """Look for everything that makes training impossible or its figures untrue.

    Errors: an empty label, one that is too long or holds control characters, fewer than two labels, more than 10,000, a
    label that the given splits keep out of train.
    Warnings: empty and over-long texts, labels with a single row, labels that differ only in case or spacing, repeated
    texts, the same text with different labels, texts and groups in more than one split (leaks).
    """
    twins = find_twins(dataset)
    found = [
        *_labels(dataset),
        *_untaught(dataset),
        *_texts(dataset.rows),
        *_contradictions(dataset.rows),
        *_repeats(dataset.rows, twins),
        *_straddling_groups(dataset.rows),
    ]
    return DataReport(
        problems=tuple(sorted(found, key=lambda problem: problem.severity)),
        rows=len(dataset),
        labels=dataset.counts(),
        splits=dataset.split_counts(),
        near_duplicates=len({index for pair in twins for index in (pair.first, pair.second)}),
        hash=dataset.hash,
    )


def _problem(
    severity: Literal["error", "warning"], code: str, message: str, rows: Sequence[Row] | Sequence[tuple[Row, Row]]
) -> Problem:
    """Make a problem of the rows (or pairs of rows) concerned; `{n}` in the message becomes "3 rows"."""
    origins = (row.origin if isinstance(row, Row) else f"{row[0].origin} = {row[1].origin}" for row in rows)
    shown = tuple(islice(dict.fromkeys(origins), _SHOWN))
    count = "1 row" if len(rows) == 1 else f"{len(rows):,} rows"
    return Problem(severity, code, message.replace("{n}", count), len(rows), shown)


def _labels(dataset: Dataset) -> Iterable[Problem]:
    rows = dataset.rows
    counts = Counter(name for row in rows for name in row.names)
    several = any(row.target is not None for row in rows)  # none, one or more a row; or no labels at all

    def having(labels: Container[str]) -> list[Row]:
        return [row for row in rows if any(name in labels for name in row.names)]

    unseen = {label for label in counts if not _seen(label)}
    if unseen:
        yield _problem("error", "empty_label", "{n} without a label; label or remove them", having(unseen))
    odd = {label for label in counts if len(label) > MAX_LABEL_CHARACTERS or _CONTROL.search(label)} - unseen
    if odd:
        message = (
            f"{{n}} with a label of more than {MAX_LABEL_CHARACTERS} characters, or with a line break or another "
            "control character in it; is it the column of the labels?"
        )
        yield _problem("error", "unusable_label", message, having(odd))
    if len(counts) < 2 and not several:
        only = f"all rows have the label {next(iter(counts))!r}" if counts else "there are no rows"
        yield _problem("error", "one_label", f"{only}; a specialist needs at least two labels", rows[:1])
    if len(counts) > MAX_LABELS:
        message = f"{len(counts):,} labels, at most {MAX_LABELS:,} are allowed; is it the column with the labels?"
        yield _problem("error", "too_many_labels", message, rows[:1])


def _seen(label: str) -> bool:
    """Whether a person sees anything of a label."""
    return any(one.isprintable() and not one.isspace() for one in label)


def _untaught(dataset: Dataset) -> Iterable[Problem]:
    """Labels that cannot be learnt, or not be measured, or that may be one."""
    rows = dataset.rows
    counts = Counter(name for row in rows for name in row.names)

    def having(labels: Container[str]) -> list[Row]:
        return [row for row in rows if any(name in labels for name in row.names)]

    splits: dict[str, set[str | None]] = defaultdict(set)
    for row in rows:
        for name in row.names:
            splits[name].add(row.split)
    untaught = {label for label, where in splits.items() if not where & {None, "train"}}
    if untaught:
        message = f"{_some(untaught)}: in the held-out splits ({{n}}) but never in train; add rows to train"
        yield _problem("error", "label_not_in_train", message, having(untaught))
    single = {label for label, count in counts.items() if count == 1 and _seen(label)} - untaught
    if single and len(counts) > 1:
        message = f"{_some(single)}: a single row each, which is trained on and never measured; add rows"
        yield _problem("warning", "single_row_label", message, having(single))
    if rows and (idle := set(dataset.labels) - set(counts)):
        message = f"{_some(idle)}: without a row; cannot be given as an answer until it has some"
        yield Problem("warning", "label_without_rows", message, 0, ())
    spellings: dict[str, list[str]] = defaultdict(list)
    for label in sorted(counts):
        spellings[normalised(label).replace("_", " ").replace("-", " ")].append(label)
    alike = [label for labels in spellings.values() if len(labels) > 1 for label in labels]
    if alike:
        message = f"{_some(alike)}: labels that differ only in case or spacing ({{n}}); is it one label?"
        yield _problem("warning", "similar_labels", message, having(alike))


def _texts(rows: Sequence[Row]) -> Iterable[Problem]:
    if empty := [row for row in rows if not row.text.strip()]:
        yield _problem("warning", "empty_text", "{n} with an empty text; an empty text is never answered", empty)
    if long := [row for row in rows if len(row.text) > MAX_CHARACTERS]:
        message = f"{{n}} with more than {MAX_CHARACTERS:,} characters; models see only the beginning of such texts"
        yield _problem("warning", "long_text", message, long)


def _contradictions(rows: Sequence[Row]) -> Iterable[Problem]:
    first: dict[str, Row] = {}
    pairs: list[tuple[Row, Row]] = []
    for row in rows:
        before = first.setdefault(normalised(row.text), row)
        if (before.label, before.target) != (row.label, row.target) and row.text.strip():
            pairs.append((before, row))
    if pairs:
        message = "{n} with the text of an earlier row but another label; at most one label can be right"
        yield _problem("warning", "contradictory_labels", message, pairs)


def _repeats(rows: Sequence[Row], twins: Sequence[Twins]) -> Iterable[Problem]:
    """Report repeated texts: across splits as leaks, the rest as duplicates; each repeating row counts once."""
    groups = {
        "leaks": "{n} held out, with a text of an earlier split; figures measured on them are too good",
        "near_leaks": "{n} held out, with almost a text of an earlier split; figures on them are too good",
        "duplicates": "{n} with the text of another row of the same split; they add weight, not knowledge",
        "near_duplicates": "{n} with an almost equal twin in the same split; they add weight, little knowledge",
    }
    pairs: dict[str, dict[int, tuple[Row, Row]]] = {code: {} for code in groups}
    for pair in twins:
        # Between splits the row that is used later is the one that leaks; inside one, the one that comes later.
        earlier, later = sorted((pair.first, pair.second), key=lambda index: (_USE[rows[index].split], index))
        leak = rows[earlier].split is not None and rows[earlier].split != rows[later].split
        exact = normalised(rows[earlier].text) == normalised(rows[later].text)
        code = ("leaks" if leak else "duplicates") if exact else ("near_leaks" if leak else "near_duplicates")
        pairs[code].setdefault(later, (rows[earlier], rows[later]))
        if code == "near_duplicates":
            pairs[code].setdefault(earlier, (rows[earlier], rows[later]))
    for code, message in groups.items():
        if pairs[code]:
            yield _problem("warning", code, message, list(pairs[code].values()))


def _straddling_groups(rows: Sequence[Row]) -> Iterable[Problem]:
    first: dict[str, Row] = {}
    pairs = [
        (before, row)
        for row in rows
        if row.group is not None and (before := first.setdefault(row.group, row)).split != row.split
    ]
    if pairs:
        message = "{n} of a group that another split holds too; figures measured on them are too good"
        yield _problem("warning", "group_leaks", message, pairs)


def _some(labels: Iterable[str]) -> str:
    names = sorted(labels)
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    shown = (f"{name[:_LABEL_SHOWN]}{'...' if len(name) > _LABEL_SHOWN else ''}" for name in names[:_SHOWN])
    return f"label{'s' if len(names) > 1 else ''} {', '.join(map(repr, shown))}{more}"
