"""Units of a text: in order, without overlap, every character but white space, for whatever Unicode."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoal.models.sentences import Kind, Unit, units

PIECES = st.sampled_from(
    [
        *(
            "Agent: ",
            "Customer:",
            "\n",
            "\r\n",
            "\n\n",
            ". ",
            "? ",
            "Hi",
            "Dr. Lee",
            "שלום",
            "مرحبا.",
            "\u200b",
            "\u200f",
        ),
        *("😀", "\u200d", "e\u0301", "\u2028", "\x85", "\t", " ", "12:30", "- item", "。", "\uff1a", "\ud800", "\0"),
        "x" * 1200,
    ]
)
TEXTS = st.one_of(st.text(max_size=300), st.lists(PIECES, max_size=40).map("".join))


@settings(max_examples=300, deadline=None)
@given(TEXTS, st.sampled_from(["sentence", "turn"]))
def test_units_are_in_order_and_hold_every_character_that_is_seen(text: str, kind: Kind) -> None:
    found = units(text, kind)
    covered, before = [False] * len(text), 0
    for start, end, _, _ in found:
        assert before <= start < end <= len(text)
        assert text[start:end] == text[start:end].strip()
        covered[start:end] = [True] * (end - start)
        before = end
    assert not [place for place, seen in enumerate(covered) if not seen and not text[place].isspace()]


def cut(text: str, kind: Kind = "sentence") -> list[str]:
    return [text[start:end] for start, end, *_ in units(text, kind)]


def test_sentences() -> None:
    text = "Dr. Smith paid 3.50 euros.  He left!\r\nWhy? שלום עולם. מה שלומך?"
    assert cut(text) == ["Dr. Smith paid 3.50 euros.", "He left!", "Why?", "שלום עולם.", "מה שלומך?"]


def test_paragraphs_and_items_of_lists_are_apart() -> None:
    assert cut("Scope\n\nWe do\nthis:\n- one thing\n- another\n1. first") == [
        "Scope",
        "We do\nthis:",
        "- one thing",
        "- another",
        "1. first",
    ]


def test_turns_know_their_speakers_and_go_on_over_lines() -> None:
    text = "Ms. Lee: Hello.\r\nI am here.\r\nCustomer (angry): At 12:30: no!\nPhD D: {disfmarker} yes"
    found = units(text, "turn")
    assert [text[unit.start : unit.end] for unit in found] == [
        "Ms. Lee: Hello.\r\nI am here.",
        "Customer (angry): At 12:30: no!",
        "PhD D: {disfmarker} yes",
    ]
    assert [(unit.speaker, unit.turn) for unit in found] == [("Ms. Lee", 0), ("Customer (angry)", 1), ("PhD D", 2)]


def test_a_sentence_stays_in_its_turn() -> None:
    text = "Agent: Hello there\nCustomer: my bill\nis wrong. Fix it"
    assert cut(text) == ["Agent: Hello there", "Customer: my bill\nis wrong.", "Fix it"]
    assert [(unit.speaker, unit.turn) for unit in units(text, "sentence")] == [
        ("Agent", 0),
        ("Customer", 1),
        ("Customer", 1),
    ]


@pytest.mark.parametrize("text", ["Agent: One. Two.", "One. Two."])
def test_without_turns_to_choose_from_sentences_are_cut(text: str) -> None:
    assert cut(text, "turn") == text.replace(". ", ".|").split("|")


@pytest.mark.parametrize("text", ["", "  \r\n\t\u2028"])
def test_nothing_to_quote(text: str) -> None:
    assert units(text, "sentence") == units(text, "turn") == []


def test_what_has_no_end_is_cut_at_white_space() -> None:
    assert [len(piece) for piece in cut("word " * 500)] == [999, 999, 499]
    assert [len(piece) for piece in cut("x" * 2500)] == [1000, 1000, 500]


def test_what_stands_before_the_first_turn_is_kept() -> None:
    assert units("Minutes\nA: x\nB: y", "turn")[0] == Unit(0, 7, "", 0)
