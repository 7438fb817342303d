"""The only bridge between the event loop and the models: concurrent requests become batches for one worker thread.

The manners, learnt from text-embeddings-inference: there is no timer, whatever is queued is taken as soon as the worker
can accept it; one further batch is prefetched so that the worker never waits for the event loop; batches are bounded by
texts and by tokens; a full queue refuses (HTTP 429) rather than grows; callers that went away are dropped before
inference. Every queue and counter belongs to the event loop's thread, so there are no locks.

A model that needs microseconds a text is asked on the event loop itself: what came in one turn of the loop is answered
in the next. A thread would have to be woken, and would then fight with the loop for the interpreter's lock.

Everything accepted is answered exactly once: with its answers, with an error, or by its caller's cancellation.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence, Sized
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from shoal.errors import OverloadedError, ShoalError
from shoal.tasks import Prediction

Text = TypeVar("Text", bound=Sized)  # a text, or a text with what is asked about it; as long as its characters

_CHARACTERS_PER_TOKEN = 4  # of English text in WordPiece; only the order of magnitude matters for the bound
_TOKENS_OF_FRAME = 2  # [CLS] and [SEP]
_BRIEF_TOKENS = 2048  # a batch longer than this goes to the worker even of a brief model: milliseconds would be felt


class QueueFull(OverloadedError):
    """The specialist's queue cannot take the texts; `retry_after_s` is when it will probably have room."""

    def __init__(self, message: str, *, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may wait and how much goes into one batch.

    Attributes:
        batch_items: most texts in one batch.
        batch_tokens: most estimated tokens in one batch; one longer text still goes, alone.
        queue_items: most texts that wait; more are refused.
        prefetch: batches handed to the worker beyond the one that is running.
    """

    batch_items: int = 64
    batch_tokens: int = 4096
    queue_items: int = 4096
    prefetch: int = 1


@dataclass(slots=True)
class Counters:
    """What has happened since the start."""

    requests: int = 0
    items: int = 0
    batches: int = 0
    overloaded_requests: int = 0
    cancelled_items: int = 0
    failed_items: int = 0


@dataclass(frozen=True, slots=True)
class Answered:
    """One request's answers, in the order of its texts.

    Attributes:
        answers: a prediction for each text, or the error that this very text caused.
        queue_ms: from acceptance until the first text was given to the model.
        model_ms: time spent in the batches that held this request's texts.
    """

    answers: list[Prediction | ShoalError]
    queue_ms: float
    model_ms: float


@dataclass(slots=True)
class _Request(Generic[Text]):
    texts: Sequence[Text]
    future: asyncio.Future[Answered]
    accepted_at: float
    answers: list[Prediction | ShoalError | None]
    taken: int = 0  # texts that were given to a batch already
    missing: int = 0  # answers that are still awaited
    started_at: float = 0.0
    model_ms: float = 0.0


@dataclass(slots=True)
class _Batch(Generic[Text]):
    items: list[tuple[_Request[Text], int]]
    started_at: float = 0.0
    model_ms: float = 0.0
    dropped: int = 0
    taken_at: float = field(default_factory=time.perf_counter)
    answers: list[Prediction | ShoalError | None] = field(default_factory=list[Prediction | ShoalError | None])


class Batcher(Generic[Text]):
    """Groups the texts of concurrent requests for one synchronous `predict`, which runs in one thread of its own.

    A request of many texts takes at most a quarter of a batch while others wait, and goes to the end of the line after
    each turn: it cannot starve single texts.

    Args:
        predict: the model.
        name: the specialist's, for errors.
        limits: of the queue and the batches.
        executor: runs the batches; None makes a thread.
        brief: `predict` takes microseconds a text, so that it may run on the event loop.
    """

    def __init__(
        self,
        predict: Callable[[list[Text]], Sequence[Prediction]],
        *,
        name: str,
        limits: Limits | None = None,
        executor: Executor | None = None,
        brief: bool = False,
    ) -> None:
        self._predict = predict
        self._name = name
        self._limits = limits or Limits()
        self._executor = executor or ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"shoal-{name}")
        self._waiting: deque[_Request[Text]] = deque()
        self._waiting_items = 0
        self._running: list[_Batch[Text]] = []
        self._brief = brief
        self._turn_due = False
        self._closed = False
        self._idle: asyncio.Event | None = None
        self._ms_per_item = 1.0
        self.last_batch_failed = False
        self.counters = Counters()

    @property
    def waiting_items(self) -> int:
        """Texts that are accepted and not yet in a batch."""
        return self._waiting_items

    @property
    def running_s(self) -> float:
        """How long the oldest batch has been with the worker; 0 when it is idle."""
        return time.perf_counter() - self._running[0].taken_at if self._running else 0.0

    async def predict(self, texts: Sequence[Text]) -> Answered:
        """Answer the texts of one request.

        Raises:
            QueueFull: the queue cannot take these texts.
            OverloadedError: the batcher is closing.
            asyncio.CancelledError: the caller was cancelled; texts not yet with the model are dropped.
        """
        if not texts:
            return Answered([], 0.0, 0.0)
        if self._closed:
            raise OverloadedError(f"specialist {self._name!r} is shutting down; send the request to another server")
        if self._waiting_items + len(texts) > self._limits.queue_items:
            self.counters.overloaded_requests += 1
            raise QueueFull(
                f"specialist {self._name!r} has {self._waiting_items} texts waiting and cannot take {len(texts)} more: "
                f"the limit is {self._limits.queue_items} ([serve] queue_items); retry later or send fewer at once",
                retry_after_s=self._waiting_items * self._ms_per_item / 1000.0,
            )
        request = _Request(
            texts=texts,
            future=asyncio.get_running_loop().create_future(),
            accepted_at=time.perf_counter(),
            answers=[None] * len(texts),
            missing=len(texts),
        )
        self.counters.requests += 1
        self.counters.items += len(texts)
        self._waiting.append(request)
        self._waiting_items += len(texts)
        self._dispatch()
        return await request.future

    async def close(self, *, drain_s: float = 10.0) -> None:
        """Take nothing more, answer what was accepted within the bound, and settle the rest with an error."""
        self._closed = True
        if self._waiting or self._running:
            self._idle = asyncio.Event()
            try:
                await asyncio.wait_for(self._idle.wait(), drain_s)
            except TimeoutError:
                self._refuse_open()
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _dispatch(self) -> None:
        if self._brief and not self._running:
            if self._waiting and not self._turn_due:
                self._turn_due = True
                asyncio.get_running_loop().call_soon(self._turn)
        else:
            while len(self._running) <= self._limits.prefetch and (items := self._take()):
                self._hand_over(items)
        if self._idle is not None and not self._waiting and not self._running:
            self._idle.set()

    def _hand_over(self, items: list[tuple[_Request[Text], int]]) -> None:
        """Give a batch to the worker."""
        batch = _Batch(items)
        self._running.append(batch)
        self.counters.batches += 1
        work = asyncio.get_running_loop().run_in_executor(self._executor, self._work, batch)
        work.add_done_callback(lambda done: self._finished(batch, done))

    def _turn(self) -> None:
        """Answer a batch here and now; a long one goes to the worker."""
        self._turn_due = False
        if items := self._take():
            characters = sum(len(request.texts[index]) for request, index in items)
            if characters > _BRIEF_TOKENS * _CHARACTERS_PER_TOKEN:
                self._hand_over(items)
            else:
                self.counters.batches += 1
                batch = _Batch(items)
                self._work(batch)
                self._settle(batch, None)
        self._dispatch()

    def _take(self) -> list[tuple[_Request[Text], int]]:
        """Texts for the next batch, by turns; forgets requests whose callers went away."""
        items: list[tuple[_Request[Text], int]] = []
        tokens = 0
        while self._waiting and len(items) < self._limits.batch_items:
            request = self._waiting.popleft()
            if request.future.done():
                self._forget(request)
                continue
            turn = self._limits.batch_items // 4 or 1 if self._waiting else self._limits.batch_items
            turn = min(turn, self._limits.batch_items - len(items), len(request.texts) - request.taken)
            for _ in range(turn):
                cost = len(request.texts[request.taken]) // _CHARACTERS_PER_TOKEN + _TOKENS_OF_FRAME
                if items and tokens + cost > self._limits.batch_tokens:
                    self._waiting.appendleft(request)
                    return items
                items.append((request, request.taken))
                tokens += cost
                request.taken += 1
                self._waiting_items -= 1
            if request.taken < len(request.texts):
                self._waiting.append(request)
        return items

    def _forget(self, request: _Request[Text]) -> None:
        dropped = len(request.texts) - request.taken
        self._waiting_items -= dropped
        self.counters.cancelled_items += dropped

    def _work(self, batch: _Batch[Text]) -> None:
        """Run in the worker thread; touch nothing but the batch."""
        wanted = [item for item in batch.items if not item[0].future.cancelled()]
        batch.dropped = len(batch.items) - len(wanted)
        batch.items = wanted
        batch.started_at = time.perf_counter()
        batch.answers = self._answers([request.texts[index] for request, index in wanted])
        batch.model_ms = (time.perf_counter() - batch.started_at) * 1000.0

    def _answers(self, texts: list[Text]) -> list[Prediction | ShoalError | None]:
        """Answers of the model; when a batch fails it is bisected, so that only the poisonous text gets the error."""
        if not texts:
            return []
        try:
            answers = self._predict(texts)
            if len(answers) != len(texts):
                raise ShoalError(f"specialist {self._name!r} gave {len(answers)} answers to {len(texts)} texts")
        except ShoalError as problem:
            if len(texts) == 1:
                return [problem]
        except Exception as problem:
            if len(texts) == 1:
                return [ShoalError(f"specialist {self._name!r} failed on this text ({type(problem).__name__})")]
        else:
            return list(answers)
        middle = len(texts) // 2
        return self._answers(texts[:middle]) + self._answers(texts[middle:])

    def _finished(self, batch: _Batch[Text], done: asyncio.Future[None]) -> None:
        self._running = [running for running in self._running if running is not batch]
        self.counters.cancelled_items += batch.dropped
        problem = self._stopped() if done.cancelled() else done.exception()
        try:
            self._settle(batch, problem)
        finally:
            self._dispatch()

    def _settle(self, batch: _Batch[Text], problem: BaseException | None) -> None:
        """Hand each text's answer to its request; requests without a missing answer are answered."""
        if problem is not None:
            error = (
                problem if isinstance(problem, ShoalError) else ShoalError(f"specialist {self._name!r}: {problem!r}")
            )
            batch.answers = [error] * len(batch.items)
        elif batch.items:
            self._ms_per_item += 0.1 * (batch.model_ms / len(batch.items) - self._ms_per_item)
        if batch.items:
            self.last_batch_failed = all(isinstance(answer, ShoalError) for answer in batch.answers)
        for request in {id(request): request for request, _ in batch.items}.values():
            request.started_at = request.started_at or batch.started_at
            request.model_ms += batch.model_ms
        for (request, index), answer in zip(batch.items, batch.answers, strict=True):
            self.counters.failed_items += isinstance(answer, ShoalError)
            request.answers[index] = answer
            request.missing -= 1
            if not request.missing and not request.future.done():
                queue_ms = max(0.0, (request.started_at - request.accepted_at) * 1000.0)
                answers = [answer for answer in request.answers if answer is not None]
                request.future.set_result(Answered(answers, queue_ms, request.model_ms))

    def _stopped(self) -> OverloadedError:
        return OverloadedError(f"specialist {self._name!r} was stopped before it could answer; send the request again")

    def _refuse_open(self) -> None:
        """Give an error to every request without its answers: the bound of `close` has passed."""
        requests = [*self._waiting, *(request for batch in self._running for request, _ in batch.items)]
        self._waiting.clear()
        self._waiting_items = 0
        for request in requests:
            if not request.future.done():
                request.future.set_exception(self._stopped())
