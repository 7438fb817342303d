"""The gateway's application, called as a server calls it: what it counts, what it says of itself, its headers."""

import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from shoal.errors import LLMUnavailable
from shoal.gateway import LLM, Desk, create_app
from shoal.ledger import Inference, Ledger
from shoal.llm import Breaker, Upstream
from shoal.serving import Engine

GOLDEN = Path(__file__).parents[1] / "data" / "artifact_v1"
ANSWER = b'{"choices": [], "usage": {"prompt_tokens": 11, "completion_tokens": 2}}'


@dataclass
class Answered:
    """What the application sent."""

    status: int = 0
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""

    def all(self, name: bytes) -> list[bytes]:
        return [value for key, value in self.headers if key == name]


async def ask(desk: Desk, method: str, path: str, body: bytes = b"") -> Answered:
    answered = Answered()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            answered.status, answered.headers = message["status"], message["headers"]
        else:
            answered.body += message["body"]

    scope = {"type": "http", "method": method, "path": path, "query_string": b"", "headers": [], "root_path": ""}
    await create_app(desk)(scope, receive, send)
    return answered


def counted(desk: Desk, name: str) -> dict[tuple[str, ...], float]:
    return {
        tuple(sample.labels.values()): sample.value
        for family in text_string_to_metric_families(desk.telemetry.render().decode())
        for sample in family.samples
        if sample.name == name
    }


class Dated:
    """Stands for an endpoint: every answer has this status, and a date of its own."""

    name = model = "large"

    def __init__(self, status: int) -> None:
        self.status = status
        self.breaker = Breaker()

    @asynccontextmanager
    async def forward(self, method: str, path: str, *, headers: Any, body: bytes) -> AsyncGenerator[Upstream]:
        async def chunks() -> AsyncIterator[bytes]:
            yield ANSWER

        kept = [(b"content-type", b"application/json"), (b"date", b"Tue, 24 Nov 2026 10:00:00 GMT"), (b"x-own", b"1")]
        yield Upstream(self.status, kept, chunks())


async def test_unknown_paths_are_counted_under_one_label() -> None:
    desk = Desk(Engine())
    for path in ("/", "/v1/secrets/1", "/v1/secrets/2", "/favicon.ico"):
        assert (await ask(desk, "GET", path)).status == 404
    assert (await ask(desk, "POST", "/v2")).status == 404
    assert counted(desk, "shoal_requests_total") == {("unknown", "404"): 5}
    assert counted(desk, "shoal_request_seconds_count") == {("unknown",): 5}


async def test_paths_are_shown_as_a_person_would_write_them() -> None:
    desk = Desk(Engine())
    missing = json.loads((await ask(desk, "GET", "/v1/model")).body)["error"]["message"]
    assert missing.startswith("there is nothing at /v1/model. There are: /v1/specialists/{name}/predict, ")
    assert "/v1/models/{model}" in missing
    assert ":path" not in missing
    await ask(desk, "GET", "/v1/models/shoal/intent")
    assert counted(desk, "shoal_requests_total")["/v1/models/{model}", "404"] == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"inputs":["a",{"text":"b","query":"who?"}]}', "inputs[1].query"),
        (b'{"inputs":"a","budget":{"words":9}}', "budget"),
    ],
)
async def test_queries_and_budgets_are_of_a_summary_alone(body: bytes, field: str) -> None:
    desk = Desk(Engine())
    desk.engine.add_folder(GOLDEN)
    answered = await ask(desk, "POST", "/v1/specialists/artifact_v1/predict", body)
    error = json.loads(answered.body)["error"]
    assert (answered.status, error["param"]) == (422, field)
    expected = f"{field} is for the task 'summarization'; artifact_v1 has the task 'classification'. Leave it out."
    assert error["message"] == expected
    plain = await ask(desk, "POST", "/v1/specialists/artifact_v1/predict", b'{"inputs":{"text":"when do you open"}}')
    assert json.loads(plain.body)["predictions"][0]["top"][0]["label"] == "hours"


async def test_rows_that_cannot_be_stored_are_seen_in_metrics_and_health(tmp_path: Path) -> None:
    with Ledger(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        desk = Desk(Engine(), ledger=ledger)
        ledger.append(Inference(id="fine", route="intent", outcome="accepted"))
        ledger.append(Inference(id="odd", route="intent", outcome="accepted", confidence=7.0))
        assert ledger.flush()
        health = json.loads((await ask(desk, "GET", "/health")).body)["ledger"]
        assert (health["state"], health["rejected"], health["dropped"]) == ("ok", 1, 0)
        assert "'odd' cannot be stored" in health["last_error"]
        assert counted(desk, "shoal_ledger_rejected_rows_total") == {(): 1}
        assert counted(desk, "shoal_ledger_written_rows_total") == {(): 1}


@pytest.mark.parametrize(
    ("status", "outcome"), [(200, "passed_through"), (400, "failed"), (429, "failed"), (500, "failed")]
)
async def test_the_header_of_a_request_passed_through_says_what_the_ledger_says(
    tmp_path: Path, status: int, outcome: str
) -> None:
    endpoint: Any = Dated(status)
    with Ledger(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        desk = Desk(Engine(), {"large": LLM(endpoint)}, ledger=ledger)
        answered = await ask(desk, "POST", "/v1/chat/completions", b'{"model": "large"}')
        assert ledger.flush()
        (row,) = ledger.rows()
    assert (answered.status, answered.body) == (status, ANSWER)
    assert answered.all(b"x-shoal-decision") == [outcome.encode()]
    assert (row.outcome, row.status, row.input_tokens) == (outcome, status, 11)
    assert answered.all(b"x-own") == [b"1"]
    assert answered.all(b"date") == []  # the server adds the one date of a response


async def test_an_error_of_the_gateway_says_so_too() -> None:
    class Away(Dated):
        @asynccontextmanager
        async def forward(self, method: str, path: str, *, headers: Any, body: bytes) -> AsyncGenerator[Upstream]:
            raise LLMUnavailable("LLM 'large' cannot be reached")
            yield

    endpoint: Any = Away(0)
    desk = Desk(Engine(), {"large": LLM(endpoint)})
    answered = await ask(desk, "POST", "/v1/chat/completions", b'{"model": "large"}')
    assert (answered.status, json.loads(answered.body)["error"]["code"]) == (503, "llm_unavailable")
    assert answered.all(b"x-shoal-decision") == [b"failed"]
    assert answered.all(b"x-shoal-route") == [b"llm:large"]
    assert counted(desk, "shoal_requests_total") == {("/v1/chat/completions", "503"): 1}
    assert counted(desk, "shoal_decisions_total") == {("failed", "large"): 1}
