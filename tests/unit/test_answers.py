"""A larger model's answers: which can be used, where judged rows go, how rows are taken, and what is promised."""

from types import SimpleNamespace

import numpy as np
import pytest

from shoal.calibration import certify, certify_both
from shoal.data import Dataset, Row, read_answers, split
from shoal.errors import DataError
from shoal.evaluation import Teacher
from shoal.metrics import Estimate
from shoal.report import teacher_lines
from shoal.training.noise import shares, sparse, take


def log(text: str, answer: str, again: str = "", human: str = "") -> dict[str, str]:
    return {"text": text, "answer": answer, "again": again, "human": human}


def test_answers_that_are_no_label_are_left_out_and_counted() -> None:
    rows = [
        log("a", "refund", "refund", "delivery"),
        log("b", "?"),
        log("c", "oos", "refund"),
        log("d", "delivery", "?"),
    ]
    found = read_answers(rows, answer="answer", votes=["again"], truth="human", labels=["refund", "delivery"])
    assert [(row.label, row.votes, row.truth) for row in found.dataset.rows] == [
        ("refund", ("refund", "refund"), "delivery"),
        ("delivery", (), None),
    ]
    assert found.unusable == {"?": 1, "oos": 1} and found.votes_left_out == 1
    assert str(found) == "2 of 4 answers are no label and left out ('?' 1, 'oos' 1)"
    # Without a closed set every answer is a label, but not "?" and nothing at all.
    open_set = read_answers(rows, answer="answer")
    assert open_set.dataset.labels == ("delivery", "oos", "refund") and open_set.unusable == {"?": 1}


def test_answers_that_teach_nothing_or_truths_that_are_no_label_are_refused() -> None:
    with pytest.raises(DataError, match=r"none of 2 answers is a label; the commonest are '\?' 2"):
        read_answers([log("a", "?"), log("b", "?")], answer="answer")
    with pytest.raises(DataError, match="row 1: the truth 'refnd' is not one of the 2 labels"):
        read_answers([log("a", "refund", human="refnd")], answer="answer", truth="human", labels=["refund", "delivery"])
    with pytest.raises(DataError, match="column 'again'"):
        read_answers([{"text": "a", "answer": "b"}], answer="answer", votes=["again"])


def dataset(rows: int, judged: int) -> Dataset:
    made = (Row(f"message number {n}", "ab"[n % 2], truth="a" if n < judged else None) for n in range(rows))
    return Dataset.of(made)


def test_the_few_judged_rows_calibrate_and_the_others_do_not_move() -> None:
    plain, some = split(dataset(400, 0)), split(dataset(400, 60))
    assert all(row.split == "calibration" for row in some.rows[:60])
    moved = [row for row, before in zip(some.rows[60:], plain.rows[60:], strict=True) if row.split != before.split]
    assert not moved
    assert split(dataset(400, 60), calibrate=False).split_counts()["calibration"] == 0
    many = split(dataset(400, 300))
    assert {row.split for row in many.rows[:300]} == {"train", "dev", "calibration", "test"}


def test_a_label_that_only_judged_rows_have_is_still_learnt() -> None:
    rows = [*dataset(200, 10).rows, *(Row(f"a rare message {n}", "c", truth="c") for n in range(5))]
    made = split(Dataset.of(rows))
    assert "train" in {row.split for row in made.rows if row.label == "c"}


def test_judgements_and_further_answers_are_part_of_the_hash_where_there_are_some() -> None:
    told = Row("a", "b", truth="b"), Row("a", "b", votes=("b", "b")), Row("a", "b", probabilities=(("b", 1.0),))
    hashes = [Dataset.of([row]).hash for row in (Row("a", "b"), *told)]
    assert hashes[0] == "c2d5cce05716c4bcbba6658724b740e5125147ef7ecdf1c6f51ad95440780582"
    assert len(set(hashes)) == 4


def world(rows: int, flips: float, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features around five centres, their labels, and these labels with some replaced by chance."""
    draw = np.random.default_rng(seed)
    centres = 0.5 * np.random.default_rng(9).normal(size=(5, 60))
    truth = draw.integers(0, 5, rows)
    features = centres[truth] + draw.normal(size=(rows, 60))
    noisy = np.where(draw.random(rows) < flips, draw.integers(0, 5, rows), truth)
    return features, truth, noisy


def test_rows_that_others_contradict_are_left_out_where_that_predicts_better() -> None:
    features, truth, noisy = world(600, 0.3, 0)
    dev, _, dev_noisy = world(300, 0.3, 1)
    taken = take(features, noisy, None, truth != noisy, dev, dev_noisy, 5)
    assert taken.treatment == "pruned" and np.array_equal(taken.rows, np.flatnonzero(truth == noisy))
    assert [one["treatment"] for one in taken.tried] == ["plain", "pruned"]
    # Doubts about rows that are right lose rows of one kind: here all of label 4 but one.
    wrong_doubts = (noisy == 4) & (np.cumsum(noisy == 4) > 1)
    assert take(features, noisy, None, wrong_doubts, dev, dev_noisy, 5).treatment == "plain"


def test_shares_of_the_labels_are_learnt_where_that_predicts_better() -> None:
    features, truth, noisy = world(300, 0.4, 2)
    dev, dev_truth, _ = world(300, 0.4, 3)
    # The answer is wrong in four of ten, three of four votes are right.
    shared = 0.75 * np.eye(5, dtype=np.float32)[truth] + 0.25 * np.eye(5, dtype=np.float32)[noisy]
    taken = take(features, noisy, shared, np.zeros(300, dtype=bool), dev, dev_truth, 5)
    assert taken.treatment == "soft" and len(taken.rows) == 300 and taken.shares is shared
    assert [one["treatment"] for one in taken.tried] == ["plain", "soft"]
    # Shares that point elsewhere are not: three of four votes are for the next label.
    misled = 0.75 * np.eye(5, dtype=np.float32)[(truth + 1) % 5] + 0.25 * np.eye(5, dtype=np.float32)[truth]
    assert take(features, truth, misled, np.zeros(300, dtype=bool), dev, dev_truth, 5).treatment == "plain"
    doubted = take(features, noisy, shared, truth != noisy, dev, dev_truth, 5)
    assert [one["treatment"] for one in doubted.tried] == ["plain", "soft", "pruned", "soft, pruned"]


def test_a_row_is_shared_by_its_votes_or_its_probabilities() -> None:
    rows = [
        Row("x", "a", votes=("a", "b", "a")),
        Row("y", "b"),
        Row("z", "b", votes=("a", "a"), probabilities=(("b", 0.9), ("a", 0.1))),
    ]
    made = shares(rows, ["a", "b"])
    assert made is not None and np.allclose(made, [[2 / 3, 1 / 3], [0, 1], [0.1, 0.9]])
    assert shares([Row("y", "b")], ["a", "b"]) is None


def test_small_shares_are_left_out_and_a_row_keeps_its_weight() -> None:
    made = sparse(np.array([[0.5, 0.2, 0.1, 0.1, 0.09, 0.01], [1 / 6] * 6, [0.99, 0.01, 0, 0, 0, 0]], np.float32))
    assert np.allclose(made.sum(axis=1), 1.0) and [int((row > 0).sum()) for row in made] == [4, 4, 1]


def test_a_label_of_which_every_row_is_doubted_keeps_them() -> None:
    features, truth, _ = world(300, 0.0, 4)
    taken = take(features, truth, None, truth == 2, features, truth, 5)
    assert set(truth[taken.rows]) == set(range(5))


STEPS = np.linspace(0.0, 0.8, 17)


def promise(errors: float, lies: float, rows: int = 2000, judged: int = 1000):
    draw = np.random.default_rng(0)
    confidence = draw.random(rows)
    correct = draw.random(rows) >= errors * (1 - confidence) * 2
    true = correct & (draw.random(rows) >= lies)
    return confidence, correct, true, np.arange(rows) < judged


def test_both_promises_hold_at_one_threshold_or_the_first_alone() -> None:
    confidence, correct, true, judged = promise(errors=0.05, lies=0.005)
    alone = certify(confidence, correct, grid=STEPS)
    both, truth = certify_both(confidence, correct, true, judged, grid=STEPS, second_from=0.7)
    assert both.certified and truth.certified and both.threshold == truth.threshold
    assert alone.threshold is not None and both.threshold is not None and both.threshold >= alone.threshold
    assert truth.rows == 1000 and both.rows == 2000
    # A teacher that is wrong in a fifth of what it is sure of: agreement with it can be promised, the truth cannot.
    confidence, correct, true, judged = promise(errors=0.1, lies=0.2)
    both, truth = certify_both(confidence, correct, true, judged, grid=STEPS, second_from=0.7)
    assert both == certify(confidence, correct, grid=STEPS) and not truth.certified and truth.threshold is None


def test_without_the_first_promise_there_is_no_second() -> None:
    confidence, correct, _, judged = promise(errors=0.9, lies=0.0)
    both, truth = certify_both(confidence, correct, np.ones(2000, dtype=bool), judged, grid=STEPS)
    assert not both.certified and not truth.certified and truth.threshold is None
    assert "nothing is kept without agreement" in truth.reason


def test_too_few_judged_rows_say_how_many_more() -> None:
    confidence, correct, true, judged = promise(errors=0.1, lies=0.0, judged=40)
    both, truth = certify_both(confidence, correct, true, judged, grid=STEPS, second_from=0.7)
    assert both.certified and not truth.certified and truth.rows == 40 and truth.rows_needed


def test_the_report_says_what_is_known_of_the_teacher() -> None:
    share = Estimate(0.9, 0.85, 0.94)
    confidence, correct, true, judged = promise(errors=0.05, lies=0.005)
    _, truth = certify_both(confidence, correct, true, judged, grid=STEPS, second_from=0.7)
    teacher = Teacher(2000, {"?": 7}, 150, share, 300, share, share, truth, "soft, pruned", [])
    lines = teacher_lines(SimpleNamespace(teacher=teacher))
    assert "2,000 answers" in lines[0] and "share or probability, without those" in lines[0]
    assert lines[1].startswith("7 further answers") and "agrees with itself in 90% (85.0 to 94.0) of 150" in lines[2]
    assert "300 rows the teacher is right in 90%" in lines[3] and lines[4].startswith(
        "Promised against people's labels"
    )
    bare = Teacher(20, {}, 0, None, 0, None, None, None, "plain", [])
    assert len(teacher_lines(SimpleNamespace(teacher=bare))) == 2
    assert teacher_lines(SimpleNamespace(teacher=None)) == []
