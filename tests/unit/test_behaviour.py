"""Behavioural tests: files with every mistake told, changes that do what they say, counts that are right."""

import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal import behaviour
from shoal.behaviour import changes
from shoal.behaviour.cases import MOST, cases
from shoal.config.schema import SUITES
from shoal.errors import ConfigError, InputError
from shoal.models import Specialist, Tier, View
from shoal.tasks import Classification

GENDER = {"women": ["woman", "she", "mother"], "men": ["man", "he", "father"]}


class ByWords:
    """A scorer that counts good and bad words, as they are written."""

    kind = "words.test"
    size_bytes = 1

    def logits(self, texts: Sequence[str]) -> np.ndarray:
        good = [sum(word.strip(".!,") in ("good", "love", "woman") for word in text.split()) for text in texts]
        bad = [sum(word.strip(".!,") in ("bad", "hate", "not") for word in text.split()) for text in texts]
        return 3.0 * np.array([bad, good], np.float32).T

    def save(self, folder: Path) -> None:
        raise NotImplementedError


def specialist() -> Specialist:
    task = Classification(labels=("bad", "good"))
    return Specialist(name="tone", task=task, tiers=(Tier("words", (View(ByWords()),), threshold=0.5),))


def suite(folder: Path, text: str, **options) -> behaviour.Suite:
    file = folder / "own.toml"
    file.write_text(text, encoding="utf-8")
    return behaviour.load(file, **options)


def mistakes(folder: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        suite(folder, text)
    return [told.removeprefix(f"{folder / 'own.toml'}:") for told in caught.value.mistakes]


def results(folder: Path, text: str, rows: Sequence[str] = (), **options) -> dict[str, behaviour.BehaviourResult]:
    return {one.name: one for one in behaviour.run(specialist(), suite(folder, text, **options), rows)}


# Files


@pytest.mark.parametrize("name", SUITES)
def test_what_comes_with_shoal_is_right_and_makes_cases(name: str) -> None:
    found = behaviour.load(name)
    rows = [f"She said it is row {number}, and she don't like the church or America." for number in range(300)]
    for test in found.tests:
        made = cases(found, test, rows, seed=0)
        assert len(made) >= 100, test
        assert found.tests[test].about


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "1: tests: is missing; for example a table [tests.polite]"),
        ("[tests]", "1: tests: holds no test"),
        ('[tests.a]\ntexts = ["x"]', "1: tests.a: asks for nothing: add expect, or change"),
        ('[tests.a]\nexpect = "good"', "1: tests.a: needs one of texts, templates, pairs, or rows; it has none"),
        ('[tests.a]\ntexts = ["x"]\nexpct = "good"', "3: tests.a.expct: is not a known key (did you mean 'expect'?)"),
        ('[tests.a]\ntexts = ["x"]\nchange = "typo"', "3: tests.a.change.0.name: got 'typo', must be one of typos"),
        ('[tests.a]\ntexts = ["x"]\nchange = { swap = "x", append = ["y"] }', "one of swap, prepend, append, replace"),
        ('[tests.a]\ntexts = ["x"]\nchange = { swap = "gender" }', "3: tests.a.change: there is no table terms.gender"),
        ('[tests.a]\ntexts = ["x"]\nchange = "upper"\nexpect = "good"', "4: tests.a.expect: is asked of texts as they"),
        ('[tests.a]\ntexts = ["x"]\nlowers = "good"', "3: tests.a.lowers: is asked of a change"),
        ('[tests.a]\nrows = 5\nexpect = "good"', "3: tests.a.expect: does not go with rows"),
        ('[tests.a]\nrows = 5\ntexts = ["x"]\nchange = "upper"', "2: tests.a.rows: goes alone or with templates"),
        ('[tests.a]\npairs = [["x"]]', "2: tests.a.pairs"),
        ('[tests.a]\npairs = [["x", "y"]]\nchange = "upper"', "3: tests.a.change: does not go with pairs"),
        ('[tests.a]\ntexts = ["x"]\nchange = "upper"\nby = 0.2', "4: tests.a.by: says how far lowers or raises"),
        ('[tests.a]\ntexts = ["x"]\nchange = "upper"\nlowers = "a"\nraises = "b"', "5: tests.a.raises: only one of"),
        ('[tests.a]\ntemplates = ["{thng}"]\nexpect = "a"\n[slots]\nthing = ["x"]', "(did you mean 'thing'?)"),
        ('[tests.a]\ntemplates = ["{thing"]\nexpect = "a"', "2: tests.a.templates.0: got '{thing'"),
        ('[tests.a]\ntemplates = ["{row}"]\nexpect = "a"', "{row} is a test row of the project: say how many"),
        ('[tests.a]\ntemplates = ["x"]\nrows = 5\nchange = "upper"', "with rows every template must hold {row}"),
        ('[terms.x]\na = ["b"]\nc = ["d", "e"]\n[tests.a]\ntexts = ["x"]\nexpect = "a"', "1: terms.x: the groups must"),
        ('[tests.a]\ntexts = ["x"]\nexpect = "a"\npass_rate = 90', "4: tests.a.pass_rate: got 90, must be a number"),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path: Path, text: str, told: str) -> None:
    found = mistakes(tmp_path, text)
    assert any(told in one for one in found), found


def test_a_file_that_is_not_there_names_the_suites_that_are(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file; the suites that come with shoal are bias, sentiment"):
        behaviour.load(tmp_path / "none.toml")


PRAISE = '[tests.praise]\ntexts = ["good", "I love it"]\nexpect = "positive"\n'


def test_labels_that_the_specialist_does_not_have_are_listed(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"speaks of 'positive'.* its labels are bad, good\. .*positive = \"\.\.\.\""):
        results(tmp_path, PRAISE)
    with pytest.raises(InputError, match=r"'positive' means 'god', which is none .* \(did you mean 'good'\?\)"):
        results(tmp_path, PRAISE, labels={"positive": "god"})
    assert results(tmp_path, PRAISE, labels={"positive": "good"})["praise"].passed == 2


def test_what_is_said_of_a_suite_must_fit_it(tmp_path: Path) -> None:
    for options in ({"labels": {"negative": "bad"}}, {"pass_rates": {"prise": 0.5}}, {"skip": ["prise"]}):
        with pytest.raises(InputError, match="there are p"):
            suite(tmp_path, PRAISE, **options)
    assert suite(tmp_path, PRAISE, pass_rates={"praise": 0.25}).tests["praise"].pass_rate == 0.25
    assert suite(tmp_path, PRAISE, skip=["praise"]).tests == {}


# Cases and counts


def test_minimum_functionality_counts_texts(tmp_path: Path) -> None:
    text = """
    [slots]
    thing = ["tea", "bus"]
    word = ["good", "bad"]
    [tests.praise]
    templates = ["the {thing} is {word}"]
    expect = "good"
    pass_rate = 0.6
    """
    found = results(tmp_path, text)["praise"]
    assert (found.kind, found.cases, found.passed, found.holds) == ("label", 4, 2, False)
    assert found.rate is not None and found.rate.low < 0.5 < found.rate.high
    assert {failure.text for failure in found.failures} == {"the tea is bad", "the bus is bad"}
    assert {(failure.changed, failure.wanted, failure.got) for failure in found.failures} == {("", "good", "bad")}


def test_invariance_fails_where_one_of_the_changed_texts_has_another_answer(tmp_path: Path) -> None:
    text = """
    [terms.gender]
    women = ["woman"]
    men = ["man"]
    [tests.swap]
    texts = ["A woman called", "She is a good woman", "no term at all"]
    change = { swap = "gender" }
    [tests.many]
    texts = ["a good day"]
    change = ["spaces", "upper"]
    [tests.same]
    pairs = [["good", "I love it"], ["good", "bad"]]
    """
    found = results(tmp_path, text)
    assert (found["swap"].kind, found["swap"].cases, found["swap"].passed) == ("invariance", 2, 1)
    assert found["swap"].failures[0].changed == "A man called"
    assert (found["many"].cases, found["many"].passed) == (1, 0)
    assert found["many"].failures[0].changed == "A GOOD DAY"
    assert (found["same"].cases, found["same"].passed) == (2, 1)


def test_direction_moves_a_probability_or_leads_to_a_label(tmp_path: Path) -> None:
    text = """
    [tests.lower]
    texts = ["it is good", "it is bad", "it is there"]
    change = "negation"
    lowers = "good"
    [tests.higher]
    texts = ["it is there"]
    change = { append = ["I love it", "so what"] }
    raises = "good"
    [tests.turns]
    texts = ["so good", "good good good"]
    change = { replace = { good = "bad" } }
    becomes = "bad"
    """
    found = results(tmp_path, text)
    # "it is bad" is at 0.05 already; "it is there" falls from 0.5 to 0.05.
    assert (found["lower"].kind, found["lower"].cases, found["lower"].passed) == ("direction", 3, 3)
    assert (found["higher"].cases, found["higher"].passed) == (1, 0)
    assert found["higher"].failures[0].got == "0.50 to 0.50"
    assert found["higher"].failures[0].changed == "it is there. so what"
    assert (found["turns"].cases, found["turns"].passed) == (2, 2)


def test_rows_of_the_project_are_drawn_by_seed_and_only_where_they_change(tmp_path: Path) -> None:
    text = """
    [slots]
    who = ["woman", "mother"]
    [terms.gender]
    women = ["woman", "mother"]
    men = ["man", "father"]
    [tests.rows]
    rows = 5
    change = { swap = "gender" }
    [tests.framed]
    rows = 4
    templates = ["I am a {who}. {row}", "As a {who}: {row}"]
    change = { swap = "gender" }
    """
    rows = [f"the mother of {number}" for number in range(50)] + [f"number {number}" for number in range(50)]
    made = suite(tmp_path, text)
    one, again, other = (cases(made, "rows", rows, seed) for seed in (0, 0, 1))
    assert one == again != other
    assert len(one) == 5 and all(case.changed == (case.text.replace("mother", "father"),) for case in one)
    framed = cases(made, "framed", ["number {1}", "two"], seed=0)
    assert len(framed) == 2
    assert {case.text.endswith(("number {1}", "two")) for case in framed} == {True}
    assert cases(made, "rows", ["nothing"], 0) == []
    found = behaviour.run(specialist(), made, ["nothing to swap"])[0]
    assert (found.cases, found.rate, found.holds) == (0, None, True)


def test_few_rows_have_to_show_that_a_test_fails(tmp_path: Path) -> None:
    text = '[tests.upper]\nrows = 200\nchange = "upper"'
    one_of_five = results(tmp_path, text, ["good", "bad", "bad a", "bad b", "bad c"])["upper"]
    assert (one_of_five.cases, one_of_five.passed, one_of_five.holds) == (5, 4, True)
    all_bad = results(tmp_path, text, [f"good {number}" for number in range(5)])["upper"]
    assert (all_bad.cases, all_bad.passed, all_bad.holds) == (5, 0, False)


def test_templates_of_many_slots_are_drawn(tmp_path: Path) -> None:
    slots = "\n".join(f'{name} = ["{name}1", "{name}2", "{name}3", "{name}4", "{name}5"]' for name in "abcde")
    made = suite(
        tmp_path, f'[slots]\n{slots}\n[tests.t]\ntemplates = ["{{a}} {{b}} {{c}} {{d}} {{e}}", "{{a}}"]\nexpect = "x"'
    )
    found = [case.text for case in cases(made, "t", (), 0)]
    assert len(found) == len(set(found)) == MOST
    assert {f"a{number}" for number in range(1, 6)} <= set(found)


def test_a_change_that_does_nothing_to_its_own_texts_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'shout' does nothing to any of its texts"):
        results(tmp_path, '[tests.shout]\ntexts = ["HI"]\nchange = "upper"')


# Changes


@pytest.mark.parametrize(
    ("change", "text", "changed"),
    [
        ("upper", "Where is it?", "WHERE IS IT?"),
        ("lower", "WHERE is it?", "where is it?"),
        ("lower", "where", None),
        ("punctuation", "Well, where is it?!", "Well where is it"),
        ("punctuation", "at 9:30 in St. Ives", "at 9:30 in St Ives"),
        ("punctuation", "where is it", "where is it."),
        ("punctuation", "", None),
        ("contractions", "I don't know what's wrong", "I do not know what is wrong"),
        ("contractions", "It\u2019s gone", "It is gone"),
        ("contractions", "I am sure it is not here", "I'm sure it isn't here"),
        ("contractions", "no idea", None),
        ("negation", "The food was good", "The food was not good"),
        ("negation", "I can't say it was good", None),
        ("negation", "good food", None),
        ("spaces", " ", None),
    ],
)
def test_a_change(change: str, text: str, changed: str | None) -> None:
    found = changes.NAMED[change](text, random.Random(0))
    if text == "I am sure it is not here":
        assert found in ("I'm sure it isn't here", "I'm sure it's not here")
    else:
        assert found == changed


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        ("A woman called.", ["A man called."]),
        ("WOMAN! Woman!", ["MAN! Man!"]),
        ("She and her mother", ["He and her father"]),
        ("The womanly shed", []),
        ("a man and a woman", []),
        ("", []),
    ],
)
def test_terms_change_places(text: str, changed: list[str]) -> None:
    assert list(changes.swaps(text, GENDER)) == changed


def test_articles_and_capitals_follow_the_terms() -> None:
    groups = {"x": ["American", "old man"], "y": ["Chinese", "young man"]}
    assert list(changes.swaps("An American, an old man", groups)) == ["A Chinese, a young man"]
    assert list(changes.swaps("a young man", groups)) == ["an old man"]
    assert list(changes.swaps("an american", groups)) == ["a chinese"]


@given(st.text(max_size=60), st.integers(0, 5))
def test_typos_are_small_repeatable_and_change_something(text: str, seed: int) -> None:
    for name in ("typos", "neighbour_key", "swapped_letters", "dropped_letter"):
        found = changes.NAMED[name](text, random.Random(seed))
        assert found == changes.NAMED[name](text, random.Random(seed))
        if found is not None:
            assert abs(len(found) - len(text)) <= max(1, len(text.split()))
    for change in changes.NAMED.values():
        found = change(text, random.Random(seed))
        assert found is None or isinstance(found, str)


def test_typos_hit_one_word_in_eight() -> None:
    text = " ".join(["wonderful"] * 24)
    found = changes.typos(text, random.Random(1))
    assert found is not None
    assert sum(word != "wonderful" for word in found.split()) == 3
