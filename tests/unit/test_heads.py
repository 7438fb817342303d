"""Heads on embeddings: chosen by rows that they had not seen, helped by the names of the labels where rows are few."""

import numpy as np
import pytest

from shoal.training import heads
from shoal.training.heads import Plan


def world(labels: int, per_label: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Unit vectors around one direction a label, and those directions."""
    draw = np.random.default_rng(seed)
    centres = draw.normal(size=(labels, 48))
    targets = np.repeat(np.arange(labels), per_label)
    rows = centres[targets] + 2.5 * draw.normal(size=(len(targets), 48))
    unit = [each / np.linalg.norm(each, axis=1, keepdims=True) for each in (rows, centres)]
    return unit[0].astype(np.float32), targets, unit[1].astype(np.float32)


@pytest.mark.parametrize(
    ("label", "said"),
    [
        ("card_arrival", "card arrival"),
        ("topUpFailed", "top Up Failed"),
        ("gas-smell.emergency", "gas smell emergency"),
        ("Straße_öffnen", "Straße öffnen"),
    ],
)
def test_labels_are_said_in_words(label: str, said: str) -> None:
    assert heads.phrases([label], {}) == [said]
    assert heads.phrases([label], {label: "what it means"}) == [f"{said}: what it means"]


def test_a_label_without_letters_is_said_by_its_description_or_not_at_all() -> None:
    assert heads.phrases(["?!", "?!"], {}) == ["", ""]
    assert heads.phrases(["?!"], {"?!": "a question"}) == ["a question"]


def test_with_few_rows_good_names_are_used_and_bad_ones_are_not() -> None:
    rows, targets, centres = world(labels=10, per_label=4)
    fresh, truth, _ = world(labels=10, per_label=200)
    wrong = np.roll(centres, 1, axis=0)
    good = heads.choose(rows[:30], targets[:30], rows[30:], targets[30:], centres, 10)
    bad = heads.choose(rows[:30], targets[:30], rows[30:], targets[30:], wrong, 10)
    assert good.named
    assert not bad.named
    accuracy = {}
    for named in (True, False):
        head = heads.fitted(rows, targets, centres, 10, good._replace(named=named))
        accuracy[named] = ((fresh @ head.weight + head.bias).argmax(axis=1) == truth).mean()
    assert accuracy[True] > accuracy[False] + 0.05


def test_with_more_rows_the_dev_rows_choose() -> None:
    rows, targets, centres = world(labels=3, per_label=80)
    order = np.random.default_rng(1).permutation(len(rows))
    train, dev = order[:180], order[180:]
    plan = heads.choose(rows[train], targets[train], rows[dev], targets[dev], None, 3)
    assert plan.named is False
    assert plan.strength in (1.0, 3.0, 10.0, 30.0, 100.0)
    assert heads.names_help(180, 3)
    assert not heads.names_help(2000, 3)
    assert centres.shape == (3, 48)


def test_too_few_dev_rows_leave_the_usual_plan() -> None:
    rows, targets, _ = world(labels=3, per_label=80)
    assert heads.choose(rows, targets, rows[:2], targets[:2], None, 3) == Plan()


def test_two_labels_and_a_label_without_rows() -> None:
    rows, targets, _ = world(labels=2, per_label=30)
    head = heads.fitted(rows, targets, None, 3, Plan())
    logits = rows @ head.weight + head.bias
    assert head.weight.shape == (48, 3)
    assert (logits.argmax(axis=1) == targets).mean() > 0.9
    assert (logits[:, 2] < logits[:, :2].max(axis=1)).all()
