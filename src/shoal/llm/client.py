"""An OpenAI-compatible endpoint: bounded in time, size, attempts and calls under way; nothing about it is trusted."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import msgspec

from shoal.errors import LLMError, LLMTimeout, LLMUnavailable, OverloadedError, ShoalError
from shoal.llm.breaker import Breaker, backoff_s
from shoal.tasks import Usage

_MAX_ANSWER_BYTES = 4_000_000
_CONNECT_S = 5.0
_RETRIED = frozenset({408, 429, 500, 502, 503, 504})
_HOP_BY_HOP = frozenset(
    {
        "connection",
        "content-length",
        "host",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_CHARS_A_TOKEN = 4.0


class _Message(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    message: _Message | None = None
    text: str | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int = 0
    completion_tokens: int = 0


class _Answer(msgspec.Struct):
    choices: list[_Choice]
    usage: _Usage | None = None


_decode_answer = msgspec.json.Decoder(_Answer).decode


@dataclass(frozen=True, slots=True)
class Completion:
    """What the model said.

    Attributes:
        text: its words.
        usage: tokens, as the endpoint counted them.
        estimated: the endpoint did not count; `usage` is characters / 4.
        ms: from the first attempt to the answer.
    """

    text: str
    usage: Usage
    estimated: bool
    ms: float


@dataclass(frozen=True, slots=True)
class Upstream:
    """A response that is passed through: status, headers but the hop-by-hop ones, and the raw bytes as they come."""

    status: int
    headers: list[tuple[bytes, bytes]]
    chunks: AsyncIterator[bytes]


@dataclass(slots=True)
class _Call:
    """A call under way: the status it was answered with, 0 until then."""

    status: int = 0


class Endpoint:
    """One larger model behind an OpenAI-compatible address; used from one event loop.

    Args:
        name: what the configuration calls it.
        base_url: address up to and including /v1.
        model: the model's name there.
        api_key: sent as a bearer token; never logged and in no error.
        timeout_s: seconds for a whole call, attempts and waits included; for a stream, between two chunks.
        retries: further attempts after a failed one.
        max_concurrency: calls under way at once; others wait, at most half of `timeout_s`.
    """

    def __init__(
        self,
        name: str,
        base_url: str,
        model: str,
        *,
        api_key: str | None = None,
        timeout_s: float = 30.0,
        retries: int = 2,
        max_concurrency: int = 16,
    ) -> None:
        self.name = name
        self.model = model
        self.max_concurrency = max_concurrency
        self.breaker = Breaker()
        self.takes_schema = True
        self._base_url = base_url.rstrip("/")
        self._api_key = api_key
        self._timeout_s = timeout_s
        self._retries = retries
        self._places = asyncio.Semaphore(max_concurrency)
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def chat(self, messages: list[dict[str, str]], **options: Any) -> Completion:
        """Ask for a chat completion; `options` are further fields of the request, such as `response_format`.

        Raises:
            LLMTimeout: no answer in time.
            LLMUnavailable: not reachable, or the circuit is open.
            LLMError: an error status, or an answer that cannot be read.
            OverloadedError: too many calls under way.
        """
        return await self._completion("/chat/completions", {"model": self.model, "messages": messages, **options})

    async def complete(self, prompt: str, **options: Any) -> Completion:
        """Ask for a plain completion of a prompt; errors as in `chat`."""
        return await self._completion("/completions", {"model": self.model, "prompt": prompt, **options})

    @asynccontextmanager
    async def forward(
        self, method: str, path: str, *, headers: Iterable[tuple[bytes, bytes]], body: bytes
    ) -> AsyncGenerator[Upstream]:
        """Pass a request on, byte for byte, and give the response as it comes.

        Args:
            method: such as "POST".
            path: under the base URL, such as "/chat/completions", with its query.
            headers: the client's; hop-by-hop ones are dropped, a configured key replaces its authorization.
            body: the client's bytes.

        Raises:
            LLMTimeout, LLMUnavailable, LLMError, OverloadedError: as in `chat`; the last three while streaming as well.
        """
        async with (
            self._place(),
            self._guarded() as call,
            self._open().request(
                method,
                self._base_url + path,
                data=body,
                headers=self._forwarded(headers),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S, sock_read=self._timeout_s),
                allow_redirects=False,
            ) as response,
        ):
            call.status = response.status
            yield Upstream(response.status, _end_to_end(response.raw_headers), response.content.iter_any())

    async def _completion(self, path: str, request: dict[str, Any]) -> Completion:
        started = time.perf_counter()
        body = msgspec.json.encode(request)
        try:
            async with asyncio.timeout(self._timeout_s), self._place():
                raw = await self._attempts(path, body)
        except TimeoutError as error:
            self.breaker.fail(time.monotonic())
            raise LLMTimeout(f"LLM {self.name!r} gave no answer within {self._timeout_s:g} s.") from error
        ms = (time.perf_counter() - started) * 1000.0
        try:
            answer = _decode_answer(raw)
            choice = answer.choices[0]
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, IndexError) as error:
            raise LLMError(f"LLM {self.name!r} answered with something that is no completion: {_shown(raw)}") from error
        text = choice.text if choice.message is None else choice.message.content
        if answer.usage is not None:
            usage = Usage(max(answer.usage.prompt_tokens, 0), max(answer.usage.completion_tokens, 0))
        else:
            usage = Usage(round(len(body) / _CHARS_A_TOKEN), round(len(text or "") / _CHARS_A_TOKEN))
        return Completion(text or "", usage, answer.usage is None, ms)

    async def _attempts(self, path: str, body: bytes) -> bytes:
        for attempt in range(1, self._retries + 2):
            retry_after: str | None = None
            try:
                status, retry_after, raw = await self._attempt(path, body)
                if status == 200:
                    return raw
                problem: ShoalError = LLMError(f"LLM {self.name!r} answered {status}: {_shown(raw)}")
                if status not in _RETRIED:
                    raise Refused(status, str(problem))
            except LLMUnavailable as error:
                problem = error
            if attempt > self._retries or self.breaker.opened_at is not None:
                raise problem
            await asyncio.sleep(backoff_s(attempt, retry_after))
        raise AssertionError("unreachable")

    async def _attempt(self, path: str, body: bytes) -> tuple[int, str | None, bytes]:
        async with (
            self._guarded() as call,
            self._open().post(
                self._base_url + path,
                data=body,
                headers={"content-type": "application/json", "accept-encoding": "identity", **self._authorization()},
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S),
                allow_redirects=False,
            ) as response,
        ):
            raw = await _bounded(response, self.name)
            call.status = response.status
            return response.status, response.headers.get("retry-after"), raw

    @asynccontextmanager
    async def _guarded(self) -> AsyncGenerator[_Call]:
        """Refuse while the circuit is open; count how the call ends; turn the client library's errors into ours."""
        now = time.monotonic()
        if not self.breaker.allows(now):
            raise LLMUnavailable(
                f"LLM {self.name!r} at {self._base_url} failed {self.breaker.failures} times in a row and is left "
                f"alone; it is tried again in {self.breaker.seconds_closed_in(now):.0f} s."
            )
        call = _Call()
        try:
            yield call
        except aiohttp.ServerTimeoutError as error:
            self.breaker.fail(time.monotonic())
            raise LLMTimeout(f"LLM {self.name!r} at {self._base_url} fell silent for {self._timeout_s:g} s.") from error
        except (aiohttp.ClientError, ConnectionError) as error:
            self.breaker.fail(time.monotonic())
            raise LLMUnavailable(
                f"LLM {self.name!r} at {self._base_url} cannot be reached or broke off: "
                f"{error or type(error).__name__}."
            ) from error
        except BaseException:
            self.breaker.forget()
            raise
        if call.status in _RETRIED:
            self.breaker.fail(time.monotonic())
        else:
            self.breaker.succeed()

    @asynccontextmanager
    async def _place(self) -> AsyncGenerator[None]:
        try:
            async with asyncio.timeout(self._timeout_s / 2):
                await self._places.acquire()
        except TimeoutError as error:
            raise OverloadedError(
                f"LLM {self.name!r} is busy: its max_concurrency is used up. Try again later, or raise it."
            ) from error
        try:
            yield
        finally:
            self._places.release()

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            # The semaphore bounds the calls; bytes are passed on as they are, compressed or not.
            connector = aiohttp.TCPConnector(limit=0)
            self._session = aiohttp.ClientSession(connector=connector, auto_decompress=False)
        return self._session

    def _authorization(self) -> dict[str, str]:
        return {} if self._api_key is None else {"authorization": f"Bearer {self._api_key}"}

    def _forwarded(self, headers: Iterable[tuple[bytes, bytes]]) -> Mapping[str, str]:
        kept = {
            name.decode("latin-1").lower(): value.decode("latin-1")
            for name, value in headers
            if name.decode("latin-1").lower() not in _HOP_BY_HOP
        }
        return {**kept, **self._authorization()}


class Refused(LLMError):
    """The endpoint understood and said no: trying again would not help.

    Attributes:
        status: HTTP status of its answer.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def _end_to_end(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Headers that are not about this connection alone; the length stays, since the bytes do."""
    return [
        (name.lower(), value)
        for name, value in headers
        if (lower := name.decode("latin-1").lower()) not in _HOP_BY_HOP or lower == "content-length"
    ]


async def _bounded(response: aiohttp.ClientResponse, name: str) -> bytes:
    raw = bytearray()
    async for chunk in response.content.iter_any():
        raw += chunk
        if len(raw) > _MAX_ANSWER_BYTES:
            raise LLMError(f"LLM {name!r} answered with more than {_MAX_ANSWER_BYTES:,} bytes.")
    return bytes(raw)


def _shown(raw: bytes) -> str:
    text = " ".join(raw[:300].decode("utf-8", "replace").split())
    return repr(text[:200] + ("..." if len(text) > 200 else "")) if text else "nothing"
