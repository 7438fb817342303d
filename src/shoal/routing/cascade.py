"""The one policy: ask the specialist, keep what it may keep, hand its doubts on, say why.

`cascade` is a generator that does no I/O: it yields what it wants asked and is sent the answer (the shape of httpx's
`auth_flow`). The drivers beside it do the asking, so that the policy that was tuned on recorded answers is the policy
that is served.
"""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from shoal.errors import ShoalError
from shoal.tasks import Outcome, Prediction, Usage

REVIEW = "review"
NONE = "none"


@dataclass(frozen=True, slots=True)
class Route:
    """How the texts of one specialist are answered.

    Attributes:
        specialist: who is asked first.
        llm: the larger model that gets the doubts; None asks nobody.
        fallback: what becomes of a doubt that no model settles: a person's review, or an abstention.
        barred: why the larger model may not be asked although there is one; None when it may.
    """

    specialist: str
    llm: str | None = None
    fallback: Literal["review", "none"] = REVIEW
    barred: Literal["egress_never", "egress_redact"] | None = None


class _Escalating(Protocol):
    """The part of a specialist's configuration that makes its route."""

    @property
    def escalate(self) -> str: ...

    @property
    def egress(self) -> Literal["allow", "redact", "never"]: ...


class _Located(Protocol):
    """The part of an LLM's configuration that the egress rule looks at."""

    @property
    def location(self) -> Literal["external", "on-premise"]: ...


def route_of(specialist: str, config: _Escalating, llms: Mapping[str, _Located]) -> Route:
    """Make the route of a specialist from its configuration.

    The egress rule fails closed: texts that may not leave, and texts that may leave only redacted as long as nothing
    redacts them, are never sent to an external model; they wait for a person instead.
    """
    if config.escalate == NONE:
        return Route(specialist, fallback=NONE)
    if config.escalate == REVIEW:
        return Route(specialist)
    external = llms[config.escalate].location == "external"
    barred: Literal["egress_never", "egress_redact"] | None = None
    if external and config.egress != "allow":
        barred = "egress_never" if config.egress == "never" else "egress_redact"
    return Route(specialist, llm=config.escalate, barred=barred)


@dataclass(frozen=True, slots=True)
class AskSpecialist:
    """Wanted: the specialist's `Prediction` for the text."""

    specialist: str
    text: str


@dataclass(frozen=True, slots=True)
class AskLLM:
    """Wanted: the larger model's `LLMAnswer` for the text, as the specialist would answer it."""

    llm: str
    text: str


@dataclass(frozen=True, slots=True)
class LLMAnswer:
    """What the larger model said (`tasks.Prediction.said`), with the tokens it took and the milliseconds."""

    said: str
    usage: Usage = field(default_factory=Usage)
    ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Failure:
    """Whoever was asked could not answer; `code` is that of a `ShoalError`, such as "llm_timeout"."""

    code: str
    message: str
    usage: Usage = field(default_factory=Usage)
    ms: float = 0.0

    @classmethod
    def of(cls, error: ShoalError) -> "Failure":
        """Describe an error."""
        return cls(error.code, error.message)


Ask = AskSpecialist | AskLLM
Reply = Prediction | LLMAnswer | Failure


@dataclass(frozen=True, slots=True)
class Decision:
    """What became of one text.

    Attributes:
        outcome: "accepted" (the specialist's answer), "escalated" (the larger model's), "reviewed" (waits for a
            person), "abstained" (no answer), "failed" (the specialist itself failed).
        said: the answer (`tasks.Prediction.said`); None unless accepted or escalated.
        reason: why: the specialist's reason, an egress rule, or the code of a failure.
        prediction: what the specialist said; None when it failed.
        llm: name of the larger model that was asked, whether it answered or not.
        answer: what it said.
        failure: what went wrong, where something did.
    """

    outcome: Outcome
    said: str | None
    reason: str
    prediction: Prediction | None = None
    llm: str | None = None
    answer: LLMAnswer | None = None
    failure: Failure | None = None

    @property
    def llm_usage(self) -> Usage:
        """Tokens of the larger model, whether its answer was of use or not; none when it was not asked."""
        said = self.answer or self.failure
        return said.usage if said is not None and self.llm is not None else Usage()


def cascade(route: Route, text: str, *, escalate: bool = True) -> Generator[Ask, Reply, Decision]:
    """Decide one text; yields at most one question to each tier and returns exactly one decision.

    Args:
        route: the plan.
        text: what is asked about.
        escalate: False asks no larger model, whatever the route says.
    """
    prediction = yield AskSpecialist(route.specialist, text)
    if isinstance(prediction, Failure):
        return Decision("failed", None, prediction.code, failure=prediction)
    if not isinstance(prediction, Prediction):
        raise TypeError(f"AskSpecialist was answered by a {type(prediction).__name__}")
    if prediction.accepted:
        return Decision("accepted", prediction.said, prediction.reason, prediction)
    if prediction.reason == "empty_text":
        return Decision("abstained", None, "empty_text", prediction)  # neither a model nor a person could label it
    if route.llm is None or not escalate:
        return _unsettled(route, prediction.reason, prediction)
    if route.barred is not None:
        return _unsettled(route, route.barred, prediction)
    answer = yield AskLLM(route.llm, text)
    if isinstance(answer, LLMAnswer):
        return Decision("escalated", answer.said, prediction.reason, prediction, route.llm, answer)
    if not isinstance(answer, Failure):
        raise TypeError(f"AskLLM was answered by a {type(answer).__name__}")
    return _unsettled(route, answer.code, prediction, failure=answer)


def _unsettled(route: Route, reason: str, prediction: Prediction, failure: Failure | None = None) -> Decision:
    outcome: Outcome = "reviewed" if route.fallback == REVIEW else "abstained"
    return Decision(outcome, None, reason, prediction, route.llm if failure else None, failure=failure)
