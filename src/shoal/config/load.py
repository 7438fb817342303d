"""Read shoal.toml: all mistakes at once, each with its line, the value, what is allowed, and the nearest spelling."""

import difflib
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from shoal.config.lines import Lines
from shoal.config.lines import Path as KeyPath
from shoal.config.schema import RULE, SPLIT_FILES, Project
from shoal.errors import ConfigError, EnvironmentProblem

Mistake = tuple[KeyPath, str]

FILE_NAME = "shoal.toml"
_DATA, _LABELS = 'data = "data/intent.csv"', 'labels = ["refund", "delivery"]'
NOT_AN_LLM = ("review", "none")
FORMATS = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")

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


def load(path: str | Path = FILE_NAME) -> Project:
    """Read and check a project file; relative paths in it start at its folder.

    Args:
        path: the file, or the folder that holds a shoal.toml.

    Raises:
        ConfigError: every mistake in the file, each `file:line: key: what is wrong and what is allowed`.
        EnvironmentProblem: the file is there and cannot be read.
    """
    file = Path(path) / FILE_NAME if Path(path).is_dir() else Path(path)
    text = _text(file)
    try:
        raw = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # the grammar; numbers and nesting beyond all measure
        raise ConfigError([_syntax(file, text, str(error))]) from None
    root = file.absolute().parent
    project = None
    mistakes = list(_references(raw, root))
    try:
        project = Project.model_validate({"ledger": {}, **raw}, context={"root": root})
    except ValidationError as error:
        mistakes += [_told(details, raw) for details in error.errors(include_url=False)]
    if mistakes or project is None:
        lines = Lines(text)
        # Of two mistakes in one value the reference to something else goes: it may only follow from the wrong type.
        placed = sorted((lines.of(key), f"{_dotted(key)}: {sentence}") for key, sentence in dict(mistakes).items())
        raise ConfigError([f"{file}:{line}: {sentence}" for line, sentence in placed])
    return project


def _text(file: Path) -> str:
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        raise ConfigError([f"{file}: there is no such file; `shoal new NAME` starts a project"]) from None
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


def _told(details: ErrorDetails, raw: Mapping[str, Any]) -> Mistake:
    """Turn one finding of pydantic into a path and a sentence."""
    key, kind, value = details["loc"], details["type"], details["input"]
    context = details.get("ctx", {})
    if key[-1] == "[key]":
        return key[:-1], f"must be {context['allowed']}"
    if kind == "missing":
        return key, f"is missing{_example(key)}"
    if kind == "extra_forbidden":
        known = _keys_at(key[:-1])
        return key, f"is not a known key{_nearest(str(key[-1]), known)}; allowed are {', '.join(known)}"
    if kind == "literal_error":
        allowed = [str(value) for value in get_args(_annotation_at(key))]
        return key, f"got {value!r}, must be one of {', '.join(allowed)}{_nearest(str(value), allowed)}"
    allowed = context["allowed"] if kind == RULE else _TYPES.get(kind, details["msg"])
    seen = "a value not shown here" if key[-1] in _SECRET else _shown(value)
    return key, f"got {seen}, must be {allowed}"


def _references(raw: Mapping[str, Any], root: Path) -> Iterator[Mistake]:
    """Find what no single value shows: names, files, LLMs that a specialist refers to. Wrong types are pydantic's."""
    llms = _table(raw.get("llms"))
    for name in NOT_AN_LLM:
        if name in llms:
            yield ("llms", name), f"{name!r} already means something in `escalate`; choose another name"
    for name, value in _table(raw.get("specialists")).items():
        specialist, key = _table(value), ("specialists", name)
        yield from _escalation(key, specialist, llms)
        if "data" not in specialist and "labels" not in specialist:
            yield (*key, "data"), f"is missing; for example {_DATA}, or until rows are labelled {_LABELS}"
        yield from _files(key, specialist, root)
        yield from _strangers(key, specialist)
        columns = {column: specialist.get(column, column) for column in ("text", "label")}
        if columns["text"] == columns["label"]:
            here, other = ("label", "texts") if "label" in specialist else ("text", "labels")
            yield (*key, here), f"got {columns[here]!r}, which is already the column of the {other}"


def _escalation(key: KeyPath, specialist: Mapping[str, Any], llms: Mapping[str, Any]) -> Iterator[Mistake]:
    target = specialist.get("escalate", "review")
    if not isinstance(target, str) or target in NOT_AN_LLM:
        return
    if target not in llms:
        allowed = [*(name for name in llms if name not in NOT_AN_LLM), *NOT_AN_LLM]
        yield (*key, "escalate"), f"got {target!r}, must be one of {', '.join(allowed)}{_nearest(target, allowed)}"
    elif specialist.get("egress") == "never" and _table(llms[target]).get("location", "external") == "external":
        remedy = f'set llms.{target}.location to "on-premise" if it runs inside, or escalate to "review"'
        yield (*key, "egress"), f"got 'never', but texts would escalate to the external LLM {target!r}; {remedy}"


def _files(key: KeyPath, specialist: Mapping[str, Any], root: Path) -> Iterator[Mistake]:
    data, reviews = specialist.get("data"), specialist.get("corrections")
    files: dict[KeyPath, object] = {(*key, "data", split): _table(data).get(split) for split in SPLIT_FILES}
    if isinstance(data, str):
        files = {(*key, "data"): data}
    if isinstance(reviews, list):
        files |= {(*key, "corrections", at): file for at, file in enumerate(cast(list[object], reviews))}
    files[(*key, "unlabelled")] = specialist.get("unlabelled")
    for place, file in files.items():
        if not isinstance(file, str) or not file.strip():
            continue
        path = root / Path(file).expanduser()
        if not path.exists():
            there = [other.name for other in path.parent.iterdir()] if path.parent.is_dir() else []
            yield place, f"got {file!r}, but there is no file {path}{_nearest(path.name, there)}"
        elif path.suffix.lower() not in FORMATS or path.is_dir():
            yield place, f"got {file!r}, must be a file of {', '.join(FORMATS)}"


def _strangers(key: KeyPath, specialist: Mapping[str, Any]) -> Iterator[Mistake]:
    """Find labels that are spoken of and are not among `labels`, where that is given."""
    labels = specialist.get("labels")
    if not isinstance(labels, list):
        return
    known = [label.strip() for label in cast(list[Any], labels) if isinstance(label, str)]
    never = specialist.get("never")
    barred = cast(list[Any], never) if isinstance(never, list) else []
    named: list[tuple[KeyPath, Any]] = [((*key, "never", place), label) for place, label in enumerate(barred)]
    named += [((*key, "descriptions", label), label) for label in _table(specialist.get("descriptions"))]
    for place, label in named:
        if isinstance(label, str) and label not in known:
            yield place, f"{label!r} is not one of `labels`{_nearest(label, known)}"


def _table(value: object) -> Mapping[str, Any]:
    return cast(Mapping[str, Any], value) if isinstance(value, Mapping) else {}


def _annotation_at(key: KeyPath) -> Any:
    """Find what the schema says of a path: `specialists.x.gate` -> GateConfig; None where it says nothing."""
    annotation: Any = Project
    for part in key:
        model = _model(annotation)
        if model is not None:
            field = model.model_fields.get(str(part))
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


def _keys_at(key: KeyPath) -> list[str]:
    model = _model(_annotation_at(key))
    return list(model.model_fields) if model else []


def _example(key: KeyPath) -> str:
    model = _model(_annotation_at(key[:-1]))
    examples = model.model_fields[str(key[-1])].examples if model else None
    return f"; for example {examples[0]}" if examples else ""


def _nearest(word: str, words: Iterable[str]) -> str:
    found = difflib.get_close_matches(word, list(words), n=1, cutoff=0.6)
    return f" (did you mean {found[0]!r}?)" if found else ""


def _shown(value: object) -> str:
    shown = repr(value)
    return f"{shown[:60]}{'...' if len(shown) > 60 else ''}"


def _dotted(key: KeyPath) -> str:
    """Write a path as TOML would; a part that is no bare key in quotes."""
    return ".".join(
        str(part) if isinstance(part, int) or re.fullmatch(r"[A-Za-z0-9_-]+", part) else f'"{part}"' for part in key
    )
