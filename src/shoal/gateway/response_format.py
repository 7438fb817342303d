"""Which form of answer a chat request wants, and whether a specialist gives it: of records alone there is a choice.

A record is written as the schema of the request has it, which may be another than the one that the specialist learnt
from as long as whatever the specialist says is allowed by it. Pure.
"""

from collections.abc import Mapping

import msgspec

from shoal.errors import InputError, RequestError
from shoal.gateway.wire import ChatRequest, encode
from shoal.tasks import Extraction, Slot, Task, TaskKind, read_schema, write_record

NOUNS: Mapping[TaskKind, str] = {
    "classification": "label",
    "multilabel": "list of labels",
    "tagging": "list of spans",
    "summarization": "summary",
    "extraction": "record",
}
_PLAIN: tuple[TaskKind, ...] = ("classification", "summarization")
_WORDS = {
    "choice": "a string of a closed set",
    "choices": "a list of strings of a closed set",
    "flag": "a boolean",
    "number": "a number",
    "integer": "an integer",
    "span": "a string",
}


def wanted_record(request: ChatRequest, task: Task) -> Extraction | None:
    """Return the record in whose form the answer is to be written; None where the answer is no record.

    Args:
        request: its `response_format` is looked at; without one a record is written as the specialist's schema has it.
        task: the specialist's.

    Raises:
        RequestError: (422) the specialist's answers do not have the form that is asked for; names the difference.
    """
    form, model = request.response_format, request.model
    record = task if isinstance(task, Extraction) else None
    if form is None or form.type == "text":
        return record
    if record is None:
        written = f"{NOUNS[task.kind]} as {'plain text' if task.kind in _PLAIN else 'JSON'}"
        raise _refused(f"{model} answers with one {written}; response_format is not possible here. Leave it out.")
    if form.type == "json_object":
        return record
    if form.type != "json_schema":
        raise _refused(f"response_format is of type {form.type!r:.80}; allowed are text, json_object and json_schema.")
    if form.json_schema is None or form.json_schema.schema is None:
        raise _refused("response_format has no schema; put it into response_format.json_schema.schema.")
    try:
        asked = read_schema(form.json_schema.schema)
    except InputError as error:
        raise _refused(f"the schema of response_format cannot be filled: {error.message}") from None
    if found := difference(record, asked):
        raise _refused(f"the schema of response_format is not that of the records of {model}: {found}.")
    return asked


def difference(task: Extraction, asked: Extraction) -> str | None:
    """Name the first field that is another in a record that is asked for, and what to do; None where there is none.

    Args:
        task: what the specialist fills; all that it may say must be allowed.
        asked: what is asked for; it may allow more.
    """
    fields = {slot.name: slot for slot in asked.slots}
    for slot in task.slots:
        if slot.name not in fields:
            return f"it lacks the field {slot.name!r}; add it as {_WORDS[slot.type]}"
        if found := _slot_difference(slot, fields[slot.name]):
            return found
    known = [slot.name for slot in task.slots]
    more = next((name for name in fields if name not in known), None)
    return f"field {more!r} is none of {', '.join(known)}; leave it out" if more is not None else None


def written(record: Extraction | None, said: str) -> str:
    """Write an answer (`tasks.Prediction.said`); that of a record in the form of this one."""
    return said if record is None else encode(write_record(record, msgspec.json.decode(said))).decode()


def _slot_difference(slot: Slot, asked: Slot) -> str | None:
    name = f"field {slot.name!r}"
    if slot.type != asked.type and (slot.type, asked.type) != ("integer", "number"):
        return f"{name} is {_WORDS[asked.type]} there and {_WORDS[slot.type]} here; ask for {_WORDS[slot.type]}"
    lost = next((choice for choice in slot.choices if choice not in asked.choices), None)
    if lost is not None:
        return f"{name} lacks the choice {lost!r}, which may be the answer; add it"
    silent = slot.type != "choices" and (slot.nullable or not slot.required)
    if silent and asked.required and not asked.nullable:
        return f"{name} may say nothing here, and must say something there; allow null"
    return None


def _refused(message: str) -> RequestError:
    return RequestError(message, status=422, param="response_format")
