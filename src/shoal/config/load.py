"""Read shoal.toml, and find in it what no single value shows: names and files that a specialist refers to."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast, get_args

from shoal.config.lines import Path as KeyPath
from shoal.config.reading import Mistake, nearest, read, table
from shoal.config.schema import SPLIT_FILES, SUITES, Project
from shoal.errors import InputError
from shoal.tasks import Extraction, TaskKind, read_schema

FILE_NAME = "shoal.toml"
_DATA, _LABELS = 'data = "data/intent.csv"', 'labels = ["refund", "delivery"]'
NOT_AN_LLM = ("review", "none")
_OF_A_CLASSIFICATION = ("never", "out_of_scope", "teacher", "unlabelled", "behaviour", "slices", "corrections")
_OF_ANOTHER = {
    "summary": ("summarization",),
    "query": ("summarization",),
    "rules": ("tagging", "extraction"),
    "regions": ("tagging", "extraction"),
    "record": ("extraction",),
}
_RULES_OF_A_CLASSIFICATION = ("accuracy", "macro_f1", "slice_accuracy", "slice_gap", "max_slice_regression")
FORMATS = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet", ".txt")


def load(path: str | Path = FILE_NAME) -> Project:
    """Read and check a project file; relative paths in it start at its folder.

    Args:
        path: the file, or the folder that holds a shoal.toml.

    Raises:
        ConfigError: every mistake in the file, each `file:line: key: what is wrong and what is allowed`.
        EnvironmentProblem: the file is there and cannot be read.
    """
    file = Path(path) / FILE_NAME if Path(path).is_dir() else Path(path)
    root = file.absolute().parent
    return read(
        file,
        Project,
        lambda raw: _references(raw, root),
        defaults={"ledger": {}},
        context={"root": root},
        missing="; `shoal new NAME` starts a project",
    )


def _references(raw: Mapping[str, Any], root: Path) -> Iterator[Mistake]:
    """Find what no single value shows: names, files, LLMs that a specialist refers to. Wrong types are pydantic's."""
    llms = table(raw.get("llms"))
    for name in NOT_AN_LLM:
        if name in llms:
            yield ("llms", name), f"{name!r} already means something in `escalate`; choose another name"
    for name, value in table(raw.get("specialists")).items():
        specialist, key = table(value), ("specialists", name)
        yield from _escalation(key, specialist, llms)
        if not {"data", "labels"} & set(specialist) and specialist.get("task") != "summarization":
            yield (*key, "data"), f"is missing; for example {_DATA}, or until rows are labelled {_LABELS}"
        yield from _files(key, specialist, root)
        yield from _record(key, specialist, root)
        yield from _strangers(key, specialist)
        yield from _suites(key, specialist.get("behaviour"), root)
        yield from _slice_rules(key, specialist)
        yield from _unfit(key, specialist)
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
        yield (*key, "escalate"), f"got {target!r}, must be one of {', '.join(allowed)}{nearest(target, allowed)}"
    elif specialist.get("egress") == "never" and table(llms[target]).get("location", "external") == "external":
        remedy = f'set llms.{target}.location to "on-premise" if it runs inside, or escalate to "review"'
        yield (*key, "egress"), f"got 'never', but texts would escalate to the external LLM {target!r}; {remedy}"


def _slice_rules(key: KeyPath, specialist: Mapping[str, Any]) -> Iterator[Mistake]:
    slices = table(specialist.get("slices"))
    if not (slices.get("columns") or slices.get("terms")):
        for rule in ("slice_accuracy", "slice_gap"):
            if rule in table(specialist.get("gate")):
                yield (*key, "gate", rule), 'asks about slices, and there are none; add slices = { columns = ["..."] }'


def _unfit(key: KeyPath, specialist: Mapping[str, Any]) -> Iterator[Mistake]:
    """Find keys that are of use to another task alone."""
    task = specialist.get("task", "classification")
    if task == "classification":
        strange: list[tuple[str, ...]] = [(name,) for name in _OF_ANOTHER if name in specialist]
        strange += [("gate", rule) for rule in ("figures", "part_recall") if rule in table(specialist.get("gate"))]
    elif task not in get_args(TaskKind):
        return  # pydantic's to refuse
    else:
        lengths = [name for name in ("sentences", "words", "tokens") if name in table(specialist.get("summary"))]
        if len(lengths) > 1:
            yield (*key, "summary", lengths[1]), "gives a length in a second way; give it in one"
        strange = [(name,) for name in _OF_A_CLASSIFICATION if name in specialist]
        if task == "summarization":  # whose first version needs no answers either
            strange = [name for name in strange if name != ("unlabelled",)]
        strange += [(name,) for name, of in _OF_ANOTHER.items() if name in specialist and task not in of]
        gate = table(specialist.get("gate"))
        strange += [("gate", rule) for rule in _RULES_OF_A_CLASSIFICATION if rule in gate]
    for name in strange:
        remedy = "; ask for figures of its report, such as gate = { figures = { macro_f1 = 0.8 } }"
        of = " or ".join(
            _OF_ANOTHER.get(name[0], ("another task" if task == "classification" else "a classification",))
        )
        other = f"{of}, and the task is {task!r}"
        yield (*key, *name), f"is of {other}{remedy if name[0] == 'gate' and task != 'classification' else ''}"


def _suites(key: KeyPath, behaviour: object, root: Path) -> Iterator[Mistake]:
    for number, item in enumerate(cast(list[object], behaviour) if isinstance(behaviour, list) else []):
        suite = item if isinstance(item, str) else table(item).get("suite")
        if not isinstance(suite, str) or not suite.strip() or suite in SUITES:
            continue
        path = root / Path(suite).expanduser()
        if not path.is_file():
            there = [other.name for other in path.parent.glob("*.toml")] if path.parent.is_dir() else []
            near = nearest(path.name, [*there, *SUITES])
            told = f"got {suite!r}, but there is no file {path}, and no suite of that name comes with shoal"
            yield (*key, "behaviour", number), f"{told} ({', '.join(SUITES)} do){near}"


def _files(key: KeyPath, specialist: Mapping[str, Any], root: Path) -> Iterator[Mistake]:
    data, reviews = specialist.get("data"), specialist.get("corrections")
    files: dict[KeyPath, object] = {(*key, "data", split): table(data).get(split) for split in SPLIT_FILES}
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
            yield place, f"got {file!r}, but there is no file {path}{nearest(path.name, there)}"
        elif path.suffix.lower() not in FORMATS or path.is_dir():
            yield place, f"got {file!r}, must be a file of {', '.join(FORMATS)}"


def _record(key: KeyPath, specialist: Mapping[str, Any], root: Path) -> Iterator[Mistake]:
    """Find what no specialist could fill in the JSON schema of a record."""
    given = specialist.get("record")
    if specialist.get("task") != "extraction":
        return
    if not isinstance(given, str) or not given.strip():
        if given is None:
            yield (*key, "record"), 'is missing; name the file with the JSON schema: record = "data/call.schema.json"'
        return
    path = root / Path(given).expanduser()
    try:
        read_schema_file(path)
    except InputError as error:
        there = [other.name for other in path.parent.iterdir()] if path.parent.is_dir() and not path.exists() else []
        yield (*key, "record"), f"got {given!r}: {error}{nearest(path.name, there)}"


def read_schema_file(path: Path) -> Extraction:
    """Read the JSON schema of a record.

    Raises:
        InputError: no such file, no JSON, or a schema that no specialist fills.
    """
    try:
        schema = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"there is no file {path}") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as JSON: {error}") from None
    if not isinstance(schema, Mapping):
        raise InputError(f"{path} holds no JSON object; a JSON schema is one")
    return read_schema(cast("Mapping[str, Any]", schema))


def _strangers(key: KeyPath, specialist: Mapping[str, Any]) -> Iterator[Mistake]:
    """Find labels that are spoken of and are not among `labels`, where that is given."""
    labels = specialist.get("labels")
    if not isinstance(labels, list):
        return
    known = [label.strip() for label in cast(list[Any], labels) if isinstance(label, str)]
    never = specialist.get("never")
    barred = cast(list[Any], never) if isinstance(never, list) else []
    named: list[tuple[KeyPath, Any]] = [((*key, "never", place), label) for place, label in enumerate(barred)]
    named += [((*key, "descriptions", label), label) for label in table(specialist.get("descriptions"))]
    for place, label in named:
        if isinstance(label, str) and label not in known:
            yield place, f"{label!r} is not one of `labels`{nearest(label, known)}"
