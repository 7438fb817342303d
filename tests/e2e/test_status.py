"""What the server says about itself: models, health, metrics, and the description of its interface."""

import re
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from prometheus_client.parser import text_string_to_metric_families

pytestmark = pytest.mark.slow


def metrics(gateway: Any) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    response = gateway.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(response.body.decode())
        for sample in family.samples
    }


def test_models_are_listed_and_found_by_the_official_client(desk: Any) -> None:
    client = desk.gateway.openai()
    listed = {model.id: model.owned_by for model in client.models.list()}
    assert listed["shoal/urgency"] == "shoal"
    assert listed["label:positive"] == "positive"
    for name in ("shoal/urgency", "label:positive"):
        assert client.models.retrieve(name).id == name
    with pytest.raises(openai.NotFoundError, match="did you mean 'shoal/urgency'"):
        client.models.retrieve("shoal/urgncy")


def test_health_names_every_part(desk: Any) -> None:
    health = desk.gateway.get("/health").json
    assert health["status"] == "ok"
    assert health["specialists"]["urgency"] == {
        "state": "ok",
        "version": "v1",
        "certified": True,
        "waiting": 0,
        "error": None,
        "update_error": None,
    }
    assert health["llms"]["positive"] == "ok"
    assert health["ledger"]["state"] == "ok"


def test_metrics_count_what_happened(desk: Any, texts: Any) -> None:
    before = metrics(desk.gateway)
    desk.gateway.predict("sentiment", [texts.sure[0], texts.doubtful[0]])
    desk.gateway.predict("sentiment", [])
    after = metrics(desk.gateway)
    path = ("path", "/v1/specialists/{name}/predict")

    def grown(name: str, *labels: tuple[str, str]) -> float:
        key = (name, tuple(sorted(labels)))
        return after[key] - before.get(key, 0.0)

    assert grown("shoal_requests_total", path, ("status", "200")) == 1
    assert grown("shoal_requests_total", path, ("status", "422")) == 1
    assert grown("shoal_request_seconds_count", path) == 2
    assert grown("shoal_decisions_total", ("route", "sentiment"), ("decision", "accepted")) == 1
    assert grown("shoal_decisions_total", ("route", "sentiment"), ("decision", "escalated")) == 1
    assert grown("shoal_llm_tokens_total", ("llm", "positive"), ("direction", "input")) == 11
    assert grown("shoal_llm_cost_usd_total", ("llm", "positive")) == pytest.approx(15e-6)
    assert grown("shoal_batched_texts_total", ("specialist", "sentiment")) == 2
    assert after["shoal_specialist_info", (("specialist", "sentiment"), ("version", "v1"))] == 1
    assert after["shoal_ledger_dropped_rows_total", ()] == 0


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        for key, value in part.items():
            if key == "$ref":
                yield value
            else:
                yield from references(value)
    elif isinstance(part, list):
        for value in part:
            yield from references(value)


def test_the_openapi_document_is_whole_and_true(desk: Any) -> None:
    document = desk.gateway.get("/openapi.json").json
    assert re.fullmatch(r"3\.1\.\d+", document["openapi"])
    assert {"title", "version"} <= set(document["info"])
    schemas = document["components"]["schemas"]
    used = set(references(document))
    assert used
    for reference in used:
        assert reference.removeprefix("#/components/schemas/") in schemas
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            declared = [one["name"] for one in operation.get("parameters", []) if one["in"] == "path"]
            assert declared == re.findall(r"{(\w+)}", path)
            assert all(response["description"] for response in operation["responses"].values())
            concrete = path.replace("{name}", "urgency").replace("{model}", "shoal/urgency")
            answer = desk.gateway.get(concrete)
            assert answer.status == (200 if method == "get" else 405), path


def test_responses_have_the_fields_that_the_document_promises(desk: Any) -> None:
    document = desk.gateway.get("/openapi.json").json
    schemas = document["components"]["schemas"]
    body = desk.gateway.predict("urgency", ["gas!", ""]).json
    for name, part in [
        ("PredictResponse", body),
        *(("Answer", answer) for answer in body["predictions"]),
        ("Timings", body["timings"]),
        ("ChatResponse", desk.gateway.chat("shoal/urgency").json),
        ("ErrorBody", desk.gateway.predict("urgency", []).json),
        ("HealthResponse", desk.gateway.get("/health").json),
        ("ModelList", desk.gateway.get("/v1/models").json),
    ]:
        assert set(part) <= set(schemas[name]["properties"]), name
        assert set(part) >= set(schemas[name]["required"]), name


def test_the_documentation_page_loads_nothing(desk: Any) -> None:
    response = desk.gateway.get("/docs")
    page = response.body.decode()
    assert response.headers["content-type"].startswith("text/html")
    assert "/v1/specialists/{name}/predict" in page
    assert not re.search(r"<script|<link|<img|<iframe|@import|\bsrc\s*=|url\(", page)
    links = set(re.findall(r'href="([^"]*)"', page))
    anchors = {f"#{anchor}" for anchor in re.findall(r'id="([^"]*)"', page)}
    assert links <= anchors | {"/openapi.json"}
