"""ROUGE by hand-computed cases, its algebra, and the oracle against all choices there are."""

from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoal.metrics.oracle import Reference
from shoal.metrics.rouge import longest_common, of_words, reading, rouge

WORDS = st.lists(st.sampled_from("abcde"), max_size=14)


@pytest.mark.parametrize(
    ("summary", "reference", "expected"),
    [
        # 5 of 6 words; the cat, on the, the mat; "the cat on the mat"
        ("the cat sat on the mat", "the cat was on the mat", (5 / 6, 5 / 6, 3 / 5, 3 / 5, 5 / 6, 5 / 6)),
        # agent i ve refunded 20 50 euros / a refund of 20 50 euros
        ("Agent: I've refunded 20.50 euros!", "a refund of 20.50 euros", (3 / 7, 3 / 6, 2 / 6, 2 / 5, 3 / 7, 3 / 6)),
        # no word counts more often than it stands in both
        ("a b c a b", "a b a b", (4 / 5, 1.0, 2 / 4, 2 / 3, 4 / 5, 1.0)),
        # the order counts for pairs and sequences only
        ("police kill the gunman", "the gunman kill police", (1.0, 1.0, 1 / 3, 1 / 3, 2 / 4, 2 / 4)),
        ("", "something", (0.0,) * 6),
        ("?!", "something", (0.0,) * 6),
    ],
)
def test_by_hand(summary: str, reference: str, expected: tuple[float, ...]) -> None:
    found = rouge(summary, reference)
    assert [value for each in found for value in each] == pytest.approx(expected)
    precision, recall = found.rouge1
    assert found.rouge1.f1 == pytest.approx(2 * precision * recall / (precision + recall) if precision else 0.0)


def test_words_of_other_scripts_are_words() -> None:
    assert rouge("הלקוח ביטל את המנוי", "הלקוח רצה החזר").rouge1 == pytest.approx((1 / 4, 1 / 3))
    assert reading("The café in 12 words").findall("café") == ["caf"]  # as Google's


def table(one: list[str], other: list[str]) -> int:
    rows = np.zeros((len(one) + 1, len(other) + 1), int)
    for i, a in enumerate(one):
        for j, b in enumerate(other):
            rows[i + 1, j + 1] = rows[i, j] + 1 if a == b else max(rows[i, j + 1], rows[i + 1, j])
    return int(rows[-1, -1])


@given(WORDS, WORDS)
def test_the_longest_common_subsequence_is_that_of_the_table(one: list[str], other: list[str]) -> None:
    assert longest_common(one, other) == table(one, other)


@given(WORDS, WORDS)
def test_both_ways_round(one: list[str], other: list[str]) -> None:
    for forth, back in zip(of_words(one, other), of_words(other, one), strict=True):
        assert forth == (back.recall, back.precision)
        assert 0 <= forth.f1 <= 1


def joint(units: list[list[str]], chosen: tuple[int, ...] | list[int], wanted: list[str]) -> float:
    """Mean of ROUGE-1 and ROUGE-2 F1, pairs of words inside units only: counted here anew."""
    single = [word for index in chosen for word in units[index]]
    double = [pair for index in chosen for pair in pairwise(units[index])]
    pairs = list(pairwise(wanted))
    scores = []
    for said, reference in ((single, wanted), (double, pairs)):
        common = sum(min(said.count(each), reference.count(each)) for each in set(said))
        scores.append(2 * common / max(len(said) + len(reference), 1))
    return sum(scores) / 2


@settings(deadline=None)
@given(st.lists(WORDS, min_size=1, max_size=6), WORDS.filter(len), st.integers(1, 3))
def test_the_oracle_takes_the_best_step_and_stops_when_none_is_left(
    units: list[list[str]], wanted: list[str], limit: int
) -> None:
    oracle = Reference(units, wanted)
    assert oracle.alone() == pytest.approx([joint(units, [index], wanted) for index in range(len(units))])
    chosen = oracle.greedy(np.ones(len(units), int), limit)
    assert len(chosen) <= limit and len(set(chosen)) == len(chosen)
    before = 0.0
    for step in range(len(chosen)):
        now = joint(units, chosen[: step + 1], wanted)
        rest = [joint(units, [*chosen[:step], index], wanted) for index in range(len(units))]
        assert now > before and now == pytest.approx(max(v for i, v in enumerate(rest) if i not in chosen[:step]))
        before = now
    if len(chosen) < min(limit, len(units)):
        assert all(joint(units, [*chosen, i], wanted) <= before + 1e-9 for i in range(len(units)) if i not in chosen)
    if limit == 1 and chosen:
        assert before == pytest.approx(max(joint(units, each, wanted) for each in combinations(range(len(units)), 1)))


def test_the_oracle_keeps_within_words() -> None:
    units = [["a", "b", "c", "d"], ["a", "b"], ["c"]]
    assert Reference(units, ["a", "b", "c", "d"]).greedy(np.array([4, 2, 1]), 3) == [1, 2]
    assert Reference(units, ["z"]).greedy(np.array([4, 2, 1]), 3) == []
    assert Reference([], ["z"]).greedy(np.zeros(0, int), 3) == []
