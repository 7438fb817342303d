"""Who should answer: pure decisions, the same live, in a loop over rows, and replayed on recorded answers."""

from shoal.routing.cascade import (
    Ask,
    AskLLM,
    AskSpecialist,
    Decision,
    Failure,
    LLMAnswer,
    Reply,
    Route,
    cascade,
    route_of,
)
from shoal.routing.drivers import Recorded, replay, run_async, run_sync

__all__ = [
    "Ask",
    "AskLLM",
    "AskSpecialist",
    "Decision",
    "Failure",
    "LLMAnswer",
    "Recorded",
    "Reply",
    "Route",
    "cascade",
    "replay",
    "route_of",
    "run_async",
    "run_sync",
]
