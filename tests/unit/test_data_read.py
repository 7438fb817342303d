"""Reading: what is right is read unchanged, what is wrong is refused with file, line and column."""

import csv
import datetime
import json
import string
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.data import Dataset, read
from shoal.errors import DataError, EnvironmentProblem


def write(folder: Path, content: bytes | str, name: str = "rows.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def fault(path: object, **columns: str | list[str] | None) -> str:
    with pytest.raises(DataError) as caught:
        read(path, **columns)  # pyright: ignore
    return str(caught.value)


def test_reads_csv_with_origins_that_count_lines_not_rows(tmp_path: Path) -> None:
    path = write(tmp_path, 'text,label\n"two\nlines",a\n\nplain, b \n')
    data = read(path)
    assert [(row.text, row.label, row.origin) for row in data.rows] == [
        ("two\nlines", "a", f"{path}:2"),
        ("plain", "b", f"{path}:5"),
    ]
    assert data.labels == ("a", "b")


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_reads_every_delimiter_with_a_byte_order_mark_and_windows_line_ends(tmp_path: Path, delimiter: str) -> None:
    lines = [["id", "text", "label"], ["1", "where is it, and why; tell me|now", "a"], ["2", "so", "b"]]
    with (tmp_path / "rows.csv").open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows(lines)
    assert read(tmp_path / "rows.csv").texts == ["where is it, and why; tell me|now", "so"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_reads_whatever_ends_the_lines(tmp_path: Path, end: str) -> None:
    file = tmp_path / "rows.csv"
    file.write_text(end.join(["text,label", '"one, and",a', "two,b", ""]), encoding="utf-8-sig", newline="")
    assert [(row.text, row.label, row.origin) for row in read(file).rows] == [
        ("one, and", "a", f"{file}:2"),
        ("two", "b", f"{file}:3"),
    ]


def test_a_text_file_has_one_text_a_line(tmp_path: Path) -> None:
    file = tmp_path / "texts.txt"
    file.write_text("where is it, and why?\r\n\n  so \n", encoding="utf-8-sig", newline="")
    found = read(file, label=None)
    assert [(row.text, row.origin) for row in found.rows] == [
        ("where is it, and why?", f"{file}:1"),
        ("so", f"{file}:3"),
    ]
    with pytest.raises(DataError, match="one text a line and nothing else, but the columns text, label are wanted"):
        read(file)
    file.write_text("\n \n")
    with pytest.raises(DataError, match="is empty; expected one text a line"):
        read(file, label=None)
    file.write_bytes(b"fine\ncaf\xe9\n")
    with pytest.raises(DataError, match=r"texts.txt:2:4: byte 0xE9 is not UTF-8"):
        read(file, label=None)


def test_reads_texts_of_a_megabyte(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text(f"text,label\n{'word ' * 200_000},a\n")
    assert len(read(file).rows[0].text) == 1_000_000


def test_reads_json_lines_and_parquet_alike(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    rows = [{"text": "grüße", "label": "a", "split": "val"}, {"text": "b", "label": "b", "split": None}]
    write(tmp_path, "\n\n".join(json.dumps(row) for row in rows) + "\n", "rows.jsonl")
    parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "rows.parquet")
    json_data, parquet_data = read(tmp_path / "rows.jsonl"), read(tmp_path / "rows.parquet")
    assert json_data.hash == parquet_data.hash == read(rows).hash == Dataset.from_rows(rows).hash
    assert [row.split for row in json_data.rows] == ["dev", None]
    assert json_data.rows[1].origin.endswith("rows.jsonl:3")
    assert parquet_data.rows[1].origin.endswith("rows.parquet:2")


def test_parquet_takes_dates_and_numbers_as_times_and_groups(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    rows = [{"text": "a", "label": "a", "when": datetime.datetime(2026, 3, 1, tzinfo=datetime.UTC), "who": 7}]
    parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "rows.parquet")
    row = read(tmp_path / "rows.parquet", time="when", group="who").rows[0]
    assert (row.time, row.group) == ("2026-03-01T00:00:00+00:00", "7")


def test_parquet_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, b"not parquet at all", "rows.parquet")
    pytest.importorskip("pyarrow")
    assert "rows.parquet: not a readable Parquet file" in fault(path)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(EnvironmentProblem, match=r"needs the 'train' extra: pip install 'shoal\[train\]'"):
        read(path)


def test_parquet_with_number_labels_or_without_the_column(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(pa.Table.from_pylist([{"text": "a", "lable": 0}]), tmp_path / "rows.parquet")
    assert "no column 'label'; did you mean 'lable'?; the columns are 'text', 'lable'" in fault(
        tmp_path / "rows.parquet"
    )
    assert "rows.parquet:1: column 'lable': got 0 (int), must be a string" in fault(
        tmp_path / "rows.parquet", label="lable"
    )


def test_files_for_splits(tmp_path: Path) -> None:
    one = write(tmp_path, "text,label\na,x\n", "one.csv")
    two = write(tmp_path, "text,label\nb,y\n", "two.csv")
    assert [row.split for row in read({"train": one, "validation": two}).rows] == ["train", "dev"]
    assert "'trian' is not the name of a split; there are train, dev, calibration, test" in fault({"trian": one})
    assert "give either a split column" in fault({"train": one}, split="part")


def test_a_column_called_split_is_taken_and_must_make_sense(tmp_path: Path) -> None:
    path = write(tmp_path, "text,label,split\na,x,TRAIN\nb,y,calib\nc,y,\n")
    assert [row.split for row in read(path).rows] == ["train", "calibration", None]
    path = write(tmp_path, "text,label,split\na,x,left\n")
    assert ":2: column 'split': got 'left' (str), must be one of train, dev, calibration, test; if this" in fault(path)
    path = write(tmp_path, "text,label,part\na,x,left\n")
    assert fault(path, split="part").endswith("must be one of train, dev, calibration, test")


def test_rows_without_labels_are_read_for_prediction(tmp_path: Path) -> None:
    data = read(write(tmp_path, "text,split\nhello,left half\n"), label=None)
    assert data.texts == ["hello"] and data.rows[0].split is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty; expected a header line with the columns text, label"),
        (b"text,label\n", "no rows to read"),
        (b"text,label\nok,a\ncaf\xe9 now,b\n", ":3:4: byte 0xE9 is not UTF-8"),
        ("text,label\nok,a\n".encode("utf-16"), ":1:1: the file is UTF-16; save it as UTF-8"),
        (
            b"text,lable\nok,a\n",
            ":1: there is no column 'label'; did you mean 'lable'?; the columns are 'text', 'lable'",
        ),
        (b"text,text,label\na,b,c\n", ":1: 2 columns are called 'text'"),
        (b"text,label\na,b\nno comma\n", ":3: 1 fields where the header has 2"),
        (b'text,label\na,b\n"never closed,c\nd,e\n', ":3: a double quote is opened in this row and never closed"),
        (b'text,label\n"she said "no" to me",b\n', "inside a quoted field write a double quote twice"),
        (b'text,label\n"' + b"x" * 10_000_001 + b'",b\n', ":2: a field of more than 10,000,000 characters, up to"),
        (b"text,label\na\0b,c\n", ":2: column 'text': character 2 is a NUL byte"),
        (b"x" * 300_000, f":1: there is no column 'text'; the columns are '{'x' * 60}...'"),
    ],
)
def test_csv_faults_name_file_line_and_column(tmp_path: Path, content: bytes, message: str) -> None:
    path = write(tmp_path, content)
    seen = fault(path)
    assert seen.startswith(str(path)) and message in seen


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\n\n", "is empty; expected one JSON object a line with the keys text, label"),
        (b'{"text": "a", "label": "b"}\n{"text": "a", label}\n', ":2:15: not valid JSON"),
        (b'["a", "b"]\n', ":1: expected one JSON object"),
        (b'{"text": "a", "label": "b"}\n{"text": "\xff", "label": "b"}\n', ":2:11: byte 0xFF is not UTF-8"),
        (b'{"text": 5, "label": "b"}\n', ":1: column 'text': got 5 (int), must be a string"),
        (b'{"text": "a", "label": null}\n', ":1: column 'label': got None (NoneType), must be a string"),
        (b'{"text": "a"}\n', ":1: there is no column 'label'; the columns are 'text'"),
        (b'{"text": "a\\u0000", "label": "b"}\n', "character 2 is a NUL byte"),
        (b'{"text": "\\ud800", "label": "b"}\n', "character 1 is half of a surrogate pair"),
        (b'{"text": ' + b"[" * 100_000 + b"\n", ":1: not usable JSON"),
        (b'{"text": ' + b"9" * 5_000 + b"}\n", ":1: not usable JSON"),
    ],
)
def test_json_faults_name_file_and_line(tmp_path: Path, content: bytes, message: str) -> None:
    path = write(tmp_path, content, "rows.jsonl")
    seen = fault(path)
    assert seen.startswith(str(path)) and message in seen


def test_paths_that_cannot_be_read(tmp_path: Path) -> None:
    write(tmp_path, "text,label\n", "intent.csv")
    assert "intents.csv: there is no such file; did you mean 'intent.csv'?" in fault(tmp_path / "intents.csv")
    assert "is a folder" in fault(tmp_path)
    assert ".xlsx is not a known format; use .csv, .tsv" in fault(write(tmp_path, "", "rows.xlsx"))


def test_lists_that_cannot_be_read() -> None:
    assert fault([]) == "the list: no rows to read"
    assert fault(["a"]) == "row 1: expected a mapping with 'text' and 'label', got 'a' (str)"
    assert fault([{"text": "a", "label": "b"}, {"txt": "a", "label": "b"}]).startswith(
        "row 2: there is no column 'text'; did you mean 'txt'?"
    )
    assert fault([{"text": "a", "label": True}]) == "row 1: column 'label': got True (bool), must be a string"


def test_a_closed_set_of_labels_holds_what_rows_lack_and_refuses_what_they_invent() -> None:
    rows = [{"text": "where is it?", "label": "delivery"}, {"text": "hello", "label": ""}]
    assert read(rows).closed(["refund", "delivery"]).labels == ("delivery", "refund")
    with pytest.raises(
        DataError, match=r"row 2: label 'refnd' is not one of the 2 labels given; did you mean 'refund'"
    ):
        read([rows[0], {"text": "money back", "label": "refnd"}]).closed(["refund", "delivery"])


def test_times_must_be_of_one_kind() -> None:
    def rows(*times: object) -> list[dict[str, object]]:
        return [{"text": "a", "label": "b", "when": time} for time in times]

    assert fault(rows("2026-01-01", "yesterday"), time="when").startswith(
        "row 2: the time 'yesterday' must be ISO 8601"
    )
    assert fault(rows(3, "2026-01-01"), time="when") == "row 2: the time '2026-01-01' must be a number like '3'"
    assert fault(rows([3]), time="when") == "row 1: column 'when': got [3] (list), must be a string, a number or a date"
    assert len(read(rows("2026-01-01", "2026-01-01T10:00:00Z", None), time="when")) == 3


cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
labels = st.text(string.ascii_letters + " _", min_size=1, max_size=8).map(str.strip)


@given(st.lists(st.tuples(cells, labels), min_size=1, max_size=20))
def test_csv_and_json_lines_round_trip(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]) -> None:
    folder = tmp_path_factory.mktemp("rows")
    with (folder / "rows.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows([("text", "label"), *rows])
    with (folder / "rows.jsonl").open("w", encoding="utf-8") as file:
        file.writelines(json.dumps({"text": text, "label": label}) + "\n" for text, label in rows)
    for name in ("rows.csv", "rows.jsonl"):
        assert [(row.text, row.label) for row in read(folder / name).rows] == rows


@given(st.binary(max_size=300), st.sampled_from(["rows.csv", "rows.jsonl", "rows.tsv"]))
def test_no_bytes_whatever_make_it_crash(tmp_path_factory: pytest.TempPathFactory, junk: bytes, name: str) -> None:
    path = write(tmp_path_factory.mktemp("junk"), b"text,label\n" + junk, name)
    try:
        read(path)
    except DataError as error:
        assert str(path) in str(error)


def test_columns_for_slices_are_kept_on_the_rows(tmp_path: Path) -> None:
    path = write(tmp_path, "text,label,channel,region\na,x,sms,north\nb,y, ,3\n")
    data = read(path, slices=["channel", "region", "channel"])
    assert [row.slices for row in data.rows] == [(("channel", "sms"), ("region", "north")), (("region", "3"),)]
    assert data.hash == read(path).hash  # nothing is learnt from them
    assert "no column 'chanel'; did you mean 'channel'?" in fault(path, slices=["chanel"])


def test_a_column_of_many_values_makes_no_slices(tmp_path: Path) -> None:
    path = write(tmp_path, "text,label\n" + "".join(f"row {number},x\n" for number in range(51)))
    assert "column 'text' has 51 different values; a column for slices has at most 50" in fault(path, slices=["text"])
