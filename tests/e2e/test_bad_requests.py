"""What cannot be served is refused with a clear 4xx, in the shape that OpenAI's clients read; the server serves on."""

import json
from typing import Any

import openai
import pytest

pytestmark = pytest.mark.slow

PREDICT = "/v1/specialists/urgency/predict"
CHAT = "/v1/chat/completions"


def chat(**fields: Any) -> bytes:
    return json.dumps({"model": "shoal/urgency", "messages": [{"role": "user", "content": "x"}], **fields}).encode()


REFUSED = {
    "no body": (PREDICT, b"", 400, "not JSON"),
    "wrong JSON": (PREDICT, b'{"inputs": ["a", }', 400, "18 bytes is not JSON"),
    "not UTF-8": (PREDICT, b'{"inputs": "caf\xe9 au lait"}', 400, "not UTF-8"),
    "a list": (PREDICT, b"[1]", 422, "wrong shape"),
    "no inputs": (PREDICT, b"{}", 422, "inputs"),
    "unknown field": (PREDICT, b'{"inputs": "a", "escalte": true}', 422, "did you mean 'escalate'?"),
    "wrong type": (PREDICT, b'{"inputs": [1]}', 422, "Expected `str | object`, got `int`"),
    "empty list": (PREDICT, b'{"inputs": []}', 422, "inputs is an empty list"),
    "100,000 inputs": (
        PREDICT,
        json.dumps({"inputs": ["a"] * 100_000}).encode(),
        422,
        "100,000 texts; the limit is 1,024",
    ),
    "10 MB": (PREDICT, json.dumps({"inputs": "a" * 10_000_000}).encode(), 413, "the limit is 2,000,000"),
    "nested deeply": (CHAT, b'{"model": "shoal/urgency", "tools": ' + b"[" * 100_000, 400, "nested too deeply"),
    "unknown specialist": ("/v1/specialists/urgncy/predict", b'{"inputs": "a"}', 404, "did you mean 'urgency'?"),
    "unknown in chat": (CHAT, chat(model="shoal/urgncy"), 404, "did you mean 'urgency'?"),
    "no model": (CHAT, b'{"messages": []}', 422, "`model`"),
    "no message": (CHAT, chat(messages=[]), 422, "none with role 'user'"),
    "tools": (CHAT, chat(tools=[{"type": "function"}]), 422, "tools is not possible"),
    "several answers": (CHAT, chat(n=3), 422, "n is not possible"),
    "an image": (CHAT, chat(messages=[{"role": "user", "content": [{"type": "image_url"}]}]), 422, "only text"),
    "unknown in chat body": (CHAT, chat(temprature=1), 422, "did you mean 'temperature'?"),
    "specialist elsewhere": ("/v1/embeddings", b'{"model": "shoal/urgency"}', 404, "/v1/chat/completions"),
    "wrong path": ("/v1/chat/completion", b"{}", 404, "/v1/chat/completions"),
    "wrong method": ("/health", b"{}", 405, "GET"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_clearly(desk: Any, name: str) -> None:
    path, body, status, said = REFUSED[name]
    response = desk.gateway.post(path, body)
    assert response.status == status
    assert said in response.error["message"]
    assert response.error["type"] == "invalid_request_error"
    assert len(response.error["message"]) < 1500
    assert response.headers["x-request-id"]
    assert desk.gateway.predict("urgency", "still there?").status == 200


def test_the_field_at_fault_is_named(desk: Any) -> None:
    assert desk.gateway.post(PREDICT, b'{"inputs": "a", "escalte": true}').error["param"] == "escalte"
    assert desk.gateway.post(PREDICT, b'{"inputs": ["a", 7]}').error["param"] == "inputs[1]"


def test_get_where_post_is_wanted(desk: Any) -> None:
    response = desk.gateway.get(CHAT)
    assert (response.status, response.headers["allow"]) == (405, "POST")
    assert "takes POST only" in response.error["message"]


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1"]
)
def test_another_content_type(desk: Any, kind: str) -> None:
    response = desk.gateway.post(PREDICT, b'{"inputs": "a"}', {"content-type": kind})
    assert response.status == 415
    assert kind in response.error["message"]
    assert "application/json" in response.error["message"]


def test_ten_megabytes_without_a_length(desk: Any) -> None:
    piece = b"a" * 100_000
    response = desk.gateway.post_chunks(PREDICT, [b'{"inputs": "', *[piece] * 100, b'"}'])
    assert response.status == 413
    assert "more than 2,000,000 bytes" in response.error["message"]


def test_what_the_official_client_raises(desk: Any) -> None:
    client = desk.gateway.openai()
    with pytest.raises(openai.NotFoundError, match="did you mean 'urgency'"):
        client.chat.completions.create(model="shoal/urgncy", messages=[{"role": "user", "content": "x"}])
    with pytest.raises(openai.UnprocessableEntityError, match="response_format is not possible"):
        client.chat.completions.create(
            model="shoal/urgency",
            messages=[{"role": "user", "content": "x"}],
            response_format={"type": "json_object"},
        )


@pytest.mark.parametrize(("text", "reason"), [("", "empty_text"), ("   \n\t", "empty_text")])
def test_empty_texts_are_no_error_and_nobody_pays_for_them(desk: Any, text: str, reason: str) -> None:
    response = desk.gateway.predict("sentiment", text)
    (answer,) = response.json["predictions"]
    assert (response.status, answer["decision"], answer["reason"], answer["label"]) == (200, "abstained", reason, None)
    assert response.json["usage"]["llm_calls"] == 0
    row = desk.project.row(response.headers["x-request-id"])
    assert row.outcome == "abstained"
    assert row.id not in {item.id for item in desk.project.reviews()}


@pytest.mark.parametrize(
    "text", ["a" * 1_900_000, "\x00\x01", "\U0001f525" * 500, "نور", "a\nb\r\nc\u2028d", '"; drop table--']
)
def test_strange_texts_are_answered(desk: Any, text: str) -> None:
    response = desk.gateway.predict("urgency", text)
    assert response.status == 200
    assert response.json["predictions"][0]["decision"] in ("accepted", "reviewed")
    stored = text.replace("\x00", "\ufffd")  # no database's text holds a NUL
    assert desk.project.row(response.headers["x-request-id"]).text == stored
