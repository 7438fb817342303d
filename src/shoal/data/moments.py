"""When rows were written, as numbers that order them."""

from collections.abc import Sequence
from datetime import UTC, datetime

from shoal.data.dataset import Row
from shoal.errors import DataError


def moments(rows: Sequence[Row]) -> list[float]:
    """Read the time of each row as a number; larger is newer, a row without a time is older than all others.

    One column is either all numbers, compared as they are, or all ISO 8601 (without a zone: UTC), as seconds.

    Raises:
        DataError: the first time that is neither, or not of the kind of those before it.
    """
    first = next((row.time for row in rows if row.time is not None), "")
    numbers = _number(first) is not None
    found: list[float] = []
    for row in rows:
        if row.time is None:
            found.append(float("-inf"))
            continue
        moment = _number(row.time) if numbers else _seconds(row.time)
        if moment is None:
            wanted = f"a number like {first!r}" if numbers else "ISO 8601 such as 2026-03-31 or 2026-03-31T09:30+01:00"
            raise DataError(f"{row.origin}: the time {row.time!r} must be {wanted}")
        found.append(moment)
    return found


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if abs(value) < float("inf") else None  # also not NaN


def _seconds(text: str) -> float | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
