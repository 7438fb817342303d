"""The rows that a specialist is trained, calibrated and measured on: immutable, content-hashed, with named splits."""

import difflib
import hashlib
import json
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, get_args

import msgspec

from shoal.data.targets import Target
from shoal.data.votes import Probabilities
from shoal.errors import DataError
from shoal.tasks import Span

Split = Literal["train", "dev", "calibration", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)

_ALIASES: dict[str, Split] = {
    "training": "train",
    "val": "dev",
    "valid": "dev",
    "validation": "dev",
    "development": "dev",
    "cal": "calibration",
    "calib": "calibration",
    "testing": "test",
}


def split_named(name: str) -> Split | None:
    """Find the split that a name stands for ("val" is "dev", "calib" is "calibration"); None for any other name."""
    word = name.strip().lower()
    for split in SPLITS:
        if word == split:
            return split
    return _ALIASES.get(word)


def normalised(text: str) -> str:
    """Take off a text what does not change its meaning: Unicode form (NFKC), case, runs of white space.

    Two rows with equal normalised texts count as duplicates and always fall into the same split.
    """
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


@dataclass(frozen=True, slots=True)
class Row:
    """One labelled text.

    Attributes:
        text: the input, unchanged.
        label: the reference answer.
        split: where the row belongs, None until it is assigned.
        group: rows of one group (a customer, a contract) never fall into different splits.
        time: when the text was written, as it stood in the source: ISO 8601 or a number.
        origin: where the row was read, "file:line".
        slices: (column, value) of the columns by whose values the report is to look closer; blank values are left out.
        truth: a person's answer, where `label` is a larger model's (`shoal.data.answers`).
        votes: all answers of that model, or of several, in their order; empty where there is one answer or none.
        probabilities: how probable that model finds each label, in the order in which it named them; empty: unknown.
        target: the reference answer of a task other than classification (`shoal.data.targets`); `label` is empty then.
        query: what a summary is to be about; None: everything.
    """

    text: str
    label: str
    split: Split | None = None
    group: str | None = None
    time: str | None = None
    origin: str = ""
    slices: tuple[tuple[str, str], ...] = ()
    truth: str | None = None
    votes: tuple[str, ...] = ()
    probabilities: Probabilities = ()
    target: Target | None = None
    query: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Labels or types of span that the row teaches."""
        if self.target is None:
            return (self.label,)
        if isinstance(self.target, str | Mapping):
            return ()
        return tuple(each.type if isinstance(each, Span) else each for each in self.target)


@dataclass(frozen=True)
class Dataset:
    """Immutable rows and the closed set of their labels.

    Attributes:
        rows: in the order in which they were read.
        labels: sorted, or types of spans; the column order of every logits matrix. A part keeps those of the whole.
    """

    rows: tuple[Row, ...]
    labels: tuple[str, ...]

    @classmethod
    def of(cls, rows: Iterable[Row], labels: Sequence[str] | None = None) -> "Dataset":
        """Make a data set of rows; the labels are those of the rows unless they are given."""
        kept = tuple(rows)
        return cls(kept, tuple(sorted({name for row in kept for name in row.names} if labels is None else set(labels))))

    @classmethod
    def from_rows(cls, rows: Iterable[Mapping[str, object]]) -> "Dataset":
        """Make a data set of mappings with "text" and "label", and where there are such "split", "group", "time".

        Raises:
            DataError: a row is not a mapping, or a value is missing or not a string; names the row, counted from 1.
        """
        from shoal.data.read import read  # read builds on this module

        return read(list(rows))

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def hash(self) -> str:
        """SHA-256 (hex) over what is learnt from, all rows in their order with splits; not origins, not slices."""
        digest = hashlib.sha256()
        for row in self.rows:
            values: list[object] = [row.text, row.label, row.split, row.group, row.time]
            if row.truth is not None or row.votes or row.probabilities:
                values += [row.truth, row.votes, row.probabilities]
            if row.target is not None:
                values += [msgspec.to_builtins(row.target), row.query]
            digest.update(json.dumps(values, ensure_ascii=False).encode())
        return digest.hexdigest()

    @property
    def texts(self) -> list[str]:
        """The texts, in the order of the rows."""
        return [row.text for row in self.rows]

    @property
    def targets(self) -> list[str]:
        """The reference labels, in the order of the rows."""
        return [row.label for row in self.rows]

    def part(self, split: str) -> "Dataset":
        """Select the rows of one split; empty when it has none.

        Raises:
            DataError: there is no split of that name.
        """
        wanted = split_named(split)
        if wanted is None:
            raise DataError(f"no split is called {split!r}; there are {', '.join(SPLITS)}")
        return replace(self, rows=tuple(row for row in self.rows if row.split == wanted))

    def closed(self, labels: Sequence[str]) -> "Dataset":
        """Take `labels` as the closed set of labels; rows without a label are for `check` to tell.

        Raises:
            DataError: a row has another label.
        """
        known = set(labels)
        for row in self.rows:
            if row.label and row.label not in known:
                near = difflib.get_close_matches(row.label, labels, n=1)
                meant = f"; did you mean {near[0]!r}?" if near else ""
                raise DataError(f"{row.origin}: label {row.label!r} is not one of the {len(known)} labels given{meant}")
        return Dataset.of(self.rows, labels)

    def counts(self) -> dict[str, int]:
        """Rows of each label, zero included, in the order of `labels`."""
        counted = Counter(name for row in self.rows for name in row.names)
        return {label: counted[label] for label in self.labels}

    def split_counts(self) -> dict[str, int]:
        """Rows of each split; rows that no split holds yet are counted under "unassigned" when there are such."""
        counted = Counter(row.split or "unassigned" for row in self.rows)
        names = [*SPLITS, "unassigned"] if counted["unassigned"] else [*SPLITS]
        return {name: counted[name] for name in names}
