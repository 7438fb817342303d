"""The circuit breaker and the waits between attempts, with the clock in the test's hand."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from shoal.llm import Breaker, backoff_s


def opened(at: float = 100.0) -> Breaker:
    breaker = Breaker(threshold=3, cool_s=10.0)
    for _ in range(3):
        assert breaker.allows(at)
        breaker.fail(at)
    return breaker


def test_it_opens_at_the_threshold_and_not_before() -> None:
    breaker = Breaker(threshold=3, cool_s=10.0)
    breaker.fail(1.0)
    breaker.fail(2.0)
    assert breaker.allows(2.0) and breaker.seconds_closed_in(2.0) == 0.0
    breaker.fail(3.0)
    assert not breaker.allows(3.0)
    assert breaker.seconds_closed_in(5.0) == 8.0


def test_only_failures_in_a_row_count() -> None:
    breaker = Breaker(threshold=3)
    for _ in range(10):
        breaker.fail(1.0)
        breaker.fail(1.0)
        breaker.succeed()
    assert breaker.allows(1.0)


def test_after_the_pause_one_call_may_try_and_success_closes_it() -> None:
    breaker = opened(at=100.0)
    assert not breaker.allows(109.9)
    assert breaker.allows(110.0)
    assert not breaker.allows(110.0)  # the one that tries is under way
    breaker.succeed()
    assert breaker.allows(110.1) and breaker.allows(110.1)
    assert breaker.failures == 0 and breaker.seconds_closed_in(110.1) == 0.0


def test_a_failed_trial_opens_it_again_for_the_whole_pause() -> None:
    breaker = opened(at=100.0)
    assert breaker.allows(111.0)
    breaker.fail(112.0)
    assert not breaker.allows(121.9)
    assert breaker.allows(122.0)


def test_a_trial_that_its_caller_gave_up_leaves_the_next_one_free_to_try() -> None:
    breaker = opened(at=100.0)
    assert breaker.allows(111.0)
    breaker.forget()
    assert breaker.allows(111.0)


@settings(deadline=None)
@given(some.lists(some.tuples(some.sampled_from(["call", "ok", "bad", "gone"]), some.integers(0, 20)), max_size=60))
def test_it_never_lets_two_try_at_once_nor_any_before_the_pause_is_over(steps: list[tuple[str, int]]) -> None:
    breaker = Breaker(threshold=2, cool_s=5.0)
    now, under_way = 0.0, 0
    for step, passed in steps:
        now += passed
        if step == "call":
            was_open = breaker.opened_at
            allowed = breaker.allows(now)
            if was_open is None:
                assert allowed
            elif allowed:
                assert now - was_open >= 5.0 and under_way == 0
            under_way += allowed and was_open is not None
        elif step == "ok":
            breaker.succeed()
            under_way = 0
            assert breaker.allows(now)
        else:
            breaker.fail(now) if step == "bad" else breaker.forget()
            under_way = 0
        assert 0.0 <= breaker.seconds_closed_in(now) <= 5.0


def test_waits_grow_with_each_attempt_up_to_a_bound_and_are_drawn_from_nothing_to_all() -> None:
    longest = [backoff_s(attempt, draw=1.0) for attempt in range(1, 9)]
    assert longest == [0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0, 8.0]
    assert backoff_s(3, draw=0.0) == 0.0
    assert len({backoff_s(3) for _ in range(20)}) > 1
    assert all(0 <= backoff_s(3) < 2.0 for _ in range(200))


@pytest.mark.parametrize(
    ("header", "seconds"), [("0", 0.0), ("3", 3.0), (" 7 ", 7.0), ("3600", 20.0), ("9" * 400, 20.0)]
)
def test_what_the_endpoint_asks_for_is_honoured_within_a_bound(header: str, seconds: float) -> None:
    assert backoff_s(1, header, draw=0.5) == seconds


@pytest.mark.parametrize("header", ["", "soon", "-4", "1.5", "Wed, 21 Oct 2026 07:28:00 GMT", "\u00b2", "1e9"])
def test_what_is_no_number_of_seconds_is_ignored(header: str) -> None:
    assert backoff_s(2, header, draw=0.5) == 0.5
