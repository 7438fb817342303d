"""Several answers to a text, and probabilities of labels: what may stand in a column, and which answer it makes."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.config import load
from shoal.data import read_answers
from shoal.data.corrections import apply, row_id
from shoal.data.read import read
from shoal.data.votes import answered, read_probabilities, read_votes
from shoal.errors import ConfigError, DataError

labels = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8).map(str.strip).filter(bool)
plain = labels.filter(lambda label: not label.startswith("["))
numbers = st.floats(0, 1e300) | st.integers(0, 10**6)


@given(st.lists(labels, max_size=5))
def test_a_list_and_the_same_as_json_are_the_same_votes(answers: list[str]) -> None:
    assert read_votes(answers) == read_votes(json.dumps(answers)) == read_votes(tuple(answers)) == tuple(answers)


@given(plain)
def test_one_label_is_one_vote_and_a_blank_one_is_none(label: str) -> None:
    assert read_votes(f" {label} ") == read_votes([label, "", None, " "]) == (label,)
    assert read_votes("") == read_votes(None) == read_votes("  ") == read_votes([]) == ()


@given(st.dictionaries(labels, numbers, min_size=1, max_size=6).filter(lambda found: any(found.values())))
def test_probabilities_keep_their_order_and_ratios_and_sum_to_one(given_: dict[str, float]) -> None:
    found = read_probabilities(given_)
    assert found == read_probabilities(json.dumps(given_))
    assert [label for label, _ in found] == list(given_)
    assert sum(chance for _, chance in found) == pytest.approx(1.0)
    most = max(given_.values())
    assert answered("", [], found) == next(label for label, number in given_.items() if number == most)


@given(st.lists(plain, min_size=1, max_size=9))
def test_the_commonest_answer_counts_and_of_several_the_first_named(answers: list[str]) -> None:
    most = max(answers.count(each) for each in answers)
    assert answered(answers[0], answers[1:], ()) == next(each for each in answers if answers.count(each) == most)


@given(st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers() | st.text()))
def test_whatever_stands_in_a_column_is_read_or_refused(value: object) -> None:
    for reader in (read_votes, read_probabilities):
        try:
            assert isinstance(reader(value), tuple)
        except DataError as refused:
            assert str(refused).startswith("got ")


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("votes", 3, r"row 1: column 'told': got 3, must be one label or a list of labels such as"),
        ("votes", ["a", 3], r"row 1: column 'told': got 3 in a list of labels, must be a string"),
        ("votes", '["a"', r"row 1: column 'told': got '\[\"a\"', which is not JSON"),
        ("probabilities", "a", r"got 'a', must be an object label -> number such as"),
        ("probabilities", {"a": -0.1}, r"got -0.1 for 'a', must be a number of at least 0; of a log-probability"),
        ("probabilities", {"a": True}, r"got True for 'a', must be a number of at least 0$"),
        ("probabilities", '{"a": NaN}', r"got nan for 'a', must be a number of at least 0"),
        ("probabilities", {"a": 0.0}, r"must have a label with a number above 0"),
        ("probabilities", {" ": 1.0}, r"got ' ' for a label"),
    ],
)
def test_what_cannot_be_read_is_named(column: str, value: object, said: str) -> None:
    with pytest.raises(DataError, match=said):
        read_answers([{"text": "x", "label": "a", "told": value}], **{column: "told"})


def test_votes_make_the_answer_that_is_promised() -> None:
    rows = [
        {"text": "1", "label": "a", "told": ["b", "b"]},
        {"text": "2", "label": "a", "told": ["b"]},
        {"text": "3", "told": '["b", "a", "b", "oos"]'},
        {"text": "4", "told": ["oos", "oos", "a"]},
        {"text": "5", "told": ""},
    ]
    found = read_answers(rows, votes="told", labels=["a", "b"])
    assert [(row.text, row.label, row.votes) for row in found.dataset.rows] == [
        ("1", "b", ("a", "b", "b")),
        ("2", "a", ("a", "b")),
        ("3", "b", ("b", "a", "b")),
    ]
    assert found.unusable == {"oos": 1, "": 1} and found.votes_left_out == 1
    with pytest.raises(DataError, match="there is no column 'answer'"):  # named, so it has to be there
        read_answers(rows, answer="answer", votes="told")


def test_probabilities_make_the_answer_and_what_is_no_label_is_scaled_away() -> None:
    rows = [
        {"text": "1", "label": "b", "scores": {"a": 0.4, "b": 0.4, "oos": 0.2}},
        {"text": "2", "scores": {"oos": 0.9, "a": 0.1}},
        {"text": "3", "label": "a", "scores": ""},
    ]
    found = read_answers(rows, probabilities="scores", labels=["a", "b"])
    assert [(row.text, row.label) for row in found.dataset.rows] == [("1", "b"), ("3", "a")]
    assert dict(found.dataset.rows[0].probabilities) == pytest.approx({"a": 0.5, "b": 0.5})
    assert found.unusable == {"oos": 1} and found.votes_left_out == 1


def test_csv_holds_both_as_json(tmp_path: Path) -> None:
    file = tmp_path / "logs.csv"
    file.write_text('text,told,scores\nx,"[""a"", ""b"", ""b""]",\ny,,"{""a"": 3, ""b"": 1}"\n')
    first, second = read(file, votes=["told"], probabilities="scores").rows
    assert (first.label, first.votes) == ("b", ("a", "b", "b"))
    assert (second.label, second.probabilities) == ("a", (("a", 0.75), ("b", 0.25)))


def test_a_decision_of_a_person_stands_alone(tmp_path: Path) -> None:
    rows = read(
        [{"text": "x", "label": "a", "told": ["a", "b"]}, {"text": "y", "label": "b", "told": ""}], votes=["told"]
    )
    decisions = tmp_path / "suspects.csv"
    decisions.write_text(f"id,origin,text,label,suggested,score,decision\n{row_id('x')},,x,a,b,0.1,suggested\n")
    corrected, _ = apply(rows, decisions)
    assert corrected.rows[0].label == "b" and corrected.rows[0].votes == ()


@pytest.mark.parametrize(
    ("told", "columns"), [('"again"', ["again"]), ('["again", "more"]', ["again", "more"]), ("[]", [])]
)
def test_a_project_names_one_column_or_several(tmp_path: Path, told: str, columns: list[str]) -> None:
    head = '[project]\nname = "p"\n[specialists.x]\nlabels = ["a", "b"]\n'
    (tmp_path / "shoal.toml").write_text(f'{head}teacher = {{ votes = {told}, probabilities = "scores" }}\n')
    teacher = load(tmp_path).specialists["x"].teacher
    assert teacher is not None and teacher.votes == columns and teacher.probabilities == "scores"
    (tmp_path / "shoal.toml").write_text(f"{head}teacher = {{ votes = [3] }}\n")
    with pytest.raises(ConfigError, match="must be a column or an array of columns"):
        load(tmp_path)
