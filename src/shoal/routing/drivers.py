"""Who asks for the cascade: live and async, in plain calls, or from recorded answers."""

from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass

from shoal.routing.cascade import Ask, AskSpecialist, Decision, Failure, LLMAnswer, Reply
from shoal.tasks import Prediction

Cascade = Generator[Ask, Reply, Decision]


def run_sync(
    steps: Cascade,
    ask_specialist: Callable[[str, str], Prediction | Failure],
    ask_llm: Callable[[str, str], LLMAnswer | Failure],
) -> Decision:
    """Drive a cascade by plain functions of (name, text)."""
    try:
        ask = next(steps)
        while True:
            answer = (
                ask_specialist(ask.specialist, ask.text)
                if isinstance(ask, AskSpecialist)
                else ask_llm(ask.llm, ask.text)
            )
            ask = steps.send(answer)
    except StopIteration as end:
        return end.value


async def run_async(
    steps: Cascade,
    ask_specialist: Callable[[str, str], Awaitable[Prediction | Failure]],
    ask_llm: Callable[[str, str], Awaitable[LLMAnswer | Failure]],
) -> Decision:
    """Drive a cascade by coroutines of (name, text)."""
    try:
        ask = next(steps)
        while True:
            if isinstance(ask, AskSpecialist):
                answer = await ask_specialist(ask.specialist, ask.text)
            else:
                answer = await ask_llm(ask.llm, ask.text)
            ask = steps.send(answer)
    except StopIteration as end:
        return end.value


@dataclass(frozen=True, slots=True)
class Recorded:
    """What was answered for one text: by the specialist, and by the larger model where its answer is known."""

    prediction: Prediction | Failure
    answer: LLMAnswer | Failure | None = None


def replay(steps: Cascade, recorded: Recorded) -> Decision:
    """Drive a cascade by recorded answers, to see what this policy would have decided.

    A question to the larger model that was never recorded is answered by a failure of code "not_recorded".
    """
    missing = Failure("not_recorded", "the larger model's answer to this text was not recorded")
    return run_sync(steps, lambda _name, _text: recorded.prediction, lambda _name, _text: recorded.answer or missing)
