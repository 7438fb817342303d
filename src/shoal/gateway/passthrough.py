"""Requests for other models go to their LLM as they came, and its answers come back as they are, byte for byte.

Two things are looked at on the way: the request's `model`, to know where it goes, and the response's `usage`, to know
what it cost. The upstream is asked not to compress (`accept-encoding: identity`), or the usage could not be read.
"""

import msgspec

from shoal.errors import LLMError, NotFoundError, ShoalError
from shoal.gateway import wire
from shoal.gateway.desk import LLM, Desk, default_llm
from shoal.gateway.exchange import CLIENT_GONE_STATUS, ClientGone, Exchange
from shoal.gateway.usage import UsageTap
from shoal.llm import Upstream

# A response that is no stream is held back up to this size until it is whole: one that is cut off, or is not JSON, can
# then be told as a clear error instead of half an answer.
_HELD_BYTES = 1_000_000
_NOT_FORWARDED = frozenset({b"accept-encoding"})


class PassThrough:
    """Forwards requests to the larger models."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def handle(self, exchange: Exchange) -> None:
        """Forward a request of any kind.

        Raises:
            RequestError: the body is not JSON with a model.
            NotFoundError: nobody answers for that model.
            ShoalError: the LLM fell silent or broke off in the middle of its answer.
        """
        body = await exchange.json_body(self._desk.max_body_bytes)
        await self.forward(exchange, body, wire.parse_model(body))

    async def forward(self, exchange: Exchange, body: bytes, asked: wire.AnyModelRequest) -> None:
        """Forward a request whose body has been read; errors as in `handle`."""
        llm = self._choose(asked.model)
        if asked.model == llm.endpoint.name != llm.endpoint.model:
            body = _renamed(body, llm.endpoint.model)
        tap = UsageTap(stream=bool(asked.stream))
        problem: tuple[str, str] | None = None
        status = 0
        try:
            with exchange.client_watched():
                status = await self._relay(exchange, llm, body, tap)
            if status >= 400:
                problem = ("upstream_status", f"the upstream answered {status}")
        except ClientGone:
            problem, status = ("client_gone", "the client left before the end"), CLIENT_GONE_STATUS
            raise
        except ShoalError as error:
            problem, status = (error.code, error.message), exchange.status or error.http_status
            if exchange.status:
                raise  # too late for an answer: the connection is cut
            await exchange.refuse(error, _headers(llm, b"failed"))
        except Exception as error:
            problem, status = (ShoalError.code, f"the server failed ({type(error).__name__})"), exchange.status or 500
            raise
        finally:
            self._desk.record_passed(
                exchange, llm, status=status, usage=tap.usage(), stream=bool(asked.stream), problem=problem
            )

    async def _relay(self, exchange: Exchange, llm: LLM, body: bytes, tap: UsageTap) -> int:
        path = exchange.scope["path"].removeprefix("/v1")
        if query := exchange.scope["query_string"]:
            path += "?" + query.decode("latin-1")
        headers = [(name, value) for name, value in exchange.headers if name not in _NOT_FORWARDED]
        headers.append((b"accept-encoding", b"identity"))
        async with llm.endpoint.forward(exchange.scope["method"], path, headers=headers, body=body) as upstream:
            held = bytearray()
            live = _is_stream(upstream)
            if live:
                await self._begin(exchange, llm, upstream)
            async for piece in upstream.chunks:
                tap.see(piece)
                if live:
                    await exchange.write(piece)
                    continue
                held += piece
                if len(held) > _HELD_BYTES:
                    live = True
                    await self._begin(exchange, llm, upstream)
                    await exchange.write(bytes(held))
                    held.clear()
            if not live:
                if upstream.status == 200:
                    _expect_json(bytes(held), llm)
                await self._begin(exchange, llm, upstream)
            await exchange.write(bytes(held), more=False)
            return upstream.status

    async def _begin(self, exchange: Exchange, llm: LLM, upstream: Upstream) -> None:
        own = _headers(llm, b"failed" if upstream.status >= 400 else b"passed_through")
        if not any(name == b"x-request-id" for name, _ in upstream.headers):
            own.append((b"x-request-id", exchange.id.encode()))
        # The server dates every response; a second date would make the header a list, which it may not be.
        await exchange.start(upstream.status, [*(one for one in upstream.headers if one[0] != b"date"), *own])

    def _choose(self, model: str) -> LLM:
        """Find the LLM that serves the model, or is called so, or takes whatever nobody else does."""
        llms = self._desk.llms
        for llm in llms.values():
            if llm.endpoint.model == model:
                return llm
        if model in llms:
            return llms[model]
        if model.startswith(wire.MODEL_PREFIX):
            self._desk.engine.get(model.removeprefix(wire.MODEL_PREFIX))
            raise NotFoundError(f"{model} answers on /v1/chat/completions and /v1/specialists/{{name}}/predict only")
        if (default := default_llm(llms)) is not None:
            return default
        raise self._desk.no_model(model)


def _headers(llm: LLM, decision: bytes) -> list[tuple[bytes, bytes]]:
    return [(b"x-shoal-decision", decision), (b"x-shoal-route", b"llm:" + llm.endpoint.name.encode())]


def _renamed(body: bytes, model: str) -> bytes:
    """Put the name by which the upstream knows the model into the request; every other value keeps its bytes."""
    fields = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    fields["model"] = msgspec.Raw(msgspec.json.encode(model))
    return msgspec.json.encode(fields)


def _is_stream(upstream: Upstream) -> bool:
    return any(
        name == b"content-type" and value.strip().lower().startswith(b"text/event-stream")
        for name, value in upstream.headers
    )


def _expect_json(body: bytes, llm: LLM) -> None:
    try:
        msgspec.json.decode(body, type=msgspec.Raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        shown = " ".join(body[:80].decode("utf-8", "replace").split())
        raise LLMError(f"LLM {llm.endpoint.name!r} answered 200 with something that is not JSON: {shown!r}") from None
