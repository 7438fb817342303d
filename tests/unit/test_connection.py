"""A response's head waits for its first bytes, at most one turn of the loop, and is never lost."""

import asyncio
from typing import Any

from shoal.cli.connection import _Joining

HEAD, BODY = b"HTTP/1.1 200 OK\r\n\r\n", b"body"


class Wire(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.sent: list[bytes] = []
        self.calls: list[str] = []

    def write(self, data: Any) -> None:
        self.sent.append(bytes(data))

    def close(self) -> None:
        self.calls.append("close")

    def is_closing(self) -> bool:
        return "close" in self.calls


async def test_head_and_body_leave_together() -> None:
    wire = Wire()
    joined = _Joining(wire, asyncio.get_running_loop())
    for _ in range(2):
        joined.write(HEAD)
        joined.write(BODY)
        joined.write(b"more")
    await asyncio.sleep(0)
    assert wire.sent == [HEAD + BODY, b"more"] * 2


async def test_a_streams_head_does_not_wait_for_its_first_event() -> None:
    wire = Wire()
    joined = _Joining(wire, asyncio.get_running_loop())
    joined.write(HEAD)
    assert not wire.sent
    await asyncio.sleep(0)
    assert wire.sent == [HEAD]
    joined.write(BODY)
    assert wire.sent == [HEAD, BODY]


async def test_closing_sends_a_head_without_a_body() -> None:
    wire = Wire()
    joined = _Joining(wire, asyncio.get_running_loop())
    joined.write(HEAD)
    joined.close()
    await asyncio.sleep(0)
    assert wire.sent == [HEAD]
    assert joined.is_closing()
