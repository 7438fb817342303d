"""Whatever the larger model does, the caller gets a clear answer in bounded time, and the ledger says what happened."""

import json
from typing import Any

import openai
import pytest

pytestmark = pytest.mark.slow

# What the escalation meets, and the code that its row in the ledger gives as the reason.
ESCALATED = {
    "down": "llm_unavailable",
    "late": "llm_timeout",
    "http-500": "llm_error",
    "http-429": "llm_error",
    "garbled": "llm_error",
    "broken": "llm_unavailable",
    "oversized": "llm_error",
    "nonsense": "llm_error",
}


@pytest.mark.parametrize("fault", ESCALATED)
def test_a_doubt_falls_back_to_review(desk: Any, texts: Any, fault: str) -> None:
    response = desk.gateway.predict(f"with-{fault}", texts.doubtful[0])
    (answer,) = response.json["predictions"]
    assert response.status == 200
    assert (answer["decision"], answer["label"], answer["accepted"]) == ("reviewed", None, False)
    assert answer["reason"] == ESCALATED[fault]
    assert f"'{fault}'" in answer["error"]
    assert response.headers["x-shoal-decision"] == "reviewed"
    row = desk.project.row(response.headers["x-request-id"])
    assert (row.outcome, row.reason, row.llm, row.status) == ("reviewed", ESCALATED[fault], fault, 200)
    assert row.error == answer["error"]
    # Two answers that are no label were paid for; the other faults gave nothing to pay for.
    paid = (22, 4) if fault == "nonsense" else (0, 0)
    assert (row.input_tokens, row.output_tokens) == paid
    assert row.cost_usd == pytest.approx((paid[0] * 1.0 + paid[1] * 2.0) / 1e6)
    assert row.id in {item.id for item in desk.project.reviews()}


# What is passed through: the model, the status, whether the body is the upstream's own, and the ledger's reason.
PASSED = {
    "error-500": (500, True, "upstream_status"),
    "error-429": (429, True, "upstream_status"),
    "error-400": (400, True, "upstream_status"),
    "garbage": (502, False, "llm_error"),
    "cut": (503, False, "llm_unavailable"),
    "slow": (504, False, "llm_timeout"),
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", PASSED)
def test_a_fault_passed_through_is_clear(desk: Any, upstream: Any, model: str, stream: bool) -> None:
    status, own, reason = PASSED[model]
    body = json.dumps({"model": model, "stream": stream, "messages": []}).encode()
    response = desk.gateway.post("/v1/chat/completions", body)
    assert response.status == status
    if own:
        assert response.body == upstream.ask("POST", "/v1/chat/completions", body).body
    else:
        assert response.error["code"] == reason
        assert response.error["type"] == "upstream_error"
        assert "'default'" in response.error["message"]
    row = desk.project.row(response.headers["x-request-id"])
    assert response.headers["x-shoal-decision"] == "failed"
    assert response.headers["x-shoal-route"] == "llm:default"
    assert (row.outcome, row.reason, row.status, row.llm) == ("failed", reason, status, "default")
    assert row.error
    assert row.stream is stream
    assert desk.gateway.chat("fine").status == 200  # one bad answer does not take the larger model away


@pytest.mark.parametrize(("model", "reason"), [("cut-stream", "llm_unavailable"), ("silent-stream", "llm_timeout")])
def test_a_stream_that_breaks_is_cut_not_ended(desk: Any, model: str, reason: str) -> None:
    response = desk.gateway.chat(model, stream=True)
    assert response.status == 200
    assert response.cut
    assert response.body.count(b"data: ") == 2
    row = desk.project.row(response.headers["x-request-id"])
    assert (row.outcome, row.reason) == ("failed", reason)
    assert desk.gateway.chat("fine").status == 200


def test_the_official_client_raises_when_a_stream_breaks(desk: Any) -> None:
    stream = desk.gateway.openai().chat.completions.create(
        model="cut-stream", messages=[{"role": "user", "content": "x"}], stream=True
    )
    with pytest.raises(openai.APIConnectionError):
        list(stream)
    desk.gateway.chat("fine")


def test_the_official_client_sees_a_gateway_error(desk: Any) -> None:
    with pytest.raises(openai.InternalServerError, match="not JSON") as raised:
        desk.gateway.openai().chat.completions.create(model="garbage", messages=[{"role": "user", "content": "x"}])
    assert raised.value.status_code == 502
    assert raised.value.code == "llm_error"


def test_a_huge_answer_passes_through_whole(desk: Any, upstream: Any) -> None:
    body = json.dumps({"model": "huge", "messages": []}).encode()
    through = desk.gateway.post("/v1/chat/completions", body)
    assert len(through.body) > 6_000_000
    assert through.body == upstream.ask("POST", "/v1/chat/completions", body).body


def test_a_larger_model_that_stays_away_is_left_alone(desk: Any) -> None:
    """Five failures in a row open its circuit: refused at once, health says so, other models are not touched."""
    for _ in range(5):
        assert desk.gateway.chat("down").status == 503
    refused = desk.gateway.chat("down")
    assert refused.status == 503
    assert "is left alone" in refused.error["message"]
    health = desk.gateway.get("/health").json
    assert health["llms"]["down"] == "circuit open"
    assert health["llms"]["default"] == "ok"
    assert desk.project.row(refused.headers["x-request-id"]).reason == "llm_unavailable"
