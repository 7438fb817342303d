"""One thread that writes what many threads append: bounded, in batches, never in the way of an answer."""

import threading
import time
from collections import deque
from collections.abc import Callable

import msgspec
from sqlalchemy.exc import InterfaceError, OperationalError

from shoal.ledger.database import reason
from shoal.ledger.inference import Inference

GATHER_S = 0.1
BATCH = 2_000
# Texts may be large: the queue is bounded in characters too, so that a stuck database cannot eat the memory.
QUEUED_CHARACTERS = 64_000_000
_FIRST_RETRY_S, _LAST_RETRY_S = 0.1, 5.0
# The database is away, locked or full: the same rows may go in later. Everything else is the rows' own fault.
_PASSING = (OperationalError, InterfaceError, OSError)


class LedgerHealth(msgspec.Struct, frozen=True, kw_only=True):
    """How the writing goes.

    Attributes:
        ok: the last attempt to write succeeded (or there was none).
        queued: rows waiting to be written.
        written: rows committed by this process.
        dropped: rows given up because the queue was full, or because the ledger was closed before they were written.
        rejected: rows that the database cannot hold, whatever the time (a fault of the caller).
        errors: failed attempts to write.
        last_error: the last such failure or rejection; None when there was none.
    """

    ok: bool
    queued: int
    written: int
    dropped: int
    rejected: int
    errors: int
    last_error: str | None


class Writer:
    """Drains a bounded queue into `write` on its own thread.

    Args:
        write: puts rows into the database in one transaction and returns only when they are committed; writing a row
            again must do no harm.
        capacity: rows that may wait.
    """

    def __init__(self, write: Callable[[list[Inference]], None], *, capacity: int) -> None:
        self._write = write
        self._capacity = capacity
        self._queue: deque[Inference] = deque()
        self._characters = 0
        self._lock = threading.Lock()
        self._settled = threading.Condition(self._lock)
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._deadline = float("inf")
        self._appended = self._written = self._dropped = self._rejected = self._errors = 0
        self._lost_after_append = 0
        self._failing = False
        self._last_error: str | None = None
        self._thread = threading.Thread(target=self._run, name="shoal-ledger", daemon=True)
        self._thread.start()

    def append(self, inference: Inference) -> bool:
        """Queue a row; never waits. Returns False, and counts the row as dropped, when there is no room."""
        size = len(inference.text or "")
        with self._lock:
            full = len(self._queue) >= self._capacity or self._characters + size > QUEUED_CHARACTERS
            if full or self._closing.is_set():
                self._dropped += 1
                return False
            self._queue.append(inference)
            self._characters += size
            self._appended += 1
        if not self._wake.is_set():
            self._wake.set()
        return True

    def flush(self, timeout: float) -> bool:
        """Wait until everything appended before is settled; False when `timeout` seconds did not suffice."""
        with self._settled:
            target = self._appended
            return self._settled.wait_for(lambda: self._settled_rows() >= target, timeout)

    def close(self, timeout: float) -> None:
        """Write what is queued, for at most `timeout` seconds; what is left then is dropped and counted."""
        self._deadline = time.monotonic() + timeout
        self._closing.set()
        self._wake.set()
        self._thread.join(timeout + GATHER_S)

    def health(self) -> LedgerHealth:
        """Return the counts as they are now."""
        with self._lock:
            return LedgerHealth(
                ok=not self._failing,
                queued=self._appended - self._settled_rows(),
                written=self._written,
                dropped=self._dropped,
                rejected=self._rejected,
                errors=self._errors,
                last_error=self._last_error,
            )

    def _settled_rows(self) -> int:
        return self._written + self._rejected + self._lost_after_append

    def _run(self) -> None:
        while True:
            self._wake.wait()
            # Rows that come within this time share a transaction.
            self._closing.wait(GATHER_S)
            self._wake.clear()
            while batch := self._take():
                self._settle(batch)
            if self._closing.is_set():
                return

    def _take(self) -> list[Inference]:
        with self._lock:
            batch = [self._queue.popleft() for _ in range(min(BATCH, len(self._queue)))]
            self._characters -= sum(len(row.text or "") for row in batch)
            return batch

    def _settle(self, batch: list[Inference]) -> None:
        """Write `batch`, however long the database is away; or give it up when closing takes too long.

        When a row cannot be stored, the batch is halved until that row stands alone, so that only it is lost.
        """
        pending = [batch]
        pause = _FIRST_RETRY_S
        while pending:
            rows = pending.pop()
            try:
                self._write(rows)
            except _PASSING as error:
                pending.append(rows)
                self._failed(error)
                if time.monotonic() >= self._deadline:
                    self._give_up(pending)
                    return
                self._rest(pause)
                pause = min(pause * 2, _LAST_RETRY_S)
            except Exception as error:  # whatever a row provokes must end neither this thread nor the other rows
                if len(rows) > 1:
                    middle = len(rows) // 2
                    pending += [rows[middle:], rows[:middle]]
                else:
                    self._reject(rows[0], error)
            else:
                self._wrote(len(rows))

    def _rest(self, pause: float) -> None:
        if self._closing.is_set():
            time.sleep(min(_FIRST_RETRY_S, max(0.0, self._deadline - time.monotonic())))
        else:
            self._closing.wait(pause)

    def _wrote(self, rows: int) -> None:
        with self._settled:
            self._written += rows
            self._failing = False
            self._settled.notify_all()

    def _failed(self, error: BaseException) -> None:
        with self._lock:
            self._errors += 1
            self._failing = True
            self._last_error = reason(error)

    def _reject(self, row: Inference, error: BaseException) -> None:
        with self._settled:
            self._rejected += 1
            self._last_error = f"row {row.id!r} cannot be stored: {reason(error)}"
            self._settled.notify_all()

    def _give_up(self, pending: list[list[Inference]]) -> None:
        lost = sum(len(rows) for rows in pending)
        with self._settled:
            self._dropped += lost
            self._lost_after_append += lost
            self._settled.notify_all()
