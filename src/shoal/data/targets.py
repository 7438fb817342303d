"""Reference answers of the tasks other than classification: read from one column, checked against the text.

| task | column | value |
|---|---|---|
| multilabel | labels | a list of labels, or one string with "|" between them; empty: none of them |
| tagging | spans | a list of {"start", "end", "type"}, counted in characters; "text" is checked where it is given |
| summarization | summary | what a person wrote; empty: there is none |
| extraction | record | an object |

CSV has no lists: there the value is the same, written as JSON.
"""

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from shoal.errors import DataError
from shoal.tasks import Span, TaskKind

Target = tuple[str, ...] | tuple[Span, ...] | str | Mapping[str, Any]

COLUMN: dict[TaskKind, str] = {
    "classification": "label",
    "multilabel": "labels",
    "tagging": "spans",
    "summarization": "summary",
    "extraction": "record",
}
_SHOWN = 60


def read_target(task: TaskKind, value: object, text: str) -> Target:
    """Read the reference answer of a row.

    Args:
        task: what is asked; not "classification".
        value: as it stands in the column.
        text: of the row.

    Raises:
        DataError: the value is of another shape, or does not fit the text; without the row, which the caller knows.
    """
    return _READERS[task](value, text)


def _labels(value: object, _text: str) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, str):
        listed = _parsed(value) if value.lstrip().startswith("[") else value.split("|")
    else:
        listed = value
    if not isinstance(listed, Sequence) or not all(isinstance(each, str) for each in cast("Sequence[object]", listed)):
        raise DataError(f"got {_seen(value)}, must be a list of labels, or labels with '|' between them")
    names = (label.strip() for label in cast("Sequence[str]", listed))
    return tuple(dict.fromkeys(name for name in names if name))


def _spans(value: object, text: str) -> tuple[Span, ...]:
    listed = _parsed(value) if isinstance(value, str) else value
    if listed is None or listed == "":
        return ()
    if not isinstance(listed, Sequence):
        raise DataError(f'got {_seen(value)}, must be a list of {{"start": 0, "end": 5, "type": "..."}}')
    spans = sorted((_span(each, text) for each in cast("Sequence[object]", listed)), key=lambda span: span.start)
    for before, after in itertools.pairwise(spans):
        if after.start < before.end:
            raise DataError(
                f"spans {before.start}-{before.end} ({before.type}) and {after.start}-{after.end} ({after.type}) "
                "overlap; each character belongs to one span at most: keep one of them"
            )
    return tuple(spans)


def _span(value: object, text: str) -> Span:
    given: Mapping[str, object] = cast("Mapping[str, object]", value) if isinstance(value, Mapping) else {}
    start, end, kind = (given.get(name) for name in ("start", "end", "type"))
    if not (_whole(start) and _whole(end) and isinstance(kind, str) and kind.strip()):
        raise DataError(f'got {_seen(cast(object, value))} for a span, must be {{"start": 0, "end": 5, "type": "..."}}')
    start, end = cast(int, start), cast(int, end)
    if not 0 <= start < end <= len(text):
        why = "end is not behind start" if start >= end else f"the text has {len(text)} characters"
        raise DataError(f"span {start}-{end} ({kind}) is not in the text: {why}{_in_bytes(text, start, end, given)}")
    quoted = given.get("text")
    if isinstance(quoted, str) and quoted != text[start:end]:
        raise DataError(
            f"span {start}-{end} ({kind}) holds {_seen(text[start:end])}, the row says {_seen(quoted)}"
            f"{_in_bytes(text, start, end, given)}"
        )
    return Span(start, end, kind.strip(), text[start:end])


def _in_bytes(text: str, start: int, end: int, given: Mapping[str, object]) -> str:
    """Whether the offsets would fit if they were counted in bytes; what to do then."""
    if text.isascii() or end > len(text.encode()):
        return ""
    quoted = given.get("text")
    if isinstance(quoted, str) and text.encode()[start:end] != quoted.encode():
        return ""
    return "; are the offsets counted in bytes? They must be counted in characters"


def _summary(value: object, _text: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise DataError(f"got {_seen(value)}, must be a string")
    return value.strip()


def _record(value: object, _text: str) -> Mapping[str, Any]:
    given = _parsed(value) if isinstance(value, str) else value
    if not isinstance(given, Mapping):
        raise DataError(f"got {_seen(value)}, must be an object with the fields of the record")
    return dict(cast("Mapping[str, Any]", given))


def _parsed(value: str) -> object:
    if not value.strip():
        return None
    try:
        return json.loads(value)
    except ValueError as error:
        raise DataError(f"got {_seen(value)}, which is not JSON: {error}") from None


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _seen(value: object) -> str:
    shown = repr(value)
    return f"{shown[:_SHOWN]}{'...' if len(shown) > _SHOWN else ''}"


_READERS: dict[TaskKind, Callable[[object, str], Target]] = {
    "multilabel": _labels,
    "tagging": _spans,
    "summarization": _summary,
    "extraction": _record,
}
