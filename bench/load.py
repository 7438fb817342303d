"""Load on one loopback address for a few seconds: by wrk when it is installed, else by the small client below.

python bench/load.py URL BODIES CLIENTS SECONDS SEED     # the small client, in a process of its own
"""

import asyncio
import json
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

HERE = Path(__file__).parent
GRACE_S = 20.0


def generator() -> str:
    """What makes the load here."""
    return "wrk" if shutil.which("wrk") else "asyncio client"


def load(url: str, bodies: Path, *, clients: int, seconds: float, seed: int) -> dict[str, Any]:
    """Requests a second and latencies of `clients` that each wait for an answer before they ask again.

    Args:
        url: where to POST.
        bodies: one JSON body a line, sent in random order.
        clients: connections.
        seconds: how long.
        seed: of the order.

    Returns:
        requests, seconds, p50_ms, p99_ms, errors (other statuses than 2xx and 3xx, broken connections, time-outs).
    """
    if generator() == "wrk":
        command = ["wrk", "-t1", f"-c{clients}", f"-d{max(1, round(seconds))}s", "--timeout", "10s"]
        command += ["-s", str(HERE / "load.lua"), url, "--", str(bodies), str(seed)]
    else:
        command = [sys.executable, __file__, url, str(bodies), str(clients), str(seconds), str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + GRACE_S, check=True)
    return json.loads(next(line for line in reversed(done.stdout.splitlines()) if line.startswith("{")))


class Client(asyncio.Protocol):
    """One connection that sends the next request when the last one is answered; needs a Content-Length."""

    def __init__(self, requests: list[bytes], draw: random.Random, taken: list[float], until: float) -> None:
        self.requests, self.draw, self.taken, self.until = requests, draw, taken, until
        self.errors = 0
        self.over = asyncio.get_running_loop().create_future()
        self.answer = b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.ask()

    def ask(self) -> None:
        if time.perf_counter() >= self.until:
            self.transport.close()
            return
        self.began = time.perf_counter()
        self.transport.write(self.draw.choice(self.requests))

    def data_received(self, data: bytes) -> None:
        self.answer += data
        head, found, body = self.answer.partition(b"\r\n\r\n")
        if not found:
            return
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        if len(body) >= int(length.split(b":")[1]):
            self.taken.append(time.perf_counter() - self.began)
            self.errors += head[9:10] not in (b"2", b"3")
            self.answer = b""
            self.ask()

    def connection_lost(self, exc: Exception | None) -> None:
        self.errors += time.perf_counter() < self.until
        self.over.set_result(None)


async def measured(url: str, bodies: list[bytes], clients: int, seconds: float, seed: int) -> dict[str, Any]:
    """What `load` returns, by the client above."""
    target = urlsplit(url)
    assert target.hostname and target.port
    head = f"POST {target.path} HTTP/1.1\r\nhost: {target.netloc}\r\ncontent-type: application/json\r\n"
    requests = [head.encode() + b"content-length: %d\r\n\r\n" % len(body) + body for body in bodies]
    taken: list[float] = []
    began = time.perf_counter()
    made = [Client(requests, random.Random(seed + each), taken, began + seconds) for each in range(clients)]
    loop = asyncio.get_running_loop()
    for client in made:
        await loop.create_connection(lambda client=client: client, target.hostname, target.port)
    await asyncio.wait([client.over for client in made], timeout=seconds + GRACE_S / 2)
    taken.sort()
    return {
        "requests": len(taken),
        "seconds": time.perf_counter() - began,
        "p50_ms": 1e3 * taken[len(taken) // 2],
        "p99_ms": 1e3 * taken[min(len(taken) - 1, len(taken) * 99 // 100)],
        "errors": sum(client.errors for client in made),
    }


if __name__ == "__main__":
    import uvloop

    url, bodies, clients, seconds, seed = sys.argv[1:]
    lines = Path(bodies).read_bytes().splitlines()
    print(json.dumps(uvloop.run(measured(url, lines, int(clients), float(seconds), int(seed)))))
