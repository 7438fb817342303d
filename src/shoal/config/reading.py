"""Read a TOML file that a person wrote: all mistakes at once, each with its line, the value, what is allowed."""

import difflib
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar, cast, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from shoal.config.lines import Lines
from shoal.config.lines import Path as KeyPath
from shoal.config.values import RULE
from shoal.errors import ConfigError, EnvironmentProblem

Mistake = tuple[KeyPath, str]
Model = TypeVar("Model", bound=BaseModel)

# Where a key or a password may have been written by mistake: it must not reach a log.
_SECRET = ("api_key_env", "url")

_TYPES = {
    "string_type": "a string",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "float_type": "a number",
    "list_type": "an array",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
}


def read(
    file: Path,
    model: type[Model],
    references: Callable[[Mapping[str, Any]], Iterable[Mistake]],
    *,
    defaults: Mapping[str, Any] | None = None,
    context: Mapping[str, Any] | None = None,
    missing: str = "",
) -> Model:
    """Read and check a file.

    Args:
        file: where it is.
        model: what must stand in it.
        references: finds the mistakes that no single value shows.
        defaults: tables to add where they are not there.
        context: handed to the validators.
        missing: what to say behind "there is no such file".

    Raises:
        ConfigError: every mistake in the file, each `file:line: key: what is wrong and what is allowed`.
        EnvironmentProblem: the file is there and cannot be read.
    """
    text = _text(file, missing)
    try:
        raw = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # the grammar; numbers and nesting beyond all measure
        raise ConfigError([_syntax(file, text, str(error))]) from None
    value = None
    mistakes = list(references(raw))
    try:
        value = model.model_validate({**(defaults or {}), **raw}, context=dict(context or {}))
    except ValidationError as error:
        mistakes += [_told(details, model) for details in error.errors(include_url=False)]
    if mistakes or value is None:
        lines = Lines(text)
        # Of two mistakes in one value the reference to something else goes: it may only follow from the wrong type.
        placed = sorted((lines.of(key), f"{_dotted(key)}: {sentence}") for key, sentence in dict(mistakes).items())
        raise ConfigError([f"{file}:{line}: {sentence}" for line, sentence in placed])
    return value


def _text(file: Path, missing: str) -> str:
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        raise ConfigError([f"{file}: there is no such file{missing}"]) from None
    except OSError as error:
        raise EnvironmentProblem(f"{file}: cannot be read: {error.strerror or error}") from None
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        before = content[: error.start]
        line, column = before.count(b"\n") + 1, len(before.rpartition(b"\n")[2].decode("utf-8")) + 1
        raise ConfigError([f"{file}:{line}:{column}: byte 0x{content[error.start]:02X} is not UTF-8"]) from None


def _syntax(file: Path, text: str, fault: str) -> str:
    """Tell a fault of the TOML grammar as file:line:column."""
    sentence = re.sub(r" \(at .*\)$", "", fault)
    place = re.search(r"\(at line (\d+), column (\d+)\)$", fault)
    line, column = place.groups() if place else (text.count("\n") + 1, len(text.rpartition("\n")[2]) + 1)
    return f"{file}:{line}:{column}: not valid TOML: {sentence}"


def _told(details: ErrorDetails, model: type[BaseModel]) -> Mistake:
    """Turn one finding of pydantic into a path and a sentence."""
    key, kind, value = details["loc"], details["type"], details["input"]
    context = details.get("ctx", {})
    if key[-1] == "[key]":
        return key[:-1], f"must be {context['allowed']}"
    if kind == "missing":
        return key, f"is missing{_example(model, key)}"
    if kind == "extra_forbidden":
        known = _keys_at(model, key[:-1])
        return key, f"is not a known key{nearest(str(key[-1]), known)}; allowed are {', '.join(known)}"
    if kind == "literal_error":
        allowed = [str(value) for value in get_args(_annotation_at(model, key))]
        return key, f"got {value!r}, must be one of {', '.join(allowed)}{nearest(str(value), allowed)}"
    allowed = context["allowed"] if kind == RULE else _TYPES.get(kind, details["msg"])
    seen = "a value not shown here" if key[-1] in _SECRET else _shown(value)
    return key, f"got {seen}, must be {allowed}"


def table(value: object) -> Mapping[str, Any]:
    """Take what should be a table; anything else is an empty one, and told by its type."""
    return cast(Mapping[str, Any], value) if isinstance(value, Mapping) else {}


def nearest(word: str, words: Iterable[str]) -> str:
    """Ask whether a known word was meant: " (did you mean 'large'?)", or nothing."""
    found = difflib.get_close_matches(word, list(words), n=1, cutoff=0.6)
    return f" (did you mean {found[0]!r}?)" if found else ""


def _annotation_at(model: type[BaseModel], key: KeyPath) -> Any:
    """Find what the schema says of a path: `specialists.x.gate` -> GateConfig; None where it says nothing."""
    annotation: Any = model
    for part in key:
        if isinstance(part, int):
            annotation = get_args(annotation)[0] if get_origin(annotation) is list else None
        elif (table := _model(annotation)) is not None:
            field = table.model_fields.get(part)
            annotation = field.annotation if field else None
        elif get_origin(annotation) is dict:
            annotation = get_args(annotation)[1]
        else:
            return None
    return annotation


def _model(annotation: Any) -> type[BaseModel] | None:
    """Find the model in `Model` or `Model | None`; a table of tables has none."""
    kinds = [annotation, *(() if get_origin(annotation) is dict else get_args(annotation))]
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)


def _keys_at(model: type[BaseModel], key: KeyPath) -> list[str]:
    table = _model(_annotation_at(model, key))
    return list(table.model_fields) if table else []


def _example(model: type[BaseModel], key: KeyPath) -> str:
    table = _model(_annotation_at(model, key[:-1]))
    examples = table.model_fields[str(key[-1])].examples if table else None
    return f"; for example {examples[0]}" if examples else ""


def _shown(value: object) -> str:
    shown = repr(value)
    return f"{shown[:60]}{'...' if len(shown) > 60 else ''}"


def _dotted(key: KeyPath) -> str:
    """Write a path as TOML would; a part that is no bare key in quotes."""
    return ".".join(
        str(part) if isinstance(part, int) or re.fullmatch(r"[A-Za-z0-9_-]+", part) else f'"{part}"' for part in key
    )
