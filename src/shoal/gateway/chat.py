"""POST /v1/chat/completions for the models `shoal/<name>`: the last user message is the text, the answer its content.

When no answer can stand, the content is empty and `refusal` says why: the field that OpenAI's clients know for "the
model does not answer this". An empty string is never a label and no JSON, so no application takes it for an answer.
"""

import time
from typing import TypedDict

from shoal.errors import ShoalError
from shoal.gateway import response_format, wire
from shoal.gateway.desk import Desk
from shoal.gateway.exchange import Exchange
from shoal.gateway.specialists import Specialists, headers_of
from shoal.meter import count_tokens_estimate
from shoal.routing import Decision


class _Common(TypedDict):
    """What all parts of an answer share."""

    id: str
    created: int
    model: str
    system_fingerprint: str


class Chat:
    """Answers chat requests by a specialist and, where the route says so, by its larger model."""

    def __init__(self, desk: Desk, specialists: Specialists) -> None:
        self._desk = desk
        self._specialists = specialists

    async def complete(self, exchange: Exchange, body: bytes) -> None:
        """Answer one request, as one document or as events.

        Raises:
            RequestError: what is asked for is not what the specialist gives.
            ShoalError: the specialist failed on this text.
        """
        request, text = wire.parse_chat(body)
        stream = bool(request.stream)
        resident = self._desk.engine.get(request.model.removeprefix(wire.MODEL_PREFIX))
        task = resident.specialist.task
        record = response_format.wanted_record(request, task)
        decisions, _ = await self._specialists.answer(exchange, resident, [text], escalate=True, stream=stream)
        decision = decisions[0]
        if decision.outcome == "failed":
            error = ShoalError(decision.failure.message if decision.failure else "the specialist failed")
            self._desk.record_texts(exchange, resident, [text], decisions, status=error.http_status, stream=stream)
            raise error
        headers = headers_of(resident, decisions)
        common: _Common = {
            "id": f"chatcmpl-{exchange.id}",
            "created": int(time.time()),
            "model": request.model,
            "system_fingerprint": f"{resident.name}-{resident.version}",
        }
        content = "" if decision.said is None else response_format.written(record, decision.said)
        refusal, usage = _refusal(decision, response_format.NOUNS[task.kind]), _usage(decision, text, content)
        if stream:
            wants_usage = request.stream_options is not None and bool(request.stream_options.include_usage)
            events = _events(common, content, refusal, usage if wants_usage else None)
            await exchange.reply(events, headers=headers, content_type=b"text/event-stream; charset=utf-8")
        else:
            choice = wire.Choice(wire.AssistantMessage("assistant", content, refusal))
            response = wire.ChatResponse(**common, choices=[choice], usage=usage)
            await exchange.reply(wire.encode(response), headers=headers)
        self._desk.record_texts(exchange, resident, [text], decisions, stream=stream)


def _refusal(decision: Decision, noun: str) -> str | None:
    if decision.said is not None:
        return None
    waits = "It waits for a person's review." if decision.outcome == "reviewed" else "Nobody else is asked."
    guess = ""
    if decision.prediction is not None:
        guess = f" Best guess: {decision.prediction.said} (confidence {decision.prediction.confidence:.2f})."
    return f"No {noun} is sure enough to be given ({decision.reason}).{guess} {waits}"


def _usage(decision: Decision, text: str, content: str) -> wire.ChatUsage:
    if decision.llm is not None:
        given, produced = decision.llm_usage.input_tokens, decision.llm_usage.output_tokens
    else:
        given, produced = count_tokens_estimate(text), count_tokens_estimate(content)
    return wire.ChatUsage(given, produced, given + produced)


def _events(common: _Common, content: str, refusal: str | None, usage: wire.ChatUsage | None) -> bytes:
    """All events at once: the answer is there before the first of them could be sent."""
    first = wire.Delta(role="assistant", content="")
    said = wire.Delta(content=content) if refusal is None else wire.Delta(refusal=refusal)
    choices = [[wire.ChunkChoice(first)], [wire.ChunkChoice(said)], [wire.ChunkChoice(wire.Delta(), "stop")]]
    chunks = [wire.ChatChunk(**common, choices=one) for one in choices]
    if usage is not None:
        chunks.append(wire.ChatChunk(**common, choices=[], usage=usage))
    return b"".join(b"data: " + wire.encode(chunk) + b"\n\n" for chunk in chunks) + b"data: [DONE]\n\n"
