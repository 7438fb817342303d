"""Records: their JSON schema, their values, and where numbers and words stand in a text."""

import contextlib
import json
from enum import Enum
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from shoal.errors import InputError
from shoal.tasks import (
    Extraction,
    Filled,
    Record,
    Slot,
    absent,
    places,
    read_record,
    read_schema,
    same,
    write_record,
    write_schema,
)
from shoal.tasks.quoting import number_places, numbers, text_places

NAMES = st.text("abcdefgh_", min_size=1, max_size=6)
CHOICES = st.lists(st.text("pqrst", min_size=1, max_size=4), min_size=1, max_size=4, unique=True).map(tuple)


@st.composite
def slots(draw: st.DrawFn, name: str) -> Slot:
    kind = draw(st.sampled_from(["choice", "choices", "flag", "number", "integer", "span"]))
    values: dict[str, Any] = {
        "name": name,
        "type": kind,
        "choices": draw(CHOICES) if kind in ("choice", "choices") else (),
        "required": draw(st.booleans()),
        "nullable": kind != "choices" and draw(st.booleans()),
        "description": draw(st.sampled_from(["", "what it is for"])),
    }
    return Slot.model_validate(values)


@st.composite
def extractions(draw: st.DrawFn) -> Extraction:
    names = draw(st.lists(NAMES, min_size=1, max_size=5, unique=True))
    return Extraction(slots=tuple(draw(slots(name)) for name in names))


def values(slot: Slot) -> st.SearchStrategy[Any]:
    kinds: dict[str, st.SearchStrategy[Any]] = {
        "choice": st.sampled_from(slot.choices or ("",)),
        "choices": st.sets(st.sampled_from(slot.choices or ("",))).map(list),
        "flag": st.booleans(),
        "number": st.floats(allow_nan=False, allow_infinity=False) | st.integers(),
        "integer": st.integers(),
        "span": st.text("ab c", min_size=1).filter(str.strip),
    }
    silent = slot.type != "choices" and (slot.nullable or not slot.required)
    return kinds[slot.type] | (st.none() if silent else st.nothing())


@st.composite
def filled(draw: st.DrawFn) -> tuple[Extraction, dict[str, Any]]:
    task = draw(extractions())
    return task, read_record(task, {slot.name: draw(values(slot)) for slot in task.slots})


KEYWORDS = ["type", "properties", "required", "enum", "items", "anyOf", "oneOf", "const", "$ref", "description"]
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from(["object", "array", "string", "null", "#/properties", ""]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "", *KEYWORDS]), inner, max_size=4)
    ),
    max_leaves=12,
)


class Reason(Enum):
    BILLING = "billing"
    FAULT = "fault"


class Call(BaseModel):
    reason: Reason = Field(description="what the call is about")
    resolved: bool
    channels: list[Literal["email", "phone"]]
    amount: float | None
    order: str | None = None


CALL = read_schema(Call.model_json_schema())


@given(extractions())
def test_a_schema_that_is_written_is_read_as_the_same_task(task: Extraction) -> None:
    assert read_schema(write_schema(task)) == task


@given(filled())
def test_a_record_that_is_written_is_read_as_the_same_record(given: tuple[Extraction, dict[str, Any]]) -> None:
    task, record = given
    written = write_record(task, record)
    assert read_record(task, written) == record
    assert all(slot.nullable for slot in task.slots if written.get(slot.name, "") is None)
    fields = tuple(Filled(name, value, 1.0) for name, value in record.items())
    said = Record(confidence=1.0, accepted=True, reason="certified", tier="tfidf", fields=fields).said
    assert read_record(task, json.loads(said)) == record


@given(st.dictionaries(st.sampled_from(KEYWORDS), JSON), st.dictionaries(st.sampled_from(["a", "b", ""]), JSON))
def test_whatever_a_schema_holds_it_is_read_or_refused(schema: dict[str, Any], fields: dict[str, Any]) -> None:
    for each in (schema, {**schema, "type": "object", "properties": fields}, {"properties": fields}):
        with contextlib.suppress(InputError):
            assert read_schema(each).slots


def test_a_pydantic_model_is_a_schema() -> None:
    assert [(slot.name, slot.type, slot.required, slot.nullable) for slot in CALL.slots] == [
        ("reason", "choice", True, False),
        ("resolved", "flag", True, False),
        ("channels", "choices", True, False),
        ("amount", "number", True, True),
        ("order", "span", False, True),
    ]
    assert CALL.slots[0].choices == ("billing", "fault")
    assert CALL.slots[0].description == "what the call is about"


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        ({}, "has no properties"),
        ({"type": "array"}, "has no properties"),
        ({"properties": {"a": {"type": "object"}}}, "field 'a' is of type 'object'"),
        ({"properties": {"a": {}}}, "field 'a' is of no type"),
        ({"properties": {"a": {"type": ["string", "number"]}}}, "of type 'string or number'"),
        ({"properties": {"a": {"type": "array", "items": {"type": "string"}}}}, "field 'a' is a list of anything"),
        ({"properties": {"a": {"type": ["array", "null"], "items": {"enum": ["x"]}}}}, "an empty list says the same"),
        ({"properties": {"a": {"anyOf": [{"type": "string"}, {"type": "number"}]}}}, "may be of 2 kinds"),
        ({"properties": {"a": {"$ref": "#/$defs/b"}}}, "'#/$defs/b', which is not in the schema"),
        ({"properties": {"a": {"$ref": "#/properties/a"}}}, "its references lead nowhere"),
        ({"properties": {"a": {"enum": [1, 2]}}}, "must be strings"),
        ({"properties": {"a": {"enum": ["x", "x"]}}}, "names a choice twice"),
        ({"properties": {"a": {"type": "boolean"}}, "required": ["b"]}, "requires 'b'"),
        ({"properties": {"a": {"type": "boolean"}}, "required": [["a"]]}, "requires ['a']"),
        ({"properties": {"a": {"type": "boolean"}}, "required": 1}, "the schema's required is 1; it must be a list"),
        ({"properties": {"a": {"type": {}}}}, "field 'a' is of no type"),
        ({"properties": {"a": {"anyOf": 3}}}, "may be of 0 kinds"),
        ({"properties": {"": {"type": "boolean"}}}, "has an empty name"),
    ],
)
def test_a_schema_that_cannot_be_filled_is_refused_by_name(schema: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError) as error:
        read_schema(schema)
    assert told in str(error.value)


def test_a_record_is_put_in_order() -> None:
    given = {"channels": ["phone", "email", "phone"], "resolved": True, "reason": "fault", "amount": None}
    assert read_record(CALL, given) == {
        "reason": "fault",
        "resolved": True,
        "channels": ("email", "phone"),
        "amount": None,
        "order": None,
    }


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"reason": "refund"}, "field 'reason' is 'refund'; it must be one of billing, fault"),
        ({"reason": None}, "field 'reason' is missing"),
        ({"resolved": 1}, "field 'resolved' is 1; it must be true or false"),
        ({"channels": "email"}, "it must be a list of some of email, phone"),
        ({"channels": ["fax"]}, "it must be a list of some of email, phone"),
        ({"amount": True}, "field 'amount' is True; it must be a number or null"),
        ({"amount": float("nan")}, "it must be a number or null"),
        ({"amount": 10**400}, "it must be a number or null"),
        ({"order": 7}, "field 'order' is 7; it must be a string or null"),
        ({"total": 7}, "field 'total' is not one of the record's: reason, resolved"),
    ],
)
def test_a_record_of_another_shape_is_refused_by_name(changed: dict[str, Any], told: str) -> None:
    right = {"reason": "fault", "resolved": True, "channels": [], "amount": 3.5}
    with pytest.raises(InputError) as error:
        read_record(CALL, right | changed)
    assert told in str(error.value)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("It was \u00a31,250.50, not 1.250.000.", [1250.5, 1250000.0]),
        ("1.250 or 18.00. 30GB", [1.25, 18.0, 30.0]),
        ("F4GG52 and x7", []),
        ("12,99 \u20ac; 1\u202f000\u202f000; -5", [12.99, 1e6, -5.0]),
        ("1 000 and 10 2026", [1000.0, 10.0, 2026.0]),
        ("\u2212 7 but \u22127", [7.0, -7.0]),
    ],
)
def test_numbers_are_read_as_they_are_written(text: str, found: list[float]) -> None:
    assert [value for *_, value in numbers(text)] == found
    assert all(text[start:end].strip() == text[start:end] for start, end, _ in numbers(text))


@given(st.floats(0.01, 1e9).map(lambda value: round(value, 2)))
def test_a_number_is_found_however_it_is_grouped(value: float) -> None:
    for written in (f"{value:,.2f}", f"{value:.2f}", f"{value:,.2f}".translate(str.maketrans(",.", ".,"))):
        text = f"They owe {written} by now"
        assert [text[start:end] for start, end in number_places(value, text)] == [written]


def test_words_are_found_by_their_characters() -> None:
    text = "Ann Lee rang. ANN  LEE, not Annlee."
    assert text_places("Ann Lee", text) == [(0, 7)]
    assert [text[start:end] for start, end in text_places("ann lee", text)] == ["Ann Lee", "ANN  LEE"]
    assert text_places("nnle", text) == text_places("  ", text) == text_places("Bob", text) == []


def test_what_the_text_does_not_hold_is_named() -> None:
    record = read_record(CALL, {"reason": "fault", "resolved": False, "channels": [], "amount": 12, "order": "A-7"})
    assert absent(CALL, record, "Order A-7, 12.00 too much") == []
    assert absent(CALL, record, "Order A-77, 13 too much") == ["amount", "order"]
    assert places(CALL.slots[4], "A-7", "a-7") == [(0, 3)]
    assert absent(CALL, record | {"amount": 1234567890123}, "Order A-7, customer 1234567890124") == ["amount"]


def test_two_answers_are_the_same_but_for_how_they_are_written() -> None:
    reason, _, channels, amount, order = CALL.slots
    assert same(order, "Ann  Lee", "ann lee")
    assert not same(order, "Ann", None)
    assert same(amount, 12, 12.0)
    assert not same(amount, 12, None)
    assert not same(amount, 1234567890123, 1234567890124)
    assert same(channels, ("a", "b"), ("b", "a"))
    assert not same(reason, "billing", "fault")
