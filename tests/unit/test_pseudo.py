"""Soft targets of heads, and texts without labels: what they teach, when they do, and what they must not repeat."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from shoal.data import Dataset, Row, unseen
from shoal.errors import InputError
from shoal.training import heads, pseudo
from shoal.training.noise import sparse
from shoal.training.texts import different

CENTRES = np.random.default_rng(9).normal(size=(4, 20))


def world(rows: int, seed: int, spread: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    labels = draw.integers(0, 4, rows)
    return CENTRES[labels] + spread * draw.normal(size=(rows, 20)), labels


@pytest.mark.parametrize("matrix", [np.asarray, csr_matrix])
def test_a_head_of_sure_shares_is_the_head_of_the_labels(matrix: type) -> None:
    rows, labels = world(200, 0)
    options = {"strength": 10.0, "iterations": 500}
    hard = heads.regression(matrix(rows), labels, 5, **options)
    soft = heads.regression(matrix(rows), np.eye(5, dtype=np.float32)[labels], 5, **options)
    assert np.allclose(hard.weight, soft.weight, atol=1e-4) and np.allclose(hard.bias, soft.bias, atol=1e-4)


def test_a_head_of_shares_follows_them() -> None:
    """One point, taught to be 0 in three quarters: without regularisation that is what the head says."""
    head = heads.regression(np.ones((1, 1)), np.array([[0.75, 0.25, 0.0]]), 3, strength=1e6, iterations=500)
    chances = np.exp(np.ones((1, 1)) @ head.weight + head.bias)[0]
    assert np.allclose(chances / chances.sum(), [0.75, 0.25, 0.0], atol=1e-3)


def test_targets_are_joined_as_numbers_or_as_shares() -> None:
    one, other = np.array([1, 0]), np.array([[0.5, 0.5]], np.float32)
    assert heads.joined([one, one], 2).tolist() == [1, 0, 1, 0]
    assert heads.joined([one, other], 2).tolist() == [[0, 1], [1, 0], [0.5, 0.5]]
    assert heads.numbers(np.array([[0.2, 0.8], [0.9, 0.1]])).tolist() == [1, 0]


def test_texts_of_held_out_rows_are_left_out_almost_equal_ones_too() -> None:
    question = "where is the parcel that I ordered from you last Tuesday afternoon"
    rows = [
        Row("I want my money back please", "refund", split="train"),
        Row("Charged twice!", "refund", split="dev"),
        Row("where is my card", "delivery", split="calibration"),
        Row(question, "delivery", split="test"),
    ]
    texts = ["i want my money  back please", "charged TWICE!", "Where is my card", f"{question}?", "hello there"]
    assert unseen(texts, Dataset.of(rows)) == ["hello there"]


def chosen(guesses: np.ndarray, rows: np.ndarray, labels: np.ndarray, others: np.ndarray) -> float | None:
    out = np.arange(len(rows)) >= 40
    threshold, found = pseudo.choose(pseudo.Words(rows, rows, others), labels, labels, [(out, guesses)])
    assert [one["threshold"] for one in found] == [0.5, 0.9]
    return threshold


def test_guesses_are_learnt_where_held_out_rows_say_so_and_only_there() -> None:
    (rows, labels), (others, truth) = world(340, 1), world(600, 2)
    good = np.where(np.eye(4)[truth] > 0, 0.94, 0.02).astype(np.float32)
    assert chosen(good, rows, labels, others) is not None
    wrong = np.where(np.eye(4)[(truth + 1) % 4] > 0, 0.94, 0.02).astype(np.float32)
    assert chosen(wrong, rows, labels, others) is None
    unsure = np.full((600, 4), 0.25, np.float32)
    assert chosen(unsure, rows, labels, others) is None


def test_what_is_unsure_is_not_learnt_at_a_strict_threshold() -> None:
    (rows, labels), (others, truth) = world(340, 1), world(600, 2)
    sure = np.arange(600) < 300
    shown = np.where(sure, truth, (truth + 1) % 4)
    height = np.where(sure, 0.94, 0.7)[:, None]
    mixed = np.where(np.eye(4)[shown] > 0, height, (1 - height) / 3).astype(np.float32)
    assert chosen(mixed, rows, labels, others) == 0.9


def test_guesses_say_what_a_head_that_is_right_would() -> None:
    (rows, labels), (held, right), (others, truth) = world(200, 3, 0.5), world(200, 4, 0.5), world(100, 5, 0.5)
    chances = pseudo.guess(rows, labels, held, right, others, 4)
    assert np.allclose(chances.sum(axis=1), 1.0, atol=1e-5) and (chances.argmax(axis=1) == truth).mean() > 0.95
    assert np.allclose(sparse(chances).sum(axis=1), 1.0, atol=1e-5)


def test_texts_are_different_and_no_more_than_can_be_looked_at() -> None:
    assert different(["a", "A ", " ", "b"], 5, 0) == ["A ", "b"]
    many = different([f"text {n}" for n in range(100)], 10, 0)
    assert len(many) == 10 and many == different([f"text {n}" for n in range(100)], 10, 0)
    with pytest.raises(InputError, match=r"unlabelled\[1\] is of type int; give strings only"):
        different(["a", 3], 5, 0)  # pyright: ignore[reportArgumentType] - what untyped callers do
