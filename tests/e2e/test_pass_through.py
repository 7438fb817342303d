"""Requests for other models reach their LLM, and its answers the caller, byte for byte."""

import base64
import http.client
import json
from typing import Any

import pytest

pytestmark = pytest.mark.slow

# Odd on purpose: spaces, escapes, a number's form, fields that nobody knows, not sorted.
ODD = b'{ "messages":[{"role":"user","content":"caf\\u00e9 \xc3\xa9"}],\n "x_unknown": [1.50, 1e3],\t"model" : "%s" }'


def last_seen(upstream: Any) -> dict[str, Any]:
    return upstream.seen()[-1]


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses"])
def test_bytes_are_the_upstreams_and_the_callers(desk: Any, upstream: Any, path: str) -> None:
    body = ODD % b"fine"
    through = desk.gateway.post(f"{path}?api-version=7", body, {"x-mine": "kept", "authorization": "Bearer callers"})
    seen = last_seen(upstream)
    assert base64.b64decode(seen["body"]) == body
    assert seen["path"] == f"{path}?api-version=7"
    assert seen["headers"]["x-mine"] == "kept"
    assert seen["headers"]["authorization"] == "Bearer callers"
    direct = upstream.ask("POST", path, body)
    assert (through.status, through.body) == (200, direct.body)
    assert through.headers["x-upstream"] == "yes"
    assert through.headers["content-type"] == direct.headers["content-type"]
    assert through.headers["x-shoal-decision"] == "passed_through"
    assert through.headers["x-shoal-route"] == "llm:default"
    row = desk.project.row(through.headers["x-request-id"])
    assert (row.outcome, row.route, row.status, row.text) == ("passed_through", "default", 200, None)
    assert (row.input_tokens, row.output_tokens) == (11, 2)
    assert row.cost_usd == pytest.approx((11 + 2 * 2) / 1e6)


def test_a_stream_is_the_upstreams_byte_for_byte(desk: Any, upstream: Any) -> None:
    body = json.dumps({"model": "fine", "stream": True, "messages": []}).encode()
    through = desk.gateway.post("/v1/chat/completions", body)
    direct = upstream.ask("POST", "/v1/chat/completions", body)
    assert direct.body.endswith(b"data: [DONE]\n\n")
    assert through.body == direct.body
    assert through.headers["content-type"] == "text/event-stream"
    row = desk.project.row(through.headers["x-request-id"])
    assert row.stream
    assert (row.input_tokens, row.output_tokens) == (11, 4)


def test_a_stream_arrives_while_it_is_made_and_ends_when_its_reader_leaves(
    desk: Any, upstream: Any, until: Any
) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", desk.gateway.port, timeout=60)
    body = json.dumps({"model": "drip", "stream": True, "marker": "leaver", "messages": []})
    connection.request("POST", "/v1/chat/completions", body, {"content-type": "application/json"})
    response = connection.getresponse()
    assert response.readline().startswith(b"data: ")  # the upstream's stream never ends: this came before its end
    id = response.headers["x-request-id"]
    response.close()
    connection.close()
    until(
        lambda: any(b"leaver" in base64.b64decode(one["body"]) and one["left"] for one in upstream.seen()),
        "the upstream to be left",
    )
    row = desk.project.row(id)
    assert (row.outcome, row.reason, row.status) == ("failed", "client_gone", 499)


def test_the_official_client_notices_no_difference(desk: Any) -> None:
    client = desk.gateway.openai()
    messages: Any = [{"role": "user", "content": "hello"}]
    assert client.chat.completions.create(model="fine", messages=messages).choices[0].message.content == "the answer"
    stream = client.chat.completions.create(model="fine", messages=messages, stream=True)
    assert "".join(chunk.choices[0].delta.content for chunk in stream if chunk.choices) == "one two three"


def test_a_larger_model_is_reached_by_its_own_name_and_by_its_name_in_the_project(desk: Any, upstream: Any) -> None:
    for asked in ("label:positive", "positive"):
        response = desk.gateway.post("/v1/chat/completions", ODD % asked.encode())
        assert response.headers["x-shoal-route"] == "llm:positive"
        sent = base64.b64decode(last_seen(upstream)["body"])
        assert json.loads(sent) == json.loads(ODD % b"label:positive")
        assert b"1.50, 1e3" in sent
