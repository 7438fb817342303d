"""Which labelled rows are shown to a larger model: the nearest, in a fixed order."""

import itertools

from hypothesis import given, settings
from hypothesis import strategies as some

from shoal.llm import ExampleIndex

ROWS = [
    ("I want my refund for the broken kettle", "refund"),
    ("When will the power be back on in our street?", "outage"),
    ("The bill is much too high this month", "bill"),
    ("refunding takes for ever, where is my money", "refund"),
    ("My bill was paid twice", "bill"),
]


def test_the_nearest_come_first_each_with_its_label() -> None:
    index = ExampleIndex(ROWS)
    assert len(index) == 5
    assert index.nearest("why is my bill so high?", 2) == [ROWS[2], ROWS[4]]
    assert index.nearest("no power in the street", 1) == [ROWS[1]]


def test_beginnings_of_long_words_match() -> None:
    assert {row[1] for row in ExampleIndex(ROWS).nearest("refunds", 2)} == {"refund"}


def test_case_and_punctuation_do_not_matter() -> None:
    index = ExampleIndex(ROWS)
    assert index.nearest("BILL!!! HIGH???", 3) == index.nearest("bill high", 3)


def test_rare_words_count_more_than_common_ones() -> None:
    rows = [(f"please help with number {n}", "other") for n in range(30)] + [("a leaking valve", "leak")]
    assert ExampleIndex(rows).nearest("please help, the valve", 1) == [("a leaking valve", "leak")]


def test_nothing_in_common_gives_rows_all_the_same_in_their_own_order() -> None:
    assert ExampleIndex(ROWS).nearest("\u0433\u0434\u0435 \u0441\u0447\u0451\u0442", 2) == ROWS[:2]
    assert ExampleIndex(ROWS).nearest("", 3) == ROWS[:3]


def test_no_rows_and_no_wish() -> None:
    assert ExampleIndex([]).nearest("anything", 8) == []
    assert ExampleIndex(ROWS).nearest("bill", 0) == []
    assert len(ExampleIndex(ROWS).nearest("bill", 99)) == 5


def test_endless_rows_are_cut_off() -> None:
    assert len(ExampleIndex((f"text {n}", "a") for n in itertools.count())) == 5_000


WORDS = some.text("ab\u00df\u0130c1", min_size=1, max_size=8)


@settings(deadline=None, max_examples=60)
@given(some.lists(some.frozensets(WORDS, min_size=1, max_size=4), max_size=8, unique=True))
def test_a_row_is_nearest_to_itself(sets: list[frozenset[str]]) -> None:
    rows = [(" ".join(sorted(words)), str(number)) for number, words in enumerate(sets)]
    index = ExampleIndex(rows)
    for text, _ in rows:
        found = index.nearest(text, len(rows))
        assert sorted(found) == sorted(rows)
        assert sorted(found[0][0].lower().split()) == sorted(text.lower().split())
