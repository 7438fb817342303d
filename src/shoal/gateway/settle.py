"""Drives the cascade for the texts of one request: the specialist has answered, its doubts may go to a larger model."""

import asyncio
import time
from collections.abc import Sequence

from shoal.errors import ShoalError
from shoal.gateway.desk import Desk
from shoal.routing import Decision, Failure, LLMAnswer, Route, cascade, run_async
from shoal.serving import Item, Resident, text_of
from shoal.tasks import Prediction

Answer = Prediction | ShoalError


async def settle(
    desk: Desk, resident: Resident, items: Sequence[Item], answers: Sequence[Answer], *, escalate: bool
) -> tuple[list[Decision], float]:
    """Decide every text; all doubts go to the larger model at once, its endpoint bounds how many run together.

    Returns:
        The decisions in the order of the texts, and the milliseconds spent waiting for the larger model.
    """
    route = desk.plan(resident.name).route
    drives = [
        _drive(desk, resident, route, item, answer, escalate=escalate)
        for item, answer in zip(items, answers, strict=True)
    ]
    if route.llm is None or not escalate or all(isinstance(one, Prediction) and one.accepted for one in answers):
        return [await drive for drive in drives], 0.0  # none of them waits for anything
    started = time.perf_counter()
    return await asyncio.gather(*drives), (time.perf_counter() - started) * 1000.0


async def _drive(
    desk: Desk, resident: Resident, route: Route, item: Item, answer: Answer, *, escalate: bool
) -> Decision:
    async def ask_specialist(_name: str, _text: str) -> Prediction | Failure:
        return Failure.of(answer) if isinstance(answer, ShoalError) else answer

    async def ask_llm(name: str, _text: str) -> LLMAnswer | Failure:
        assert isinstance(answer, Prediction)  # the cascade asks for doubts alone
        return await desk.ask_llm(name, resident, item, answer)

    return await run_async(cascade(route, text_of(item), escalate=escalate), ask_specialist, ask_llm)
