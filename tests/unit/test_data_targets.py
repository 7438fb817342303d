"""Reference answers of the further tasks: what is read, what is refused and how."""

import json
from pathlib import Path
from typing import Any

import pytest

from shoal.data import Dataset, Row, read
from shoal.data.targets import read_target
from shoal.errors import DataError
from shoal.tasks import Span, TaskKind

TEXT = "Zoë 😀 lives in Rio"


def spans(*given: dict[str, Any], text: str = TEXT) -> Any:
    return read_target("tagging", list(given), text)


def place(start: int, end: int, kind: str = "NAME", **more: Any) -> dict[str, Any]:
    return {"start": start, "end": end, "type": kind, **more}


def test_spans_are_sorted_and_carry_their_text() -> None:
    found = spans(place(15, 18, "CITY"), place(0, 3, text="Zoë"))
    assert found == (Span(0, 3, "NAME", "Zoë"), Span(15, 18, "CITY", "Rio"))


def test_spans_as_json_as_csv_has_them() -> None:
    assert read_target("tagging", json.dumps([place(0, 3)]), TEXT) == (Span(0, 3, "NAME", "Zoë"),)
    assert (
        read_target("tagging", "", TEXT) == read_target("tagging", None, TEXT) == read_target("tagging", [], TEXT) == ()
    )
    with pytest.raises(DataError, match="is not JSON"):
        read_target("tagging", "[{", TEXT)


def test_spans_that_touch_do_not_overlap() -> None:
    assert len(spans(place(0, 3), place(3, 4), text="Zoë!")) == 2


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([place(0, 5), place(4, 8)], r"spans 0-5 \(NAME\) and 4-8 \(NAME\) overlap; .* keep one of them"),
        ([place(0, 3), place(0, 3, "CITY")], "overlap"),
        ([place(3, 0)], "span 3-0 .* is not in the text: end is not behind start"),
        ([place(3, 3)], "end is not behind start"),
        ([place(-2, 3)], "is not in the text"),
        ([place(15, 19)], "the text has 18 characters; are the offsets counted in bytes"),
        ([place(40, 50)], r"the text has 18 characters$"),
        ([place(0, 3, text="Zoé")], "holds 'Zoë', the row says 'Zoé'"),
        ([place(19, 22, "CITY", text="Rio")], "offsets counted in bytes"),
        ([place(0, 4, text="Zoë")], "holds 'Zoë ', the row says 'Zoë'; are the offsets counted in bytes"),
        ([{"start": 0, "end": 3}], "must be"),
        ([{"start": "0", "end": 3, "type": "NAME"}], "must be"),
        ([{"start": 0.0, "end": 3, "type": "NAME"}], "must be"),
        ([{"start": True, "end": 3, "type": "NAME"}], "must be"),
        ([place(0, 3, " ")], "must be"),
        (["Zoë"], "must be"),
    ],
)
def test_spans_that_are_refused(given: list[Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_target("tagging", given, TEXT)


def test_offsets_count_characters_in_awkward_texts() -> None:
    text = "a\r\n\u202eשבת\u202c e\u0301 \u200bZoe"
    start = text.index("Zoe")
    assert spans(place(start, len(text)), text=text)[0].text == "Zoe"


@pytest.mark.parametrize(
    ("given", "labels"),
    [
        ("a|b", ("a", "b")),
        (["b", "a", "b", " "], ("b", "a")),
        ('["a", "b"]', ("a", "b")),
        ("", ()),
        (None, ()),
        ([], ()),
    ],
)
def test_labels(given: Any, labels: tuple[str, ...]) -> None:
    assert read_target("multilabel", given, TEXT) == labels


@pytest.mark.parametrize(
    ("task", "given"),
    [
        ("multilabel", 3),
        ("multilabel", [1]),
        ("summarization", 3),
        ("extraction", "[1]"),
        ("extraction", 3),
        ("tagging", 3),
    ],
)
def test_values_of_another_shape(task: TaskKind, given: Any) -> None:
    with pytest.raises(DataError, match="must be"):
        read_target(task, given, TEXT)


def test_summary_and_record() -> None:
    assert read_target("summarization", " short \n", TEXT) == "short"
    assert read_target("summarization", None, TEXT) == ""
    assert read_target("extraction", '{"a": 1}', TEXT) == read_target("extraction", {"a": 1}, TEXT) == {"a": 1}


def test_a_file_names_the_line_and_the_column(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    rows = [{"text": TEXT, "spans": [place(0, 3)]}, {"text": TEXT, "spans": [place(0, 99)]}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    with pytest.raises(DataError, match=r"rows\.jsonl:2: column 'spans': span 0-99 \(NAME\) is not in the text"):
        read(path, label="spans", task="tagging")


def test_the_types_of_rows_are_their_labels() -> None:
    dataset = Dataset.of([Row(TEXT, "", target=spans(place(0, 3), place(15, 18, "CITY"))), Row("x", "", target=())])
    assert dataset.labels == ("CITY", "NAME")
    assert dataset.counts() == {"CITY": 1, "NAME": 1}
