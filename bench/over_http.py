"""The gateway under load, and what pass-through adds beside nginx as a plain proxy to the same upstream.

    SHOAL_DATA=... python bench/over_http.py [--quick] [--repeats 5] [--seconds 3] [--seed 0]

Everything is a process of its own on loopback: `shoal serve FOLDER` for the specialists, one process each; nginx that
answers every request with a fixed completion, nginx as a proxy in front of it, and `shoal serve` with that upstream as
its larger model, ledger included. Every repeat asks all of them in turn with 1 and 32 clients; ratios and differences
are taken within a repeat. The load generator runs on the same cores: it takes its share. "cpu_ms" is the processor
time of the server for one request, which a busy neighbour changes less than it changes requests a second.

Needs nginx, and wrk for the load: apt-get install nginx-light wrk. Without wrk a client in Python makes the load, which
takes more of the machine than wrk does. Results: bench/results/http.json.
"""

import argparse
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from load import generator, load
from measuring import banking77, load_average, median, specialist
from results import write

CLIENTS = (1, 32)
RUNGS = ("static", "encoder")
START_S = 60.0
NGINX = """
daemon off; worker_processes 1; pid nginx.pid; error_log stderr error;
events {{ worker_connections 1024; }}
http {{
  access_log off; client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path f; uwsgi_temp_path u;
  scgi_temp_path s; keepalive_requests 1000000; default_type application/json;
  upstream llm {{ server 127.0.0.1:{upstream}; keepalive 64; }}
  server {{ listen 127.0.0.1:{upstream}; location / {{ return 200 '{answer}'; }} }}
  server {{
    listen 127.0.0.1:{proxy};
    location / {{ proxy_pass http://llm; proxy_http_version 1.1; proxy_set_header Connection ""; }}
  }}
}}
"""
ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "fixed",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "card_arrival"}}],
    "usage": {"prompt_tokens": 100, "completion_tokens": 5, "total_tokens": 105},
}
PROJECT = """
[project]
name = "bench"
[llms.fixed]
base_url = "http://127.0.0.1:{upstream}/v1"
model = "fixed"
max_concurrency = 64
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two repeats of one second: does it run?")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    repeats, seconds = (2, 1.0) if arguments.quick else (arguments.repeats, arguments.seconds)
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if nginx is None:
        sys.exit("nginx is not installed; pass-through is measured beside it. Debian: apt-get install nginx-light wrk")
    if generator() != "wrk":
        print("wrk is not installed (apt-get install wrk): a client in Python makes the load", flush=True)
    folders = {rung: specialist(rung, seed=arguments.seed) for rung in RUNGS}
    with tempfile.TemporaryDirectory(prefix="shoal-bench-") as scratch, contextlib.ExitStack() as running:
        runs, about = run(Path(scratch), running, nginx, folders, repeats, seconds, arguments.seed)
    results = [about | row for row in summed(runs)]
    for row in results:
        print(json.dumps(row), flush=True)
    print(f"wrote {write('http', results, seed=arguments.seed)}")


def run(
    scratch: Path,
    running: contextlib.ExitStack,
    nginx: str,
    folders: dict[str, Path],
    repeats: int,
    seconds: float,
    seed: int,
) -> tuple[dict[tuple[str, int], list[dict[str, float]]], dict[str, Any]]:
    """Every target under every number of clients, repeat after repeat."""
    texts = [row["text"] for row in banking77("test")]
    plain, chat = scratch / "texts.jsonl", scratch / "chats.jsonl"
    plain.write_text("".join(json.dumps({"inputs": text}) + "\n" for text in texts))
    chat.write_text(
        "".join(
            json.dumps({"model": "fixed", "messages": [{"role": "user", "content": text}]}) + "\n" for text in texts
        )
    )
    targets: dict[str, tuple[int, str, Path]] = {}
    for rung, folder in folders.items():
        process, port = running.enter_context(shoal_serve(scratch, str(folder)))
        targets[rung] = process.pid, f"http://127.0.0.1:{port}/v1/specialists/{folder.name}/predict", plain
    upstream, proxy = free_port(), free_port()
    (scratch / "nginx.conf").write_text(NGINX.format(upstream=upstream, proxy=proxy, answer=json.dumps(ANSWER)))
    server = running.enter_context(process_of([nginx, "-p", str(scratch), "-c", "nginx.conf"], scratch / "nginx.log"))
    until(lambda: answers(f"http://127.0.0.1:{upstream}/"), server, scratch / "nginx.log")
    (scratch / "shoal.toml").write_text(PROJECT.format(upstream=upstream))
    process, port = running.enter_context(shoal_serve(scratch))
    path = "/v1/chat/completions"
    targets["upstream alone"] = 0, f"http://127.0.0.1:{upstream}{path}", chat
    targets["nginx proxy"] = 0, f"http://127.0.0.1:{proxy}{path}", chat
    targets["shoal pass-through"] = process.pid, f"http://127.0.0.1:{port}{path}", chat
    began = load_average()
    for _, url, bodies in targets.values():
        load(url, bodies, clients=8, seconds=1, seed=seed)  # warm
    runs: dict[tuple[str, int], list[dict[str, float]]] = {}
    for repeat in range(repeats):
        for name, (pid, url, bodies) in targets.items():
            for clients in CLIENTS:
                used = cpu_seconds(pid)
                found = load(url, bodies, clients=clients, seconds=seconds, seed=seed + repeat)
                if found["errors"] or not found["requests"]:
                    sys.exit(f"{name} with {clients} clients: {found}")
                found["cpu_ms"] = 1e3 * (cpu_seconds(pid) - used) / found["requests"]
                runs.setdefault((name, clients), []).append(found)
    return runs, {
        "generator": generator(),
        "repeats": repeats,
        "seconds": seconds,
        "load_average": [began, load_average()],
    }


def summed(runs: dict[tuple[str, int], list[dict[str, float]]]) -> Iterator[dict[str, Any]]:
    """One row a target and number of clients; beside nginx where it is a proxy."""
    for (name, clients), found in runs.items():
        row: dict[str, Any] = {
            "target": name,
            "clients": clients,
            "requests_per_second": median([one["requests"] / one["seconds"] for one in found]),
            "p50_ms": median([one["p50_ms"] for one in found]),
            "p99_ms": median([one["p99_ms"] for one in found]),
        }
        if name in (*RUNGS, "shoal pass-through"):
            row["cpu_ms"] = median([one["cpu_ms"] for one in found])
        if name in ("nginx proxy", "shoal pass-through"):
            alone, nginx = runs["upstream alone", clients], runs["nginx proxy", clients]
            added = [one["p50_ms"] - other["p50_ms"] for one, other in zip(found, alone, strict=True)]
            rates = [one["requests"] / other["requests"] for one, other in zip(found, nginx, strict=True)]
            row |= {"added_p50_ms": median(added), "rate_of_nginx": median(rates)}
        yield row


@contextlib.contextmanager
def process_of(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process that is ended with the block."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=log.parent, stdout=output, stderr=subprocess.STDOUT)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def shoal_serve(scratch: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Run `shoal serve`; yields the process and its port."""
    log = scratch / f"serve-{time.monotonic_ns()}.log"
    command = [str(Path(sys.executable).parent / "shoal"), "serve", *arguments, "--port", "0"]
    with process_of(command, log) as process:
        found = until(lambda: re.search(r"serving on http://127\.0\.0\.1:(\d+)/", log.read_text()), process, log)
        port = int(found[1])
        until(lambda: answers(f"http://127.0.0.1:{port}/health"), process, log)
        yield process, port


def until(what: Callable[[], Any], process: subprocess.Popen[bytes], log: Path) -> Any:
    """Ask until it is true; the end of the program when the process ends or takes too long."""
    deadline = time.monotonic() + START_S
    while not (found := what()):
        if process.poll() is not None or time.monotonic() > deadline:
            sys.exit(f"{process.args} did not start:\n{log.read_text()}")
        time.sleep(0.05)
    return found


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return response.status == 200
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def cpu_seconds(pid: int) -> float:
    """Processor time of a process so far; 0 for none."""
    if not pid:
        return 0.0
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
