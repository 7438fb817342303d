"""The data report: each fault is found, counted, placed, and weighed as error or warning."""

import json
import random

import pytest

from shoal.data import DataReport, check, drop_leaks, read
from shoal.data.leaks import SIMILARITY, _jaccard, find_twins
from shoal.errors import DataError


def report(*rows: tuple[str, str] | tuple[str, str, str]) -> DataReport:
    return check(read([dict(zip(("text", "label", "split"), row, strict=False)) for row in rows]))


def codes(found: DataReport) -> dict[str, tuple[str, int]]:
    return {problem.code: (problem.severity, problem.rows) for problem in found.problems}


FINE = [("where is my parcel", "a"), ("give me the money back", "b"), ("bell rings twice", "a"), ("late again", "b")]


def test_clean_data_has_no_problems() -> None:
    found = report(*FINE)
    assert found.problems == () and found.near_duplicates == 0
    assert found.labels == {"a": 2, "b": 2} and found.splits["unassigned"] == 4
    found.raise_on_errors()
    assert json.loads(json.dumps(found.as_dict()))["ok"] is True


def test_what_blocks_training_is_an_error() -> None:
    assert codes(report(*FINE, ("no label here", " "))) == {"empty_label": ("error", 1)}
    for nothing in ("", "\u00a0\u2003", "\u200b\ufeff"):
        assert codes(report(*FINE, ("no label here", nothing), ("nor here", nothing))) == {"empty_label": ("error", 2)}
    for odd in ("two\nlines", "tab\there", "\x1b[31mred", "l" * 201):
        assert codes(report(*FINE, ("one text", odd), ("another", odd))) == {"unusable_label": ("error", 2)}
    assert report(*FINE, ("one text", "l" * 200), ("another", "l" * 200)).problems == ()
    assert codes(report(("one", "a"), ("two", "a"))) == {"one_label": ("error", 1)}
    found = report(*((text, label, "train") for text, label in FINE), ("unheard of", "c", "test"))
    assert codes(found) == {"label_not_in_train": ("error", 1)}
    with pytest.raises(DataError, match=r"label 'c': in the held-out splits \(1 row\) but never in train.*\(row 5\)"):
        found.raise_on_errors()


def test_more_than_ten_thousand_labels_is_an_error() -> None:
    found = report(*((f"{n} is {n * 7919 % 10_007}", f"label {n}") for n in range(10_001)))
    assert codes(found)["too_many_labels"][0] == "error"
    assert found.errors[0].message.startswith("10,001 labels, at most 10,000")


def test_texts_taken_for_labels_are_shown_cut() -> None:
    found = report(*((text, f"{text} {'and so on ' * 10}") for text, _ in FINE))
    assert set(codes(found)) == {"single_row_label"} and "..." in found.problems[0].message
    assert len(found.problems[0].message) < 400


def test_what_only_spoils_figures_is_a_warning() -> None:
    assert codes(report(*FINE, ("  ", "a"), ("", "b"))) == {"empty_text": ("warning", 2)}
    assert codes(report(*FINE, ("word " * 4_001, "a"))) == {"long_text": ("warning", 1)}
    assert codes(report(*FINE, ("a lonely one", "c"))) == {"single_row_label": ("warning", 1)}
    assert codes(
        report(*FINE, ("go", "Card_Lost"), ("stop", "card lost"), ("hm", "card lost"), ("hu", "Card_Lost"))
    ) == {"similar_labels": ("warning", 4)}
    found = report(*FINE, ("Where is  my parcel", "b"))
    assert codes(found) == {"contradictory_labels": ("warning", 1), "duplicates": ("warning", 1)}
    assert found.problems[0].origins == ("row 1 = row 5",)


def test_a_label_of_the_closed_set_without_a_row_is_a_warning() -> None:
    rows = [{"text": f"{label} {n}", "label": label} for label in ("a", "b") for n in range(3)]
    found = check(read(rows).closed(["a", "b", "c"]))
    assert codes(found)["label_without_rows"] == ("warning", 0)
    assert "'c'" in found.warnings[0].message and found.labels == {"a": 3, "b": 3, "c": 0}


def test_texts_in_two_splits_are_leaks() -> None:
    found = report(
        ("where is my parcel today", "a", "train"),
        ("give me the money back", "b", "train"),
        ("Where is my parcel today", "a", "test"),
        ("give me the money back!", "b", "calibration"),
        ("nothing like it", "b", "test"),
    )
    assert codes(found) == {"leaks": ("warning", 1), "near_leaks": ("warning", 1)}
    assert {problem.origins for problem in found.problems} == {("row 1 = row 3",), ("row 2 = row 4",)}


def test_the_row_that_leaks_is_the_one_held_out_wherever_it_stands() -> None:
    found = report(
        ("same words here", "a", "test"), ("same words here", "a", "train"), *((t, "b", "train") for t in "xy")
    )
    assert found.problems[0].origins == ("row 2 = row 1",)


def test_groups_in_two_splits_are_leaks() -> None:
    rows = [
        {"text": "one thing", "label": "a", "split": "train", "who": "g"},
        {"text": "quite another", "label": "b", "split": "test", "who": "g"},
        {"text": "a third, far away", "label": "b", "split": "train", "who": "h"},
        {"text": "the fourth", "label": "a", "split": "train"},
    ]
    assert codes(check(read([{"who": None, **row} for row in rows], group="who"))) == {"group_leaks": ("warning", 1)}


def test_near_duplicates_agree_with_comparing_all_pairs() -> None:
    draw = random.Random(3)
    words = ["card", "money", "transfer", "account", "why", "is", "my", "not", "late", "please", "help", "phone", "pin"]
    texts = [" ".join(draw.choices(words, k=draw.randint(3, 14))) for _ in range(250)]
    texts += [text.replace("card", "cards", 1) for text in draw.sample(texts, 60)]
    texts += [text + "!" for text in draw.sample(texts, 60)]
    texts = list(dict.fromkeys(texts))
    data = read([{"text": text, "label": "a", "split": draw.choice(["train", "test"])} for text in texts])
    twins = find_twins(data)
    assert all(_jaccard(texts[pair.first], texts[pair.second]) >= SIMILARITY for pair in twins)
    truth = {
        (one, other)
        for other in range(len(texts))
        for one in range(other)
        if _jaccard(texts[one], texts[other]) >= SIMILARITY
    }
    leaked = {pair for pair in truth if data.rows[pair[0]].split != data.rows[pair[1]].split}
    assert len(truth) > 60 and len(leaked) > 30
    assert len(leaked & {(pair.first, pair.second) for pair in twins}) >= 0.97 * len(leaked)
    rows_truth = {index for pair in truth for index in pair}
    rows_found = {index for pair in twins for index in (pair.first, pair.second)}
    assert rows_found <= rows_truth and len(rows_found) >= 0.97 * len(rows_truth)


def test_drop_leaks_leaves_no_leak_and_touches_no_test_row() -> None:
    draw = random.Random(5)
    splits = ["train", "dev", "calibration", "test"]
    rows = [
        {"text": f"{n % 40} sheep and {n % 40} goats{'.' * (n % 3)}", "label": "a", "split": draw.choice(splits)}
        for n in range(200)
    ]
    data = read(rows)
    kept, dropped = drop_leaks(data)
    assert len(kept) + len(dropped) == 200 and dropped
    assert kept.part("test").rows == data.part("test").rows
    assert not {"leaks", "near_leaks"} & codes(check(kept)).keys()


def test_thousands_of_rows_of_one_template_stay_affordable() -> None:
    rows = [
        {
            "text": f"please cancel my order number {n} at once, the parcel never came to my house",
            "label": "a",
            "split": "train",
        }
        for n in range(3_000)
    ]
    rows.append(
        {
            "text": "please cancel my order number 77 at once, the parcel never came to my house!",
            "label": "a",
            "split": "test",
        }
    )
    found = codes(check(read(rows)))
    assert found["near_duplicates"][1] > 2_900 and found["near_leaks"] == ("warning", 1)
