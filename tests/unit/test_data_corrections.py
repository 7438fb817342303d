"""Suspects written for a person, decided on, and read back: by content, with nothing lost and no file overwritten."""

import csv
import io
import random
from pathlib import Path

import pytest

from shoal.data import Dataset, read
from shoal.data.corrections import Applied, Suspect, apply, as_csv, decided, row_id
from shoal.errors import DataError, EnvironmentProblem

ROWS = [
    {"text": "where is my card", "label": "card"},
    {"text": "refund please\nsoon", "label": "card"},
    {"text": '=HYPERLINK("x"); "quoted", done', "label": "fee"},
    {"text": "asdf qwer", "label": "fee"},
    {"text": "money back", "label": "refund"},
    {"text": "contradiction", "label": "fee"},
    {"text": "contradiction", "label": "refund"},
]


def data(rows: list[dict[str, str]] = ROWS) -> Dataset:
    return read(rows)


def review(tmp_path: Path, decisions: dict[str, str], rows: list[dict[str, str]] = ROWS, name: str = "r.csv") -> Path:
    """Every row as a suspect; a person decides on the texts of `decisions`."""
    suspects = [Suspect(row_id(r["text"]), f"d:{n}", r["text"], r["label"], "refund", 0.1) for n, r in enumerate(rows)]
    lines = list(csv.DictReader(io.StringIO(as_csv(suspects).removeprefix("\ufeff"))))
    for row, line in zip(rows, lines, strict=True):
        line["decision"] = decisions.get(row["text"], "")
    path = tmp_path / name
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, lines[0].keys(), delimiter=";")  # as a spreadsheet may save it
        writer.writeheader()
        writer.writerows(lines)
    return path


def labels(dataset: Dataset) -> list[tuple[str, str]]:
    return [(row.text, row.label) for row in dataset.rows]


def test_round_trip_applies_every_kind_of_decision_by_content(tmp_path: Path) -> None:
    decisions = {
        "where is my card": "keep",
        "refund please\nsoon": "suggested",
        '=HYPERLINK("x"); "quoted", done': "Drop",
        "asdf qwer": " card ",
    }
    path = review(tmp_path, decisions)
    shuffled = random.Random(3).sample(ROWS, len(ROWS))
    result, applied = apply(data(shuffled), path)
    assert applied == Applied(relabelled=2, dropped=1, kept=1, already=0, undecided=3)
    right = {**{r["text"]: r["label"] for r in ROWS}, "refund please\nsoon": "refund", "asdf qwer": "card"}
    kept = [r for r in shuffled if not r["text"].startswith("=")]
    told = [(r["text"], r["label"] if r["text"] == "contradiction" else right[r["text"]]) for r in kept]
    assert labels(result) == told
    assert [row.origin for row in result.rows] == [
        f"row {number}" for number, r in enumerate(shuffled, 1) if not r["text"].startswith("=")
    ]


def test_a_decision_is_about_text_and_label_and_holds_for_all_equal_rows(tmp_path: Path) -> None:
    suspects = [Suspect(row_id("contradiction"), "d", "contradiction", "fee", "refund", 0.1)]
    path = tmp_path / "r.csv"
    path.write_text(as_csv(suspects).replace("0.1000,", "0.1000,suggested"), encoding="utf-8")
    twice = [*ROWS, ROWS[5]]
    result, applied = apply(data(twice), path)
    assert applied.relabelled == 2
    assert [label for text, label in labels(result) if text == "contradiction"] == ["refund"] * 3
    assert decided(path) == {(row_id("contradiction"), "fee")}


def test_applying_twice_or_to_data_corrected_since_changes_nothing_more(tmp_path: Path) -> None:
    decisions = {"asdf qwer": "drop", "refund please\nsoon": "refund"}
    path = review(tmp_path, decisions)
    once, _ = apply(data(), path)
    again, applied = apply(once, path)
    assert labels(again) == labels(once)
    assert applied == Applied(relabelled=0, dropped=0, kept=0, already=1, undecided=5)
    assert "1 corrected in the data already" in str(applied)


def test_a_later_list_may_decide_otherwise_on_what_an_earlier_one_changed(tmp_path: Path) -> None:
    first = review(tmp_path, {"money back": "fee"})
    changed, _ = apply(data(), first)
    second = review(tmp_path, {"money back": "refund"}, [{"text": "money back", "label": "fee"}], "second.csv")
    result, applied = apply(changed, second)
    assert applied.relabelled == 1 and labels(result) == labels(data())


def test_what_a_spreadsheet_would_compute_is_shown_as_text() -> None:
    lines = as_csv([Suspect("r1", "d:1", " =1+1\nnext", "a", "b", 0.25)]).splitlines()
    assert lines[0] == "\ufeffid,origin,text,label,suggested,score,decision"
    assert lines[1:] == ["r1,d:1,'=1+1 next,a,b,0.2500,"]
    assert not row_id("x").isdigit() and len({row_id(text) for text in ("x", "X", "x ", "\ud800")}) == 4


def test_words_mean_labels_where_labels_are_called_so(tmp_path: Path) -> None:
    rows = [{"text": "a", "label": "keep"}, {"text": "b", "label": "drop"}, {"text": "c", "label": "refund"}]
    result, applied = apply(data(rows), review(tmp_path, {"a": "drop", "b": "keep"}, rows))
    assert labels(result)[:2] == [("a", "drop"), ("b", "keep")] and applied.relabelled == 2


@pytest.mark.parametrize(
    ("decisions", "message"),
    [
        (
            {"money back": "refnd"},
            "r.csv:6: decision 'refnd' is neither keep, suggested, drop nor a label of the data;",
        ),
        ({"money back": "refnd"}, "did you mean 'refund'?"),
        ({"money back": "new_label"}, "a new label needs a row in the data first"),
    ],
)
def test_unknown_labels_are_refused(tmp_path: Path, decisions: dict[str, str], message: str) -> None:
    with pytest.raises(DataError) as caught:
        apply(data(), review(tmp_path, decisions))
    assert message in str(caught.value)


def test_stale_lines_are_refused_and_say_what_is_there_now(tmp_path: Path) -> None:
    path = review(tmp_path, {"money back": "card", "asdf qwer": "drop", "where is my card": "keep"})
    now = [{**r, "label": "fee" if r["text"] == "money back" else r["label"]} for r in ROWS]
    with pytest.raises(DataError, match="about a row with the label 'refund'; its row has the label 'fee' now"):
        apply(data(now), path)
    with pytest.raises(DataError, match="about a row with the label 'card'; no row has this text any more"):
        apply(data(ROWS[1:]), path)
    apply(data([r for r in ROWS if r["text"] != "asdf qwer"]), path)  # what was to be dropped may be gone


def test_two_decisions_on_one_row_are_refused(tmp_path: Path) -> None:
    path = review(tmp_path, {"money back": "card"})
    again = path.read_text(encoding="utf-8-sig").splitlines()
    path.write_text("\n".join([*again, again[5].replace(";card", ";fee")]), encoding="utf-8")
    with pytest.raises(DataError, match=r"r\.csv:9: decides otherwise than .*r\.csv:6 on the same text and label"):
        apply(data(), path)


def test_files_that_are_no_list_of_suspects_are_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.csv"
    other.write_text("text,label\na,b\n")
    with pytest.raises(DataError, match="there is no column 'id'"):
        apply(data(), other)
    with pytest.raises(EnvironmentProblem, match=r"gone\.csv: cannot be read"):
        apply(data(), tmp_path / "gone.csv")
