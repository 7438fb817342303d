"""Records and their JSON schema: which fields a schema asks for, and whether a record keeps to them. Pure.

Of JSON Schema what a specialist can fill is read: an object of strings from a closed set, lists of them, booleans, and
numbers and strings that stand in the text. Anything else is refused by name.
"""

import sys
from collections.abc import Mapping, Sequence
from typing import Any, cast

from shoal.errors import InputError
from shoal.tasks.quoting import number_places, text_places
from shoal.tasks.task import Extraction, Slot

Schema = Mapping[str, Any]
Value = str | float | bool | tuple[str, ...] | None
Values = Mapping[str, Value]

_FILLABLE = (
    'a field is {"enum": [...]} of strings, {"type": "boolean"}, {"type": "array", "items": {"enum": [...]}}, '
    '{"type": "number"}, {"type": "integer"} or {"type": "string"}, each of them with "null" beside it where the text '
    "may say nothing"
)
_LARGEST = sys.float_info.max  # JSON's whole numbers have no end; NaN and infinity are beyond it too
_KINDS = {"boolean": "flag", "number": "number", "integer": "integer", "string": "span"}


def read_schema(schema: Schema) -> Extraction:
    """Read the task from the JSON schema of its records, as pydantic's `model_json_schema` writes it too.

    Args:
        schema: of an object; fields in `required` must be right for a record to be kept.

    Raises:
        InputError: the schema asks for something that no specialist fills; names the field.
    """
    given = schema.get("properties")
    if schema.get("type", "object") != "object" or not isinstance(given, Mapping) or not given:
        raise InputError(
            'a record is a JSON schema with {"type": "object", "properties": {...}}; this has no properties.'
        )
    fields = cast("Mapping[str, Any]", given)
    if "" in fields:
        raise InputError("a field of the schema has an empty name; every field needs a name.")
    given = schema.get("required", [])
    if not isinstance(given, list):
        raise InputError(f"the schema's required is {given!r:.80}; it must be a list of names of its properties.")
    listed = _listed(cast("object", given))
    missing = [name for name in listed if not isinstance(name, str) or name not in fields]
    if missing:
        raise InputError(f"the schema requires {missing[0]!r}, which is none of its properties ({', '.join(fields)}).")
    wanted = frozenset(listed)
    return Extraction(slots=tuple(_slot(name, one, schema, name in wanted) for name, one in fields.items()))


def write_schema(task: Extraction) -> dict[str, Any]:
    """Write the JSON schema of a task's records; `read_schema` reads the same task from it."""
    return {
        "type": "object",
        "properties": {slot.name: _property(slot) for slot in task.slots},
        "required": [slot.name for slot in task.slots if slot.required],
        "additionalProperties": False,
    }


def read_record(task: Extraction, given: Mapping[str, Any]) -> dict[str, Value]:
    """Check a record and put it in the task's order: every field is there, None where it says nothing.

    Raises:
        InputError: a field is unknown, missing, or not of its kind; names it and what is allowed.
    """
    names = [slot.name for slot in task.slots]
    unknown = [name for name in given if name not in names]
    if unknown:
        raise InputError(f"field {unknown[0]!r} is not one of the record's: {', '.join(names)}")
    return {slot.name: _value(slot, given.get(slot.name)) for slot in task.slots}


def write_record(task: Extraction, record: Values) -> dict[str, Value]:
    """Write a record as the task's schema has it: a field that says nothing and may not be null is left out."""
    return {slot.name: record[slot.name] for slot in task.slots if slot.nullable or record[slot.name] is not None}


def absent(task: Extraction, record: Values, text: str) -> list[str]:
    """Names of the fields whose value should stand in the text and does not."""
    return [
        slot.name
        for slot in task.slots
        if slot.quoted and record[slot.name] is not None and not places(slot, record[slot.name], text)
    ]


def places(slot: Slot, value: Value, text: str) -> list[tuple[int, int]]:
    """Where a quoted field's value stands in the text: start and end, each time."""
    if isinstance(value, str):
        return text_places(value, text)
    return number_places(float(value), text) if isinstance(value, int | float) else []


def same(slot: Slot, one: Value, other: Value) -> bool:
    """Whether two values of a field are the same answer; of quoted strings, but for case and white space."""
    if slot.type == "span" and isinstance(one, str) and isinstance(other, str):
        return one.casefold().split() == other.casefold().split()
    if slot.type == "choices":
        return set(cast("Sequence[str]", one or ())) == set(cast("Sequence[str]", other or ()))
    return one == other


def _slot(name: str, given: object, schema: Schema, required: bool) -> Slot:
    told, nullable = _plain(name, given, schema)
    kind, choices, null = told.get("type"), (), False
    if "enum" in told:
        kind, (choices, null) = "choice", _choices(name, told["enum"])
    elif kind == "array":
        items, empty = _plain(name, told.get("items"), schema)
        if "enum" not in items:
            raise InputError(f"field {name!r} is a list of anything; a list takes from a closed set: {_FILLABLE}.")
        kind, (choices, null) = "choices", _choices(name, items["enum"])
        if nullable or null or empty:
            raise InputError(f"field {name!r} is a list that may be null or hold null; an empty list says the same.")
    elif isinstance(kind, str) and kind in _KINDS:
        kind = _KINDS[kind]
    else:
        shown = f"of type {kind!r:.80}" if kind else "of no type"
        raise InputError(f"field {name!r} is {shown}, which no specialist fills: {_FILLABLE}.")
    values = {"name": name, "type": kind, "choices": choices, "required": required, "nullable": nullable or null}
    return Slot.model_validate(values | {"description": str(told.get("description", ""))})


def _plain(name: str, given: object, schema: Schema) -> tuple[dict[str, Any], bool]:
    """Follow references and take "null" off: what remains, and whether null was there."""
    told, nullable = _mapping(given), False
    for _ in range(8):  # references to references; a ring of them ends here
        if "$ref" in told:
            reference = told.pop("$ref")
            told = _referred(name, str(reference), schema) | told
        elif "anyOf" in told or "oneOf" in told:
            listed = _listed(told.pop("anyOf", None) or told.pop("oneOf", None))
            others = [one for one in listed if one != {"type": "null"}]
            nullable = nullable or len(others) < len(listed)
            if len(others) != 1:
                raise InputError(f"field {name!r} may be of {len(others)} kinds; it must be of one: {_FILLABLE}.")
            told = _mapping(others[0]) | told
        elif isinstance(told.get("type"), list):
            listed = _listed(told["type"])
            kinds = [str(one) for one in listed if one != "null"]
            nullable = nullable or len(kinds) < len(listed)
            told["type"] = " or ".join(kinds)
        elif "const" in told:
            told["enum"] = [told.pop("const")]
        else:
            return told, nullable
    raise InputError(f"field {name!r}: its references lead nowhere.")


def _mapping(given: object) -> dict[str, Any]:
    return dict(cast("Mapping[str, Any]", given)) if isinstance(given, Mapping) else {}


def _listed(given: object) -> list[object]:
    return cast("list[object]", given) if isinstance(given, list) else []


def _referred(name: str, reference: str, schema: Schema) -> dict[str, Any]:
    found: object = schema
    for part in reference.removeprefix("#/").split("/"):
        found = cast("Mapping[str, object]", found).get(part) if isinstance(found, Mapping) else None
    if not reference.startswith("#/") or not isinstance(found, Mapping):
        raise InputError(f"field {name!r} refers to {reference!r}, which is not in the schema.")
    return _mapping(cast("object", found))


def _choices(name: str, enum: object) -> tuple[tuple[str, ...], bool]:
    listed = _listed(enum)
    choices = tuple(one for one in listed if isinstance(one, str) and one.strip())
    if not choices or len(choices) < sum(one is not None for one in listed):
        raise InputError(f"field {name!r} has the choices {listed!r:.200}; they must be strings, at least one.")
    if len(set(choices)) < len(choices):
        raise InputError(f"field {name!r} names a choice twice: {listed!r:.200}.")
    return choices, None in listed


def _property(slot: Slot) -> dict[str, Any]:
    told: dict[str, Any]
    if slot.type == "choices":
        told = {"type": "array", "items": {"type": "string", "enum": list(slot.choices)}}
    else:
        kind = next((json for json, mine in _KINDS.items() if mine == slot.type), "string")
        told = {"type": [kind, "null"] if slot.nullable else kind}
    if slot.type == "choice":
        told["enum"] = [*slot.choices, *([None] if slot.nullable else [])]
    return told | ({"description": slot.description} if slot.description else {})


def _value(slot: Slot, value: Any) -> Value:
    if slot.type == "choices" and value is None:
        value = ()
    if value is None or (value == "" and slot.type == "span"):
        if slot.required and not slot.nullable:
            raise InputError(f"field {slot.name!r} is missing; it must be {_kind(slot)}")
        return None
    wrong = InputError(f"field {slot.name!r} is {value!r:.80}; it must be {_kind(slot)}")
    match slot.type:
        case "choices":
            listed = cast("Sequence[Any]", value) if isinstance(value, list | tuple) else (None,)
            if any(one not in slot.choices for one in listed):
                raise wrong
            return tuple(choice for choice in slot.choices if choice in listed)
        case "choice":
            fits = value in slot.choices
        case "flag":
            fits = isinstance(value, bool)
        case "span":
            fits = isinstance(value, str) and bool(value.strip())
        case "number" | "integer":
            fits = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _LARGEST
            if fits and slot.type == "integer":
                fits = float(value).is_integer()
                value = int(value) if fits else value
    if not fits:
        raise wrong
    return value


def _kind(slot: Slot) -> str:
    null = " or null" if slot.nullable else ""
    if slot.choices:
        shown = ", ".join(slot.choices[:20]) + (", ..." if len(slot.choices) > 20 else "")
        return f"{'a list of some of' if slot.type == 'choices' else 'one of'} {shown}{null}"
    kinds = {"flag": "true or false", "span": "a string", "number": "a number", "integer": "a whole number"}
    return f"{kinds[slot.type]}{null}"
