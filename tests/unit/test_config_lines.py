"""Lines of keys: agree with where a text generator has put them, and with what the standard parser reads."""

import tomllib

from hypothesis import given
from hypothesis import strategies as st

from shoal.config.lines import Lines

TEXT = '''# a comment
title = "x"

[specialists.intent]   # a table
data.train = "a.csv"
guarantee = { risk = 0.03, confidence = 0.95 }
never = [
  "a", # one ] bracket
  "b",

  "c",
]
instructions = """
[not.a.table]
risk = 1
"""
"quoted key" = 1
[[runs]]
n = 1
[[runs]]
n = 2
'''


def test_every_way_to_write_a_key() -> None:
    lines = Lines(TEXT)
    expected = {
        ("title",): 2,
        ("specialists",): 4,
        ("specialists", "intent"): 4,
        ("specialists", "intent", "data", "train"): 5,
        ("specialists", "intent", "guarantee", "confidence"): 6,
        ("specialists", "intent", "never"): 7,
        ("specialists", "intent", "never", 0): 8,
        ("specialists", "intent", "never", 1): 9,
        ("specialists", "intent", "never", 2): 11,
        ("specialists", "intent", "instructions"): 13,
        ("specialists", "intent", "quoted key"): 17,
        ("runs",): 18,
    }
    assert {path: lines.of(path) for path in expected} == expected


def test_what_is_not_there_falls_back_to_what_surrounds_it() -> None:
    lines = Lines(TEXT)
    assert lines.of(("specialists", "intent", "guarantee", "level")) == 6
    assert lines.of(("specialists", "other")) == 4
    assert lines.of(("project", "name")) == 1
    assert Lines("").of(("project",)) == 1


def test_windows_line_ends_count_once() -> None:
    assert Lines("a = 1\r\nb = [\r\n1,\r\n]\r\nc = 2\r\n").of(("c",)) == 5


keys = st.text("abc", min_size=1, max_size=2) | st.sampled_from(['"a b"', '"#"', '"="', "'[x]'"])
values = st.sampled_from(
    [
        "1",
        '"plain # no comment"',
        "'''one\n]\ntwo = 3\n'''",
        '"""\n[t]\n\n"""',
        "[\n  1, # ]\n\n  [2, 3],\n]",
        "{ x = 1, y = [1,\n2] }",
        "[]",
    ]
)
pieces = st.lists(
    st.one_of(
        st.tuples(st.just("key"), keys, values),
        st.tuples(st.just("table"), keys, st.just("")),
        st.tuples(st.just("note"), st.sampled_from(["", "# a = 1", "# ["]), st.just("")),
    ),
    max_size=14,
)


@given(pieces)
def test_lines_are_where_the_text_put_them(drawn: list[tuple[str, str, str]]) -> None:
    text, number = "", 1
    where: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    seen: set[tuple[str, ...]] = set()
    for kind, name, value in drawn:
        if kind == "note":
            piece = name
        else:
            path = (*table, name.strip("\"'")) if kind == "key" else ("t" + name.strip("\"'"),)
            if path in seen:
                continue
            seen.add(path)
            if kind == "key":
                piece = f"{name} = {value}"
                where[path] = number
            else:
                table = ("t" + name.strip("\"'"),)
                piece = f"[{_prefixed(name)}]"
                where[table] = number
        text += piece + "\n"
        number += piece.count("\n") + 1
    tomllib.loads(text)
    lines = Lines(text)
    assert {path: lines.of(path) for path in where} == where


def _prefixed(name: str) -> str:
    return f"{name[0]}t{name[1:]}" if name[0] in "\"'" else f"t{name}"


@given(st.lists(st.lists(st.sampled_from(["1", '"]"', "{ a = 1 }", "[2, 3]"]), max_size=3), min_size=1, max_size=6))
def test_items_of_a_long_array_are_on_their_own_lines(rows: list[list[str]]) -> None:
    body = "\n".join("  " + "".join(f"{item}, " for item in row) + "# ]" for row in rows)
    text = f"[t]\nroot = [\n{body}\n]\nlast = 1\n"
    lines = Lines(text)
    expected = [number for number, row in enumerate(rows, start=3) for _ in row]
    assert [lines.of(("t", "root", index)) for index in range(len(expected))] == expected
    assert lines.of(("t", "root")) == 2 and lines.of(("t", "last")) == len(rows) + 4


def test_very_long_arrays_stay_affordable() -> None:
    lines = Lines("root = [\n" + '  "a long label",\n' * 5_000 + "]\nlast = 1\n")
    assert lines.of(("root", 4_999)) == 1 and lines.of(("last",)) == 5_003
