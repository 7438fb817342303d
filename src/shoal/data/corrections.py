"""A list of rows whose labels look wrong, for a person to decide on, and the decisions read back into the data.

The list is a CSV file. A line of it is tied to rows of the data by their text and label, not by their place: the data
may be reordered or grow in between. Decisions are applied each time the data is read; the data files stay as they are.
"""

import csv
import difflib
import hashlib
import io
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from shoal.data.dataset import Dataset, Row
from shoal.data.files import csv_records
from shoal.errors import DataError, EnvironmentProblem

COLUMNS = ("id", "origin", "text", "label", "suggested", "score", "decision")
_NEEDED = ("id", "label", "suggested", "decision")
WORDS = ("keep", "suggested", "drop")
_FORMULA = ("=", "+", "-", "@")  # a spreadsheet would compute what begins with these
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Suspect:
    """A row whose label looks wrong.

    Attributes:
        id: `row_id` of its text.
        origin: where it was read.
        text: for the person, perhaps cut short.
        label: that it carries.
        suggested: that looks right.
        score: belief in the label that it carries, in [0, 1].
    """

    id: str
    origin: str
    text: str
    label: str
    suggested: str
    score: float


@dataclass(frozen=True, slots=True)
class Applied:
    """What a list of suspects changed, counted in rows of the data; `undecided` in lines of the list.

    Attributes:
        relabelled: rows that got another label.
        dropped: rows that were taken out.
        kept: rows whose label was confirmed.
        already: rows that carry the decided label since the data was corrected itself.
        undecided: lines of the list without a decision.
    """

    relabelled: int
    dropped: int
    kept: int
    already: int
    undecided: int

    def __str__(self) -> str:
        already = f", {self.already:,} corrected in the data already" if self.already else ""
        return (
            f"{self.relabelled:,} labels changed, {self.dropped:,} rows dropped, {self.kept:,} kept as they are"
            f"{already}, {self.undecided:,} undecided"
        )


@dataclass(frozen=True, slots=True)
class _Decision:
    """What a line decides; `label` None drops the row."""

    origin: str
    label: str | None


_Key = tuple[str, str]  # row_id, label


def row_id(text: str) -> str:
    """Name a row by its text, in 17 characters that no spreadsheet takes for a number."""
    return "r" + hashlib.blake2b(text.encode(errors="replace"), digest_size=8).hexdigest()


def as_csv(suspects: Iterable[Suspect]) -> str:
    """Write a list of suspects, undecided, as the content of a CSV file.

    It begins with a byte order mark, without which spreadsheets take it for another encoding. Texts are on one line; an
    apostrophe stands before those that a spreadsheet would take for a formula.
    """
    target = io.StringIO()
    lines = csv.writer(target, lineterminator="\n")
    lines.writerow(COLUMNS)
    for suspect in suspects:
        text = " ".join(suspect.text.split())
        shown = f"'{text}" if text.startswith(_FORMULA) else text
        lines.writerow(
            [suspect.id, suspect.origin, shown, suspect.label, suspect.suggested, f"{suspect.score:.4f}", ""]
        )
    return f"\ufeff{target.getvalue()}"


def decided(path: Path) -> set[_Key]:
    """Tell which (id, label) a list has decided upon."""
    return {key for key, decision, _, _ in _lines(path) if decision}


def apply(dataset: Dataset, path: Path) -> tuple[Dataset, Applied]:
    """Correct labels as the decisions in a list of suspects say.

    A decision is empty (not yet), `keep`, `suggested`, `drop`, or the label that is right; where a label of the data is
    called like one of these words, the word means the label. It holds for every row with the text and the label that
    the line names.

    Returns:
        The corrected rows in their order, and what was changed.

    Raises:
        DataError: a decision that is no label of the data, two decisions on one row, a line that no row fits any more.
        EnvironmentProblem: the file cannot be read.
    """
    decisions, undecided = _decisions(path, dataset.labels)
    carried = _labels_by_id(dataset, {identity for identity, _ in decisions})
    found: Counter[str] = Counter()
    stale: list[str] = []
    for (identity, label), decision in decisions.items():
        now = carried[identity]
        if label in now or (decision.label is None and not now):
            continue
        if decision.label is not None and decision.label in now:
            found["already"] += now[decision.label]
        else:
            seen = f"its row has the label {', '.join(map(repr, now))} now" if now else "no row has this text any more"
            stale.append(f"{decision.origin}: is about a row with the label {label!r}; {seen}")
    if stale:
        raise _fault(stale, "decide on that line anew, or remove it")
    rows = list(_corrected(dataset.rows, decisions, found))
    counts = {name: found[name] for name in ("relabelled", "dropped", "kept", "already")}
    return Dataset.of(rows), Applied(**counts, undecided=undecided)


def _corrected(rows: Sequence[Row], decisions: Mapping[_Key, _Decision], found: Counter[str]) -> Iterator[Row]:
    """Yield what stays, and count."""
    named = {key[0] for key in decisions}
    for row in rows:
        identity = row_id(row.text)
        decision = decisions.get((identity, row.label)) if identity in named else None
        if decision is None:
            yield row
        elif decision.label is None:
            found["dropped"] += 1
        else:
            found["kept" if decision.label == row.label else "relabelled"] += 1
            # A person's decision stands alone: what a larger model said beside it is no longer learnt.
            yield replace(row, label=decision.label, votes=(), probabilities=())


def _decisions(path: Path, labels: Sequence[str]) -> tuple[dict[_Key, _Decision], int]:
    decisions: dict[_Key, _Decision] = {}
    undecided, faults = 0, list[str]()
    for key, wanted, suggested, origin in _lines(path):
        if not wanted:
            undecided += 1
            continue
        label = _meant(wanted, key[1], suggested, labels)
        if label is not None and label not in labels:
            near = difflib.get_close_matches(label, [*labels, *WORDS], n=1)
            nearest = f"; did you mean {near[0]!r}?" if near else ""
            faults.append(
                f"{origin}: decision {label!r} is neither {', '.join(WORDS)} nor a label of the data{nearest}"
            )
            continue
        before = decisions.setdefault(key, _Decision(origin, label))
        if before.label != label:
            faults.append(f"{origin}: decides otherwise than {before.origin} on the same text and label")
    if faults:
        raise _fault(faults, "a new label needs a row in the data first")
    return decisions, undecided


def _meant(word: str, label: str, suggested: str, labels: Sequence[str]) -> str | None:
    """Label that a decision stands for; None drops the row."""
    if word in labels:
        return word
    return {"keep": label, "suggested": suggested, "drop": None}.get(word.lower(), word)


def _lines(path: Path) -> Iterator[tuple[_Key, str, str, str]]:
    """Yield (id, label), decision, suggested label and place of each line."""
    try:
        for number, record in csv_records(path, _NEEDED, ()):
            values = {name: str(record[name]).strip() for name in _NEEDED}
            yield (values["id"], values["label"]), values["decision"], values["suggested"], f"{path}:{number}"
    except OSError as error:
        raise EnvironmentProblem(f"{path}: cannot be read: {error.strerror or error}") from None


def _labels_by_id(dataset: Dataset, wanted: set[str]) -> dict[str, Counter[str]]:
    labels: dict[str, Counter[str]] = defaultdict(Counter)
    for row in dataset.rows:
        identity = row_id(row.text)
        if identity in wanted:
            labels[identity][row.label] += 1
    return labels


def _fault(faults: Sequence[str], remedy: str) -> DataError:
    more = f"\n... and {len(faults) - _SHOWN:,} more" if len(faults) > _SHOWN else ""
    listed = "\n".join(faults[:_SHOWN])
    return DataError(f"{listed}{more}\n({remedy})")
