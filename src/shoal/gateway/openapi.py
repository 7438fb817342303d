"""The description of the HTTP interface: schemas from the very types that decode and encode, paths by hand."""

from typing import Any

import msgspec
from jinja2 import Environment, PackageLoader

from shoal import __version__
from shoal.gateway.exchange import ErrorBody
from shoal.gateway.reader import SUFFIXES
from shoal.gateway.status import HealthResponse, ModelList
from shoal.gateway.wire import ChatRequest, ChatResponse, PredictRequest, PredictResponse
from shoal.review import Review

_REF = "#/components/schemas/{name}"
_HEADERS = {
    "x-shoal-decision": "accepted, escalated, reviewed, abstained, failed or passed_through (for a single text)",
    "x-shoal-route": "who was asked: the specialist, then the larger model if it was: `intent>llm:large`",
    "x-shoal-version": "the specialist's version",
    "x-shoal-confidence": "calibrated probability of the specialist's own best answer (for a single text)",
    "x-request-id": "key of the request's row in the ledger",
}
_ERRORS = {
    "400": "not JSON, or not UTF-8",
    "404": "no such specialist or model; the message lists what there is",
    "413": "the body is larger than [serve] max_body_bytes",
    "415": "another content type than application/json",
    "422": "JSON of the wrong shape: unknown field, wrong type, no input, too many inputs",
    "429": "the queue is full; Retry-After says when to come back",
}
_REVIEW_ERRORS = {
    "415": "another content type, or another encoding than UTF-8; the message lists what is read",
    "422": "the document cannot be read: damaged, encrypted, scanned, empty; the specialist has no labels, or "
    "nobody who may be asked about its doubts",
    "500": "the extra that reads such documents is not installed, or the specialist failed on a passage",
}
_UPSTREAM_ERRORS = {
    "502": "the larger model gave no usable answer",
    "503": "the larger model cannot be reached",
    "504": "the larger model did not answer in time",
}


def document() -> dict[str, Any]:
    """Return the OpenAPI 3.1 document."""
    types = [PredictRequest, PredictResponse, Review, ChatRequest, ChatResponse, ModelList, HealthResponse, ErrorBody]
    _, components = msgspec.json.schema_components(types, ref_template=_REF)
    passed = _operation(
        "Passed through", "Forwarded to the model's LLM byte for byte, streaming included.", None, None, upstream=True
    )
    predict = _operation(
        "Ask a specialist",
        "One or many texts; each gets an answer with a calibrated confidence, or says why there is none.",
        "PredictRequest",
        "PredictResponse",
    )
    predict["parameters"] = [_in_path("name", "see /v1/models")]
    chat = _operation(
        "Chat completion",
        "With model `shoal/<name>` the last user message is the text and the content of the answer is its label, its "
        "summary, or JSON; when no answer can stand, content is empty, `refusal` says why, and x-shoal-decision what "
        "became of it. A specialist that fills a record takes a `response_format` of type `json_object`, or of type "
        "`json_schema` with a schema of the same fields; others take none. "
        "Every other model is passed through to its LLM byte for byte.",
        "ChatRequest",
        "ChatResponse",
        upstream=True,
    )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "shoal",
            "version": __version__,
            "description": "Specialised small models answer what they can be trusted with; a larger model the rest.",
        },
        "paths": {
            "/v1/specialists/{name}/predict": {"post": predict},
            "/v1/specialists/{name}/review": {"post": _review()},
            "/v1/chat/completions": {"post": chat},
            "/v1/completions": {"post": passed},
            "/v1/embeddings": {"post": passed},
            "/v1/responses": {"post": passed},
            "/v1/models": {"get": _read("What can be asked for as `model`.", "ModelList")},
            "/v1/models/{model}": {
                "get": _read("One of these.", "Model")
                | {"parameters": [_in_path("model", "`shoal/<name>`, or the name of a larger model")]}
            },
            "/health": {
                "get": _read("How the server and each specialist are; 503 when none can answer.", "HealthResponse")
            },
            "/metrics": {
                "get": {"summary": "Prometheus metrics.", "responses": {"200": {"description": "text form 0.0.4"}}}
            },
        },
        "components": {"schemas": components},
    }


def _in_path(name: str, description: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}, "description": description}


def _content(schema: str | None) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": _REF.format(name=schema)} if schema else {}}}


def _operation(
    summary: str, description: str, request: str | None, response: str | None, *, upstream: bool = False
) -> dict[str, Any]:
    headers = {name: {"schema": {"type": "string"}, "description": text} for name, text in _HEADERS.items()}
    errors = {**_ERRORS, **(_UPSTREAM_ERRORS if upstream else {})}
    return {
        "summary": summary,
        "description": description,
        "requestBody": {"required": True, "content": _content(request)},
        "responses": {
            "200": {"description": "the answer", "headers": headers, "content": _content(response)},
            **{status: {"description": text, "content": _content("ErrorBody")} for status, text in errors.items()},
        },
    }


def _review() -> dict[str, Any]:
    operation = _operation(
        "Review a document",
        "The body is the document itself: text, Markdown, HTML, PDF or DOCX, as its content type says. Each passage is "
        "judged by a specialist whose answers are labels. With `accept: text/html` the answer is a page for people.",
        None,
        "Review",
    )
    document = {"schema": {"type": "string", "contentEncoding": "binary"}}
    operation["requestBody"]["content"] = dict.fromkeys(SUFFIXES, document)
    operation["responses"]["200"]["content"]["text/html"] = {"schema": {"type": "string"}}
    operation["responses"] |= {
        status: {"description": text, "content": _content("ErrorBody")} for status, text in _REVIEW_ERRORS.items()
    }
    del operation["responses"]["400"]
    escalate = {"name": "escalate", "in": "query", "schema": {"type": "boolean", "default": False}}
    operation["parameters"] = [
        _in_path("name", "see /v1/models"),
        {**escalate, "description": "whether the larger model of the specialist's route is asked about doubts"},
    ]
    return operation


def _read(summary: str, response: str) -> dict[str, Any]:
    return {"summary": summary, "responses": {"200": {"description": "the answer", "content": _content(response)}}}


def page(openapi: dict[str, Any]) -> bytes:
    """Return the same for people: one HTML page that loads nothing from anywhere."""
    environment = Environment(loader=PackageLoader("shoal.gateway"), autoescape=True)
    return environment.get_template("docs.html").render(api=openapi).encode()
