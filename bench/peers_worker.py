"""One system in a process of its own: `peers_worker.py train|serve JOB.json OUT.json`, in the system's environment.

A job holds the adapter, its settings, the folder of the model, and train rows (train) or test texts (serve). Out come
figures: training seconds and peak memory; or predictions, confidences, speed on one core and peak memory. Nothing but
the standard library is imported beside the adapter, so that memory is the system's own.
"""

import importlib
import json
import os
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

BLOCKS = 5  # repeats of the speed measurement
BLOCK_SECONDS = 1.5  # of bulk, and again of single texts
MOST_BULK, LEAST_BULK = 8192, 32


def main() -> None:
    what, job, out = sys.argv[1:]
    given = json.loads(Path(job).read_text(encoding="utf-8"))
    if what == "serve":
        # One core, told before anything counts the cores.
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-1:])
    found = {"train": train, "serve": serve}[what](given)
    Path(out).write_text(json.dumps(found), encoding="utf-8")


def adapter(given: dict[str, Any]) -> Any:
    module, name = given["adapter"].split(".")
    return getattr(importlib.import_module(module), name)()


def train(given: dict[str, Any]) -> dict[str, Any]:
    folder = Path(given["folder"])
    folder.mkdir(parents=True)
    began = time.perf_counter()
    facts = adapter(given).train(given["texts"], given["labels"], folder, given["settings"])
    return {
        # Imports are in it: whoever trains once pays for them.
        "training_seconds": time.perf_counter() - began,
        "training_memory_mb": peak_mb(),
        "disk_mb": sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6,
        **facts,
    }


def serve(given: dict[str, Any]) -> dict[str, Any]:
    texts: list[str] = given["texts"]
    one = adapter(given)
    began = time.perf_counter()
    predict = one.load(Path(given["folder"]), given["settings"])
    predict(texts[:1])
    loaded = time.perf_counter() - began
    kept = one.kept(texts) if hasattr(one, "kept") else None
    began = time.perf_counter()
    labels, confidences = predict(texts)
    rate = len(texts) / (time.perf_counter() - began)
    return {
        "load_seconds": loaded,
        "labels": labels,
        "confidences": confidences,
        "kept": kept,
        **speed(predict, texts, rate, given["seconds"]),
        "memory_mb": peak_mb(),
    }


def speed(predict: Callable[[list[str]], Any], texts: list[str], rate: float, seconds: float) -> dict[str, Any]:
    """Texts a second in bulk, and milliseconds for one text, for each of some blocks that take turns."""
    shuffled = list(texts)
    random.Random(0).shuffle(shuffled)
    many = int(min(MOST_BULK, max(LEAST_BULK, rate * seconds)))
    shuffled *= 1 + many // len(shuffled)
    found: dict[str, list[float]] = {"docs_per_second": [], "p50_ms": [], "p99_ms": []}
    for block in range(BLOCKS):
        start = block * 97 % (len(shuffled) - many + 1)
        began = time.perf_counter()
        predict(shuffled[start : start + many])
        found["docs_per_second"].append(many / (time.perf_counter() - began))
        took: list[float] = []
        block_began = time.perf_counter()
        while len(took) < 1000 and (len(took) < 20 or time.perf_counter() - block_began < seconds):
            began = time.perf_counter()
            predict([shuffled[(start + len(took)) % len(shuffled)]])
            took.append(1e3 * (time.perf_counter() - began))
        found["p50_ms"].append(median(took))
        found["p99_ms"].append(sorted(took)[int(0.99 * (len(took) - 1))])
    return found


def peak_mb() -> float:
    """Most memory held at once. The kernel's line, because getrusage would count the parent before this program."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e6


if __name__ == "__main__":
    main()
