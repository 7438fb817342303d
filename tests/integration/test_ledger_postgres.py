"""The same ledger on a real PostgreSQL server, on a socket in a temporary folder."""

import os
import pwd
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from shoal.ledger import Inference, Ledger

pytest.importorskip("psycopg", reason="the PostgreSQL driver is not installed: pip install 'psycopg[binary]'")


def _program(name: str) -> str:
    found = shutil.which(name) or next(map(str, Path("/usr/lib/postgresql").glob(f"*/bin/{name}")), None)
    if found is None:
        pytest.skip(f"PostgreSQL's {name} is not installed")
    return found


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    # The server refuses to run as root, and its socket's path must be short.
    folder = Path(tempfile.mkdtemp(prefix="pg"))
    as_server: list[str] = []
    if os.getuid() == 0:
        try:
            owner = pwd.getpwnam("postgres")
        except KeyError:
            pytest.skip("running as root, and there is no user postgres to run the server")
        os.chown(folder, owner.pw_uid, owner.pw_gid)
        as_server = ["runuser", "-u", "postgres", "--"]
    control = [*as_server, _program("pg_ctl"), "-D", str(folder / "data"), "-w"]
    subprocess.run(
        [*as_server, _program("initdb"), "-D", folder / "data", "-A", "trust", "-U", "shoal"],
        check=True,
        capture_output=True,
    )
    start = ["start", "-l", str(folder / "log"), "-o", f"-k {folder} -h ''"]
    subprocess.run([*control, *start], check=True, stdout=subprocess.DEVNULL)
    try:
        yield f"postgresql+psycopg://shoal@/postgres?host={folder}"
    finally:
        subprocess.run([*control, "stop", "-m", "fast"], check=True, stdout=subprocess.DEVNULL)
        shutil.rmtree(folder)


def test_everything_works_the_same(url: str) -> None:
    opened: list[Ledger] = []
    threads = [threading.Thread(target=lambda: opened.append(Ledger(url))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) == 4, "opening an empty database at once failed"
    for other in opened[1:]:
        other.close()
    with opened[0] as ledger:
        for n in range(1, 101):
            ledger.append(
                Inference(
                    route="r", specialist="s", outcome="accepted", tier="static", latency_ms=float(n), text="a\0b"
                )
            )
        waiting = Inference(
            route="r", specialist="s", outcome="reviewed", text="hm", label="x", llm="large", input_tokens=2**40
        )
        ledger.append(waiting)
        ledger.append(waiting)
        ledger.append(Inference(route="r", outcome="accepted", reason="\0"))
        assert ledger.flush()
        health = ledger.health()
        assert (health.ok, health.written, health.rejected) == (True, 102, 1)
        summary = ledger.summary()
        kept, reviewed = summary.groups
        assert (summary.requests, kept.requests, kept.p50_ms, kept.p95_ms, kept.p99_ms) == (101, 100, 50.0, 95.0, 99.0)
        assert (reviewed.llm_calls, reviewed.input_tokens, summary.waiting) == (1, 2**40, 1)
        assert isinstance(reviewed.input_tokens, int)
        assert ledger.review_queue()[0].text == "hm"
        assert ledger.resolve_review(waiting.id[:20], "y").label == "y"
        assert ledger.review_queue() == []
