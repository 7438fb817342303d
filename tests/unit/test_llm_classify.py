"""The larger model's words are read as one of the labels or not at all; what it is told, and how often it is asked."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from shoal.errors import LLMError, LLMTimeout
from shoal.llm import (
    Completion,
    Endpoint,
    ExampleIndex,
    Labelled,
    Labelling,
    Refused,
    Spent,
    chat_messages,
    classify,
    completion_prompt,
    grammar,
    read_label,
)
from shoal.tasks import Usage

LABELS = ("bill_too_high", "refund", "Report outage")
ROWS = [
    ("my bill is high", "bill_too_high"),
    ("refund please", "refund"),
    ("no power\nin  our street", "Report outage"),
]


class Scripted(Endpoint):
    """An endpoint whose answers are given; an exception among them is raised. No network is reached."""

    def __init__(self, *answers: str | Exception) -> None:
        super().__init__("large", "http://127.0.0.1:1/v1", "m")
        self.answers = list(answers)
        self.asked: list[dict[str, Any]] = []

    async def _completion(self, path: str, request: dict[str, Any]) -> Completion:
        self.asked.append({"path": path, **request})
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return Completion(answer, Usage(100, 4), False, 25.0)


@pytest.mark.parametrize(
    ("said", "label"),
    [
        ("refund", "refund"),
        (" refund\n", "refund"),
        ('{"label": "refund"}', "refund"),
        ('{"reason": "money", "label": "Report outage"}', "Report outage"),
        ('"refund"', "refund"),
        ('["refund"]', "refund"),
        ("Refund.", "refund"),
        ("**REFUND**", "refund"),
        ("report_outage", "Report outage"),
        ("Bill too high!", "bill_too_high"),
        ('{"label": "bill too high"}', "bill_too_high"),
    ],
)
def test_a_label_is_read_as_it_was_meant(said: str, label: str) -> None:
    assert read_label(said, LABELS) == label


@pytest.mark.parametrize(
    "said",
    [
        "",
        "   ",
        "refunds",
        "refund or bill_too_high",
        "The label is refund",
        "I cannot help with that.",
        "null",
        "7",
        "[]",
        '{"label": null}',
        '{"label": ["refund"]}',
        '{"labels": "refund"}',
        '{"label": "refund"',
        '{"label": "purple"}',
        '"\ud800"',
        '{"x":' + "[" * 50_000,
        "x" * 1_000_000,
    ],
)
def test_what_is_no_label_is_none(said: str) -> None:
    assert read_label(said, LABELS) is None


def test_an_answer_that_could_be_several_labels_is_none() -> None:
    assert read_label("A B", ("a-b", "a_b")) is None
    assert read_label("a_b", ("a-b", "a_b")) == "a_b"
    assert read_label("C", ("c", "c++")) is None


def test_an_answer_without_letters_is_not_taken_for_a_label_without_letters() -> None:
    labels = ("???", "angry")
    assert read_label("", labels) is None
    assert read_label("!", labels) is None
    assert read_label("???", labels) == "???"


def test_labels_that_look_like_json_are_read() -> None:
    assert read_label("1", ("1", "2")) == "1"
    assert read_label('{"label": "2"}', ("1", "2")) == "2"
    assert read_label("true", ("true", "false")) == "true"


@settings(deadline=None, max_examples=300)
@given(some.text(), some.lists(some.text(min_size=1), min_size=2, max_size=6, unique=True))
def test_never_anything_but_a_label(said: str, labels: list[str]) -> None:
    assert read_label(said, labels) in {None, *labels}
    for label in labels:
        wrapped = read_label(json.dumps({"label": label}), labels)
        assert wrapped == label


def test_the_chat_prompt_says_which_labels_there_are_and_what_they_mean() -> None:
    labelling = Labelling(LABELS, {"refund": "money back"}, "What does the customer want?")
    system, user = chat_messages("where is my money?", labelling)
    assert system["role"] == "system" and user == {"role": "user", "content": "Message: where is my money?"}
    assert system["content"].startswith("What does the customer want?\n")
    assert "\n- bill_too_high\n- refund: money back\n- Report outage" in system["content"]
    assert "people have labelled" not in system["content"]


def test_the_chat_prompt_shows_the_nearest_rows_the_nearest_last() -> None:
    labelling = Labelling(LABELS, examples=ExampleIndex(ROWS), shown=2)
    system = chat_messages("the bill is too high and I want a refund", labelling)[0]["content"]
    assert system.endswith("Message: refund please\nLabel: refund\n\nMessage: my bill is high\nLabel: bill_too_high")
    assert "outage\n\n" not in system.partition("people have labelled")[2]


def test_an_answer_that_was_no_label_is_shown_again_with_what_was_wrong() -> None:
    messages = chat_messages("x", Labelling(LABELS), rejected="hm" * 500)
    assert [message["role"] for message in messages] == ["system", "user", "assistant", "user"]
    assert len(messages[2]["content"]) == 200
    assert "not one of the labels" in messages[3]["content"]


def test_long_texts_are_cut_in_every_prompt() -> None:
    endless = "word " * 50_000
    labelling = Labelling(LABELS, examples=ExampleIndex([(endless, "refund")]))
    assert sum(len(message["content"]) for message in chat_messages(endless, labelling)) < 14_000
    assert len(completion_prompt(endless, labelling)) < 14_000


def test_the_prompt_for_a_base_model_is_rows_to_continue() -> None:
    labelling = Labelling(LABELS, {"refund": "money back"}, examples=ExampleIndex(ROWS), shown=2)
    prompt = completion_prompt("no power\r\n at all ", labelling)
    assert prompt.startswith("Messages and their labels.\nLabels: bill_too_high, refund: money back, Report outage\n\n")
    assert prompt.endswith("Message: no power in our street\nLabel: Report outage\n\nMessage: no power at all\nLabel:")
    assert prompt.count("Message:") == 3


@pytest.mark.parametrize(("labels", "listed"), [(300, True), (301, False)])
def test_a_very_long_list_of_labels_is_left_out_for_a_base_model(labels: int, listed: bool) -> None:
    prompt = completion_prompt("x", Labelling(tuple(f"label{n}" for n in range(labels))))
    assert ("\nLabels: " in prompt) is listed


def test_labels_are_not_listed_when_there_is_an_example_for_each() -> None:
    labelling = Labelling(("refund", "bill_too_high"), examples=ExampleIndex(ROWS[:2]))
    assert "\nLabels: " not in completion_prompt("x", labelling)


def test_the_grammar_quotes_every_label() -> None:
    assert grammar(["a", 'say "no"', "back\\slash", "\u00fcber"]) == (
        'root ::= " "? ("a" | "say \\"no\\"" | "back\\\\slash" | "\u00fcber")'
    )


async def test_a_chat_answer_is_constrained_by_a_schema_of_the_labels() -> None:
    endpoint = Scripted('{"label": "refund"}')
    assert await classify(endpoint, "x", Labelling(LABELS)) == Labelled("refund", Usage(100, 4), 25.0)
    (asked,) = endpoint.asked
    assert (asked["path"], asked["model"], asked["temperature"]) == ("/chat/completions", "m", 0)
    schema = asked["response_format"]["json_schema"]
    assert schema["strict"] is True and schema["schema"]["properties"]["label"]["enum"] == list(LABELS)
    assert schema["schema"]["additionalProperties"] is False


async def test_a_base_model_is_held_by_a_grammar_and_stopped_at_the_end_of_the_line() -> None:
    endpoint = Scripted(" refund")
    assert (await classify(endpoint, "x", Labelling(LABELS, style="completion"))).label == "refund"
    (asked,) = endpoint.asked
    assert (asked["path"], asked["stop"], asked["temperature"]) == ("/completions", ["\n"], 0)
    assert asked["grammar"] == grammar(LABELS) and asked["max_tokens"] == len("bill_too_high") + 2


@pytest.mark.parametrize("style", ["chat", "completion"])
async def test_an_answer_that_is_no_label_is_asked_for_once_more(style: Any) -> None:
    endpoint = Scripted("purple", "refund")
    assert await classify(endpoint, "x", Labelling(LABELS, style=style)) == Labelled("refund", Usage(200, 8), 50.0)
    assert len(endpoint.asked) == 2
    if style == "chat":
        assert endpoint.asked[1]["messages"][2]["content"] == "purple"
    else:
        assert endpoint.asked[1]["temperature"] > 0  # the same question again would get the same answer


@pytest.mark.parametrize("style", ["chat", "completion"])
async def test_two_answers_that_are_no_label_are_an_error_and_never_a_label(style: Any) -> None:
    endpoint = Scripted("purple", "still purple", "refund")
    with pytest.raises(LLMError, match=r"'large' gave no label twice.*'still purple'.*3 labels"):
        await classify(endpoint, "x", Labelling(LABELS, style=style))
    assert len(endpoint.asked) == 2


@pytest.mark.parametrize("style", ["chat", "completion"])
@pytest.mark.parametrize("status", [400, 422])
async def test_an_endpoint_that_knows_no_schema_is_asked_without_from_then_on(style: Any, status: int) -> None:
    endpoint = Scripted(Refused(status, "response_format is not supported"), "refund", "bill_too_high")
    labelling = Labelling(LABELS, style=style)
    assert (await classify(endpoint, "x", labelling)).label == "refund"
    assert (await classify(endpoint, "y", labelling)).label == "bill_too_high"
    assert [bool({"grammar", "response_format"} & set(asked)) for asked in endpoint.asked] == [True, False, False]


@pytest.mark.parametrize("style", ["chat", "completion"])
async def test_a_question_that_is_refused_in_any_form_does_not_disarm_the_schema(style: Any) -> None:
    too_long = Refused(400, "maximum context length exceeded")
    endpoint = Scripted(too_long, too_long, "refund")
    with pytest.raises(Refused):
        await classify(endpoint, "x" * 9, Labelling(LABELS, style=style))
    assert (await classify(endpoint, "y", Labelling(LABELS, style=style))).label == "refund"
    assert {"grammar", "response_format"} & set(endpoint.asked[-1])


@pytest.mark.parametrize("style", ["chat", "completion"])
@pytest.mark.parametrize("problem", [Refused(401, "no key"), Refused(404, "no model"), LLMTimeout("nothing came")])
async def test_other_errors_are_passed_on_at_once(style: Any, problem: LLMError) -> None:
    endpoint = Scripted(problem, "refund")
    with pytest.raises(type(problem)):
        await classify(endpoint, "x", Labelling(LABELS, style=style))
    assert len(endpoint.asked) == 1 and endpoint.takes_schema


@pytest.mark.parametrize(
    ("answers", "usage", "ms"),
    [
        (("purple", "still purple"), Usage(200, 8), 50.0),
        (("purple", LLMTimeout("nothing came")), Usage(100, 4), 25.0),
        ((LLMTimeout("nothing came"),), Usage(), 0.0),
    ],
)
async def test_what_was_paid_for_is_known_when_no_label_comes(answers: Any, usage: Usage, ms: float) -> None:
    spent = Spent()
    with pytest.raises(LLMError):
        await classify(Scripted(*answers), "x", Labelling(LABELS), spent)
    assert (spent.usage, spent.ms) == (usage, ms)
