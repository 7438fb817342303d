"""Rows that a larger model labelled: which of its answers can be used, counted, and what it said when asked again."""

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace

from shoal.data.dataset import Dataset, Row
from shoal.data.read import Source, read
from shoal.errors import DataError

UNUSABLE = ("", "?")


@dataclass(frozen=True)
class Answers:
    """A teacher's answers, as rows to learn from.

    Attributes:
        dataset: the rows with a usable answer; `label` is the answer: the commonest of `votes`, or the most probable of
            `probabilities`, where there are such; `truth` is a person's label.
        unusable: answers that are no label, and how many rows have them; those rows are left out.
        votes_left_out: votes and probabilities of what is no label, or no row's answer, in the rows that are kept.
    """

    dataset: Dataset
    unusable: Mapping[str, int]
    votes_left_out: int

    def __str__(self) -> str:
        """Say what was left out, in a sentence."""
        rows = len(self.dataset) + sum(self.unusable.values())
        if not self.unusable:
            return f"all {rows:,} answers can be used"
        ranked = sorted(self.unusable.items(), key=lambda item: -item[1])
        shown = ", ".join(f"{answer!r} {count:,}" for answer, count in ranked[:5])
        more = f" and {len(ranked) - 5:,} more" if len(ranked) > 5 else ""
        return f"{rows - len(self.dataset):,} of {rows:,} answers are no label and left out ({shown}{more})"


def read_answers(
    source: Source,
    *,
    text: str = "text",
    answer: str = "label",
    votes: str | Sequence[str] = (),
    probabilities: str | None = None,
    truth: str | None = None,
    labels: Sequence[str] | None = None,
    split: str | None = None,
    group: str | None = None,
    time: str | None = None,
    slices: Sequence[str] = (),
) -> Answers:
    """Read what a larger model answered.

    Args:
        source: a path, a mapping of split name to path, a list of mappings, or a `Dataset`.
        text: column of the texts.
        answer: column of the answers that are learnt; one called "label" need not be there where the next two are.
        votes: columns of what the same model said when it was asked again, or of what others say: each one answer, or a
            list of them (in CSV as JSON); blank where nobody was asked. What is learnt and promised is the commonest of
            all answers, of several the first named.
        probabilities: column of objects label -> number (in CSV as JSON), blank where they are unknown: the answer is
            then the most probable label.
        truth: column of what people say; blank where nobody looked. Best a random sample of the texts.
        labels: the closed set of labels; every other answer is left out and counted. None: blank and "?" are left out.
        split: column that assigns rows to splits.
        group: column whose values never straddle two splits.
        time: column with the time of a row.
        slices: columns with few values by which a report looks closer.

    Raises:
        DataError: what cannot be read; a truth that is no label; no usable answer at all.
    """
    dataset = read(
        source,
        text=text,
        label=answer,
        split=split,
        group=group,
        time=time,
        truth=truth,
        votes=[votes] if isinstance(votes, str) else votes,
        probabilities=probabilities,
        slices=slices,
    )
    return usable(dataset, labels)


def usable(dataset: Dataset, labels: Sequence[str] | None = None) -> Answers:
    """Leave out answers that are no label, and count them; see `read_answers`."""
    closed = set(labels) if labels else None

    def fits(answer: str) -> bool:
        return answer not in UNUSABLE and (closed is None or answer in closed)

    kept = [row for row in dataset.rows if fits(row.label)]
    if not kept:
        raise DataError(f"none of {len(dataset):,} answers is a label; the commonest are {_commonest(dataset.rows)}")
    strange = next(
        (row for row in kept if closed is not None and row.truth is not None and row.truth not in closed), None
    )
    if strange is not None:
        raise DataError(
            f"{strange.origin}: the truth {strange.truth!r} is not one of the {len(closed or ())} labels given"
        )
    known = closed or {name for row in kept for name in (row.label, row.truth) if name is not None}
    rows = tuple(_within(row, known) for row in kept)
    return Answers(
        Dataset.of(rows, sorted(known)),
        Counter(row.label for row in dataset.rows if not fits(row.label)),
        sum(name not in known for row in kept for name in (*row.votes, *(label for label, _ in row.probabilities))),
    )


def _within(row: Row, labels: Set[str]) -> Row:
    """Leave out what is no label, and scale the probabilities that are left to sum to 1."""
    votes = tuple(vote for vote in row.votes if vote in labels)
    chances = [(label, chance) for label, chance in row.probabilities if label in labels]
    total = sum(chance for _, chance in chances)
    return replace(
        row,
        votes=votes if len(votes) > 1 else (),
        probabilities=tuple((label, chance / total) for label, chance in chances),
    )


def _commonest(rows: Sequence[Row]) -> str:
    return ", ".join(f"{answer!r} {count:,}" for answer, count in Counter(row.label for row in rows).most_common(3))
