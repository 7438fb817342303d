"""POST /v1/specialists/{name}/review: a document in, findings and doubts with their exact words out."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import replace

from shoal.errors import InputError, RequestError, ShoalError
from shoal.gateway import wire
from shoal.gateway.desk import Desk
from shoal.gateway.exchange import Exchange
from shoal.gateway.reader import DocumentReader, document_name
from shoal.gateway.specialists import Specialists, headers_of
from shoal.review import Policy, check, decide, nothing_of, passages, questions
from shoal.routing import Decision
from shoal.serving import Resident

_HTML = b"text/html; charset=utf-8"
_WEIGHT = re.compile(r"(?:^|;)\s*q=([01](?:\.\d{0,3})?)\s*(?:;|$)")


class Reviews:
    """Judges documents by a specialist. Doubts are part of the answer: they go to nobody else."""

    def __init__(self, desk: Desk, specialists: Specialists) -> None:
        self._desk = desk
        self._specialists = specialists
        self._reader = DocumentReader()

    async def review(self, exchange: Exchange) -> None:
        """Answer one request.

        Raises:
            RequestError: no document that is read (415), one that cannot be read, or a specialist without labels (422).
            ShoalError: the specialist failed on a passage.
        """
        desk = self._desk
        name = document_name(exchange.header(b"content-type"))
        content = await exchange.body(desk.max_body_bytes)
        resident = desk.engine.get(exchange.path_params["name"])
        policy = self._policy(resident)
        with exchange.client_watched():
            document = await self._reader.read(name, content)
        texts = await asyncio.to_thread(passages, document)
        asked = questions(texts)
        decisions = await self._judged(exchange, resident, asked)
        failed = next((one.failure for one in decisions if one.failure is not None), None)
        if failed is not None:
            error = ShoalError(f"{name} is not reviewed: {failed.message}")
            desk.record_texts(exchange, resident, asked, decisions, status=error.http_status)
            raise error
        found = {text: one.prediction for text, one in zip(asked, decisions, strict=True)}
        reviewed = await asyncio.to_thread(
            decide,
            document,
            [found.get(text) for text in texts],
            task=resident.specialist.task,
            policy=policy,
            specialist=resident.name,
            version=resident.version,
        )
        headers = headers_of(resident, decisions)
        if desk.review_page is not None and wants_page(exchange.header(b"accept")):
            page = await asyncio.to_thread(desk.review_page, document, reviewed)
            await exchange.reply(page.encode(), headers=headers, content_type=_HTML)
        else:
            await exchange.reply(wire.encode(reviewed), headers=headers)
        if asked:
            desk.record_texts(exchange, resident, asked, decisions)

    async def _judged(self, exchange: Exchange, resident: Resident, asked: Sequence[str]) -> list[Decision]:
        """Ask the specialist, as many passages at a time as one request may hold.

        The caller has the doubts in hand, so that none of them waits for a person besides.
        """
        decisions: list[Decision] = []
        for start in range(0, len(asked), self._desk.max_inputs):
            some = asked[start : start + self._desk.max_inputs]
            decisions += (await self._specialists.answer(exchange, resident, some, escalate=False))[0]
        return [replace(one, outcome="abstained") if one.outcome == "reviewed" else one for one in decisions]

    def _policy(self, resident: Resident) -> Policy:
        task = resident.specialist.task
        policy = Policy(severities=self._desk.plan(resident.name).severities, nothing=nothing_of(task))
        try:
            check(task, policy)
        except InputError as error:
            raise RequestError(f"{resident.name}: {error.message}", status=422) from None
        return policy


def wants_page(accept: bytes | None) -> bool:
    """Whether an Accept header names HTML, and JSON not as gladly."""
    weights: dict[str, float] = {}
    for part in (accept or b"").decode("latin-1").lower().split(","):
        media, _, parameters = part.partition(";")
        weight = _WEIGHT.search(parameters)
        weights[media.strip()] = float(weight[1]) if weight else 1.0
    return weights.get("text/html", 0.0) > weights.get("application/json", 0.0)
