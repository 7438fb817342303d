"""POST /v1/specialists/{name}/predict: texts in, answers with calibrated confidence and a reason out."""

from collections.abc import Sequence

import msgspec

from shoal.errors import OverloadedError, RequestError
from shoal.gateway import wire
from shoal.gateway.desk import Desk
from shoal.gateway.exchange import CLIENT_GONE_STATUS, ClientGone, Exchange, Headers
from shoal.gateway.response_format import written
from shoal.gateway.settle import settle
from shoal.routing import Decision, Failure
from shoal.serving import Item, Question, Resident, text_of
from shoal.tasks import Extraction, Label, Prediction, Record, Summarization, Summary, Task, Timings, write_record


class Specialists:
    """Answers texts by a specialist and, where the route says so, by its larger model."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def predict(self, exchange: Exchange) -> None:
        """Answer one request."""
        desk = self._desk
        body = await exchange.json_body(desk.max_body_bytes)
        asked = wire.parse_predict(body, max_inputs=desk.max_inputs)
        resident = desk.engine.get(exchange.path_params["name"])
        items = _items(asked, resident)
        decisions, timings = await self.answer(exchange, resident, items, escalate=asked.escalate)
        response = wire.PredictResponse(
            specialist=resident.name,
            version=resident.version,
            predictions=[_answer(decision, resident.specialist.task) for decision in decisions],
            timings=timings,
            usage=self._usage(decisions),
        )
        await exchange.reply(wire.encode(response), headers=headers_of(resident, decisions))
        desk.record_texts(exchange, resident, [text_of(item) for item in items], decisions)

    async def answer(
        self, exchange: Exchange, resident: Resident, items: Sequence[Item], *, escalate: bool, stream: bool = False
    ) -> tuple[list[Decision], Timings]:
        """Ask the specialist and settle its doubts.

        Raises:
            OverloadedError: the specialist's queue is full; recorded.
            ClientGone: the client left.
        """
        try:
            with exchange.client_watched():
                answered = await resident.batcher.predict(items)
                decisions, llm_ms = await settle(self._desk, resident, items, answered.answers, escalate=escalate)
        except OverloadedError as error:
            failure = Failure.of(error)
            self._record_unanswered(exchange, resident, items, failure, status=error.http_status, stream=stream)
            raise
        except ClientGone:
            failure = Failure("client_gone", "the client left before it was answered")
            self._record_unanswered(exchange, resident, items, failure, status=CLIENT_GONE_STATUS, stream=stream)
            raise
        return decisions, Timings(answered.queue_ms, answered.model_ms, llm_ms, exchange.elapsed_ms)

    def _record_unanswered(
        self,
        exchange: Exchange,
        resident: Resident,
        items: Sequence[Item],
        failure: Failure,
        *,
        status: int,
        stream: bool,
    ) -> None:
        decisions = [Decision("failed", None, failure.code, failure=failure)] * len(items)
        texts = [text_of(item) for item in items]
        self._desk.record_texts(exchange, resident, texts, decisions, status=status, stream=stream)

    def _usage(self, decisions: Sequence[Decision]) -> wire.PredictUsage:
        usage = wire.PredictUsage(inputs=len(decisions))
        for decision in decisions:
            if decision.llm is None:
                continue
            usage.llm_calls += 1
            usage.llm_input_tokens += decision.llm_usage.input_tokens
            usage.llm_output_tokens += decision.llm_usage.output_tokens
            usage.cost_usd += self._desk.cost_of(decision)
        return usage


def _items(asked: wire.Predict, resident: Resident) -> list[Item]:
    """Put query and budget to the texts.

    Raises:
        RequestError: there is one, and the specialist does not summarise (422).
    """
    task = resident.specialist.task
    if not isinstance(task, Summarization):
        place = next((at for at, query in enumerate(asked.queries) if query is not None), None)
        field = "budget" if asked.budget is not None else None if place is None else f"inputs[{place}].query"
        if field is not None:
            raise RequestError(
                f"{field} is for the task 'summarization'; {resident.name} has the task {task.kind!r}. Leave it out.",
                status=422,
                param=field,
            )
        return list(asked.texts)
    return [Question(text, query, asked.budget) for text, query in zip(asked.texts, asked.queries, strict=True)]


def headers_of(resident: Resident, decisions: Sequence[Decision]) -> Headers:
    """Say who answered; decision and confidence only where they are about one text."""
    asked = {decision.llm for decision in decisions if decision.llm is not None}
    route = resident.name + "".join(f">llm:{name}" for name in asked)
    headers = [(b"x-shoal-version", resident.version.encode()), (b"x-shoal-route", route.encode("ascii", "replace"))]
    if len(decisions) == 1:
        headers.append((b"x-shoal-decision", decisions[0].outcome.encode()))
        if (prediction := decisions[0].prediction) is not None:
            headers.append((b"x-shoal-confidence", b"%.4f" % prediction.confidence))
    return headers


def _answer(decision: Decision, task: Task) -> wire.Answer:
    prediction = decision.prediction
    answered_by = None
    if decision.said is not None:
        answered_by = "specialist" if decision.answer is None else f"llm:{decision.llm}"
    answer = wire.Answer(
        label=decision.said if isinstance(prediction, Label) else None,
        decision=decision.outcome,
        reason=decision.reason,
        answered_by=answered_by,
        accepted=decision.outcome == "accepted",
    )
    if prediction is not None:
        answer.confidence = prediction.confidence
        answer.tier = prediction.tier
        answer.in_scope = prediction.in_scope
        if isinstance(prediction, Label):
            answer.top = prediction.top
        else:
            answer.guess = _guess(prediction, task)
            answer.answer = None if decision.said is None else msgspec.Raw(_json(decision, task))
    if decision.llm is not None:
        said = decision.answer or decision.failure
        answer.llm = wire.LLMPart(decision.llm, answer.label if decision.answer else None)
        if said is not None:
            answer.llm.input_tokens = said.usage.input_tokens
            answer.llm.output_tokens = said.usage.output_tokens
            answer.llm.ms = said.ms
    if decision.failure is not None:
        answer.error = decision.failure.message
    return answer


def _guess(prediction: Prediction, task: Task) -> object:
    """Give all that the specialist says; of a record also its values by field."""
    if isinstance(prediction, Record) and isinstance(task, Extraction):
        return {"record": write_record(task, prediction.record), **msgspec.structs.asdict(prediction)}
    return prediction


def _json(decision: Decision, task: Task) -> bytes:
    """Give an answer that is not a label as JSON: a summary is a string, the others are JSON as they are said."""
    assert decision.said is not None
    if isinstance(decision.prediction, Summary):
        return wire.encode(decision.said)
    return written(task if isinstance(task, Extraction) else None, decision.said).encode()
