"""The gateway's ASGI application: Starlette's router on bare endpoints, nothing else between the server and them."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

from starlette.routing import Route as HTTPRoute
from starlette.routing import Router
from starlette.types import ASGIApp, Receive, Scope, Send

from shoal import __version__
from shoal.errors import NotFoundError
from shoal.gateway import openapi, telemetry, wire
from shoal.gateway.chat import Chat
from shoal.gateway.desk import Desk
from shoal.gateway.exchange import Door, Exchange
from shoal.gateway.passthrough import PassThrough
from shoal.gateway.reviews import Reviews
from shoal.gateway.specialists import Specialists
from shoal.gateway.status import HealthResponse, LedgerState, Model, ModelList

_HTML = b"text/html; charset=utf-8"
_PASSED_THROUGH = ("/v1/completions", "/v1/embeddings", "/v1/responses")


def create_app(desk: Desk, *, drain_s: float = 10.0) -> ASGIApp:
    """Make the application.

    While it runs, the engine follows its registry; at its end what was accepted is answered and the ledger is written.

    Args:
        desk: what it serves; closed with it.
        drain_s: how long the end may wait for the specialists, and again for the ledger.
    """
    return _Application(desk, drain_s).router


class _Application:
    def __init__(self, desk: Desk, drain_s: float) -> None:
        self._desk = desk
        self._drain_s = drain_s
        specialists = Specialists(desk)
        self._chat = Chat(desk, specialists)
        self._pass_through = PassThrough(desk)
        document = openapi.document()
        self._openapi = wire.encode(document)
        self._docs = openapi.page(document)
        self.router = Router(
            [
                self._route("POST", "/v1/specialists/{name}/predict", specialists.predict),
                self._route("POST", "/v1/specialists/{name}/review", Reviews(desk, specialists).review),
                self._route("POST", "/v1/chat/completions", self._chat_completions),
                *(self._route("POST", path, self._pass_through.handle) for path in _PASSED_THROUGH),
                self._route("GET", "/v1/models", self._models),
                self._route("GET", "/v1/models/{model:path}", self._model),
                self._route("GET", "/health", self._health),
                self._route("GET", "/metrics", self._metrics),
                self._route("GET", "/openapi.json", self._openapi_json),
                self._route("GET", "/docs", self._docs_page),
            ],
            default=self._not_found,
            redirect_slashes=False,
            lifespan=self._lifespan,
        )
        self._paths = [_readable(route.path) for route in self.router.routes if isinstance(route, HTTPRoute)]

    def _route(self, method: str, path: str, handle: Callable[[Exchange], Awaitable[None]]) -> HTTPRoute:
        count = self._desk.telemetry.request
        shown = _readable(path)

        def done(exchange: Exchange) -> None:
            count(shown, exchange.status, exchange.elapsed_ms / 1000.0)

        return HTTPRoute(path, Door(method, handle, done=done))

    @contextlib.asynccontextmanager
    async def _lifespan(self, _app: Any) -> AsyncGenerator[None]:
        desk = self._desk
        desk.energy.lap()  # what starting took belongs to no request
        watching = asyncio.create_task(desk.engine.watch())
        try:
            yield
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            await desk.engine.close(drain_s=self._drain_s)
            for llm in desk.llms.values():
                await llm.endpoint.close()
            if desk.ledger is not None:
                await asyncio.to_thread(desk.ledger.close, self._drain_s)

    async def _chat_completions(self, exchange: Exchange) -> None:
        body = await exchange.json_body(self._desk.max_body_bytes)
        asked = wire.parse_model(body)
        if asked.model.startswith(wire.MODEL_PREFIX):
            await self._chat.complete(exchange, body)
        else:
            await self._pass_through.forward(exchange, body, asked)

    async def _models(self, exchange: Exchange) -> None:
        models = [Model(id, owner) for id, owner in self._desk.models().items()]
        await exchange.reply(wire.encode(ModelList(models)))

    async def _model(self, exchange: Exchange) -> None:
        id = exchange.path_params["model"]
        owner = self._desk.models().get(id)
        if owner is None:
            raise self._desk.no_model(id)
        await exchange.reply(wire.encode(Model(id, owner)))

    async def _health(self, exchange: Exchange) -> None:
        ledger = self._desk.ledger
        health = HealthResponse.of(
            __version__,
            await self._desk.engine.health(),
            {
                name: "ok" if llm.endpoint.breaker.opened_at is None else "circuit open"
                for name, llm in self._desk.llms.items()
            },
            LedgerState.of(ledger.health() if ledger is not None else None),
        )
        await exchange.reply(wire.encode(health), status=503 if health.status == "failing" else 200)

    async def _metrics(self, exchange: Exchange) -> None:
        await exchange.reply(self._desk.telemetry.render(), content_type=telemetry.CONTENT_TYPE)

    async def _openapi_json(self, exchange: Exchange) -> None:
        await exchange.reply(self._openapi)

    async def _docs_page(self, exchange: Exchange) -> None:
        await exchange.reply(self._docs, content_type=_HTML)

    async def _not_found(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            exchange = Exchange(scope, receive, send)
            message = f"there is nothing at {scope['path']}. There are: {', '.join(self._paths)}"
            try:
                await exchange.refuse(NotFoundError(message))
            finally:
                self._desk.telemetry.request(telemetry.UNKNOWN_PATH, exchange.status, exchange.elapsed_ms / 1000.0)


def _readable(path: str) -> str:
    """Write a route's pattern for people: {model:path} is the router's way to let a model's name hold slashes."""
    return path.replace(":path}", "}")
