"""What a teacher said of a text beyond one answer: several answers, or how probable it finds each label.

A cell holds a list or an object; in CSV, which has neither, the same written as JSON.
"""

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import cast

from shoal.errors import DataError

Probabilities = tuple[tuple[str, float], ...]

_SHOWN = 60


def read_votes(value: object) -> tuple[str, ...]:
    """Read answers in their order: a list of labels, or one label; a blank one is none.

    Args:
        value: as it stands in the column.

    Raises:
        DataError: the value is of another shape; without the row, which the caller knows.
    """
    given = _parsed(value, "[") if isinstance(value, str) else value
    listed: object = [given] if isinstance(given, str) else given
    if listed is None:
        return ()
    if not isinstance(listed, Sequence):
        raise DataError(f'got {_seen(value)}, must be one label or a list of labels such as ["refund", "delivery"]')
    answers: list[str] = []
    for answer in cast("Sequence[object]", listed):
        if answer is not None and not isinstance(answer, str):
            raise DataError(f"got {_seen(answer)} in a list of labels, must be a string")
        answers.append(_encodable(answer or "").strip())
    return tuple(answer for answer in answers if answer)


def read_probabilities(value: object) -> Probabilities:
    """Read how probable each label is, in the order in which they are named; the numbers are scaled to sum to 1.

    Args:
        value: as it stands in the column: an object label -> number; blank is none, and so is a number that is null.

    Raises:
        DataError: the value is of another shape, a number is negative or not finite, or all are 0; without the row.
    """
    given = _parsed(value, "{") if isinstance(value, str) else value
    if given is None or given == "":
        return ()
    if not isinstance(given, Mapping):
        raise DataError(f'got {_seen(value)}, must be an object label -> number such as {{"refund": 0.9}}')
    found: dict[str, float] = {}
    for label, number in cast("Mapping[object, object]", given).items():
        if number is None:
            continue
        name = _encodable(label).strip() if isinstance(label, str) else ""
        if not name:
            raise DataError(f"got {_seen(label)} for a label, must be a string that is not blank")
        if not isinstance(number, int | float) or isinstance(number, bool) or not 0 <= number < math.inf:
            logarithm = isinstance(number, int | float) and number < 0
            remedy = "; of a log-probability give its exponential" if logarithm else ""
            raise DataError(f"got {_seen(number)} for {name!r}, must be a number of at least 0{remedy}")
        found[name] = found.get(name, 0.0) + number
    # The largest first becomes 1, so that the sum is finite whatever the numbers are.
    largest = max(found.values(), default=0.0)
    if not largest:
        raise DataError(f"got {_seen(value)}, must have a label with a number above 0")
    scaled = {label: number / largest for label, number in found.items()}
    total = sum(scaled.values())
    return tuple((label, number / total) for label, number in scaled.items())


def answered(named: str, votes: Sequence[str], probabilities: Probabilities) -> str:
    """Find the answer: the most probable label, or else the one with most votes; of several the first named.

    Args:
        named: what stands in the column of the answers, the first vote; blank where there is none.
        votes: further answers.
        probabilities: of labels; where there are some, the votes are not counted.
    """
    first = dict.fromkeys(filter(None, [named]), 0.0)
    counted: Mapping[str, float] = (
        first | dict(probabilities) if probabilities else Counter(filter(None, [named, *votes]))
    )
    return max(counted, key=lambda label: counted[label], default="")


def _parsed(value: str, opening: str) -> object:
    """Parse JSON where the cell begins as a list or an object does; any other cell stays what it is."""
    if not value.lstrip().startswith(opening):
        return value.strip()
    try:
        return json.loads(value)
    except (ValueError, RecursionError) as error:
        raise DataError(f"got {_seen(value)}, which is not JSON: {error}") from None


def _encodable(text: str) -> str:
    """Refuse what no UTF-8 file can hold: JSON may spell half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise DataError(f"got {_seen(text)}, which holds half of a surrogate pair") from None
    return text


def _seen(value: object) -> str:
    shown = repr(value)
    return f"{shown[:_SHOWN]}{'...' if len(shown) > _SHOWN else ''}"
