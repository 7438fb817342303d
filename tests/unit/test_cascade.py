"""The one policy: every branch, and that all drivers decide alike."""

import asyncio
from dataclasses import dataclass
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from shoal.errors import LLMTimeout
from shoal.routing import (
    Ask,
    AskLLM,
    AskSpecialist,
    Decision,
    Failure,
    LLMAnswer,
    Recorded,
    Route,
    cascade,
    replay,
    route_of,
    run_async,
    run_sync,
)
from shoal.tasks import Label, Reason, Usage

TEXT = "where is my refund?"
KEPT = Label(label="refund", confidence=0.97, accepted=True, reason="certified", tier="static")
ANSWER = LLMAnswer("bill", Usage(120, 3), 40.0)
TIMED_OUT = Failure("llm_timeout", "no answer within 30 s")


def doubt(reason: Reason = "below_threshold") -> Label:
    return Label(label="refund", confidence=0.4, accepted=False, reason=reason, tier="encoder")


def decided(
    route: Route,
    prediction: Label | Failure,
    answer: LLMAnswer | Failure | None = None,
    *,
    escalate: bool = True,
) -> tuple[Decision, list[Ask]]:
    """Drive it by hand; None as the answer makes a question to the larger model an error."""
    asked: list[Ask] = []

    def specialist(name: str, text: str) -> Label | Failure:
        asked.append(AskSpecialist(name, text))
        return prediction

    def llm(name: str, text: str) -> LLMAnswer | Failure:
        asked.append(AskLLM(name, text))
        assert answer is not None, "the larger model was asked"
        return answer

    return run_sync(cascade(route, TEXT, escalate=escalate), specialist, llm), asked


def test_what_the_specialist_may_keep_stands_and_nobody_else_is_asked() -> None:
    decision, asked = decided(Route("intent", llm="large"), KEPT)
    assert decision == Decision("accepted", "refund", "certified", KEPT)
    assert asked == [AskSpecialist("intent", TEXT)]


def test_a_doubt_goes_to_the_larger_model() -> None:
    decision, asked = decided(Route("intent", llm="large"), doubt("out_of_scope"), ANSWER)
    assert decision == Decision("escalated", "bill", "out_of_scope", doubt("out_of_scope"), "large", ANSWER)
    assert asked == [AskSpecialist("intent", TEXT), AskLLM("large", TEXT)]


@pytest.mark.parametrize(("fallback", "outcome"), [("review", "reviewed"), ("none", "abstained")])
def test_a_doubt_that_the_larger_model_cannot_settle_falls_back(
    fallback: Literal["review", "none"], outcome: str
) -> None:
    decision, _ = decided(Route("intent", llm="large", fallback=fallback), doubt(), TIMED_OUT)
    assert (decision.outcome, decision.said, decision.reason) == (outcome, None, "llm_timeout")
    assert (decision.llm, decision.failure, decision.answer) == ("large", TIMED_OUT, None)
    assert decision.prediction == doubt()


@pytest.mark.parametrize(("fallback", "outcome"), [("review", "reviewed"), ("none", "abstained")])
@pytest.mark.parametrize(
    ("route", "reason", "escalate", "why"),
    [
        ({}, "below_threshold", True, "below_threshold"),  # there is no larger model
        ({"llm": "large"}, "never_label", False, "never_label"),  # it was not wanted
        ({"llm": "large", "barred": "egress_never"}, "not_certified", True, "egress_never"),
        ({"llm": "large", "barred": "egress_redact"}, "not_certified", True, "egress_redact"),
    ],
)
def test_who_may_not_be_asked_is_not_asked(
    fallback: Literal["review", "none"],
    outcome: str,
    route: dict[str, Any],
    reason: Reason,
    escalate: bool,
    why: str,
) -> None:
    decision, asked = decided(Route("intent", fallback=fallback, **route), doubt(reason), escalate=escalate)
    assert decision == Decision(outcome, None, why, doubt(reason))  # type: ignore[arg-type]
    assert asked == [AskSpecialist("intent", TEXT)]


@pytest.mark.parametrize(
    "route", [{}, {"llm": "large"}, {"fallback": "none"}, {"llm": "large", "barred": "egress_never"}]
)
@pytest.mark.parametrize("escalate", [True, False])
def test_about_an_empty_text_nobody_is_asked_not_even_a_person(route: dict[str, Any], escalate: bool) -> None:
    decision, asked = decided(Route("intent", **route), doubt("empty_text"), escalate=escalate)
    assert decision == Decision("abstained", None, "empty_text", doubt("empty_text"))
    assert asked == [AskSpecialist("intent", TEXT)]


def test_a_specialist_that_fails_is_not_covered_up() -> None:
    failure = Failure("overloaded", "the queue is full")
    decision, asked = decided(Route("intent", llm="large"), failure)
    assert decision == Decision("failed", None, "overloaded", failure=failure)
    assert asked == [AskSpecialist("intent", TEXT)]


def test_a_failure_carries_the_code_and_the_sentence_of_an_error() -> None:
    assert Failure.of(LLMTimeout("nothing came")) == Failure("llm_timeout", "nothing came")


@pytest.mark.parametrize(("first", "second"), [(ANSWER, None), (doubt(), KEPT)])
def test_an_answer_of_the_wrong_kind_is_a_mistake_of_the_driver(first: Any, second: Any) -> None:
    steps = cascade(Route("intent", llm="large"), TEXT)
    next(steps)
    with pytest.raises(TypeError, match="was answered by a"):
        steps.send(first)
        steps.send(second)


def test_a_question_that_was_never_recorded_is_a_failure_that_says_so() -> None:
    decision = replay(cascade(Route("intent", llm="large"), TEXT), Recorded(doubt()))
    assert (decision.outcome, decision.reason, decision.llm) == ("reviewed", "not_recorded", "large")


@dataclass(frozen=True)
class Settings:
    """The part of a specialist's configuration that makes its route."""

    escalate: str
    egress: Literal["allow", "redact", "never"] = "allow"


@dataclass(frozen=True)
class Place:
    """The part of an LLM's configuration that matters here."""

    location: Literal["external", "on-premise"]


LLMS = {"vendor": Place("external"), "cellar": Place("on-premise")}


@pytest.mark.parametrize(
    ("config", "route"),
    [
        (Settings("none"), Route("intent", fallback="none")),
        (Settings("review"), Route("intent")),
        (Settings("vendor"), Route("intent", llm="vendor")),
        (Settings("vendor", "never"), Route("intent", llm="vendor", barred="egress_never")),
        (Settings("vendor", "redact"), Route("intent", llm="vendor", barred="egress_redact")),
        (Settings("cellar"), Route("intent", llm="cellar")),
        (Settings("cellar", "never"), Route("intent", llm="cellar")),
        (Settings("cellar", "redact"), Route("intent", llm="cellar")),
    ],
)
def test_the_route_of_a_configuration(config: Settings, route: Route) -> None:
    assert route_of("intent", config, LLMS) == route


LABELS = some.sampled_from(["refund", "bill", "outage", ""])
FAILURES = some.builds(Failure, some.sampled_from(["llm_error", "overloaded"]), some.just("x"))
PREDICTIONS = some.builds(
    Label,
    label=LABELS,
    confidence=some.floats(0, 1),
    accepted=some.booleans(),
    reason=some.sampled_from(["certified", "below_threshold", "never_label", "out_of_scope", "empty_text"]),
    tier=some.just("static"),
)
ANSWERS = some.builds(LLMAnswer, LABELS)
ROUTES = some.builds(
    Route,
    some.just("intent"),
    llm=some.none() | some.just("large"),
    fallback=some.sampled_from(["review", "none"]),
    barred=some.none() | some.sampled_from(["egress_never", "egress_redact"]),
)


@settings(max_examples=300, deadline=None)
@given(ROUTES, PREDICTIONS | FAILURES, ANSWERS | FAILURES, some.booleans())
def test_whatever_is_answered_there_is_one_decision_and_every_driver_comes_to_it(
    route: Route, prediction: Label | Failure, answer: LLMAnswer | Failure, escalate: bool
) -> None:
    decision, asked = decided(route, prediction, answer, escalate=escalate)

    async def specialist(_name: str, _text: str) -> Label | Failure:
        return prediction

    async def llm(_name: str, _text: str) -> LLMAnswer | Failure:
        return answer

    live = asyncio.run(run_async(cascade(route, TEXT, escalate=escalate), specialist, llm))
    replayed = replay(cascade(route, TEXT, escalate=escalate), Recorded(prediction, answer))
    assert live == replayed == decision

    # At most one question to each, the specialist first.
    assert asked in (
        [AskSpecialist("intent", TEXT)],
        [AskSpecialist("intent", TEXT), AskLLM("large", TEXT)],
    )
    was_asked = len(asked) == 2
    assert decision.llm == ("large" if was_asked else None)
    assert not (was_asked and (route.llm is None or route.barred or not escalate))

    # A label is one that somebody answered, and whose it is, is said.
    if decision.outcome == "accepted":
        assert isinstance(prediction, Label) and prediction.accepted and decision.said == prediction.label
    elif decision.outcome == "escalated":
        assert was_asked and isinstance(answer, LLMAnswer) and decision.said == answer.said
    elif isinstance(prediction, Failure):
        assert (decision.outcome, decision.said) == ("failed", None)
    else:
        waits = route.fallback == "review" and prediction.reason != "empty_text"
        assert (decision.outcome, decision.said) == ("reviewed" if waits else "abstained", None)
