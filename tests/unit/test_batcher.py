"""The batcher: limits, fairness, poison, overload, cancellation, draining; and a state machine over all of them."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from shoal.errors import OverloadedError, ShoalError
from shoal.serving import Answered, Batcher, Limits, QueueFull
from shoal.tasks import Label

POISON = "poison"


class ManualExecutor(Executor):
    """Runs what was submitted when the test says so, in the test's thread."""

    def __init__(self) -> None:
        self.submitted: list[tuple[Future[Any], Callable[[], Any]]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.submitted.append((future, lambda: fn(*args, **kwargs)))
        return future

    def step(self) -> None:
        future, call = self.submitted.pop(0)
        try:
            future.set_result(call())
        except BaseException as problem:
            future.set_exception(problem)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        while cancel_futures and self.submitted:
            self.submitted.pop()[0].cancel()


class Echo:
    """Predicts the text itself as the label and remembers its batches; the poisonous text raises."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []

    def __call__(self, texts: list[str]) -> list[Label]:
        self.batches.append(list(texts))
        if POISON in texts:
            raise ValueError("a text that the model cannot bear")
        return [Label(label=text, confidence=1.0, accepted=True, reason="certified", tier="echo") for text in texts]


def labels(answered: Answered) -> list[str]:
    return [answer.label if isinstance(answer, Label) else "error" for answer in answered.answers]


async def turn(times: int = 3) -> None:
    for _ in range(times):
        await asyncio.sleep(0)


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest.fixture
def hand() -> Iterator[ManualExecutor]:
    yield ManualExecutor()


async def test_answers_come_in_the_order_of_the_texts_with_times(echo: Echo) -> None:
    batcher = Batcher(echo, name="echo", limits=Limits(batch_items=3))
    answered = await batcher.predict([f"text {index}" for index in range(10)])
    assert labels(answered) == [f"text {index}" for index in range(10)]
    assert answered.queue_ms >= 0
    assert answered.model_ms > 0
    assert max(map(len, echo.batches)) == 3
    await batcher.close()


async def test_an_idle_worker_takes_a_text_at_once_and_the_queue_merges_meanwhile(
    echo: Echo, hand: ManualExecutor
) -> None:
    batcher = Batcher(echo, name="echo", executor=hand)
    tasks = [asyncio.create_task(batcher.predict([f"{index}"])) for index in range(10)]
    await turn()
    assert len(hand.submitted) == 2  # one runs, one is prefetched
    for _ in range(3):
        hand.step()
        await turn()
    assert echo.batches == [["0"], ["1"], [str(index) for index in range(2, 10)]]
    assert [labels(await task) for task in tasks] == [[str(index)] for index in range(10)]
    await batcher.close()


async def test_a_batch_is_bounded_by_tokens_and_a_longer_text_goes_alone(echo: Echo, hand: ManualExecutor) -> None:
    batcher = Batcher(echo, name="echo", limits=Limits(batch_tokens=100, prefetch=0), executor=hand)
    first = asyncio.create_task(batcher.predict(["first"]))
    texts = ["a" * 200, "b" * 180, "c" * 4000, "d"]
    task = asyncio.create_task(batcher.predict(texts))
    await turn()
    while hand.submitted:
        hand.step()
        await turn()
    assert [[len(text) for text in batch] for batch in echo.batches] == [[5], [200, 180], [4000], [1]]
    assert labels(await task) == texts
    await first
    await batcher.close()


async def test_a_thousand_texts_do_not_starve_a_single_one(echo: Echo, hand: ManualExecutor) -> None:
    batcher = Batcher(echo, name="echo", limits=Limits(batch_items=8), executor=hand)
    big = asyncio.create_task(batcher.predict(["big"] * 1000))
    await turn()
    single = asyncio.create_task(batcher.predict(["single"]))
    await turn()
    for _ in range(3):
        hand.step()
        await turn()
    assert single.done()
    assert not big.done()
    while hand.submitted:
        hand.step()
        await turn()
    assert labels(await big) == ["big"] * 1000
    await batcher.close()


async def test_only_the_poisonous_text_gets_the_error(echo: Echo, hand: ManualExecutor) -> None:
    batcher = Batcher(echo, name="echo", limits=Limits(prefetch=0), executor=hand)
    tasks = [asyncio.create_task(batcher.predict([text])) for text in ["start", *"abc", POISON, *"defgh"]]
    await turn()
    hand.step()
    await turn()
    hand.step()
    await turn()
    outcomes = [labels(await task) for task in tasks]
    assert outcomes == [["start"], ["a"], ["b"], ["c"], ["error"], ["d"], ["e"], ["f"], ["g"], ["h"]]
    error = (await tasks[4]).answers[0]
    assert isinstance(error, ShoalError)
    assert str(error) == "specialist 'echo' failed on this text (ValueError)"
    assert batcher.counters.failed_items == 1
    await batcher.close()


async def test_a_model_that_loses_answers_is_an_error_not_a_shift() -> None:
    batcher = Batcher(lambda texts: [], name="lossy")
    answered = await batcher.predict(["a", "b"])
    assert [str(answer) for answer in answered.answers] == ["specialist 'lossy' gave 0 answers to 1 texts"] * 2
    await batcher.close()


async def test_even_an_exit_inside_the_model_leaves_nobody_waiting() -> None:
    def leave(texts: list[str]) -> list[Label]:
        raise SystemExit

    batcher = Batcher(leave, name="leaver")
    for _ in range(2):
        answered = await asyncio.wait_for(batcher.predict(["a"]), 5)
        assert isinstance(answered.answers[0], ShoalError)
    await batcher.close()


async def test_a_full_queue_refuses_and_says_the_limit(echo: Echo, hand: ManualExecutor) -> None:
    batcher = Batcher(echo, name="echo", limits=Limits(queue_items=4, batch_items=1, prefetch=0), executor=hand)
    tasks = [asyncio.create_task(batcher.predict([text])) for text in "abcde"]
    await turn()
    assert batcher.waiting_items == 4
    with pytest.raises(QueueFull, match=r"'echo' has 4 texts waiting and cannot take 1 more.*limit is 4.*queue_items"):
        await batcher.predict(["f"])
    assert batcher.counters.overloaded_requests == 1
    while hand.submitted:
        hand.step()
        await turn()
    assert [labels(await task) for task in tasks] == [["a"], ["b"], ["c"], ["d"], ["e"]]
    await batcher.close()


async def test_cancelled_callers_are_dropped_before_inference_and_counted(echo: Echo, hand: ManualExecutor) -> None:
    batcher = Batcher(echo, name="echo", executor=hand)
    tasks = [asyncio.create_task(batcher.predict([text])) for text in ("running", "prefetched", "queued", "kept")]
    await turn()
    tasks[1].cancel()
    tasks[2].cancel()
    await turn()
    while hand.submitted:
        hand.step()
        await turn()
    assert echo.batches == [["running"], ["kept"]]
    assert batcher.counters.cancelled_items == 2
    assert labels(await tasks[3]) == ["kept"]
    await batcher.close()


async def test_closing_answers_what_was_accepted_and_takes_no_more(echo: Echo) -> None:
    batcher = Batcher(echo, name="echo", limits=Limits(batch_items=2))
    task = asyncio.create_task(batcher.predict(["a"] * 50))
    await turn(1)
    await batcher.close()
    assert labels(await task) == ["a"] * 50
    with pytest.raises(OverloadedError, match="shutting down"):
        await batcher.predict(["late"])


async def test_closing_is_bounded_even_if_the_model_hangs() -> None:
    release = threading.Event()

    def hang(texts: list[str]) -> list[Label]:
        release.wait(10)
        return Echo()(texts)

    batcher = Batcher(hang, name="stuck", limits=Limits(batch_items=1))
    tasks = [asyncio.create_task(batcher.predict([text])) for text in "abcd"]
    await turn()
    start = time.perf_counter()
    await batcher.close(drain_s=0.05)
    assert time.perf_counter() - start < 5
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(outcome, OverloadedError) and "was stopped" in str(outcome) for outcome in outcomes)
    release.set()


async def test_no_texts_need_no_model(echo: Echo) -> None:
    batcher = Batcher(echo, name="echo")
    assert (await batcher.predict([])).answers == []
    assert echo.batches == []
    await batcher.close()


class BatcherMachine(RuleBasedStateMachine):
    """Any order of requests, steps of the worker, poison, cancellations and closing: each caller hears exactly once."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.hand = ManualExecutor()
        self.echo = Echo()
        limits = Limits(batch_items=4, batch_tokens=30, queue_items=12)
        self.batcher = Batcher(self.echo, name="machine", limits=limits, executor=self.hand)
        self.calls: list[tuple[list[str], asyncio.Task[Answered]]] = []
        self.closing: asyncio.Task[None] | None = None
        self.serial = 0

    def spin(self) -> None:
        self.loop.run_until_complete(turn(6))

    @rule(shape=st.lists(st.sampled_from(["short", "long", "poison"]), min_size=1, max_size=9))
    def request(self, shape: list[str]) -> None:
        texts: list[str] = []
        for kind in shape:
            self.serial += 1
            texts.append(POISON if kind == "poison" else f"{self.serial} " + "x" * (90 if kind == "long" else 0))
        self.calls.append((texts, self.loop.create_task(self.batcher.predict(texts))))
        self.spin()

    @precondition(lambda self: self.hand.submitted)
    @rule()
    def work(self) -> None:
        self.hand.step()
        self.spin()

    @precondition(lambda self: any(not task.done() for _, task in self.calls))
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        open_tasks = [task for _, task in self.calls if not task.done()]
        data.draw(st.sampled_from(open_tasks)).cancel()
        self.spin()

    @precondition(lambda self: self.closing is None)
    @rule()
    def close(self) -> None:
        self.closing = self.loop.create_task(self.batcher.close(drain_s=60))
        self.spin()

    @invariant()
    def the_count_of_waiting_texts_is_true_and_bounded(self) -> None:
        assert 0 <= self.batcher.waiting_items <= 12

    @invariant()
    def batches_keep_their_bounds(self) -> None:
        for batch in self.echo.batches:
            assert len(batch) <= 4
            assert len(batch) == 1 or sum(len(text) // 4 + 2 for text in batch) <= 30

    @invariant()
    def whoever_is_answered_got_the_answers_to_the_own_texts(self) -> None:
        for texts, task in self.calls:
            if task.done() and not task.cancelled():
                if task.exception() is not None:
                    assert isinstance(task.exception(), OverloadedError)
                else:
                    assert labels(task.result()) == ["error" if text == POISON else text for text in texts]

    def teardown(self) -> None:
        while self.hand.submitted:
            self.hand.step()
            self.spin()
        if self.closing is None:
            self.closing = self.loop.create_task(self.batcher.close(drain_s=60))
        self.spin()
        assert self.closing.done()
        assert all(task.done() for _, task in self.calls)
        assert self.batcher.waiting_items == 0
        seen = [text for batch in self.echo.batches for text in batch if text != POISON]
        if not any(POISON in batch for batch in self.echo.batches):
            assert len(seen) == len(set(seen))  # no text is given to the model twice
        for _, task in self.calls:
            with contextlib.suppress(asyncio.CancelledError, OverloadedError):
                self.loop.run_until_complete(task)
        self.loop.close()


BatcherMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestBatcherMachine = BatcherMachine.TestCase


async def test_a_brief_model_is_asked_on_the_loop_with_all_that_came_in_one_turn(
    echo: Echo, hand: ManualExecutor
) -> None:
    batcher = Batcher(echo, name="echo", limits=Limits(batch_items=8), executor=hand, brief=True)
    tasks = [
        asyncio.create_task(batcher.predict([f"{index}", POISON] if index == 3 else [f"{index}"]))
        for index in range(10)
    ]
    answered = await asyncio.gather(*tasks)
    assert not hand.submitted
    assert [labels(one)[0] for one in answered] == [str(index) for index in range(10)]
    assert labels(answered[3]) == ["3", "error"]
    assert echo.batches[0] == ["0", "1", "2", "3", POISON, "4", "5", "6"]
    assert batcher.counters.batches == 2
    assert not batcher.waiting_items
    await batcher.close()


async def test_a_long_batch_of_a_brief_model_goes_to_the_worker(echo: Echo, hand: ManualExecutor) -> None:
    batcher = Batcher(echo, name="echo", executor=hand, brief=True)
    long = asyncio.create_task(batcher.predict(["a" * 10_000]))
    await turn()
    short = asyncio.create_task(batcher.predict(["short"]))
    await turn()
    assert len(hand.submitted) == 2  # while the worker has something, all goes to it: the model is asked by one thread
    while hand.submitted:
        hand.step()
        await turn()
    assert labels(await short) == ["short"]
    assert len(labels(await long)[0]) == 10_000
    assert labels(await batcher.predict(["again"])) == ["again"]
    assert not hand.submitted
    await batcher.close()


async def test_a_brief_model_forgets_callers_that_left_and_drains_at_the_end(echo: Echo) -> None:
    batcher = Batcher(echo, name="echo", brief=True)
    gone = asyncio.create_task(batcher.predict(["gone"]))
    await asyncio.sleep(0)
    gone.cancel()
    kept = asyncio.create_task(batcher.predict(["kept"]))
    await asyncio.sleep(0)
    await batcher.close()
    assert labels(await kept) == ["kept"]
    assert echo.batches == [["kept"]]
    assert batcher.counters.cancelled_items == 1
    with pytest.raises(OverloadedError):
        await batcher.predict(["late"])
