"""Spans against a reference: strict, partial, by type, and what a resample makes of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal import metrics
from shoal.metrics.resampling import value_of
from shoal.metrics.spans import macro, micro, partners, row_f1, same, span_counts
from shoal.tasks import Span

TYPES = ("CITY", "NAME")


def span(start: int, end: int, kind: str = "NAME") -> Span:
    return Span(start, end, kind)


@st.composite
def spans_of_a_text(draw: st.DrawFn) -> list[Span]:
    edges = sorted(draw(st.sets(st.integers(0, 40), max_size=12)))
    pairs = zip(edges[::2], edges[1::2], strict=False)
    return [Span(start, end, draw(st.sampled_from(TYPES))) for start, end in pairs]


@pytest.mark.parametrize(
    ("answered", "strict", "partial"),
    [
        (span(2, 12), True, True),
        (span(2, 11), False, True),
        (span(2, 8), False, True),
        (span(2, 7), False, False),  # exactly half is not more than half
        (span(0, 22), False, False),
        (span(2, 12, "CITY"), False, False),
        (span(12, 20), False, False),
    ],
)
def test_when_an_answer_is_the_reference(answered: Span, strict: bool, partial: bool) -> None:
    assert same(span(2, 12), answered, strict=True) is strict
    assert same(span(2, 12), answered, strict=False) is partial


def test_counts_and_figures_by_hand() -> None:
    references = [[span(0, 4), span(5, 9, "CITY")], [span(0, 10)], []]
    answers = [[span(0, 4), span(5, 8, "CITY")], [], [span(3, 6)]]
    strict = span_counts(references, answers, TYPES, strict=True)
    partial = span_counts(references, answers, TYPES, strict=False)
    assert strict.sum(axis=0).tolist() == [[0, 1, 1], [1, 2, 2]]
    assert partial.sum(axis=0).tolist() == [[1, 1, 1], [1, 2, 2]]

    def value(statistic: metrics.Statistic) -> float:
        return value_of(statistic, 3)

    assert value(micro(strict, "precision")) == pytest.approx(1 / 3)
    assert value(micro(partial, "recall")) == pytest.approx(2 / 3)
    assert value(macro(partial, "f1")) == pytest.approx(0.75)
    assert value(macro(strict, "recall")) == pytest.approx(0.25)
    assert row_f1(strict).tolist() == [0.5, 0.0, 0.0]


def test_a_text_without_spans_is_right_when_nothing_is_answered() -> None:
    counts = span_counts([[]], [[]], TYPES, strict=True)
    assert row_f1(counts).tolist() == [1.0]
    assert value_of(micro(counts, "f1"), 1) == 0.0


def test_a_weighted_sample_is_the_sample_with_repeated_rows() -> None:
    references = [[span(0, 4)], [span(0, 4), span(6, 8, "CITY")]]
    answers = [[span(0, 4)], [span(0, 3)]]
    counts = span_counts(references, answers, TYPES, strict=True)
    repeated = span_counts([references[1]] * 2, [answers[1]] * 2, TYPES, strict=True)
    weights = np.array([[0, 2]], np.float32)
    for statistic in (micro, macro):
        assert statistic(counts, "f1")(weights)[0] == value_of(statistic(repeated, "f1"), 2)


@given(spans_of_a_text(), spans_of_a_text())
def test_partners_are_one_to_one_and_those_that_a_full_search_finds(
    reference: list[Span], answered: list[Span]
) -> None:
    for strict in (True, False):
        pairs = partners(reference, answered, strict=strict)
        every = [
            (one, other)
            for one in range(len(reference))
            for other in range(len(answered))
            if same(reference[one], answered[other], strict=strict)
        ]
        assert pairs == every
        assert len({one for one, _ in pairs}) == len({other for _, other in pairs}) == len(pairs)


@given(spans_of_a_text(), spans_of_a_text())
def test_strict_hits_are_partial_hits_and_swapping_sides_swaps_the_counts(
    reference: list[Span], answered: list[Span]
) -> None:
    strict = span_counts([reference], [answered], TYPES, strict=True)
    partial = span_counts([reference], [answered], TYPES, strict=False)
    assert (strict[..., 0] <= partial[..., 0]).all()
    assert (partial[..., 0] <= partial[..., 1:].min(axis=-1)).all()
    swapped = span_counts([answered], [reference], TYPES, strict=False)
    assert (swapped == partial[..., [0, 2, 1]]).all()
