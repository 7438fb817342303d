"""The client of the larger model against a real server that misbehaves: bounded, the right error, a working breaker."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from shoal.errors import LLMError, LLMTimeout, LLMUnavailable, OverloadedError
from shoal.llm import Endpoint, Labelling, Refused, classify
from shoal.tasks import Usage

MESSAGES = [{"role": "user", "content": "hello"}]
BOUND_S = 10.0  # of everything here; reached only when something is broken

Act = Callable[[web.Request], Awaitable[web.StreamResponse]]


def said(content: str | None, **extra: Any) -> Act:
    async def act(_request: web.Request) -> web.StreamResponse:
        body = {"choices": [{"message": {"role": "assistant", "content": content}}], **extra}
        return web.json_response({"usage": {"prompt_tokens": 11, "completion_tokens": 2}, **body})

    return act


def status(code: int, body: str = "upstream says no", headers: dict[str, str] | None = None) -> Act:
    async def act(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=code, text=body, headers=headers)

    return act


def raw(body: bytes) -> Act:
    async def act(_request: web.Request) -> web.StreamResponse:
        return web.Response(body=body, content_type="application/json")

    return act


async def hang(_request: web.Request) -> web.StreamResponse:
    await asyncio.sleep(60)
    raise AssertionError


async def hang_in_the_middle(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b'{"choices": [')
    await asyncio.sleep(60)
    raise AssertionError


async def drip(request: web.Request) -> web.StreamResponse:
    """Send a byte now and then: no single wait is long, the whole would be."""
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b" ")
        await asyncio.sleep(0.05)


async def cut(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"content-length": "1000"})
    await response.prepare(request)
    await response.write(b'{"choices": [')
    assert request.transport is not None
    request.transport.abort()
    return response


async def hang_up(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def endless(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b"x" * 100_000)


@dataclass
class Server:
    """A server whose next answers are in `script`, the last of them for ever."""

    script: list[Act] = field(default_factory=list)
    seen: list[dict[str, Any]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    base_url: str = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.times.append(time.monotonic())
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        self.seen.append(json.loads(await request.read()))
        return await (self.script.pop(0) if len(self.script) > 1 else self.script[0])(request)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    app = web.Application()
    app.router.add_post("/v1/{rest:.*}", server.answer)
    runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    yield server
    await runner.cleanup()


@pytest.fixture
async def reach(server: Server) -> AsyncIterator[Callable[..., Endpoint]]:
    """Make endpoints of that server; all are closed in the end."""
    made: list[Endpoint] = []

    def reach(base_url: str | None = None, **options: Any) -> Endpoint:
        made.append(Endpoint("large", base_url or server.base_url, "m", **{"retries": 0, "timeout_s": 5.0, **options}))
        return made[-1]

    yield reach
    for endpoint in made:
        await endpoint.close()


@pytest.fixture
def nobody() -> str:
    """An address where nobody listens: the port is taken but never answers."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}/v1"


Reach = Callable[..., Endpoint]


async def fails(endpoint: Endpoint, kind: type[Exception], match: str | None = None) -> Exception:
    started = time.monotonic()
    with pytest.raises(kind, match=match) as caught:
        await endpoint.chat(MESSAGES)
    assert time.monotonic() - started < BOUND_S
    assert type(caught.value) is kind
    return caught.value


async def test_an_answer_comes_with_its_tokens_and_its_time(server: Server, reach: Reach) -> None:
    server.script = [said("refund")]
    answer = await reach(api_key="secret").chat(MESSAGES, temperature=0)
    assert (answer.text, answer.usage, answer.estimated) == ("refund", Usage(11, 2), False)
    assert answer.ms > 0
    assert server.seen == [{"model": "m", "messages": MESSAGES, "temperature": 0}]
    assert server.headers[0]["authorization"] == "Bearer secret"


async def test_tokens_are_estimated_when_nobody_counts_them(server: Server, reach: Reach) -> None:
    server.script = [said("four score", usage=None)]
    answer = await reach().chat(MESSAGES)
    assert answer.estimated and answer.usage.output_tokens == 2 and answer.usage.input_tokens > 5
    assert "authorization" not in server.headers[0]


async def test_a_plain_completion_and_an_answer_without_words(server: Server, reach: Reach) -> None:
    server.script = [raw(b'{"choices": [{"text": " refund"}]}'), said(None)]
    endpoint = reach()
    assert (await endpoint.complete("Message: x\nLabel:", stop=["\n"])).text == " refund"
    assert server.seen[0] == {"model": "m", "prompt": "Message: x\nLabel:", "stop": ["\n"]}
    assert (await endpoint.chat(MESSAGES)).text == ""


@pytest.mark.parametrize("code", [408, 429, 500, 502, 503, 504])
async def test_what_may_pass_is_tried_again(server: Server, reach: Reach, code: int) -> None:
    server.script = [status(code, headers={"retry-after": "0"}), said("refund")]
    endpoint = reach(retries=1)
    assert (await endpoint.chat(MESSAGES)).text == "refund"
    assert len(server.seen) == 2
    assert endpoint.breaker.failures == 0  # answered in the end


async def test_attempts_are_bounded_and_the_last_answer_is_told(server: Server, reach: Reach) -> None:
    server.script = [status(500, "the pump\n\n is " + "x" * 5000)]
    error = await fails(reach(retries=2), LLMError, "LLM 'large' answered 500: 'the pump is xx")
    assert len(server.seen) == 3
    assert len(str(error)) < 300


@pytest.mark.parametrize("code", [400, 401, 403, 404, 422, 302])
async def test_what_will_not_pass_is_not_tried_again(server: Server, reach: Reach, code: int) -> None:
    server.script = [status(code, headers={"location": "http://127.0.0.1:9/"} if code == 302 else None)]
    endpoint = reach(retries=3)
    error = await fails(endpoint, Refused, f"answered {code}")
    assert isinstance(error, Refused) and error.status == code
    assert len(server.seen) == 1
    assert endpoint.breaker.failures == 0  # it is alive and understood us


async def test_retry_after_is_honoured(server: Server, reach: Reach) -> None:
    server.script = [status(429, headers={"retry-after": "1"}), said("refund")]
    assert (await reach(retries=1).chat(MESSAGES)).text == "refund"
    assert 0.95 <= server.times[1] - server.times[0] < BOUND_S


async def test_a_retry_after_longer_than_the_time_out_ends_with_the_time_out(server: Server, reach: Reach) -> None:
    server.script = [status(429, headers={"retry-after": "3600"})]
    started = time.monotonic()
    await fails(reach(retries=1, timeout_s=0.5), LLMTimeout, "no answer within 0.5 s")
    assert time.monotonic() - started < 3
    assert len(server.seen) == 1


@pytest.mark.parametrize("act", [hang, hang_in_the_middle, drip], ids=lambda act: act.__name__)
async def test_silence_is_bounded_by_the_time_out(server: Server, reach: Reach, act: Act) -> None:
    server.script = [act]
    started = time.monotonic()
    endpoint = reach(retries=3, timeout_s=0.5)
    await fails(endpoint, LLMTimeout, "LLM 'large' gave no answer within 0.5 s")
    assert 0.4 < time.monotonic() - started < 3
    assert endpoint.breaker.failures == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>it works!</html>",
        b'{"choices": []}',
        b'{"choices": [{"message": {"content": 7}}]}',
        b'{"choices": [{"message": {"con',
        b"[1, 2, 3]",
        b"null",
        b"\xff\xfe\x00",
        b'{"choices": [{"text": "\xff\xfe"}]}',
        b'{"choices": [{"text": "\\ud800"}]}',
        b'{"choices": [], "x": ' + b"[" * 100_000,
    ],
    ids=lambda body: body[:24].decode("latin-1"),
)
async def test_an_answer_that_cannot_be_read_is_an_error_that_shows_it(
    server: Server, reach: Reach, body: bytes
) -> None:
    server.script = [raw(body)]
    error = await fails(reach(retries=1), LLMError, "LLM 'large' answered with something that is no completion")
    assert len(str(error)) < 400
    assert len(server.seen) == 1


@pytest.mark.parametrize("act", [cut, hang_up], ids=lambda act: act.__name__)
async def test_a_connection_that_breaks_is_tried_again_and_then_told(server: Server, reach: Reach, act: Act) -> None:
    server.script = [act, act, said("refund")]
    assert (await reach(retries=2).chat(MESSAGES)).text == "refund"
    server.script = [act]
    error = await fails(
        reach(retries=1), LLMUnavailable, f"LLM 'large' at {server.base_url} cannot be reached or broke"
    )
    assert error.__cause__ is not None


async def test_an_answer_without_end_is_cut_off(server: Server, reach: Reach) -> None:
    server.script = [endless]
    await fails(reach(retries=1), LLMError, "LLM 'large' answered with more than 4,000,000 bytes")
    assert len(server.seen) == 1


async def test_nobody_there(reach: Reach, nobody: str) -> None:
    await fails(reach(nobody, retries=1), LLMUnavailable, "LLM 'large' at .* cannot be reached")


async def test_a_host_that_does_not_exist(reach: Reach) -> None:
    await fails(reach("http://no-such-host.invalid/v1"), LLMUnavailable, "no-such-host.invalid/v1 cannot be reached")


async def test_the_circuit_opens_after_failures_and_closes_when_it_works_again(server: Server, reach: Reach) -> None:
    server.script = [status(500)]
    endpoint = reach()
    endpoint.breaker.cool_s = 0.3
    for _ in range(5):
        await fails(endpoint, LLMError)
    started = time.monotonic()
    await fails(endpoint, LLMUnavailable, r"failed 5 times in a row and is left alone; it is tried again in \d+ s")
    assert time.monotonic() - started < 0.25
    assert len(server.seen) == 5  # the last one was not asked

    await asyncio.sleep(0.35)
    await fails(endpoint, LLMError, "answered 500")  # one trial, and it is open again
    await fails(endpoint, LLMUnavailable)
    assert len(server.seen) == 6

    await asyncio.sleep(0.35)
    server.script = [said("refund")]
    assert (await endpoint.chat(MESSAGES)).text == "refund"
    assert [(await endpoint.chat(MESSAGES)).text for _ in range(3)] == ["refund"] * 3
    assert endpoint.breaker.failures == 0


async def test_an_open_circuit_ends_the_attempts_of_a_call(server: Server, reach: Reach) -> None:
    server.script = [status(500, headers={"retry-after": "0"})]
    endpoint = reach(retries=9)
    await fails(endpoint, LLMError, "answered 500")
    assert len(server.seen) == 5


async def test_only_one_call_tries_a_circuit_that_was_open(server: Server, reach: Reach, nobody: str) -> None:
    endpoint = reach()
    server.script = [status(503)]
    endpoint.breaker.cool_s = 0.2
    for _ in range(5):
        await fails(endpoint, LLMError)
    await asyncio.sleep(0.25)
    server.script = [said("refund")]
    answers = await asyncio.gather(*(endpoint.chat(MESSAGES) for _ in range(10)), return_exceptions=True)
    assert sum(not isinstance(answer, Exception) for answer in answers) == 1
    assert all(isinstance(answer, LLMUnavailable) for answer in answers if isinstance(answer, Exception))
    assert len(server.seen) == 6


async def test_time_outs_open_the_circuit_too(server: Server, reach: Reach) -> None:
    server.script = [hang]
    endpoint = reach(timeout_s=0.05)
    for _ in range(5):
        await fails(endpoint, LLMTimeout)
    await fails(endpoint, LLMUnavailable, "left alone")


async def test_a_caller_that_gives_up_says_nothing_about_the_endpoint(server: Server, reach: Reach) -> None:
    server.script = [hang]
    endpoint = reach(max_concurrency=1)
    for _ in range(6):
        call = asyncio.create_task(endpoint.chat(MESSAGES))
        await asyncio.sleep(0.02)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
    assert endpoint.breaker.failures == 0
    server.script = [said("refund")]
    assert (await endpoint.chat(MESSAGES)).text == "refund"  # and the place is free again


async def test_calls_under_way_are_bounded_and_the_rest_wait_a_bounded_time(server: Server, reach: Reach) -> None:
    most = under_way = 0

    async def slow(request: web.Request) -> web.StreamResponse:
        nonlocal most, under_way
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.1)
        under_way -= 1
        return await said("refund")(request)

    server.script = [slow]
    endpoint = reach(max_concurrency=2, timeout_s=8.0)
    answers = await asyncio.gather(*(endpoint.chat(MESSAGES) for _ in range(8)))
    assert [answer.text for answer in answers] == ["refund"] * 8
    assert most == 2

    server.script = [hang]
    busy = reach(max_concurrency=1, timeout_s=0.6)
    first = asyncio.create_task(busy.chat(MESSAGES))
    await asyncio.sleep(0.05)
    await fails(busy, OverloadedError, "max_concurrency is used up")
    with pytest.raises(LLMTimeout):
        await first


async def test_the_key_is_in_no_error(server: Server, reach: Reach, nobody: str) -> None:
    server.script = [status(401, "bad key")]
    for endpoint in (reach(api_key="hunter2"), reach(nobody, api_key="hunter2")):
        with pytest.raises(LLMError) as caught:
            await endpoint.chat(MESSAGES)
        assert "hunter2" not in f"{caught.value!r} {caught.value.__cause__!r}"


async def test_classify_over_http_drops_the_schema_that_is_refused_and_asks_once_more(
    server: Server, reach: Reach
) -> None:
    server.script = [status(400, "unknown field response_format"), said("purple"), said('{"label": "Refund"}')]
    labelled = await classify(reach(), "where is my money?", Labelling(("bill", "refund")))
    assert (labelled.label, labelled.usage) == ("refund", Usage(22, 4))
    assert ["response_format" in asked for asked in server.seen] == [True, False, False]


async def test_forwarded_bytes_come_and_go_as_they_are(server: Server, reach: Reach) -> None:
    async def echo(request: web.Request) -> web.StreamResponse:
        assert request.path_qs == "/v1/chat/completions?a=%20b"
        return web.Response(status=418, body=await request.read(), headers={"x-upstream": "yes", "connection": "close"})

    server.script = [echo]
    body = b'{"model":  "m", "n": 1.50, "s": "\\u00fc"}'
    headers = [(b"X-Mine", b"1"), (b"Connection", b"keep-alive"), (b"Authorization", b"Bearer theirs"), (b"Host", b"x")]
    async with reach(api_key="ours").forward(
        "POST", "/chat/completions?a=%20b", headers=headers, body=body
    ) as upstream:
        got = b"".join([chunk async for chunk in upstream.chunks])
    assert (upstream.status, got) == (418, body)
    assert (b"x-upstream", b"yes") in upstream.headers
    assert "connection" not in {name.decode() for name, _ in upstream.headers}
    assert server.headers[0]["authorization"] == "Bearer ours"
    assert server.headers[0]["x-mine"] == "1" and server.headers[0]["host"] != "x"


async def test_a_forwarded_stream_that_falls_silent_or_breaks_is_an_error(server: Server, reach: Reach) -> None:
    for act, kind in ((hang, LLMTimeout), (hang_in_the_middle, LLMTimeout), (cut, LLMUnavailable)):
        server.script = [act]
        endpoint = reach(timeout_s=0.4)
        with pytest.raises(LLMError) as caught:
            async with endpoint.forward("POST", "/chat/completions", headers=[], body=b"{}") as upstream:
                async for _ in upstream.chunks:
                    pass
        assert type(caught.value) is kind, act
        assert endpoint.breaker.failures == 1


async def forwarded(endpoint: Endpoint) -> int:
    async with endpoint.forward("POST", "/chat/completions", headers=[], body=b"{}") as upstream:
        async for _ in upstream.chunks:
            pass
    return upstream.status


@pytest.mark.parametrize("code", [408, 429, 500, 502, 503, 504])
async def test_a_failure_that_is_forwarded_is_a_failure(server: Server, reach: Reach, code: int) -> None:
    server.script = [status(code)]
    endpoint = reach()
    for _ in range(3):
        await fails(endpoint, LLMError)
    assert await forwarded(endpoint) == code
    assert endpoint.breaker.failures == 4
    assert await forwarded(endpoint) == code
    with pytest.raises(LLMUnavailable, match="left alone"):
        await forwarded(endpoint)
    assert len(server.seen) == 5


@pytest.mark.parametrize("code", [200, 400, 401, 404, 422])
async def test_an_answer_that_is_forwarded_closes_the_circuit(server: Server, reach: Reach, code: int) -> None:
    server.script = [status(500), status(code)]
    endpoint = reach()
    await fails(endpoint, LLMError)
    assert await forwarded(endpoint) == code
    assert endpoint.breaker.failures == 0


async def test_a_failure_is_no_success_because_another_call_succeeded_meanwhile(server: Server, reach: Reach) -> None:
    """The failed call begins after one failure and ends after a success: it counts as the first of a new row."""
    begun, go = asyncio.Event(), asyncio.Event()

    async def late(request: web.Request) -> web.StreamResponse:
        begun.set()
        await go.wait()
        return await status(500)(request)

    server.script = [status(500), late, said("refund")]
    endpoint = reach()
    await fails(endpoint, LLMError)
    failing = asyncio.create_task(endpoint.chat(MESSAGES))
    await begun.wait()
    await endpoint.chat(MESSAGES)
    go.set()
    with pytest.raises(LLMError):
        await failing
    assert endpoint.breaker.failures == 1


async def test_an_endpoint_opens_again_after_it_was_closed(server: Server, reach: Reach) -> None:
    server.script = [said("refund")]
    endpoint = reach()
    await endpoint.close()
    await endpoint.chat(MESSAGES)
    await endpoint.close()
    await endpoint.close()
    assert (await endpoint.chat(MESSAGES)).text == "refund"
