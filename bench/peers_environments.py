"""Virtual environments of the compared systems, made once with pinned versions, and what they weigh."""

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import venv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import median

from peers_systems import ENVIRONMENTS, ROOT

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "shoal-bench"
INSTALL_SECONDS = 1800
IMPORTS = 3
NOT_COUNTED = re.compile(r"^(pip|setuptools|wheel|pkg_resources|_distutils_hack|distutils-precedence)\b")


class Failed(Exception):
    """A system that could not be installed or run, with the reason a reader is told."""


class TooLong(Failed):
    """It was ended because its time was over."""


@dataclass(frozen=True, slots=True)
class Environment:
    python: Path
    install_mb: float


def environment(name: str) -> Environment:
    """The environment of that name, installed on the first call."""
    commands = ENVIRONMENTS[name]
    key = hashlib.sha256(json.dumps([commands, sys.version]).encode()).hexdigest()[:8]
    folder = CACHE / "environments" / f"{name}-{key}"
    python = folder / "bin" / "python"
    ready = folder / "ready.json"
    if not ready.is_file():
        print(f"installing {name} (once, kept in {folder}) ...", flush=True)
        venv.create(folder, with_pip=True, clear=True)
        for command in commands:
            run([str(python), "-m", "pip", "install", *command], folder / "pip.log", INSTALL_SECONDS)
        ready.write_text(json.dumps({"install_mb": weight(folder)}), encoding="utf-8")
    return Environment(python, json.loads(ready.read_text(encoding="utf-8"))["install_mb"])


def weight(folder: Path) -> float:
    """Megabytes of what was installed, without pip and its company; shoal, installed by reference, is counted too."""
    packages = next((folder / "lib").glob("python*/site-packages"))
    roots = [path for path in packages.iterdir() if not NOT_COUNTED.match(path.name)]
    if any(path.name.startswith("shoal-") for path in roots):
        roots.append(ROOT / "src" / "shoal")
    files = [file for root in roots for file in ([root] if root.is_file() else root.rglob("*"))]
    return round(sum(file.stat().st_size for file in files if file.is_file() and not file.is_symlink()) / 1e6, 1)


@cache
def import_seconds(modules: str, name: str) -> float:
    """Seconds to import what a program that only answers needs: median of warm starts."""
    clock = "time.perf_counter()"
    code = f"import time; began = {clock}; import {modules}; print(); print({clock} - began)"
    python = environment(name).python
    took: list[float] = []
    for _ in range(IMPORTS + 1):
        done = subprocess.run(
            [str(python), "-c", code], capture_output=True, text=True, check=False, env=surroundings(), cwd=CACHE
        )
        if done.returncode:
            raise Failed(reason(done.stderr))
        took.append(float(done.stdout.splitlines()[-1]))
    return round(median(took[1:]), 3)


def surroundings(threads: int | None = None) -> dict[str, str]:
    """Environment variables for a worker: no hub, and threads that do not spin when the machine has other work."""
    offline = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "WANDB_DISABLED": "true"}
    quiet = {"OMP_WAIT_POLICY": "PASSIVE", "HF_HUB_DISABLE_TELEMETRY": "1", "PYTHONWARNINGS": "ignore"}
    alone = {"OMP_NUM_THREADS": str(threads), "TOKENIZERS_PARALLELISM": "false"} if threads else {}
    return {**os.environ, **offline, **quiet, **alone}


def run(
    command: Sequence[str], log: Path, seconds: float, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> None:
    """Run a command to its end, or end it and all it started when the time is over."""
    with log.open("w", encoding="utf-8") as file:
        process = subprocess.Popen(
            command, stdout=file, stderr=subprocess.STDOUT, env=env, cwd=cwd, start_new_session=True
        )
        try:
            code = process.wait(seconds)
        except BaseException as error:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if isinstance(error, subprocess.TimeoutExpired):
                raise TooLong(f"not done after {seconds / 60:.0f} minutes") from error
            raise
    if code:
        raise Failed(reason(log.read_text(encoding="utf-8", errors="replace"), code))


def reason(output: str, code: int = 1) -> str:
    """The line of a failed program's output that says why, without this machine's folders."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    wanted = [line for line in lines if re.match(r"(ERROR|error|[\w.]*(Error|Exception))\b", line)]
    line = (wanted or lines or [f"ended with code {code}"])[-1]
    for folder, name in ((CACHE, "CACHE"), (ROOT, "."), (Path.home(), "~")):
        line = line.replace(str(folder), name)
    return line[:300]
