"""A closer look: the test rows of each value of a column, and those whose text holds a term of a group.

A figure over all rows hides a group on which a model is bad. Groups are told by columns of the data (a channel, a
region) and by terms in the texts (who is spoken of); one text may hold terms of several groups.
"""

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import msgspec
import numpy as np
from numpy.typing import NDArray

from shoal import metrics
from shoal.data import Dataset, Terms, whole_words
from shoal.metrics import Estimate

Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Slice:
    """Some of the test rows.

    Attributes:
        by: the column, or what the groups of terms tell apart.
        value: value of the column, or name of the group.
        rows: which of the test rows [n].
    """

    by: str
    value: str
    rows: Bools

    @property
    def name(self) -> str:
        """What people read."""
        return f"{self.by} = {self.value}"


class SliceResult(msgspec.Struct, frozen=True):
    """What was measured on one slice.

    Attributes:
        by: the column, or what the groups of terms tell apart.
        value: value of the column, or name of the group.
        rows: test rows.
        right: of them answered right.
        accuracy: with exact (Clopper-Pearson) 95 % interval.
        kept: of the rows those whose answer is kept.
        wrong: of the kept those that are wrong.
        coverage: share kept, Wilson 95 % interval.
        risk: share of the kept that are wrong, exact 95 % interval; None when nothing is kept.
    """

    by: str
    value: str
    rows: int
    right: int
    accuracy: Estimate
    kept: int
    wrong: int
    coverage: Estimate
    risk: Estimate | None

    @property
    def name(self) -> str:
        """What people read."""
        return f"{self.by} = {self.value}"


class Gap(msgspec.Struct, frozen=True):
    """Two slices of one kind, and how much less often one of them is right.

    Attributes:
        worse: the weaker slice.
        better: the other.
        difference: of their accuracies, at least 0.
        p_value: Fisher's exact test, one-sided: the chance of it between two slices that are equally good.
        detectable: smallest true difference that so many rows show with 80 % power at 95 %.
    """

    worse: SliceResult
    better: SliceResult
    difference: float
    p_value: float
    detectable: float


def find(test: Dataset, terms: Terms) -> list[Slice]:
    """Find the slices of test rows: by their columns, most rows first, and by the terms in their texts."""
    values = Counter(pair for row in test.rows for pair in row.slices)
    columns = list(dict.fromkeys(column for column, _ in values))
    ranked = sorted(values.items(), key=lambda item: (columns.index(item[0][0]), -item[1], item[0][1]))
    found = [
        Slice(column, value, np.array([(column, value) in row.slices for row in test.rows], np.bool_))
        for (column, value), _ in ranked
    ]
    for by, groups in terms.items():
        for group, words in groups.items():
            pattern = whole_words(words)
            found.append(Slice(by, group, np.array([bool(pattern.search(text)) for text in test.texts], np.bool_)))
    return found


def measure(slices: Sequence[Slice], correct: Bools, accepted: Bools) -> list[SliceResult]:
    """Measure each slice by which test rows [n] are answered right and which answers are kept."""
    return [_measured(one, correct[one.rows], accepted[one.rows]) for one in slices]


def gaps(results: Sequence[SliceResult]) -> Iterator[Gap]:
    """Compare every two slices of one kind that have rows; those that overlap count as if they did not."""
    for by in dict.fromkeys(result.by for result in results):
        kind = [result for result in results if result.by == by and result.rows]
        for one, other in itertools.combinations(kind, 2):
            worse, better = sorted((one, other), key=lambda result: result.accuracy.value)
            yield Gap(
                worse=worse,
                better=better,
                difference=better.accuracy.value - worse.accuracy.value,
                p_value=metrics.fisher(worse.right, worse.rows, better.right, better.rows),
                detectable=_detectable(worse, better),
            )


def _measured(one: Slice, correct: Bools, accepted: Bools) -> SliceResult:
    rows, right = len(correct), int(correct.sum())
    kept, wrong = int(accepted.sum()), int((accepted & ~correct).sum())
    return SliceResult(
        by=one.by,
        value=one.value,
        rows=rows,
        right=right,
        accuracy=Estimate(right / max(rows, 1), *metrics.clopper_pearson(right, rows)),
        kept=kept,
        wrong=wrong,
        coverage=Estimate(kept / max(rows, 1), *metrics.wilson(kept, rows)),
        risk=Estimate(wrong / kept, *metrics.clopper_pearson(wrong, kept)) if kept else None,
    )


def _detectable(one: SliceResult, other: SliceResult) -> float:
    reach = NormalDist().inv_cdf(0.95) + NormalDist().inv_cdf(0.80)
    share = (one.right + other.right + 1) / (one.rows + other.rows + 2)
    return min(1.0, reach * math.sqrt(share * (1 - share) * (1 / one.rows + 1 / other.rows)))
