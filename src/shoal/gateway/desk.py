"""What every request handler needs: who can be asked, how doubts are settled, where it is written down."""

import difflib
import functools
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from shoal.documents import Document
from shoal.errors import NotFoundError, ShoalError
from shoal.gateway import wire
from shoal.gateway.exchange import Exchange
from shoal.gateway.telemetry import Telemetry
from shoal.ledger import Inference, Ledger
from shoal.llm import (
    Endpoint,
    Labelled,
    Labelling,
    Spent,
    chat_messages,
    classify,
    label_set,
    record,
    record_prompt,
    spans,
    summary,
)
from shoal.meter import EnergyMeter, Price, baseline, cost
from shoal.review import Review, Severity
from shoal.routing import Decision, Failure, LLMAnswer, Route
from shoal.serving import Engine, Item, Question, Resident, text_of
from shoal.tasks import Classification, Extraction, Label, MultiLabel, Prediction, Tagging, Task, Usage

_LIKELY = 3


@dataclass(frozen=True, slots=True)
class LLM:
    """A larger model: the way to it, and its price where that is known."""

    endpoint: Endpoint
    price: Price | None = None

    def cost(self, usage: Usage) -> float:
        """Return US dollars; 0 when the price is not known."""
        return cost(usage, self.price) if self.price else 0.0


def default_llm(llms: Mapping[str, LLM]) -> LLM | None:
    """Return the one that takes what is addressed to nobody: the only one, or the one called "default"."""
    return next(iter(llms.values())) if len(llms) == 1 else llms.get("default")


@dataclass(frozen=True, slots=True)
class Plan:
    """How the texts of one specialist are answered.

    Attributes:
        route: who is asked.
        labelling: what the larger model is told; its labels give way to those of the version that serves.
        instead: the larger model that would do all the work if there were no specialist; None when not known.
        severities: of its labels, where a document is reviewed.
    """

    route: Route
    labelling: Labelling | None = None
    instead: LLM | None = None
    severities: Mapping[str, Severity] = field(default_factory=dict[str, Severity])


@dataclass(slots=True)
class Desk:
    """The parts of one gateway, and its bookkeeping.

    Attributes:
        engine: the specialists.
        llms: the larger models by their names in the configuration.
        plans: by specialist; one without a plan abstains from its doubts.
        ledger: None keeps no record.
        energy: its laps are shared out over the texts answered since the lap before.
        max_body_bytes: of one request.
        max_inputs: texts in one request.
        review_page: draws a reviewed document as HTML; without it there is JSON alone.
    """

    engine: Engine
    llms: Mapping[str, LLM] = field(default_factory=dict[str, LLM])
    plans: Mapping[str, Plan] = field(default_factory=dict[str, Plan])
    ledger: Ledger | None = None
    energy: EnergyMeter = field(default_factory=EnergyMeter)
    max_body_bytes: int = 2_000_000
    max_inputs: int = 1024
    review_page: Callable[[Document, Review], str] | None = None
    telemetry: Telemetry = field(init=False)
    _prompts: dict[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])

    def __post_init__(self) -> None:
        self.telemetry = Telemetry(self.engine, self.ledger)

    def plan(self, specialist: str) -> Plan:
        """Return how the specialist's texts are answered."""
        return self.plans.get(specialist) or Plan(Route(specialist, fallback="none"))

    def models(self) -> dict[str, str]:
        """Return what can be asked for as `model`, and whose it is."""
        own = {wire.MODEL_PREFIX + resident.name: "shoal" for resident in self.engine}
        return {**own, **{llm.endpoint.model: name for name, llm in self.llms.items()}}

    def no_model(self, model: str) -> NotFoundError:
        """Return the error for a model that nobody serves; names the nearest there is."""
        known = self.models()
        near = difflib.get_close_matches(model, known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else "."
        return NotFoundError(f"no model is called {model!r}{hint} There are: {', '.join(known) or 'none'}")

    async def ask_llm(self, name: str, resident: Resident, item: Item, doubt: Prediction) -> LLMAnswer | Failure:
        """Ask a larger model for the specialist's answer; whatever goes wrong is a `Failure`.

        Args:
            name: the larger model's.
            resident: the specialist.
            item: what is to be answered, or summarised as it says.
            doubt: what the specialist said.
        """
        started, spent = time.perf_counter(), Spent()
        try:
            ask = _asked(resident.specialist.task, item)
            labelled = await ask(self.llms[name].endpoint, text_of(item), self._labelling(resident, doubt), spent)
        except ShoalError as error:
            ms = (time.perf_counter() - started) * 1000.0
            return Failure(error.code, error.message, spent.usage, ms)
        return LLMAnswer(labelled.label, labelled.usage, labelled.ms)

    def record_texts(
        self,
        exchange: Exchange,
        resident: Resident,
        texts: Sequence[str],
        decisions: Sequence[Decision],
        *,
        status: int = 200,
        stream: bool = False,
    ) -> None:
        """Write down what became of each text of a request."""
        energy_j = self.energy.lap() / len(texts)
        now, latency_ms = time.time(), exchange.elapsed_ms
        for index, (text, decision) in enumerate(zip(texts, decisions, strict=True)):
            self.telemetry.decision(resident.name, decision.outcome)
            usage, llm_ms, cost_usd = self._llm_part(decision)
            if self.ledger is None:
                continue
            prediction = decision.prediction
            self.ledger.append(
                Inference(
                    id=exchange.id if len(texts) == 1 else f"{exchange.id}-{index}",
                    time=now,
                    route=resident.name,
                    specialist=resident.name,
                    version=resident.version,
                    outcome=decision.outcome,
                    reason=decision.reason,
                    tier=prediction.tier if prediction else None,
                    label=decision.said or (prediction.said if prediction else None),
                    confidence=min(1.0, max(0.0, prediction.confidence)) if prediction else None,
                    text=text,
                    llm=decision.llm,
                    input_tokens=usage.input_tokens,
                    output_tokens=usage.output_tokens,
                    cost_usd=cost_usd,
                    baseline_cost_usd=self._baseline_usd(resident, text, decision),
                    latency_ms=latency_ms,
                    llm_ms=llm_ms,
                    energy_j=energy_j,
                    energy_method=self.energy.method,
                    status=status,
                    error=decision.failure.message if decision.failure else None,
                    stream=stream,
                )
            )

    def record_passed(
        self,
        exchange: Exchange,
        llm: LLM,
        *,
        status: int,
        usage: Usage | None,
        stream: bool,
        problem: tuple[str, str] | None,
    ) -> None:
        """Write down a request that was passed through to a larger model.

        Args:
            exchange: the request.
            llm: who answered it.
            status: of the response.
            usage: as the upstream counted; None when it did not say.
            stream: whether a stream was asked for.
            problem: code and sentence of what went wrong.
        """
        name, usage = llm.endpoint.name, usage or Usage()
        outcome = "failed" if problem else "passed_through"
        cost_usd = llm.cost(usage)
        self.telemetry.decision(name, outcome)
        self.telemetry.llm(name, usage, cost_usd)
        if self.ledger is None:
            return
        self.ledger.append(
            Inference(
                id=exchange.id,
                route=name,
                outcome=outcome,
                reason=problem[0] if problem else None,
                llm=name,
                input_tokens=usage.input_tokens,
                output_tokens=usage.output_tokens,
                cost_usd=cost_usd,
                baseline_cost_usd=cost_usd,
                latency_ms=exchange.elapsed_ms,
                llm_ms=exchange.elapsed_ms,
                energy_j=self.energy.lap(),
                energy_method=self.energy.method,
                status=status,
                error=problem[1] if problem else None,
                stream=stream,
            )
        )

    def cost_of(self, decision: Decision) -> float:
        """Return what the larger model's part in a decision cost, in US dollars."""
        return self.llms[decision.llm].cost(decision.llm_usage) if decision.llm is not None else 0.0

    def _llm_part(self, decision: Decision) -> tuple[Usage, float, float]:
        """Tokens, milliseconds and cost of the larger model's part, which is counted too."""
        said = decision.answer or decision.failure
        if decision.llm is None or said is None:
            return Usage(), 0.0, 0.0
        cost_usd = self.cost_of(decision)
        self.telemetry.llm(decision.llm, said.usage, cost_usd)
        return said.usage, said.ms, cost_usd

    def _labelling(self, resident: Resident, doubt: Prediction | None = None) -> Labelling:
        """Say what the larger model is told; a base model chooses among the specialist's likeliest labels alone.

        It has no use for a list of labels, only for examples to go on from: the nearest of each. On doubts among the
        helpdesk's dev and calibration rows (18 intents), Gemma 3 270M was right in 28 % of 40 with the 8 nearest
        examples of any label, and in 60 % of 60 with the nearest one of each of the 3 likeliest; 2 of each got 47 %.
        """
        task = resident.specialist.task
        labels = task.labels if isinstance(task, Classification | MultiLabel) else ()
        if isinstance(task, Tagging):
            labels = task.types
        told = self.plan(resident.name).labelling
        if told is None:
            return Labelling(labels)
        if told.style == "chat" or not isinstance(doubt, Label) or doubt.reason == "out_of_scope":
            return replace(told, labels=labels)
        likely = tuple(score.label for score in doubt.top[:_LIKELY])
        examples = told.examples.among(likely) if told.examples else None
        return replace(told, labels=likely, examples=examples, shown=len(likely))

    def _baseline_usd(self, resident: Resident, text: str, decision: Decision) -> float:
        instead = self.plan(resident.name).instead
        if instead is None or instead.price is None or decision.prediction is None:
            return 0.0
        key = (resident.name, resident.version)
        if key not in self._prompts:
            # Whoever had no specialist would send this prompt with every text; the examples are those of an empty text.
            self._prompts[key] = self._prompt(resident)
        answer = decision.said or decision.prediction.said
        return baseline(text, instead.price, prompt=self._prompts[key], answer=answer).cost_usd

    def _prompt(self, resident: Resident) -> str:
        labelling, task = self._labelling(resident), resident.specialist.task
        if isinstance(task, Extraction):
            return record_prompt(task, labelling)
        return chat_messages("", labelling)[0]["content"]


def _asked(task: Task, item: Item) -> Callable[[Endpoint, str, Labelling, Spent], Awaitable[Labelled]]:
    """Return how a larger model is asked for answers to a task."""
    if isinstance(task, Classification):
        return classify
    if isinstance(task, MultiLabel):
        return label_set
    if isinstance(task, Tagging):
        return spans
    if isinstance(task, Extraction):
        return functools.partial(record, task=task)
    told = item if isinstance(item, Question) else Question(item)
    return functools.partial(summary, budget=told.budget or task.budget, query=told.query)
