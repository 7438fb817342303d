"""The main job over HTTP: specialists answer, doubts go to the larger model, what nobody settles waits for a person."""

from typing import Any

import pytest

import shoal

pytestmark = pytest.mark.slow

URGENT = ["there is a smell of gas in my kitchen", "when will I get my next bill", "no power since 3, baby at home"]


def test_predict_answers_in_order_with_everything_a_caller_needs(desk: Any, trained: Any) -> None:
    response = desk.gateway.predict("urgency", URGENT)
    body = response.json
    expected = shoal.load(trained / "urgency").predict(URGENT)
    assert response.status == 200
    assert (body["specialist"], body["version"]) == ("urgency", "v1")
    assert len(body["predictions"]) == len(URGENT)
    for answer, prediction in zip(body["predictions"], expected, strict=True):
        assert answer["label"] == (prediction.label if prediction.accepted else None)
        assert answer["accepted"] is prediction.accepted
        assert answer["decision"] == ("accepted" if prediction.accepted else "reviewed")
        assert answer["confidence"] == pytest.approx(prediction.confidence, abs=1e-6)
        assert [one["label"] for one in answer["top"]] == [one.label for one in prediction.top]
        assert answer["top"][0]["probability"] == answer["confidence"]
        assert answer["answered_by"] == ("specialist" if prediction.accepted else None)
        assert answer["tier"] == "tfidf"
    assert {answer["label"] for answer in body["predictions"]} > {"emergency"}
    assert set(body["timings"]) == {"queue_ms", "model_ms", "llm_ms", "total_ms"}
    assert body["timings"]["total_ms"] >= body["timings"]["model_ms"] > 0
    assert body["usage"]["inputs"] == len(URGENT)
    assert body["usage"]["llm_calls"] == 0


def test_headers_say_who_answered(desk: Any) -> None:
    one = desk.gateway.predict("urgency", URGENT[0])
    assert one.headers["x-shoal-decision"] == "accepted"
    assert one.headers["x-shoal-route"] == "urgency"
    assert one.headers["x-shoal-version"] == "v1"
    confidence = one.json["predictions"][0]["confidence"]
    assert float(one.headers["x-shoal-confidence"]) == pytest.approx(confidence, abs=1e-4)
    many = desk.gateway.predict("urgency", URGENT)
    assert many.headers["x-shoal-version"] == "v1"
    assert "x-shoal-decision" not in many.headers  # there are three of them: see the body
    row = desk.project.row(one.headers["x-request-id"])
    assert (row.outcome, row.version, row.label, row.text) == ("accepted", "v1", "emergency", URGENT[0])
    assert row.energy_j > 0
    rows = [desk.project.row(f"{many.headers['x-request-id']}-{index}") for index in range(3)]
    assert [row.text for row in rows] == URGENT


def test_chat_by_the_official_client(desk: Any) -> None:
    raw = desk.gateway.openai().chat.completions.with_raw_response.create(
        model="shoal/urgency",
        messages=[{"role": "system", "content": "ignored"}, {"role": "user", "content": URGENT[0]}],
        temperature=0,
        max_tokens=5,
    )
    assert raw.headers["x-shoal-decision"] == "accepted"
    completion = raw.parse()
    assert completion.choices[0].message.content == "emergency"
    assert completion.choices[0].finish_reason == "stop"
    assert completion.model == "shoal/urgency"
    assert completion.system_fingerprint == "urgency-v1"
    assert completion.usage is not None
    assert completion.usage.total_tokens == completion.usage.prompt_tokens + completion.usage.completion_tokens


def test_chat_streams_to_the_official_client(desk: Any) -> None:
    chunks = list(
        desk.gateway.openai().chat.completions.create(
            model="shoal/urgency",
            messages=[{"role": "user", "content": [{"type": "text", "text": URGENT[0]}]}],
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "emergency"
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert chunks[-1].usage is not None
    row = desk.project.row(chunks[0].id.removeprefix("chatcmpl-"))
    assert row.stream
    assert row.label == "emergency"


def test_doubts_go_to_the_larger_model_and_certainty_does_not(desk: Any, texts: Any) -> None:
    asked = [texts.doubtful[0], texts.sure[0], texts.doubtful[1]]
    response = desk.gateway.predict("sentiment", asked)
    first, second, third = response.json["predictions"]
    assert [first["decision"], second["decision"], third["decision"]] == ["escalated", "accepted", "escalated"]
    assert [first["answered_by"], second["answered_by"]] == ["llm:positive", "specialist"]
    assert [first["label"], third["label"]] == ["positive", "positive"]
    assert first["llm"]["input_tokens"] == 11
    assert response.headers["x-shoal-route"] == "sentiment>llm:positive"
    usage = response.json["usage"]
    assert (usage["llm_calls"], usage["llm_input_tokens"], usage["llm_output_tokens"]) == (2, 22, 4)
    assert usage["cost_usd"] == pytest.approx((22 * 1.0 + 4 * 2.0) / 1e6)
    row = desk.project.row(f"{response.headers['x-request-id']}-0")
    assert (row.outcome, row.llm, row.label, row.reason) == ("escalated", "positive", "positive", first["reason"])
    assert row.cost_usd == pytest.approx((11 + 2 * 2) / 1e6)
    assert row.baseline_cost_usd > 0


def test_the_caller_can_keep_doubts_from_the_larger_model(desk: Any, texts: Any) -> None:
    (answer,) = desk.gateway.predict("sentiment", texts.doubtful[0], escalate=False).json["predictions"]
    assert (answer["decision"], answer["label"], answer["answered_by"]) == ("reviewed", None, None)


def test_a_doubt_that_the_larger_model_cannot_settle_waits_for_a_person(desk: Any, texts: Any) -> None:
    response = desk.gateway.chat("shoal/with-nonsense", texts.doubtful[0])
    message = response.json["choices"][0]["message"]
    assert response.headers["x-shoal-decision"] == "reviewed"
    assert message["content"] == ""
    assert "waits for a person" in message["refusal"]
    row = desk.project.row(response.headers["x-request-id"])
    assert (row.outcome, row.reason, row.llm) == ("reviewed", "llm_error", "nonsense")
    assert "purple" in row.error
    (item,) = [item for item in desk.project.reviews() if item.id == row.id]
    assert (item.text, item.predicted) == (texts.doubtful[0], row.label)
    listed = desk.project.shoal("review", "list")
    assert listed.returncode == 0
    assert row.id[:12] in listed.stdout


def test_without_anybody_to_ask_a_doubt_stays_unanswered(desk: Any, texts: Any) -> None:
    chunks = list(
        desk.gateway.openai().chat.completions.create(
            model="shoal/quiet", messages=[{"role": "user", "content": texts.doubtful[0]}], stream=True
        )
    )
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == ""
    assert "Nobody else is asked" in "".join(chunk.choices[0].delta.refusal or "" for chunk in chunks)
    row = desk.project.row(chunks[0].id.removeprefix("chatcmpl-"))
    assert row.outcome == "abstained"
    assert row.id not in {item.id for item in desk.project.reviews()}


def test_model_folders_are_served_without_a_project(serve: Any, trained: Any) -> None:
    gateway = serve(trained / "urgency", trained / "sentiment")
    assert "shoal/urgency" in gateway.said()
    response = gateway.predict("urgency", URGENT[0])
    assert response.json["predictions"][0]["label"] == "emergency"
    assert len(response.headers["x-shoal-version"]) == 12
    refused = gateway.chat("urgency", "hello")
    assert refused.status == 404
    assert "did you mean 'shoal/urgency'?" in refused.error["message"]
    assert gateway.terminate() == 0
    assert gateway.said().rstrip().endswith("stopped")
