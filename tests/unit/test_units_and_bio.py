"""Tokens to units with exact offsets; labels of units to spans, against a search through every path."""

import itertools
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoal.calibration import log_softmax
from shoal.models import bio, units


def parts(text: str, found: units.Units) -> list[str]:
    return [text[start:end] for start, end in zip(found.starts, found.ends, strict=True)]


def test_pieces_of_a_word_are_one_unit_and_signs_are_their_own() -> None:
    text = "Ana-Maria's 12km"
    offsets = [(0, 2), (2, 3), (3, 4), (4, 9), (9, 10), (10, 11), (12, 14), (14, 16)]
    found = units.find(text, offsets, [0, 0, 1, 2, 3, 4, 5, 5])
    assert parts(text, found) == ["Ana", "-", "Maria", "'", "s", "12km"]
    assert found.tokens == [0, 2, 3, 4, 5, 6]


def test_a_tokenizer_that_counts_spaces_and_signs_to_words() -> None:
    """As byte-level and sentencepiece tokenizers do: one word up to the next space."""
    text = "to Zoë, now"
    found = units.find(text, [(0, 2), (2, 5), (5, 6), (6, 7), (7, 11)], [0, 1, 1, 1, 2])
    assert parts(text, found) == ["to", "Zoë", ",", "now"]


def test_tokens_of_the_same_characters_are_one_unit() -> None:
    text = "a😀b"
    found = units.find(text, [(0, 1), (1, 2), (1, 2), (1, 2), (2, 3)], [0, 1, 1, 1, 2])
    assert parts(text, found) == ["a", "😀", "b"]
    assert found.tokens == [0, 1, 4]


def test_marks_belong_to_the_letter_before_though_the_tokenizer_dropped_them() -> None:
    text = "Jose\u0301 Nún\u0303ez"
    found = units.find(text, [(0, 4), (6, 12)], [0, 1])
    assert parts(text, found) == ["Jose\u0301", "Nún\u0303ez"]


def test_scripts_without_spaces_are_not_run_together() -> None:
    text = "東京都"
    assert parts(text, units.find(text, [(0, 1), (1, 2), (2, 3)], [0, 0, 0])) == ["東", "京", "都"]


def test_tokens_without_characters_are_no_units() -> None:
    assert units.find("", [], []) == units.Units([], [], [])
    found = units.find(" a", [(0, 0), (0, 1), (1, 2)], [0, 0, 1])
    assert parts(" a", found) == ["a"]
    assert found.tokens == [0]


def test_how_units_are_written() -> None:
    text = "Ana ANA A ana McAna 12 a1 !"
    offsets = [found.span() for found in re.finditer(r"\S+", text)]
    found = units.find(text, offsets, list(range(len(offsets))))
    numbers = units.shapes(text, found)
    assert len(set(numbers)) == len(numbers)
    assert max(numbers) < units.SHAPES
    assert 0 not in numbers


def test_labels_of_spans_and_back() -> None:
    starts, ends = [0, 4, 8, 10, 14], [3, 7, 9, 13, 17]
    labels = bio.encode([(0, 3, 1), (4, 9, 0), (14, 17, 0)], starts, ends)
    assert labels.tolist() == [3, 1, 2, 0, 1]
    logits = np.full((5, 5), -9.0)
    logits[np.arange(5), labels] = 9.0
    (found,) = bio.candidates([logits], 1.0)
    assert sorted(candidate[:3] for candidate in found) == [(0, 0, 1), (1, 2, 0), (4, 4, 0)]


def allowed(path: tuple[int, ...]) -> bool:
    return all(
        label == 0 or label % 2 == 1 or before in (label, label - 1)
        for before, label in zip((0, *path), path, strict=False)
    )


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6))
def test_the_best_path_is_that_of_an_exhaustive_search(seed: int, length: int) -> None:
    chances = log_softmax(np.random.default_rng(seed).normal(scale=2, size=(length, 5)))
    paths = [path for path in itertools.product(range(5), repeat=length) if allowed(path)]
    best = max(paths, key=lambda path: chances[np.arange(length), list(path)].sum())
    assert tuple(bio._viterbi(chances[None])[0]) == best


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), st.lists(st.integers(0, 9), min_size=1, max_size=5))
def test_candidates_do_not_overlap_and_do_not_depend_on_other_texts(seed: int, lengths: list[int]) -> None:
    draw = np.random.default_rng(seed)
    logits = [draw.normal(scale=3, size=(length, 7)) for length in lengths]
    together = bio.candidates(logits, 1.3)
    for one, alone in zip(together, (bio.candidates([each], 1.3)[0] for each in logits), strict=True):
        assert [each[:3] for each in one] == [each[:3] for each in alone]
        np.testing.assert_allclose([each.chance for each in one], [each.chance for each in alone])
        ordered = sorted(one)
        assert all(before.last < after.first for before, after in itertools.pairwise(ordered))
        assert all(0 <= each.chance <= 1 and 0 <= each.type < 3 for each in one)


def test_what_is_nearly_a_span_is_told_with_its_low_chance() -> None:
    logits = np.array([[4.0, 0, 0], [1.0, 0.0, 0], [4.0, 0, 0]])
    ((candidate,),) = bio.candidates([logits], 1.0)
    assert candidate[:3] == (1, 1, 0)
    assert candidate.chance == pytest.approx(np.exp(0) / (np.e + 2), rel=1e-6)


def test_a_long_text_is_decoded_in_a_moment() -> None:
    draw = np.random.default_rng(0)
    logits = draw.normal(size=(200_000, 11))
    logits[:, 0] += 6
    assert len(bio.candidates([logits], 1.0)[0]) > 100
