"""Kinds of values that stand in shoal.toml and the files it names: what is allowed, and the words for a mistake.

The sentence behind "must be" lives in the type, so that whoever breaks the rule reads that sentence.
"""

import re
from collections.abc import Callable
from typing import Annotated, Any, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict
from pydantic_core import PydanticCustomError

RULE = "rule"  # type of the errors whose message reads on after "must be"
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


def rule(allowed: str, holds: Callable[[Any], bool]) -> BeforeValidator:
    """Make a validator that says what is allowed."""

    def check(value: Any) -> Any:
        if not holds(value):
            raise PydanticCustomError(RULE, "{allowed}", {"allowed": allowed})
        return value

    return BeforeValidator(check)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf")


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _words(value: Any) -> bool:
    return (
        isinstance(value, list) and bool(cast("list[object]", value)) and all(map(_text, cast("list[object]", value)))
    )


Probability = Annotated[float, rule("a number above 0 and below 1", lambda v: _number(v) and 0 < v < 1)]
Share = Annotated[float, rule("a number from 0 to 1", lambda v: _number(v) and 0 <= v <= 1)]
Positive = Annotated[float, rule("a number above 0", lambda v: _number(v) and v > 0)]
NotNegative = Annotated[float, rule("a number of at least 0", lambda v: _number(v) and v >= 0)]
Count = Annotated[int, rule("a whole number of at least 1", lambda v: _whole(v) and v >= 1)]
CountOrZero = Annotated[int, rule("a whole number of at least 0", lambda v: _whole(v) and v >= 0)]
Port = Annotated[int, rule("a port: a whole number from 0 to 65535", lambda v: _whole(v) and 0 <= v <= 65_535)]
Text = Annotated[str, rule("a string that is not empty", _text)]
Name = Annotated[
    str,
    rule(
        "a name: up to 64 small letters, digits, '-' and '_', beginning with a letter or digit",
        lambda v: isinstance(v, str) and NAME.fullmatch(v) is not None,
    ),
]
Variable = Annotated[
    str,
    rule(
        "the name of an environment variable such as OPENAI_API_KEY (never the key itself)",
        lambda v: isinstance(v, str) and re.fullmatch(r"[A-Z_][A-Z0-9_]{0,99}", v) is not None,
    ),
]
Url = Annotated[
    str,
    rule(
        "an address such as http://127.0.0.1:8081/v1",
        lambda v: isinstance(v, str) and re.fullmatch(r"https?://[^\s/?#]+[^\s?#]*", v) is not None,
    ),
]
Words = Annotated[list[str], rule("a list of at least one word or phrase", _words)]
Columns = Annotated[
    list[str],
    BeforeValidator(lambda value: [value] if isinstance(value, str) else value),
    rule('a column or an array of columns such as ["again"]', lambda v: _text(v) or v == [] or _words(v)),
]
Backbone = Annotated[
    str | list[str],
    rule(
        'a method, an encoder, or a list of encoders such as ["auto", "models/mine"]', lambda v: _text(v) or _words(v)
    ),
]


class Table(BaseModel):
    """A table that a person wrote: unknown keys are mistakes, values are never bent into another type."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
