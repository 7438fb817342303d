"""Splits: what was held out stays held out, given splits are kept, groups and newest slices are respected."""

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoal.data import SPLITS, Dataset, read, rows_for_calibration, split, thin
from shoal.data.split import default_fractions
from shoal.errors import DataError

PINNED = [
    "train",
    "calibration",
    "dev",
    "train",
    "dev",
    "train",
    "train",
    "calibration",
    "dev",
    "dev",
    "test",
    "calibration",
]


def make(count: int, labels: int = 4, **more: str | None) -> list[dict[str, object]]:
    return [{"text": f"message number {n}", "label": f"l{n % labels}", **more} for n in range(count)]


def places(data: Dataset) -> dict[str, str | None]:
    return {row.text: row.split for row in data.rows}


def test_shares_come_out_as_asked_for_each_label() -> None:
    counts = Counter((row.label, row.split) for row in split(read(make(4_000))).rows)
    for label in ("l0", "l1", "l2", "l3"):
        for part, share in zip(SPLITS, default_fractions(4_000), strict=True):
            assert counts[label, part] / 1_000 == pytest.approx(share, abs=0.04)


def test_appended_reordered_and_relabelled_rows_move_nothing() -> None:
    rows = make(1_000)
    before = places(split(read(rows)))
    grown = [*rows, *({"text": f"new {n}", "label": "l9"} for n in range(500))]
    random.Random(1).shuffle(grown)
    for row in grown[:50]:
        row["label"] = "l2"
    after = places(split(read(grown)))
    assert {text: after[text] for text in before} == before


def test_growing_past_a_step_moves_no_row_from_train_into_a_held_out_part() -> None:
    before = places(split(read(make(4_900))))
    after = places(split(read(make(5_100))))
    assert not [text for text, place in before.items() if place == "train" and after[text] != "train"]


def test_the_seed_and_nothing_else_changes_the_assignment() -> None:
    data = read(make(300))
    assert split(data).hash == split(data, seed=0).hash != split(data, seed=1).hash


def test_assignment_is_pinned_for_ever() -> None:
    """A change here moves rows that users' champions were trained on into their test sets."""
    data = split(read(make(12)), fractions=(0.4, 0.2, 0.2, 0.2))
    assert [row.split for row in data.rows] == PINNED


def test_given_splits_are_kept_and_only_missing_ones_carved() -> None:
    rows = [*make(400, split="train"), *({"text": f"t {n}", "label": "l0", "split": "test"} for n in range(30))]
    data = split(read(rows))
    assert {row.text for row in data.part("test").rows} == {f"t {n}" for n in range(30)}
    assert data.split_counts()["calibration"] == pytest.approx(400 * 0.20 / 0.85, abs=30)
    assert split(data).hash == data.hash
    full = read([{"text": str(n), "label": "a", "split": SPLITS[n % 4]} for n in range(40)])
    assert split(full).hash == full.hash


def test_equal_texts_and_groups_never_straddle() -> None:
    rows = [{"text": f"{'  A ' if n % 2 else 'a '}{n % 97}", "label": "x", "who": None} for n in range(500)]
    assert all(
        len(parts) == 1
        for parts in _parts_by(split(read(rows)), lambda row: " ".join(row.text.lower().split())).values()
    )
    grouped = [{**row, "who": str(n % 60)} for n, row in enumerate(make(600))]
    data = split(read(grouped, group="who"))
    assert all(len(parts) == 1 for parts in _parts_by(data, lambda row: row.group).values())
    assert min(data.split_counts().values()) > 0


def _parts_by(data: Dataset, key):
    found: dict[object, set[str | None]] = {}
    for row in data.rows:
        found.setdefault(key(row), set()).add(row.split)
    return found


def test_the_newest_rows_become_calibration() -> None:
    rows = [{"text": f"m {n}", "label": f"l{n % 2}", "when": f"2026-01-{1 + n // 40:02d}"} for n in range(1_000)]
    random.Random(0).shuffle(rows)
    data = split(read(rows, time="when"))
    held = data.part("calibration").rows
    oldest = min(row.time or "" for row in held)
    others = [row for row in data.rows if row.split in ("train", "dev")]
    assert all((row.time or "") < oldest for row in others)
    assert 0.15 < len(held) / len(rows) < 0.30
    assert data.part("test").rows


def test_every_label_is_trained_on_and_no_part_is_empty_in_small_data() -> None:
    for seed in range(20):
        data = split(read([*make(16, labels=2), {"text": "only one", "label": "rare"}]), seed=seed)
        assert set(data.part("train").targets) == {"l0", "l1", "rare"}
        assert min(data.split_counts().values()) > 0


def test_bad_fractions_and_nothing_to_train_on() -> None:
    data = read(make(10))
    for fractions in ((0.5, 0.5, 0.5, 0.5), (0, 0.5, 0.3, 0.2), (1.2, -0.2, 0, 0)):
        with pytest.raises(DataError, match="must be four shares"):
            split(data, fractions=fractions)
    with pytest.raises(DataError, match="no rows to train on"):
        split(read(make(10, split="test")))


def test_a_part_with_no_share_stays_empty() -> None:
    assert split(read(make(200)), fractions=(0.8, 0.0, 0.2, 0.0)).split_counts().keys() == set(SPLITS)
    assert split(read(make(200)), fractions=(0.8, 0.0, 0.2, 0.0)).split_counts()["test"] == 0


def test_drop_leaks_removes_the_earlier_rows_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    rows = [
        {"text": f"{'abcdefghijkl'[n]} {n * n * 7919} {n}", "label": f"l{n % 2}", "split": "train"} for n in range(12)
    ]
    data = read(
        [
            *rows,
            {"text": f"{rows[7]['text']}".upper(), "label": "l1", "split": "test"},
            {"text": "a wholly different sentence", "label": "l0", "split": "test"},
        ]
    )
    kept = split(data, fractions=(0.8, 0.0, 0.0, 0.2), drop_leaks=True)
    assert len(kept) == len(data) - 1 and rows[7]["text"] not in kept.texts
    assert kept.part("test").rows == data.part("test").rows
    assert "dropped 1 rows that repeat a row of a later split" in caplog.text
    caplog.clear()
    assert split(kept, fractions=(0.8, 0.0, 0.0, 0.2), drop_leaks=True).hash == kept.hash and not caplog.text


@settings(max_examples=60)
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "text": st.text("ab ", max_size=6),
                "label": st.sampled_from(["x", "y", "z"]),
                "split": st.sampled_from([None, "train", "dev", "calibration", "test"]),
                "group": st.sampled_from([None, "g", "h"]),
            }
        ),
        min_size=1,
        max_size=40,
    ),
    st.integers(0, 3),
)
def test_whatever_the_rows_the_rules_hold(rows: list[dict[str, object]], seed: int) -> None:
    data = read(rows, group="group")
    if not any(row.split in (None, "train") for row in data.rows):
        return
    result = split(data, seed=seed)
    assert [(row.text, row.label, row.group, row.origin) for row in result.rows] == [
        (row.text, row.label, row.group, row.origin) for row in data.rows
    ]
    for before, after in zip(data.rows, result.rows, strict=True):
        assert after.split in SPLITS
        assert before.split in (None, "train", after.split)
    pooled = {row.label for row in data.rows if row.split in (None, "train")}
    assert pooled <= set(result.part("train").targets)
    assert split(result, seed=seed).hash == result.hash


def test_without_calibration_its_rows_stay_in_train() -> None:
    rows = [{"text": f"message number {number} of many", "label": "ab"[number % 2]} for number in range(400)]
    with_it, without = (split(read(rows), calibrate=calibrate) for calibrate in (True, False))
    assert "calibration" in with_it.split_counts()
    assert not without.split_counts().get("calibration")
    assert without.split_counts()["train"] > with_it.split_counts()["train"]
    assert {row.text for row in without.part("test").rows} == {row.text for row in with_it.part("test").rows}


@given(st.integers(1, 50_000))
def test_rows_for_calibration_are_the_fewest_that_do(wanted: int) -> None:
    rows = rows_for_calibration(wanted)
    assert rows * default_fractions(rows)[2] >= wanted - 1e-6
    assert rows == 1 or (rows - 1) * default_fractions(rows - 1)[2] < wanted


def test_of_too_many_train_rows_some_are_left_out_and_no_label(caplog: pytest.LogCaptureFixture) -> None:
    rows = [{"text": f"number {n}", "label": "rare" if n % 100 == 0 else "often"} for n in range(4000)]
    dataset = split(read(rows))
    assert thin(dataset, 4000) is dataset
    few = thin(dataset, 300)
    assert "300 of" in caplog.text
    counts = few.split_counts()
    assert counts["train"] == 300 and counts["test"] == dataset.split_counts()["test"]
    labels = few.part("train").counts()
    rare = dataset.part("train").counts()["rare"]
    assert labels["rare"] == min(rare, 50) and few.labels == dataset.labels
    texts = {row.text for row in few.part("train").rows}
    assert texts <= {row.text for row in thin(dataset, 400).part("train").rows}
    assert [row for row in dataset.rows if row in set(few.rows)] == list(few.rows)
    again = thin(split(read(rows[::-1])), 300)
    assert {row.text for row in again.part("train").rows} == texts
    assert len(thin(dataset, 3).part("train")) == 3


def test_rows_given_to_calibration_train_where_nothing_is_certified() -> None:
    rows = [{"text": f"text {number}", "label": "ab"[number % 2], "split": "calibration"} for number in range(20)]
    rows += [{"text": f"other {number}", "label": "ab"[number % 2], "split": "train"} for number in range(40)]
    counts = split(read(rows), calibrate=False).split_counts()
    assert counts["calibration"] == 0
    assert sum(counts.values()) == 60 and counts["train"] > 40
