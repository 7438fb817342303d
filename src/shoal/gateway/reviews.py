"""POST /v1/specialists/{name}/review: a document in, findings and doubts with their exact words out."""

import asyncio
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from shoal.errors import InputError, OverloadedError, RequestError, ShoalError
from shoal.gateway import wire
from shoal.gateway.desk import Desk
from shoal.gateway.exchange import CLIENT_GONE_STATUS, ClientGone, Exchange
from shoal.gateway.reader import DocumentReader, document_name
from shoal.gateway.specialists import Specialists, headers_of
from shoal.llm import Labelling
from shoal.review import Policy, Review, check, decide, nothing_of, passages, questions, readable, settle
from shoal.review.second_opinion import Word, second_opinion
from shoal.routing import Decision, Failure, LLMAnswer
from shoal.serving import Resident
from shoal.tasks import Usage

_HTML = b"text/html; charset=utf-8"
_WEIGHT = re.compile(r"(?:^|;)\s*q=([01](?:\.\d{0,3})?)\s*(?:;|$)")


class Reviews:
    """Judges documents by a specialist. Doubts are part of the answer, unless a larger model is asked about them."""

    def __init__(self, desk: Desk, specialists: Specialists) -> None:
        self._desk = desk
        self._specialists = specialists
        self._reader = DocumentReader()

    async def review(self, exchange: Exchange) -> None:
        """Answer one request.

        Raises:
            RequestError: no document that is read (415), one that cannot be read, a specialist without labels, or
                nobody who could be asked about doubts (422).
            ShoalError: the specialist failed on a passage.
        """
        desk = self._desk
        name = document_name(exchange.header(b"content-type"))
        content = await exchange.body(desk.max_body_bytes)
        resident = desk.engine.get(exchange.path_params["name"])
        policy = self._policy(resident)
        llm = self._llm(resident) if exchange.flag("escalate") else None
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
        if llm is not None and reviewed.doubts:
            try:
                with exchange.client_watched():
                    reviewed, words = await self._settled(resident, reviewed, llm)
            except (ClientGone, OverloadedError) as error:  # nobody waits any more; what was judged is written down
                status = error.http_status if isinstance(error, OverloadedError) else CLIENT_GONE_STATUS
                desk.record_texts(exchange, resident, asked, decisions, status=status)
                raise
            decisions = [
                _noted(one, llm, words[text]) if text in words else one
                for text, one in zip(asked, decisions, strict=True)
            ]
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

    async def _settled(self, resident: Resident, reviewed: Review, llm: str) -> tuple[Review, Mapping[str, list[Word]]]:
        """Ask a larger model about all doubts; also gives what it said of each passage."""
        told = self._desk.plan(resident.name).labelling or Labelling(())
        said = await second_opinion(
            reviewed, self._desk.llms[llm].endpoint, descriptions=told.descriptions, style=told.style
        )
        words: dict[str, list[Word]] = defaultdict(list)
        for doubt, word in zip(reviewed.doubts, said.words, strict=True):
            words[readable(doubt.quote)].append(word)
        return settle(reviewed, said.answers, by=llm), words

    def _llm(self, resident: Resident) -> str:
        route = self._desk.plan(resident.name).route
        if route.llm is None:
            raise RequestError(
                f"escalate: {resident.name} hands its doubts to no larger model; name one in its table (escalate), or "
                "leave the parameter out.",
                status=422,
                param="escalate",
            )
        if route.barred is not None:
            raise RequestError(
                f"escalate: texts of {resident.name} may not leave ({route.barred}), and {route.llm!r} is external. "
                "Leave the parameter out.",
                status=422,
                param="escalate",
            )
        return route.llm

    def _policy(self, resident: Resident) -> Policy:
        task = resident.specialist.task
        policy = Policy(severities=self._desk.plan(resident.name).severities, nothing=nothing_of(task))
        try:
            check(task, policy)
        except InputError as error:
            raise RequestError(f"{resident.name}: {error.message}", status=422) from None
        return policy


def _noted(decision: Decision, llm: str, words: Sequence[Word]) -> Decision:
    """Put to a passage what the larger model's words on it took; they are no whole answer, so it stays abstained."""
    usage = Usage(
        sum(word.spent.usage.input_tokens for word in words), sum(word.spent.usage.output_tokens for word in words)
    )
    ms = max(word.spent.ms for word in words)
    problem = next((word.problem for word in words if word.problem is not None), None)
    if problem is not None:
        return replace(decision, llm=llm, failure=Failure(problem.code, problem.message, usage, ms))
    said = ", ".join("yes" if word.answer else "no" for word in words)
    return replace(decision, llm=llm, answer=LLMAnswer(said, usage, ms))


def wants_page(accept: bytes | None) -> bool:
    """Whether an Accept header names HTML, and JSON not as gladly."""
    weights: dict[str, float] = {}
    for part in (accept or b"").decode("latin-1").lower().split(","):
        media, _, parameters = part.partition(";")
        weight = _WEIGHT.search(parameters)
        weights[media.strip()] = float(weight[1]) if weight else 1.0
    return weights.get("text/html", 0.0) > weights.get("application/json", 0.0)
