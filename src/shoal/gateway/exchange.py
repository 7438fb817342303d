"""One HTTP request and its response, on bare ASGI: bounded bodies, one shape of errors, clients that go away."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Generator, Iterable
from urllib.parse import parse_qsl

import msgspec
from starlette.types import Receive, Scope, Send

from shoal.errors import LLMError, OverloadedError, RequestError, ShoalError
from shoal.ledger import new_id
from shoal.serving import QueueFull

_log = logging.getLogger("shoal.gateway")

Headers = Iterable[tuple[bytes, bytes]]

# A client that writes a large body before it reads would see a broken pipe instead of our answer: read on for a moment.
_LINGER_S = 2.0
# A fast answer needs nobody to watch whether its client is still there.
_WATCH_AFTER_S = 0.05
_MOST_RETRY_AFTER_S = 30
_JSON = b"application/json"
CLIENT_GONE_STATUS = 499  # nginx's number for it; nobody receives it, metrics and the ledger show it


class ErrorDetail(msgspec.Struct):
    """What went wrong, in the shape that OpenAI's clients read."""

    message: str
    type: str
    code: str
    param: str | None = None


class ErrorBody(msgspec.Struct):
    """The body of every response with a status from 400 up that this server makes itself."""

    error: ErrorDetail


class ClientGone(Exception):
    """The client closed its connection; nobody reads the answer any more."""


class Stopping(OverloadedError):
    """The server stops, and this request was not done within the time that stopping may take."""

    code = "stopping"
    http_status = 503

    def __init__(self) -> None:
        super().__init__("the server is stopping and this request was not done in time; send it again")


def _error_type(error: ShoalError) -> str:
    """Name the kind of error as OpenAI does."""
    if isinstance(error, LLMError):
        return "upstream_error"
    if error.http_status == 429:
        return "rate_limit_error"
    return "server_error" if error.http_status >= 500 else "invalid_request_error"


class Exchange:
    """A request to be read and its response to be written, once.

    Attributes:
        id: unique; returned as `x-request-id`, and the key of the ledger's row.
        started: `time.perf_counter()` when the request came.
        status: of the response, 0 until it started.
        gone: whether the client closed the connection.
    """

    __slots__ = ("_receive", "_send", "gone", "id", "scope", "started", "status")

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        self._receive = receive
        self._send = send
        self.id = new_id()
        self.started = time.perf_counter()
        self.status = 0
        self.gone = False

    @property
    def elapsed_ms(self) -> float:
        """Milliseconds since the request came."""
        return (time.perf_counter() - self.started) * 1000.0

    @property
    def path_params(self) -> dict[str, str]:
        """The variable parts of the path."""
        return self.scope["path_params"]

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """The request's headers, names in lower case."""
        return self.scope["headers"]

    def header(self, name: bytes) -> bytes | None:
        """Return the first header of this lower-case name."""
        for key, value in self.headers:
            if key == name:
                return value
        return None

    def flag(self, name: str) -> bool:
        """Read a switch of the query string; False where it is not there.

        Raises:
            RequestError: another parameter is there (400), or another value than true or false.
        """
        try:
            given = parse_qsl(self.scope["query_string"].decode("latin-1"), keep_blank_values=True, max_num_fields=100)
        except ValueError:
            raise RequestError(f"the query string has more than 100 parameters; there is only {name!r}") from None
        for key, value in given:
            if key != name:
                raise RequestError(f"parameter {key[:100]!r} is not known; there is {name!r}", param=key[:100])
            if value not in ("true", "false"):
                raise RequestError(f"{name}={value[:100]!r} is neither 'true' nor 'false'", param=name)
        return bool(given) and given[-1][1] == "true"

    async def json_body(self, limit: int) -> bytes:
        """Read a body that should be JSON; it is not parsed here.

        Raises:
            RequestError: another content type (415), or longer than `limit` bytes (413).
            ClientGone: the client left before it had sent everything.
        """
        kind = self.header(b"content-type")
        if kind is not None and not _is_json(kind):
            shown = kind.decode("latin-1")[:100]
            raise RequestError(f"content-type {shown!r} is not supported; send application/json in UTF-8", status=415)
        return await self.body(limit)

    async def body(self, limit: int) -> bytes:
        """Read a body of any kind.

        Raises:
            RequestError: it is longer than `limit` bytes (413).
            ClientGone: the client left before it had sent everything.
        """
        declared = self.header(b"content-length")
        if declared is not None and int(declared) > limit:
            await self._discard()
            raise _too_large(f"{int(declared):,} bytes", limit)
        pieces: list[bytes] = []
        size, more = 0, True
        while more:
            message = await self._receive()
            if message["type"] != "http.request":
                raise ClientGone
            pieces.append(message.get("body", b""))
            size += len(pieces[-1])
            more = message.get("more_body", False)
            if size > limit:
                if more:
                    await self._discard()
                raise _too_large(f"more than {limit:,} bytes", limit)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def _discard(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LINGER_S):
                more = True
                while more:
                    more = (await self._receive()).get("more_body", False)

    async def start(self, status: int, headers: Headers = ()) -> None:
        """Send the status and the headers."""
        self.status = status
        await self._send({"type": "http.response.start", "status": status, "headers": list(headers)})

    async def write(self, piece: bytes, *, more: bool = True) -> None:
        """Send a piece of the body; the last one with `more=False`."""
        await self._send({"type": "http.response.body", "body": piece, "more_body": more})

    async def reply(
        self, body: bytes, *, status: int = 200, headers: Headers = (), content_type: bytes = _JSON
    ) -> None:
        """Send a whole response."""
        await self.start(
            status,
            [
                (b"content-type", content_type),
                (b"content-length", b"%d" % len(body)),
                (b"x-request-id", self.id.encode()),
                *headers,
            ],
        )
        await self.write(body, more=False)

    async def refuse(self, error: ShoalError, headers: Headers = ()) -> None:
        """Send an error as a whole response."""
        status = error.http_status
        detail = ErrorDetail(
            message=error.message,
            type=_error_type(error),
            code=error.code,
            param=error.param if isinstance(error, RequestError) else None,
        )
        extra: list[tuple[bytes, bytes]] = []
        if status == 429:
            wait_s = error.retry_after_s if isinstance(error, QueueFull) else 0.0
            extra.append((b"retry-after", b"%d" % min(_MOST_RETRY_AFTER_S, int(wait_s) + 1)))
        if status == 413:
            extra.append((b"connection", b"close"))  # the connection may still hold bytes that nobody will read
        await self.reply(msgspec.json.encode(ErrorBody(detail)), status=status, headers=[*extra, *headers])

    @contextlib.contextmanager
    def client_watched(self) -> Generator[None]:
        """Cancel what the block awaits when the client goes away.

        Raises:
            ClientGone: instead of the cancellation.
            Stopping: the server ended the wait, because it stops.
        """
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        watcher: asyncio.Task[None] | None = None

        async def watch() -> None:
            while (await self._receive())["type"] != "http.disconnect":
                pass
            self.gone = True
            if task is not None:
                task.cancel()

        def begin() -> None:
            nonlocal watcher
            watcher = loop.create_task(watch())

        timer = loop.call_later(_WATCH_AFTER_S, begin)
        try:
            yield
        except asyncio.CancelledError:
            if task is not None:
                task.uncancel()
            # Nobody else cancels a request than the watcher above and a server that stops.
            raise (ClientGone if self.gone else Stopping)() from None
        finally:
            timer.cancel()
            if watcher is not None:
                watcher.cancel()


def _is_json(content_type: bytes) -> bool:
    if content_type == _JSON:
        return True
    media, _, parameters = content_type.decode("latin-1").lower().partition(";")
    media = media.strip()
    charset = parameters.partition("charset=")[2].strip(' "')
    return (media == "application/json" or media.endswith("+json")) and charset in ("", "utf-8", "utf8")


def _too_large(seen: str, limit: int) -> RequestError:
    remedy = "Send less in one request, or raise the limit."
    return RequestError(f"the body has {seen}; the limit is {limit:,} ([serve] max_body_bytes). {remedy}", status=413)


class Door:
    """An ASGI application for one path: one method, one handler, and every error in one shape.

    Args:
        method: the one allowed; HEAD comes with GET.
        handle: answers the exchange or raises.
        done: told of every exchange at its end.
    """

    def __init__(
        self, method: str, handle: Callable[[Exchange], Awaitable[None]], *, done: Callable[[Exchange], None]
    ) -> None:
        self._methods = ("GET", "HEAD") if method == "GET" else (method,)
        self._handle = handle
        self._done = done

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        exchange = Exchange(scope, receive, send)
        try:
            await self._answer(exchange)
        finally:
            self._done(exchange)

    async def _answer(self, exchange: Exchange) -> None:
        try:
            if exchange.scope["method"] not in self._methods:
                allowed = ", ".join(self._methods)
                error = RequestError(f"{exchange.scope['path']} takes {allowed} only", status=405)
                await exchange.refuse(error, [(b"allow", allowed.encode())])
            else:
                await self._handle(exchange)
        except ClientGone:
            exchange.status = exchange.status or CLIENT_GONE_STATUS
        except asyncio.CancelledError:  # only by a server that stops, while the client was still sending
            if not exchange.status:
                await exchange.refuse(Stopping())
        except ShoalError as error:
            if not exchange.status:
                await exchange.refuse(error)
            else:
                # There is no way to say it any more: leaving the response unfinished cuts the connection.
                _log.warning("response %s to %s is cut off: %s", exchange.id, exchange.scope["path"], error.message)
        except Exception:
            _log.exception("request %s to %s failed", exchange.id, exchange.scope["path"])
            if not exchange.status:
                message = f"the server failed on this request; its log has more under request id {exchange.id}"
                await exchange.refuse(ShoalError(message))


__all__ = ["CLIENT_GONE_STATUS", "ClientGone", "Door", "ErrorBody", "Exchange", "Headers", "Stopping"]
