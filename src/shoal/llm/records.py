"""Asking a larger model for the record of a text: a value that should stand in the text and does not is refused."""

import json
from typing import Any

import msgspec

from shoal.errors import InputError
from shoal.llm.classify import Labelled, Labelling, Spent, strict
from shoal.llm.client import Endpoint
from shoal.llm.quotations import twice
from shoal.tasks import Extraction, Slot, absent, read_record, write_schema

_TEXT_CHARS = 24_000
_FENCE = "```"
_ALLOWED = {
    "flag": "true or false",
    "number": "a number that the text gives in digits",
    "integer": "a whole number that the text gives in digits",
    "span": "words copied letter by letter from the text",
}


async def record(
    endpoint: Endpoint, text: str, labelling: Labelling, spent: Spent | None = None, *, task: Extraction
) -> Labelled:
    """Have a record filled from a text; asked once more, saying what was wrong, when the answer cannot be taken.

    Args:
        endpoint: who is asked.
        text: what the record is about.
        labelling: for its instructions.
        spent: is added to with every answer.
        task: the record's fields.

    Returns:
        The record as JSON (`tasks.Record.said`).

    Raises:
        LLMError: both answers were of another shape, or held a value that the text does not; or as in `Endpoint.chat`.
    """

    def taken(said: str) -> str:
        try:
            return read_values(said, text, task)
        except InputError as error:
            raise InputError(f"no record of the text: {error.message}") from None

    messages = [
        {"role": "system", "content": record_prompt(task, labelling)},
        {"role": "user", "content": f"Text: {text[:_TEXT_CHARS]}"},
    ]
    return await twice(endpoint, messages, taken, spent, strict("record", _every_field(task)))


def record_prompt(task: Extraction, labelling: Labelling) -> str:
    """Write what the larger model is told: each field with what is allowed and what it means."""
    return "\n".join(
        [
            labelling.instructions or "Fill in a record of what the text says.",
            "Answer with one JSON object that has all of these fields and no other:",
            *(_told(slot) for slot in task.slots),
        ]
    )


def read_values(said: str, text: str, task: Extraction) -> str:
    """Take a record whose quoted values all stand in the text, in the task's order; a fence around it is dropped.

    Raises:
        InputError: it is no record of the task, or the text does not hold a value; names the field.
    """
    body = said.strip()
    if body.startswith(_FENCE) and body.endswith(_FENCE):
        body = body.removeprefix(_FENCE).removesuffix(_FENCE).removeprefix("json")
    try:
        given = msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):  # whatever it wrote may be answered
        raise InputError("it is no JSON object") from None
    values = read_record(task, given)
    if lost := absent(task, values, text):
        raise InputError(f"field {lost[0]!r} is {values[lost[0]]!r:.80}, which does not stand in the text")
    return msgspec.json.encode(values).decode()


def _told(slot: Slot) -> str:
    listed = ", ".join(json.dumps(choice, ensure_ascii=False) for choice in slot.choices)
    allowed = {"choice": f"one of {listed}", "choices": f"a list of those that apply of {listed}; [] when none does"}
    silent = ", or null when the text does not say" if _may_be_silent(slot) else ""
    meaning = f" ({slot.description})" if slot.description else ""
    return f"- {json.dumps(slot.name, ensure_ascii=False)}{meaning}: {(_ALLOWED | allowed)[slot.type]}{silent}"


def _every_field(task: Extraction) -> dict[str, Any]:
    """Write the record's schema as strict servers want it: all fields required, null instead of leaving one out."""
    slots = (slot.model_copy(update={"required": True, "nullable": _may_be_silent(slot)}) for slot in task.slots)
    return write_schema(Extraction(slots=tuple(slots)))


def _may_be_silent(slot: Slot) -> bool:
    return slot.type != "choices" and (slot.nullable or not slot.required)
