"""Records over HTTP: native, in chat form with and without a schema, streamed, escalated; the model is a fake."""

import asyncio
import json
import socket
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import openai
import pytest
import uvicorn
from pydantic import BaseModel, Field

from shoal.gateway import LLM, Desk, Plan, create_app
from shoal.ledger import Ledger
from shoal.llm import Breaker, Completion, Labelling, record_prompt
from shoal.meter import Price, baseline
from shoal.routing import Route
from shoal.serving import Engine
from shoal.tasks import Classification, Extraction, Filled, Label, Record, Slot, Usage

TEXT = "Ann Lee rang about order A-7: 12.50 too much."
TASK = Extraction(
    slots=(
        Slot(name="reason", type="choice", choices=("billing", "fault")),
        Slot(name="amount", type="number", nullable=True),
        Slot(name="order", type="span", required=False),
    )
)
FIELDS = (
    Filled("reason", "billing", 0.97),
    Filled("amount", 12.5, 0.9, 30, 35),
    Filled("order", None, 0.8),
)
WRITTEN = {"reason": "billing", "amount": 12.5}  # an order may be left out, and may not be null
PRICE = Price(1.0, 2.0)
CHAT = {"model": "shoal/call", "messages": [{"role": "user", "content": TEXT}]}


class Filler:
    """Stands for a specialist: fills every record alike, sure or not."""

    name = "call"
    task = TASK
    certificate = None
    brief = True

    def __init__(self, *, sure: bool) -> None:
        self.sure = sure

    def predict(self, texts: Sequence[str]) -> list[Record]:
        one = Record(
            confidence=0.9 if self.sure else 0.4,
            accepted=self.sure,
            reason="certified" if self.sure else "below_threshold",
            tier="encoder",
            fields=FIELDS,
        )
        return [one] * len(texts)


class Sorter(Filler):
    """Stands for a classifier."""

    task: Any = Classification(labels=("billing", "fault"))

    def predict(self, texts: Sequence[str]) -> Any:
        return [Label(label="fault", confidence=0.4, accepted=False, reason="below_threshold", tier="tfidf")] * len(
            texts
        )


def larger(*answers: str) -> Any:
    """An endpoint that gives these answers in turn."""
    left = list(answers)

    async def chat(messages: Any, **_: Any) -> Completion:
        return Completion(text=left.pop(0), usage=Usage(100, 10), ms=1.0, estimated=False)

    return SimpleNamespace(name="large", model="large", takes_schema=True, breaker=Breaker(), chat=chat)


def desk_of(model: Any = None, *answers: str, ledger: Ledger | None = None) -> Desk:
    llm = LLM(larger(*answers), PRICE)
    plan = Plan(Route("call", "large" if answers else None), Labelling(()), instead=llm)
    desk = Desk(Engine(), {"large": llm}, {"call": plan}, ledger)
    specialist: Any = model or Filler(sure=True)
    desk.engine.add_specialist("call", "v1", specialist)
    return desk


@dataclass
class Answered:
    """What the application sent."""

    status: int = 0
    headers: dict[bytes, bytes] = field(default_factory=dict)
    text: str = ""

    @property
    def json(self) -> Any:
        return json.loads(self.text)


async def ask(desk: Desk, method: str, path: str, body: Any = None) -> Answered:
    answered = Answered()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": json.dumps(body).encode(), "more_body": False}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            answered.status, answered.headers = message["status"], dict(message["headers"])
        else:
            answered.text += message["body"].decode()

    scope = {"type": "http", "method": method, "path": path, "query_string": b"", "headers": [], "root_path": ""}
    await create_app(desk)(scope, receive, send)
    return answered


async def chat(desk: Desk, **more: Any) -> Answered:
    return await ask(desk, "POST", "/v1/chat/completions", CHAT | more)


async def predict(desk: Desk) -> dict[str, Any]:
    answered = await ask(desk, "POST", "/v1/specialists/call/predict", {"inputs": TEXT})
    assert answered.status == 200
    return answered.json["predictions"][0]


@asynccontextmanager
async def client(desk: Desk) -> AsyncGenerator[openai.AsyncOpenAI]:
    """OpenAI's own client, before a real server."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(create_app(desk), log_level="error", ws="none", lifespan="off"))
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            address = f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
            async with openai.AsyncOpenAI(base_url=address, api_key="none") as found:
                yield found
        finally:
            server.should_exit = True
            await serving


def form(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "call", "strict": True, "schema": schema}}


async def test_a_record_comes_with_its_fields() -> None:
    answer = await predict(desk_of())
    assert (answer["decision"], answer["label"], answer["answered_by"]) == ("accepted", None, "specialist")
    assert answer["answer"] == answer["guess"]["record"] == WRITTEN
    assert answer["guess"]["fields"][1:] == [
        {"name": "amount", "value": 12.5, "confidence": 0.9, "start": 30, "end": 35},
        {"name": "order", "value": None, "confidence": 0.8, "start": None, "end": None},
    ]
    assert TEXT[30:35] == "12.50"


@pytest.mark.parametrize(
    "asked", [{}, {"response_format": {"type": "text"}}, {"response_format": {"type": "json_object"}}]
)
async def test_chat_answers_with_the_record(asked: dict[str, Any]) -> None:
    response = await chat(desk_of(), **asked)
    (choice,) = response.json["choices"]
    assert response.status == 200
    assert json.loads(choice["message"]["content"]) == WRITTEN
    assert choice["message"]["refusal"] is None


class Reason(Enum):
    FAULT = "fault"
    BILLING = "billing"
    OTHER = "other"


class Call(BaseModel):
    """As an application would have it: another order, another choice, null where the specialist leaves out."""

    order: str | None = None
    reason: Reason = Field(description="what it is about")
    amount: float | None


@pytest.mark.parametrize("sure", [True, False])
async def test_an_application_with_structured_outputs_runs_unchanged(sure: bool) -> None:
    said = json.dumps({"reason": "fault", "amount": None, "order": None})
    async with client(desk_of(Filler(sure=sure), said)) as application:
        answer = await application.chat.completions.parse(
            model="shoal/call", messages=[{"role": "user", "content": TEXT}], response_format=Call
        )
    expected = Call(reason=Reason.BILLING, amount=12.5) if sure else Call(reason=Reason.FAULT, amount=None)
    assert answer.choices[0].message.parsed == expected
    assert list(json.loads(answer.choices[0].message.content or "")) == ["order", "reason", "amount"]


async def test_another_schema_is_refused_before_anybody_is_asked(tmp_path: Path) -> None:
    schema = {"properties": {"reason": {"enum": ["billing"]}, "amount": {"type": ["number", "null"]}}}
    with Ledger(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        response = await chat(desk_of(ledger=ledger), response_format=form(schema))
        assert ledger.flush() and list(ledger.rows()) == []
    error = response.json["error"]
    assert (response.status, error["param"]) == (422, "response_format")
    assert "shoal/call: field 'reason' lacks the choice 'fault'" in error["message"]


async def test_a_streamed_record_is_the_same() -> None:
    response = await chat(
        desk_of(), stream=True, stream_options={"include_usage": True}, response_format={"type": "json_object"}
    )
    *events, end = [line.removeprefix("data: ") for line in response.text.split("\n\n") if line]
    chunks = [json.loads(event) for event in events]
    said = "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks if chunk["choices"])
    assert (json.loads(said), end) == (WRITTEN, "[DONE]")
    assert chunks[-1]["usage"]["completion_tokens"] > 0
    refused = await chat(desk_of(), stream=True, response_format=form({"properties": {"a": {"type": "boolean"}}}))
    assert (refused.status, refused.json["error"]["param"]) == (422, "response_format")


async def test_a_doubt_is_filled_by_the_larger_model() -> None:
    said = json.dumps({"order": "A-7", "reason": "fault", "amount": None})
    answer = await predict(desk_of(Filler(sure=False), said))
    assert (answer["decision"], answer["answered_by"]) == ("escalated", "llm:large")
    assert answer["answer"] == {"reason": "fault", "amount": None, "order": "A-7"}
    assert answer["guess"]["record"] == WRITTEN
    response = await chat(desk_of(Filler(sure=False), said), response_format={"type": "json_object"})
    assert json.loads(response.json["choices"][0]["message"]["content"]) == answer["answer"]
    assert response.json["usage"]["prompt_tokens"] == 100


async def test_a_number_that_the_text_does_not_hold_is_no_answer(tmp_path: Path) -> None:
    wrong = json.dumps({"reason": "billing", "amount": 13.5, "order": "A-7"})
    with Ledger(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        response = await chat(
            desk_of(Filler(sure=False), wrong, wrong, ledger=ledger), response_format={"type": "json_object"}
        )
        assert ledger.flush()
        (row,) = ledger.rows()
    message = response.json["choices"][0]["message"]
    assert (response.status, message["content"]) == (200, "")
    assert message["refusal"].startswith("No record is sure enough to be given (llm_error). Best guess: {")
    assert response.headers[b"x-shoal-decision"] == b"reviewed"
    assert "field 'amount' is 13.5, which does not stand in the text" in (row.error or "")
    assert (row.outcome, row.reason, row.input_tokens, row.output_tokens) == ("reviewed", "llm_error", 200, 20)
    answer = await predict(desk_of(Filler(sure=False), wrong, wrong))
    assert "answer" not in answer and "which does not stand in the text" in answer["error"]


async def test_the_ledger_holds_every_field_and_what_the_larger_model_would_have_cost(tmp_path: Path) -> None:
    with Ledger(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        await predict(desk_of(ledger=ledger))
        assert ledger.flush()
        (row,) = ledger.rows()
    assert json.loads(row.label or "") == {"reason": "billing", "amount": 12.5, "order": None}
    asked = record_prompt(TASK, Labelling(()))
    assert row.baseline_cost_usd == baseline(TEXT, PRICE, prompt=asked, answer=row.label or "").cost_usd


async def test_a_label_is_refused_in_its_own_words() -> None:
    desk = desk_of(Sorter(sure=False))
    refused = await chat(desk, response_format={"type": "json_object"})
    assert refused.status == 422
    assert "answers with one label as plain text; response_format is not possible here" in refused.text
    unsure = await chat(desk)
    assert "No label is sure enough to be given (below_threshold)" in unsure.text


async def test_openapi_knows_the_schema_of_a_request() -> None:
    schemas = (await ask(desk_of(), "GET", "/openapi.json")).json["components"]["schemas"]
    assert "schema" in schemas["JSONSchemaFormat"]["properties"]
    assert "`record`" in schemas["Answer"]["properties"]["guess"]["description"]
