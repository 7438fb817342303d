"""Rows that a larger model labelled: which of its answers can be used, counted, and what it said when asked again."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from shoal.data.dataset import Dataset, Row
from shoal.data.read import Source, read
from shoal.errors import DataError

UNUSABLE = ("", "?")


@dataclass(frozen=True)
class Answers:
    """A teacher's answers, as rows to learn from.

    Attributes:
        dataset: the rows with a usable answer; `label` is the answer, `votes` further ones, `truth` a person's label.
        unusable: answers that are no label, and how many rows have them; those rows are left out.
        votes_left_out: further answers that are no label.
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
    votes: Sequence[str] = (),
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
        answer: column of the answers that are learnt.
        votes: columns of what the same model said when it was asked again; blank where it was not.
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
        source, text=text, label=answer, split=split, group=group, time=time, truth=truth, votes=votes, slices=slices
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
    rows = tuple(replace(row, votes=tuple(vote for vote in row.votes if fits(vote))) for row in kept)
    return Answers(
        Dataset.of(
            rows, labels or [*(row.label for row in rows), *(row.truth for row in rows if row.truth is not None)]
        ),
        Counter(row.label for row in dataset.rows if not fits(row.label)),
        sum(len(before.votes) - len(after.votes) for before, after in zip(kept, rows, strict=True)),
    )


def _commonest(rows: Sequence[Row]) -> str:
    return ", ".join(f"{answer!r} {count:,}" for answer, count in Counter(row.label for row in rows).most_common(3))
