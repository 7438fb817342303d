"""`Ledger`: append rows without waiting, read them back, add them up, and settle what waits for a person."""

import hashlib
import hmac
import time
from typing import Any, Literal, Self

import msgspec
from sqlalchemy import Connection, Insert, Table, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from shoal.errors import InputError, NotFoundError
from shoal.ledger.database import open_engine, text_salt
from shoal.ledger.inference import Inference, ReviewItem
from shoal.ledger.summary import Summary, summarise
from shoal.ledger.tables import inference, review
from shoal.ledger.writer import LedgerHealth, Writer

TextPolicy = Literal["full", "hash", "none"]
# Fields that may hold what a user or a larger model wrote.
_FROM_OUTSIDE = ("text", "label", "error")
_INSERT = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


class Ledger:
    """The record of what was asked and who answered.

    Args:
        url: a SQLAlchemy URL, "sqlite:///PATH" or "postgresql+psycopg://USER:PASSWORD@HOST/DATABASE".
        text: what is kept of a request's text. "full": the text, and its hash. "hash": HMAC-SHA-256 under a random salt
            made with the ledger, so that repeats can be counted and no table of known texts can be looked up; whoever
            holds the ledger holds the salt too, and can test guesses. "none": neither.
        capacity: rows that may wait to be written; more are dropped and counted.

    Raises:
        InputError: the URL is of another kind.
        EnvironmentProblem: the database cannot be opened.
    """

    def __init__(self, url: str, *, text: TextPolicy = "full", capacity: int = 10_000) -> None:
        self._text = text
        self._engine = open_engine(url)
        self._salt = text_salt(self._engine)
        insert = _INSERT[self._engine.dialect.name]
        self._insert_inference = _insert_once(insert, inference)
        self._insert_review = _insert_once(insert, review)
        self._writer = Writer(self._write, capacity=capacity)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def append(self, row: Inference) -> bool:
        """Record a request; returns at once, from any thread.

        Returns False when the row was dropped because the queue is full (see `health`). The row is checked when it is
        written; one that breaks a field's limits is rejected and counted.
        """
        return self._writer.append(row)

    def flush(self, timeout: float = 10.0) -> bool:
        """Wait until all rows appended so far are written; False when that took longer than `timeout` seconds."""
        return self._writer.flush(timeout)

    def close(self, timeout: float = 10.0) -> None:
        """Write what is queued, for at most `timeout` seconds, and let go of the database."""
        self._writer.close(timeout)
        self._engine.dispose()

    def health(self) -> LedgerHealth:
        """How the writing goes: counts, and the last error."""
        return self._writer.health()

    def text_hash(self, text: str) -> str:
        """Return the hash under which this ledger stores `text`: 64 hexadecimal digits."""
        return hmac.new(self._salt, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()

    def rows(
        self,
        *,
        since: float | None = None,
        until: float | None = None,
        specialist: str | None = None,
        outcome: str | None = None,
        limit: int = 1000,
    ) -> list[Inference]:
        """Return the latest rows, newest first, with `since` <= time < `until` (seconds since 1970 UTC)."""
        c = inference.c
        query = select(inference)
        if since is not None:
            query = query.where(c.time >= since)
        if until is not None:
            query = query.where(c.time < until)
        if specialist is not None:
            query = query.where(c.specialist == specialist)
        if outcome is not None:
            query = query.where(c.outcome == outcome)
        with self._engine.connect() as connection:
            found = connection.execute(query.order_by(c.time.desc(), c.id.desc()).limit(limit))
            return [Inference(**row) for row in found.mappings()]

    def summary(self, since: float | None = None, until: float | None = None) -> Summary:
        """Add up the rows with `since` <= time < `until` (seconds since 1970 UTC)."""
        return summarise(self._engine, since, until)

    def review_queue(self, limit: int = 100) -> list[ReviewItem]:
        """Return what waits for a person, the longest waiting first."""
        c = review.c
        query = select(review).where(c.resolved.is_(None)).order_by(c.created, c.id).limit(limit)
        with self._engine.connect() as connection:
            return [ReviewItem(**row) for row in connection.execute(query).mappings()]

    def waiting(self) -> int:
        """Count what waits for a person."""
        with self._engine.connect() as connection:
            return connection.execute(select(func.count()).where(review.c.resolved.is_(None))).scalar_one()

    def review_item(self, id: str) -> ReviewItem:
        """Return one item, waiting or settled; `id` and errors as in `resolve_review`."""
        with self._engine.connect() as connection:
            query = select(review).where(review.c.id == self._whole_review_id(connection, id))
            return ReviewItem(**connection.execute(query).mappings().one())

    def resolve_review(self, id: str, label: str) -> ReviewItem:
        """Record a person's label; a later one replaces it.

        Args:
            id: the item's id, or the beginning of it when no other item's id begins so.
            label: the person's answer.

        Raises:
            InputError: the label is empty.
            NotFoundError: no item has that id, or several begin with it.
        """
        if not label.strip():
            raise InputError("the label is empty; give the text's label")
        values = {"label": label, "resolved": time.time()}
        with self._engine.connect() as connection, connection.begin():
            whole = self._whole_review_id(connection, id)
            changed = update(review).where(review.c.id == whole).values(values).returning(review)
            return ReviewItem(**connection.execute(changed).mappings().one())

    def _whole_review_id(self, connection: Connection, beginning: str) -> str:
        query = select(review.c.id).where(review.c.id.startswith(beginning, autoescape=True)).limit(4)
        found = connection.scalars(query).all()
        if len(found) == 1 or beginning in found:
            return beginning if beginning in found else found[0]
        if found:
            raise NotFoundError(
                f"several review items begin with {beginning!r}: {', '.join(found)}; give more of the id"
            )
        raise NotFoundError(f"no review item has the id {beginning!r}; `shoal review list` shows what waits")

    def _write(self, rows: list[Inference]) -> None:
        values = [self._stored(row) for row in rows]
        waiting = [_review_values(row) for row in values if row["outcome"] == "reviewed"]
        with self._engine.begin() as connection:
            connection.execute(self._insert_inference, values)
            if waiting:
                connection.execute(self._insert_review, waiting)

    def _stored(self, row: Inference) -> dict[str, Any]:
        values = msgspec.structs.asdict(row)
        msgspec.convert(values, Inference)
        text = values["text"]
        values["text"] = text if self._text == "full" else None
        values["text_hash"] = None if text is None or self._text == "none" else self.text_hash(text)
        for name in _FROM_OUTSIDE:
            values[name] = _storable(values[name])
        return values


def _insert_once(insert: Any, table: Table) -> Insert:
    # Repeating a transaction whose end was not seen must not write its rows twice.
    return insert(table).on_conflict_do_nothing(index_elements=["id"])


def _storable(text: str | None) -> str | None:
    """`text` without what PostgreSQL (NUL) or UTF-8 (lone surrogates) cannot hold."""
    return None if text is None else text.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")


def _review_values(row: dict[str, Any]) -> dict[str, Any]:
    kept = {name: row[name] for name in ("id", "specialist", "version", "text", "confidence", "reason")}
    return {**kept, "predicted": row["label"], "created": row["time"]}
