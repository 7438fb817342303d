"""Quality of tagged spans: precision, recall and F1, strict and partial, by type, over all spans, as mean over types.

Strict: start, end and type are right. Partial: the type is right, and of the characters that the reference or the
answer holds more than half are held by both (intersection over union). Since no span of one text overlaps another,
each then has at most one partner, and nothing depends on the order of matching.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from shoal.metrics.resampling import Statistic, Weights
from shoal.tasks import Span

Figure = Literal["precision", "recall", "f1"]
Counts = NDArray[np.int64]
"""Hits, reference spans and answered spans of each text and type [n, T, 3]."""

_HALF = 0.5


def same(reference: Span, answered: Span, *, strict: bool) -> bool:
    """Whether an answered span is the reference span."""
    if reference.type != answered.type:
        return False
    if strict:
        return reference.start == answered.start and reference.end == answered.end
    shared = min(reference.end, answered.end) - max(reference.start, answered.start)
    union = max(reference.end, answered.end) - min(reference.start, answered.start)
    return shared > _HALF * union


def partners(reference: Sequence[Span], answered: Sequence[Span], *, strict: bool) -> list[tuple[int, int]]:
    """Pairs (number in the reference, number in the answer) of spans that are the same; neither list overlaps itself.

    Both lists are by start; they are gone through once, side by side.
    """
    pairs: list[tuple[int, int]] = []
    begin = 0
    for at, span in enumerate(reference):
        while begin < len(answered) and answered[begin].end <= span.start:
            begin += 1
        for number in range(begin, len(answered)):
            if answered[number].start >= span.end:
                break
            if same(span, answered[number], strict=strict):
                pairs.append((at, number))
                break
    return pairs


def span_counts(
    references: Sequence[Sequence[Span]], answers: Sequence[Sequence[Span]], types: Sequence[str], *, strict: bool
) -> Counts:
    """Count hits, reference spans and answered spans [n, T, 3] of n texts; spans of other types are left out."""
    number = {name: column for column, name in enumerate(types)}
    counts = np.zeros((len(references), len(types), 3), np.int64)
    for row, (reference, answered) in enumerate(zip(references, answers, strict=True)):
        for at, _ in partners(reference, answered, strict=strict):
            if reference[at].type in number:
                counts[row, number[reference[at].type], 0] += 1
        for place, spans in ((1, reference), (2, answered)):
            for span in spans:
                if span.type in number:
                    counts[row, number[span.type], place] += 1
    return counts


def micro(counts: Counts, figure: Figure) -> Statistic:
    """Make the statistic over all spans, whatever their type; 0 where a ratio has none."""
    totals = counts.sum(axis=1).astype(np.float64)

    def statistic(weights: Weights) -> NDArray[np.floating]:
        return _ratio(weights @ totals, figure)[0]

    return statistic


def macro(counts: Counts, figure: Figure) -> Statistic:
    """Make the statistic of the unweighted mean over types; one that a resample does not hold is left out of it.

    A type counts for recall when the reference has it, for precision when the answers have it, for F1 when either has.
    """
    rows, types, _ = counts.shape
    flat = counts.reshape(rows, types * 3).astype(np.float64)

    def statistic(weights: Weights) -> NDArray[np.floating]:
        values, known = _ratio((weights @ flat).reshape(len(weights), types, 3), figure)
        return np.where(known, values, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)

    return statistic


def row_f1(counts: Counts) -> NDArray[np.float64]:
    """F1 of each text over its spans [n]; 1 where neither reference nor answer has one."""
    values, known = _ratio(counts.sum(axis=1).astype(np.float64), "f1")
    return np.where(known, values, 1.0)


def _ratio(sums: NDArray[np.float64], figure: Figure) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Values and whether they are defined [...] of sums [..., 3]."""
    hits, reference, answered = np.moveaxis(sums, -1, 0)
    over, under = {
        "precision": (hits, answered),
        "recall": (hits, reference),
        "f1": (2 * hits, reference + answered),
    }[figure]
    return over / np.where(under > 0, under, 1.0), under > 0
