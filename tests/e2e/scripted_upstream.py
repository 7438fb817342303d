"""An upstream on loopback that does what the requested model's name says; run as a script, it prints its port.

    fine            answers in chat form; with stream=true in four events, usage last if asked for
    slow            answers after 30 s
    error-500, error-429, error-400
    garbage         HTTP 200 with something that is not JSON
    cut             breaks the connection in the middle of the body
    cut-stream      breaks the connection after two events
    silent-stream   two events, then nothing for 30 s
    drip            an event each 0.1 s, for ever
    huge            six megabytes of valid JSON
    held            answers when GET /release is asked
    label:NAME      answers any question with {"label": "NAME"}
    says:TEXT       answers any question with TEXT

A name may go on after a slash, which changes nothing: "slow/2" is as slow. GET /release lets go of what is held.
GET /seen tells what has come: method, path, headers, body of each request, and whether its client left before the end.
"""

import asyncio
import base64
import json
from typing import Any

from aiohttp import web

SEEN: list[dict[str, Any]] = []
RELEASED = asyncio.Event()


def completion(content: str) -> dict[str, Any]:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "fine",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 11, "completion_tokens": 2, "total_tokens": 13},
        "upstream_extra": {"kept": ["byte", "for  byte", 1.50]},
    }


def event(content: str) -> bytes:
    chunk = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "fine",
        "choices": [{"index": 0, "delta": {"content": content}, "finish_reason": None}],
    }
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


def usage_event() -> bytes:
    return b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"fine","choices":[],' + (
        b'"usage":{"prompt_tokens":11,"completion_tokens":4,"total_tokens":15}}\n\n'
    )


async def answer(request: web.Request) -> web.StreamResponse:
    body = await request.read()
    record: dict[str, Any] = {
        "method": request.method,
        "path": request.path_qs,
        "headers": {name.lower(): value for name, value in request.headers.items()},
        "body": base64.b64encode(body).decode(),
        "left": False,
    }
    SEEN.append(record)
    asked = json.loads(body)
    model = asked["model"].partition("/")[0]
    try:
        return await act(request, model, bool(asked.get("stream")))
    except (asyncio.CancelledError, ConnectionError):
        record["left"] = True
        raise


async def act(request: web.Request, model: str, stream: bool) -> web.StreamResponse:
    if model.startswith("error-"):
        status = int(model.removeprefix("error-"))
        return web.json_response({"error": {"message": f"upstream says {status}", "type": "x"}}, status=status)
    if model == "slow":
        await asyncio.sleep(30)
    if model == "held":
        await RELEASED.wait()
    if model == "huge":
        return web.json_response({**completion("the answer"), "padding": "x" * 6_000_000})
    if model == "garbage":
        return web.Response(body=b"<html>it works!</html>", content_type="text/html")
    if model.startswith("label:"):
        return web.json_response(completion(json.dumps({"label": model.removeprefix("label:")})))
    if model.startswith("says:"):
        return web.json_response(completion(model.removeprefix("says:")))
    if model == "cut":
        response = web.StreamResponse(headers={"content-type": "application/json", "content-length": "1000"})
        await response.prepare(request)
        await response.write(b'{"id": "chatcmpl-1", "choices": [')
        request.transport.abort()  # type: ignore[union-attr]
        return response
    if stream:
        return await act_stream(request, model)
    return web.json_response(completion("the answer"), headers={"x-upstream": "yes"})


async def act_stream(request: web.Request, model: str) -> web.StreamResponse:
    response = web.StreamResponse(headers={"content-type": "text/event-stream"})
    await response.prepare(request)
    await response.write(event("one"))
    await response.write(event(" two"))
    if model == "cut-stream":
        await asyncio.sleep(0.05)
        request.transport.abort()  # type: ignore[union-attr]
        return response
    if model == "silent-stream":
        await asyncio.sleep(30)
    while model == "drip":
        await asyncio.sleep(0.1)
        await response.write(event(" more"))
    await asyncio.sleep(0.05)
    await response.write(event(" three"))
    await response.write(usage_event() + b"data: [DONE]\n\n")
    return response


async def release(request: web.Request) -> web.Response:
    RELEASED.set()
    return web.json_response({"released": True})


async def seen(request: web.Request) -> web.Response:
    return web.json_response(SEEN)


async def main() -> None:
    app = web.Application(client_max_size=10**8)
    app.router.add_get("/seen", seen)
    app.router.add_get("/release", release)
    app.router.add_post("/v1/{rest:.*}", answer)
    runner = web.AppRunner(app, handler_cancellation=True, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    print(port, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
