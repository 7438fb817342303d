"""kill -9 while the ledger is written to: the database opens again, and what was committed is there."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from shoal.ledger import Inference, Ledger

PROGRAM = """
import sys
from shoal.ledger import Inference, Ledger
ledger = Ledger(sys.argv[1])
number = 0
while True:
    for _ in range(2000):
        ledger.append(Inference(id=f"{sys.argv[2]}-{number:08d}", route="intent", outcome="reviewed", text="x" * 200))
        number += 1
    if ledger.flush():
        print(number, flush=True)
"""


@pytest.mark.parametrize("seconds", [0.0, 0.13, 0.31])
def test_committed_rows_survive_a_kill(tmp_path: Path, seconds: float) -> None:
    path = tmp_path / "ledger.db"
    for run in range(2):
        with subprocess.Popen(
            [sys.executable, "-c", PROGRAM, f"sqlite:///{path}", str(run)], stdout=subprocess.PIPE, text=True
        ) as child:
            assert child.stdout is not None
            committed = int(child.stdout.readline())
            time.sleep(seconds)
            os.kill(child.pid, signal.SIGKILL)
            committed = max([committed, *map(int, child.stdout.read().split())])
        with Ledger(f"sqlite:///{path}") as ledger:
            ids = {row.id for row in ledger.rows(limit=1_000_000)}
            assert {f"{run}-{number:08d}" for number in range(committed)} <= ids
            assert len(ledger.review_queue(limit=1_000_000)) == len(ids)
            ledger.append(Inference(route="intent", outcome="reviewed"))
            assert ledger.flush()
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


SEVERAL = """
import sys, time
from shoal.ledger import Inference, Ledger
time.sleep(max(0.0, float(sys.argv[2]) - time.time()))
with Ledger(sys.argv[1]) as ledger:
    for _ in range(500):
        assert ledger.append(Inference(route="intent", outcome="accepted"))
assert ledger.health().written == 500, ledger.health()
"""


def test_several_processes_make_and_fill_one_ledger(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    start = str(time.time() + 2.0)
    children = [
        subprocess.Popen([sys.executable, "-c", SEVERAL, url, start], stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    for child in children:
        _, complaint = child.communicate(timeout=60)
        assert child.returncode == 0, complaint
    with Ledger(url) as ledger:
        assert ledger.summary().requests == 2000


def test_a_file_that_may_not_grow(tmp_path: Path) -> None:
    """The operating system refuses more bytes: rows are counted as waiting, appending goes on, nothing raises."""
    program = (
        "import resource, signal, sys, time\n"
        "from shoal.ledger import Inference, Ledger\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "ledger = Ledger(sys.argv[1], capacity=100)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))\n"
        "for _ in range(100): ledger.append(Inference(route='r', outcome='accepted', text='x' * 10_000))\n"
        "ledger.flush(1.0)\n"
        "health = ledger.health(); print(health.ok, health.errors > 0, health.written, health.last_error)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))\n"
        "print(ledger.flush(20.0), ledger.health().ok, ledger.health().written); ledger.close()\n"
    )
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    done = subprocess.run([sys.executable, "-c", program, url], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    refused, recovered = done.stdout.splitlines()
    assert refused.startswith("False True 0 ")
    assert recovered == "True True 100"
    assert done.stderr == ""
