"""Which forms of answer a chat request may want of a specialist, and what is said of one that it does not give."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.errors import RequestError
from shoal.gateway.response_format import difference, wanted_record, written
from shoal.gateway.wire import ChatRequest, JSONSchemaFormat, ResponseFormat
from shoal.tasks import (
    Classification,
    Extraction,
    MultiLabel,
    Slot,
    Summarization,
    Tagging,
    Task,
    read_schema,
    write_schema,
)

REASON = Slot(name="reason", type="choice", choices=("billing", "fault"), description="what the call is about")
AMOUNT = Slot(name="amount", type="integer", nullable=True)
ORDER = Slot(name="order", type="span", required=False)
CHANNELS = Slot(name="channels", type="choices", choices=("email", "phone"), required=False)
TASK = Extraction(slots=(REASON, AMOUNT, ORDER, CHANNELS))
OTHERS: list[tuple[Task, str]] = [
    (Classification(labels=("a", "b")), "one label as plain text"),
    (MultiLabel(labels=("a", "b")), "one list of labels as JSON"),
    (Tagging(types=("a",)), "one list of spans as JSON"),
    (Summarization(), "one summary as plain text"),
]


def request(form: ResponseFormat | None) -> ChatRequest:
    return ChatRequest(model="shoal/call", messages=[], response_format=form)


def by_schema(schema: dict[str, Any] | None) -> ChatRequest:
    return request(ResponseFormat("json_schema", JSONSchemaFormat(schema)))


def changed(slot: Slot, **changes: Any) -> Slot:
    return slot.model_copy(update=changes)


@pytest.mark.parametrize("form", [None, ResponseFormat("text"), ResponseFormat("json_object")])
def test_a_record_is_written_as_learnt_unless_a_schema_is_given(form: ResponseFormat | None) -> None:
    assert wanted_record(request(form), TASK) == TASK


@pytest.mark.parametrize(("task", "answer"), OTHERS)
def test_other_tasks_take_no_form_but_text(task: Task, answer: str) -> None:
    assert wanted_record(request(None), task) is wanted_record(request(ResponseFormat("text")), task) is None
    for form in ("json_object", "json_schema"):
        with pytest.raises(RequestError) as error:
            wanted_record(request(ResponseFormat(form)), task)
        assert f"shoal/call answers with {answer}; response_format is not possible here" in str(error.value)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ((REASON, AMOUNT, ORDER), "it lacks the field 'channels'; add it as a list of strings of a closed set"),
        (
            (REASON, AMOUNT, ORDER, CHANNELS, changed(ORDER, name="name")),
            "field 'name' is none of reason, amount, order, channels; leave it out",
        ),
        (
            (REASON, changed(AMOUNT, type="span"), ORDER, CHANNELS),
            "field 'amount' is a string there and an integer here; ask for an integer",
        ),
        (
            (changed(REASON, type="span", choices=()), AMOUNT, ORDER, CHANNELS),
            "field 'reason' is a string there and a string of a closed set here; ask for a string of a closed set",
        ),
        (
            (changed(REASON, choices=("fault", "other")), AMOUNT, ORDER, CHANNELS),
            "field 'reason' lacks the choice 'billing', which may be the answer; add it",
        ),
        (
            (REASON, AMOUNT, ORDER, changed(CHANNELS, choices=("email",))),
            "field 'channels' lacks the choice 'phone', which may be the answer; add it",
        ),
        (
            (REASON, changed(AMOUNT, nullable=False), ORDER, CHANNELS),
            "field 'amount' may say nothing here, and must say something there; allow null",
        ),
        (
            (REASON, AMOUNT, changed(ORDER, required=True), CHANNELS),
            "field 'order' may say nothing here, and must say something there; allow null",
        ),
    ],
)
def test_the_first_difference_is_named_with_its_remedy(asked: tuple[Slot, ...], told: str) -> None:
    assert difference(TASK, Extraction(slots=asked)) == told
    with pytest.raises(RequestError) as error:
        wanted_record(by_schema(write_schema(Extraction(slots=asked))), TASK)
    assert str(error.value) == f"the schema of response_format is not that of the records of shoal/call: {told}."
    assert (error.value.http_status, error.value.param) == (422, "response_format")


@pytest.mark.parametrize(
    "asked",
    [
        (CHANNELS, ORDER, AMOUNT, REASON),
        (changed(REASON, choices=("other", "fault", "billing"), nullable=True), AMOUNT, ORDER, CHANNELS),
        (REASON, changed(AMOUNT, type="number"), ORDER, CHANNELS),
        (REASON, changed(AMOUNT, nullable=False, required=False), ORDER, CHANNELS),
        (changed(REASON, description=""), AMOUNT, changed(ORDER, required=True, nullable=True), CHANNELS),
        (REASON, AMOUNT, ORDER, changed(CHANNELS, required=True)),
    ],
)
def test_a_schema_that_allows_all_that_may_be_answered_is_taken(asked: tuple[Slot, ...]) -> None:
    schema = write_schema(Extraction(slots=asked)) | {"title": "Call", "additionalProperties": True, "$defs": {}}
    assert wanted_record(by_schema(schema), TASK) == Extraction(slots=asked)


@pytest.mark.parametrize(
    ("form", "told"),
    [
        (ResponseFormat("grammar"), "of type 'grammar'; allowed are text, json_object and json_schema"),
        (ResponseFormat("json_schema"), "has no schema; put it into response_format.json_schema.schema"),
        (ResponseFormat("json_schema", JSONSchemaFormat()), "has no schema"),
        (ResponseFormat("json_schema", JSONSchemaFormat({})), "cannot be filled: a record is a JSON schema"),
        (
            ResponseFormat("json_schema", JSONSchemaFormat({"properties": {"reason": {"type": "object"}}})),
            "cannot be filled: field 'reason' is of type 'object'",
        ),
    ],
)
def test_a_form_that_cannot_be_read_is_refused(form: ResponseFormat, told: str) -> None:
    with pytest.raises(RequestError) as error:
        wanted_record(request(form), TASK)
    assert told in str(error.value)
    assert (error.value.http_status, error.value.param) == (422, "response_format")


def test_a_record_is_written_in_the_form_that_is_asked_for() -> None:
    said = '{"reason":"fault","amount":null,"order":null,"channels":["phone"]}'
    assert written(None, said) == said
    assert written(TASK, said) == '{"reason":"fault","amount":null,"channels":["phone"]}'
    asked = Extraction(slots=(changed(ORDER, nullable=True), changed(AMOUNT, nullable=False), REASON, CHANNELS))
    assert written(asked, said) == '{"order":null,"reason":"fault","channels":["phone"]}'


CHOICES = st.lists(st.sampled_from("pqrs"), min_size=1, unique=True).map(tuple)
SLOTS = st.one_of(
    st.builds(
        Slot,
        name=st.sampled_from("abc"),
        type=st.sampled_from(["flag", "number", "integer", "span"]),
        nullable=st.booleans(),
    ),
    st.builds(Slot, name=st.sampled_from("abc"), type=st.just("choice"), choices=CHOICES, nullable=st.booleans()),
    st.builds(Slot, name=st.sampled_from("abc"), type=st.just("choices"), choices=CHOICES, required=st.booleans()),
)
TASKS = st.lists(SLOTS, min_size=1, unique_by=lambda slot: slot.name).map(lambda slots: Extraction(slots=tuple(slots)))


@given(TASKS)
def test_a_specialist_fills_its_own_schema(task: Extraction) -> None:
    assert difference(task, task) is None
    assert wanted_record(by_schema(json.loads(json.dumps(write_schema(task)))), task) == read_schema(write_schema(task))


@given(TASKS, TASKS)
def test_two_tasks_that_each_fill_the_other_are_one_but_for_order(one: Extraction, other: Extraction) -> None:
    def plain(task: Extraction) -> set[tuple[str, str, frozenset[str]]]:
        return {(slot.name, slot.type, frozenset(slot.choices)) for slot in task.slots}

    if difference(one, other) is None and difference(other, one) is None:
        assert plain(one) == plain(other)
