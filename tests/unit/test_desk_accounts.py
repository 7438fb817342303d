"""What the larger model took is in response, metrics and ledger, also when it settled nothing."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from shoal.gateway import LLM, Desk, Plan
from shoal.gateway.exchange import Exchange
from shoal.gateway.specialists import Specialists
from shoal.ledger import Ledger
from shoal.llm import Completion, Labelling
from shoal.meter import Price
from shoal.routing import Failure, Route
from shoal.serving import Engine
from shoal.tasks import Classification, Label, Usage

LABELS = ("bill", "refund")
DOUBT = Label(label="refund", confidence=0.4, accepted=False, reason="below_threshold", tier="tfidf")
SPENT = Usage(20, 6)  # of two answers
SPENT_USD = (20 * 1.0 + 6 * 2.0) / 1e6


class Babbler:
    """Stands for an endpoint: says what is no label."""

    name = "large"
    takes_schema = True

    async def chat(self, messages: list[dict[str, str]], **options: Any) -> Completion:
        return Completion("purple", Usage(10, 3), False, 1.0)


class Doubter:
    """Stands for a specialist's batcher: doubts everything."""

    async def predict(self, texts: list[str]) -> Any:
        return SimpleNamespace(answers=[DOUBT] * len(texts), queue_ms=0.0, model_ms=0.0)


RESIDENT: Any = SimpleNamespace(
    name="intent",
    version="v1",
    specialist=SimpleNamespace(task=Classification(labels=LABELS)),
    batcher=Doubter(),
)


def desk_of(ledger: Ledger | None = None) -> Desk:
    endpoint: Any = Babbler()
    plan = Plan(Route("intent", "large"), Labelling(()))
    return Desk(Engine(), {"large": LLM(endpoint, Price(1.0, 2.0))}, {"intent": plan}, ledger)


async def test_a_failed_escalation_carries_its_tokens() -> None:
    failure = await desk_of().ask_llm("large", RESIDENT, "where is my money", DOUBT)
    assert isinstance(failure, Failure)
    assert (failure.code, failure.usage) == ("llm_error", SPENT)


async def test_a_failed_escalation_costs_what_it_cost(tmp_path: Path) -> None:
    with Ledger(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        desk = desk_of(ledger)
        specialists = Specialists(desk)
        nobody: Any = None
        exchange = Exchange({"type": "http"}, nobody, nobody)
        decisions, _ = await specialists.answer(exchange, RESIDENT, ["where is my money"], escalate=True)
        desk.record_texts(exchange, RESIDENT, ["where is my money"], decisions)
        assert ledger.flush()
        (row,) = ledger.rows()
        summary = ledger.summary()
    usage = specialists._usage(decisions)
    assert (usage.llm_calls, usage.llm_input_tokens, usage.llm_output_tokens) == (1, 20, 6)
    assert usage.cost_usd == pytest.approx(SPENT_USD)
    assert (row.outcome, row.reason, row.llm) == ("reviewed", "llm_error", "large")
    assert (row.input_tokens, row.output_tokens) == (20, 6)
    assert row.cost_usd == pytest.approx(SPENT_USD)
    assert sum(group.cost_usd for group in summary.groups) == pytest.approx(SPENT_USD)
    metrics = desk.telemetry.render().decode()
    assert 'shoal_llm_tokens_total{direction="input",llm="large"} 20.0' in metrics
    assert 'shoal_llm_tokens_total{direction="output",llm="large"} 6.0' in metrics
    assert 'shoal_llm_cost_usd_total{llm="large"} 3.2e-05' in metrics
