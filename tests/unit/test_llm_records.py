"""What a larger model says of a record is taken only where it is one, and where the text holds what it quotes."""

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.errors import InputError, LLMError
from shoal.llm import Labelling, read_values, record, record_prompt
from shoal.llm.client import Completion
from shoal.tasks import Extraction, Filled, Record, Slot, Usage, read_record

TEXT = "Ann Lee rang on 3 May about order A-7: 1,250.50 too much. She wrote twice by email before."
TASK = Extraction(
    slots=(
        Slot(name="reason", type="choice", choices=("billing", "fault"), description="what the call is about"),
        Slot(name="channels", type="choices", choices=("email", "phone")),
        Slot(name="resolved", type="flag", nullable=True),
        Slot(name="amount", type="number", nullable=True, description="what they say they overpaid"),
        Slot(name="order", type="span", required=False),
        Slot(name="caller", type="span"),
    )
)
RIGHT: dict[str, Any] = {
    "reason": "billing",
    "channels": ["email"],
    "resolved": None,
    "amount": 1250.5,
    "order": "A-7",
    "caller": "Ann Lee",
}


def said(**changes: Any) -> str:
    return json.dumps(RIGHT | changes)


def endpoint(*answers: str) -> Any:
    """An endpoint that gives these answers in turn, and remembers what it was asked."""
    asked: list[Any] = []

    async def chat(messages: Any, **options: Any) -> Completion:
        asked.append({"messages": messages, **options})
        return Completion(text=answers[len(asked) - 1], usage=Usage(10, 2), ms=1.0, estimated=False)

    return SimpleNamespace(name="large", takes_schema=True, chat=chat, asked=asked)


def ask(one: Any, **told: Any) -> Any:
    return asyncio.run(record(one, TEXT, Labelling((), **told), task=TASK))


@pytest.mark.parametrize("form", ["{}", "```json\n{}\n```", "```\n{}```", "\n {} \n"])
def test_a_record_is_taken_in_the_order_of_the_task(form: str) -> None:
    answer = form.replace("{}", json.dumps(dict(reversed(RIGHT.items()))))
    assert list(json.loads(read_values(answer, TEXT, TASK)).items()) == list(RIGHT.items())


@pytest.mark.parametrize("order", [{}, {"order": None}, {"order": ""}])
def test_it_is_written_as_the_specialist_would_write_it(order: dict[str, Any]) -> None:
    values = read_record(TASK, {**{name: RIGHT[name] for name in RIGHT if name != "order"}, **order})
    fields = tuple(Filled(name, value, 1.0) for name, value in values.items())
    own = Record(confidence=1.0, accepted=True, reason="certified", tier="tfidf", fields=fields)
    answer = {name: value for name, value in RIGHT.items() if name != "order"} | order
    assert read_values(json.dumps(answer), TEXT, TASK) == own.said


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (said(amount=1250.4), "field 'amount' is 1250.4, which does not stand in the text"),
        (said(order="A-77"), "field 'order' is 'A-77', which does not stand in the text"),
        (said(caller="Ann Leigh"), "field 'caller' is 'Ann Leigh', which does not stand in the text"),
        (said(caller=None), "field 'caller' is missing"),
        (said(reason="refund"), "it must be one of billing, fault"),
        (said(channels=["fax"]), "a list of some of email, phone"),
        (said(total=3), "field 'total' is not one of the record's"),
        (said()[:-1], "no JSON object"),
        (f"Here you are: {said()}", "no JSON object"),
        ("[]", "no JSON object"),
        ("```", "no JSON object"),
        ("", "no JSON object"),
        ("[" * 100_000, "no JSON object"),
        ('{"amount": ' + "9" * 400 + "}", "field "),
    ],
)
def test_what_is_no_record_of_the_text_is_refused_by_name(answer: str, told: str) -> None:
    with pytest.raises(InputError) as error:
        read_values(answer, TEXT, TASK)
    assert told in str(error.value)


@given(
    st.text()
    | st.dictionaries(
        st.sampled_from(list(RIGHT)),
        st.none() | st.booleans() | st.floats() | st.integers() | st.text() | st.lists(st.text()),
    ).map(lambda changes: json.dumps(RIGHT | changes))
)
def test_whatever_is_answered_is_a_record_or_refused(answer: str) -> None:
    try:
        taken = read_values(answer, TEXT, TASK)
    except InputError:
        return
    assert read_values(taken, TEXT, TASK) == taken
    assert list(msgspec.json.decode(taken)) == list(RIGHT)


def test_asked_once_more_with_what_was_wrong_then_given_up() -> None:
    one = endpoint(said(amount=99), said())
    found = ask(one)
    assert json.loads(found.label) == RIGHT and found.usage == Usage(20, 4)
    *_, before, again = one.asked[1]["messages"]
    assert before == {"role": "assistant", "content": said(amount=99)}
    assert "field 'amount' is 99, which does not stand in the text" in again["content"]
    with pytest.raises(LLMError, match=r"gave no record of the text: field 'caller' is missing.*, twice; the second"):
        ask(endpoint("nonsense", said(caller=None)))


def test_a_strict_server_can_take_the_schema() -> None:
    one = endpoint(said())
    ask(one)
    form = one.asked[0]["response_format"]
    schema = form["json_schema"]["schema"]
    assert (form["type"], form["json_schema"]["strict"]) == ("json_schema", True)
    # What OpenAI's strict mode refuses: a property that is not required, has no type, or an object that is open.
    assert schema["additionalProperties"] is False
    assert schema["required"] == list(schema["properties"]) == list(RIGHT)
    assert {name: one["type"] for name, one in schema["properties"].items()} == {
        "reason": "string",
        "channels": "array",
        "resolved": ["boolean", "null"],
        "amount": ["number", "null"],
        "order": ["string", "null"],
        "caller": "string",
    }
    assert schema["properties"]["channels"]["items"] == {"type": "string", "enum": ["email", "phone"]}
    assert schema["properties"]["amount"]["description"] == "what they say they overpaid"


def test_the_question_says_what_each_field_means_and_may_be() -> None:
    told = record_prompt(TASK, Labelling((), instructions="These are notes of calls.")).splitlines()
    assert told[0] == "These are notes of calls."
    assert told[2:] == [
        '- "reason" (what the call is about): one of "billing", "fault"',
        '- "channels": a list of those that apply of "email", "phone"; [] when none does',
        '- "resolved": true or false, or null when the text does not say',
        '- "amount" (what they say they overpaid): a number that the text gives in digits, or null when the text does '
        "not say",
        '- "order": words copied letter by letter from the text, or null when the text does not say',
        '- "caller": words copied letter by letter from the text',
    ]
    one = endpoint(said())
    ask(one, instructions="These are notes of calls.")
    system, user = one.asked[0]["messages"]
    assert system["content"].startswith("These are notes of calls.\n") and user["content"] == f"Text: {TEXT}"
