"""One JSON file a benchmark: name, commit, date, seed, hardware, results; docs/benchmarks.md is made of them."""

import datetime
import json
import os
import platform
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def write(name: str, results: Sequence[dict[str, Any]], *, seed: int) -> Path:
    """Write bench/results/<name>.json, replacing the last one, and return its path."""
    document = {
        "name": name,
        "commit": commit(),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "seed": seed,
        "hardware": hardware(),
        "results": list(results),
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(document, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    return path


def earlier(name: str, results: Sequence[dict[str, Any]], keys: Sequence[str]) -> list[dict[str, Any]]:
    """Rows of bench/results/<name>.json that are of none of these results, told apart by the values of some keys."""
    path = RESULTS / f"{name}.json"
    done = {tuple(row[key] for key in keys) for row in results}
    before = json.loads(path.read_text(encoding="utf-8"))["results"] if path.is_file() else []
    return [row for row in before if tuple(row[key] for key in keys) not in done]


def commit() -> str:
    """The commit that was measured; "+changes" when the working tree under src/ or bench/ differs from it."""
    root = Path(__file__).parent.parent

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False)
        return done.stdout.strip()

    head = git("rev-parse", "--short=12", "HEAD") or "unknown"
    changed = git("status", "--porcelain", "--", "src", "bench/*.py")
    return f"{head}+changes" if changed else head


def hardware() -> dict[str, Any]:
    """Processor, usable cores, memory and versions: what a figure depends on."""
    return {
        "processor": _first("/proc/cpuinfo", "model name") or platform.processor() or platform.machine(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gib": _memory_gib(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def _first(path: str, key: str) -> str | None:
    if not Path(path).exists():
        return None
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        if line.startswith(key):
            return line.split(":", 1)[1].strip()
    return None


def _memory_gib() -> float | None:
    total = _first("/proc/meminfo", "MemTotal")
    return round(int(total.split()[0]) / 2**20, 1) if total else None
