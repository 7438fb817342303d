"""shoal beside its peers: the same rows, the same machine, each system in a process and an environment of its own.

    SHOAL_DATA=... python bench/peers.py [--quick] [--data NAME ...] [--systems NAME ...] [--seeds 3] [--bound 5400]

Every system is given the same training rows: Banking77 whole, samples of 5, 10 and 20 rows a label, and CLINC150 in
scope. It makes of them what it likes (shoal and model2vec hold some out themselves). Training may use two cores;
answers are asked on one, in a second process that only loads the model. Accuracy is over the official test rows, its
interval from a bootstrap over them and over seeds; "against shoal auto" is the same bootstrap on paired rows. A
training that exceeds the bound is ended and said so, as is a system that does not install or run without a network.
What is measured is kept under ~/.cache/shoal-bench: a run that was interrupted goes on where it stopped.
"""

import argparse
import hashlib
import inspect
import json
import os
import random
import shutil
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import peers_adapters
import peers_tuning
from measuring import banking77, data_folder, load_average, median
from peers_environments import CACHE, Failed, TooLong, environment, import_seconds, run, surroundings
from peers_systems import ENVIRONMENTS, ROOT, SYSTEMS, System
from results import earlier, write

Rows = list[tuple[str, str]]
REFERENCE = "shoal auto"
RESAMPLES = 2000
SERVING_SECONDS = 900


@dataclass(frozen=True, slots=True)
class Data:
    """Texts with labels to train on and to be tested on."""

    name: str
    train: Rows
    test: Rows
    full: bool


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a few rows and steps: does it run?")
    parser.add_argument("--data", nargs="+", choices=DATA, default=list(DATA))
    parser.add_argument("--systems", nargs="+", choices=[each.name for each in SYSTEMS], metavar="NAME")
    parser.add_argument("--seeds", type=int, default=3, help="samples of few rows a label")
    parser.add_argument("--slow-seeds", type=int, default=1, help="the same for systems that take minutes")
    parser.add_argument("--bound", type=float, default=5400, help="seconds for one training")
    parser.add_argument("--merge", action="store_true", help="keep what earlier runs measured and this one does not")
    arguments = parser.parse_args()
    systems = [each for each in SYSTEMS if chosen(each, arguments.systems)]
    results: list[dict[str, Any]] = []
    for name in ["quick"] if arguments.quick else arguments.data:
        few = name in SAMPLES
        seeds = {each.name: (arguments.slow_seeds if each.slow else arguments.seeds) if few else 1 for each in systems}
        results += compared(name, systems, seeds, arguments.bound)
        if not arguments.quick:
            kept = earlier("peers", results, ("data", "system")) if arguments.merge else []
            print(f"wrote {write('peers', ordered(kept + results), seed=0)}", flush=True)
    if arguments.quick:
        print(f"wrote {write('peers', results, seed=0)}", flush=True)
        if failed := [row["system"] for row in results if "failed" in row]:
            sys.exit(f"did not run: {', '.join(failed)}")


def ordered(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """By data set, then by system, each as it is listed."""
    names, systems = list(DATA), [each.name for each in SYSTEMS]
    return sorted(results, key=lambda row: (names.index(row["data"]), systems.index(row["system"])))


def chosen(system: System, names: list[str] | None) -> bool:
    return system.name in names if names else not system.optional


def compared(name: str, systems: list[System], seeds: dict[str, int], bound: float) -> list[dict[str, Any]]:
    """One result a system for one data set."""
    runs: dict[str, list[dict[str, Any]]] = defaultdict(list)
    failed: dict[str, str] = {}
    made: Data | None = None
    for seed in range(max(seeds.values())):
        made = DATA.get(name, quick)(seed)
        for system in systems:
            if seed < seeds[system.name] and system.name not in failed:
                try:
                    runs[system.name].append(measured(system, made, seed, bound, quick=name == "quick"))
                except Failed as error:
                    failed[system.name] = str(error)
                    print(f"{name}, {system.name}: {error}", flush=True)
        shutil.rmtree(CACHE / "models", ignore_errors=True)
    assert made is not None
    reference = runs.get(REFERENCE, [])
    return [summary(made, each, runs[each.name], failed.get(each.name), reference) for each in systems]


def measured(system: System, data: Data, seed: int, bound: float, *, quick: bool) -> dict[str, Any]:
    """Train and ask one system once, or read what was measured before."""
    module, name = system.adapter.split(".")
    adapter = getattr({"peers_adapters": peers_adapters, "peers_tuning": peers_tuning}[module], name)
    trainer = next(each for each in adapter.__mro__ if "train" in vars(each))
    settings = {**system.given(full=data.full), "seed": seed, "quick": quick}
    own = source() if system.own else ""
    once = key(data.train, settings, ENVIRONMENTS[system.environment], inspect.getsource(trainer), own)
    model = CACHE / "models" / once / "model"
    texts = [text for text, _ in data.test]
    job = {
        "adapter": system.adapter,
        "folder": str(model),
        "settings": {**settings, **({"tested": data.test} if system.own else {})},
    }
    serving_key = key(once, texts, ENVIRONMENTS[system.answering], inspect.getsource(adapter))
    answers = CACHE / "measured" / f"{serving_key}.json"
    if answers.is_file():
        return json.loads(answers.read_text(encoding="utf-8"))
    trained = CACHE / "measured" / f"{once}.json"
    if not (model.is_dir() and trained.is_file()):
        shutil.rmtree(model.parent, ignore_errors=True)
        rows = {"texts": [text for text, _ in data.train], "labels": [label for _, label in data.train]}
        print(f"{data.name}, seed {seed}: {system.name} trains on {len(data.train):,} rows ...", flush=True)
        ended = CACHE / "measured" / f"{key(once, bound)}.ended"
        if ended.is_file():  # it had its time in an earlier run
            raise Failed(ended.read_text(encoding="utf-8"))
        try:
            worker("train", system.environment, {**job, **rows}, trained, bound)
        except TooLong as error:
            ended.write_text(str(error), encoding="utf-8")
            raise
    print(f"{data.name}, seed {seed}: {system.name} answers {len(texts):,} texts ...", flush=True)
    load = load_average()
    job = {**job, "texts": texts, "seconds": 0.3 if quick else 1.5}
    served = answers.with_suffix(".served")  # half of it only: a run that ends here is not taken for a whole one
    worker("serve", system.answering, job, served, SERVING_SECONDS)
    found = {
        **json.loads(trained.read_text(encoding="utf-8")),
        **json.loads(served.read_text(encoding="utf-8")),
        "seed": seed,
        "load_average": load,
        "import_seconds": import_seconds(system.modules, system.answering),
    }
    answers.write_text(json.dumps(found), encoding="utf-8")
    return found


def worker(what: str, name: str, job: dict[str, Any], out: Path, seconds: float) -> None:
    """Run bench/peers_worker.py from a folder where no other module of bench/ can be taken for a system's own."""
    code = CACHE / "worker"
    code.mkdir(parents=True, exist_ok=True)
    for module in ("peers_worker", "peers_adapters", "peers_tuning"):
        shutil.copyfile(Path(__file__).parent / f"{module}.py", code / f"{module}.py")
    place = Path(job["folder"]).parent
    place.mkdir(parents=True, exist_ok=True)
    out.parent.mkdir(parents=True, exist_ok=True)
    given, partial = place / f"{what}.json", out.with_suffix(".part")
    given.write_text(json.dumps(job), encoding="utf-8")
    python = str(environment(name).python)
    env = surroundings(1 if what == "serve" else None)
    began = time.monotonic()
    run([python, str(code / "peers_worker.py"), what, str(given), str(partial)], place / "log.txt", seconds, env, place)
    partial.rename(out)
    print(f"  {time.monotonic() - began:.0f} s", flush=True)


def summary(
    data: Data, system: System, runs: list[dict[str, Any]], failed: str | None, reference: list[dict[str, Any]]
) -> dict[str, Any]:
    """What is kept of a system's runs on one data set."""
    row: dict[str, Any] = {"data": data.name, "system": system.name, "rows": len(data.train), "note": system.note}
    if failed is not None or not runs:
        return {**row, "failed": failed or "not run"}
    right = correct(runs, data.test)
    row |= {"seeds": len(runs), "accuracy": interval(right)}
    both = min(len(runs), len(reference))
    if both and system.name != REFERENCE:
        row["against_auto"] = interval(right[:both] - correct(reference[:both], data.test))
    for figure in ("training_seconds", "training_memory_mb", "memory_mb", "disk_mb", "load_seconds", "import_seconds"):
        row[figure] = round(float(np.mean([each[figure] for each in runs])), 2)
    for figure in ("docs_per_second", "p50_ms", "p99_ms"):
        row[figure] = median([value for each in runs for value in each[figure]])
    row["install_mb"] = environment(system.environment).install_mb
    row["serving_install_mb"] = environment(system.answering).install_mb
    if runs[0].get("kept"):
        kept = np.array([each["kept"] for each in runs], dtype=float)
        row["kept"] = round(float(kept.mean()), 4)
        row["kept_wrong"] = round(float((kept * (1 - right)).sum() / kept.sum()), 4) if kept.any() else None
    facts = {name: runs[0][name] for name in ("steps", "answers", "certified_by_itself") if name in runs[0]}
    return row | facts | {"load_average": [runs[0]["load_average"], runs[-1]["load_average"]]}


def correct(runs: list[dict[str, Any]], test: Rows) -> NDArray[np.float64]:
    """1 where an answer is right [seed, row]."""
    truth = np.array([label for _, label in test])
    return np.array([np.array(each["labels"]) == truth for each in runs], dtype=float)


def interval(values: NDArray[np.float64]) -> dict[str, float]:
    """Mean of [seed, row] with the 95 % interval of a bootstrap that draws seeds and rows."""
    draw = np.random.default_rng(0)
    seeds, rows = values.shape
    means = [
        values[draw.integers(seeds, size=seeds)][:, draw.integers(rows, size=rows)].mean() for _ in range(RESAMPLES)
    ]
    low, high = np.quantile(means, [0.025, 0.975])
    return {"value": round(float(values.mean()), 5), "low": round(float(low), 5), "high": round(float(high), 5)}


def key(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def source() -> str:
    """What shoal is made of: another source is another system."""
    files = sorted((ROOT / "src" / "shoal").rglob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def banking(shots: int | None = None, labels: int | None = None) -> Callable[[int], Data]:
    """Banking77, whole or that many rows a label, drawn by the seed."""

    def made(seed: int) -> Data:
        train, test = ([(row["text"], row["label"]) for row in banking77(split)] for split in ("train", "test"))
        names = sorted({label for _, label in train})[:labels]
        drawn = random.Random(seed)
        drawn.shuffle(train)
        by_label: dict[str, Rows] = {name: [] for name in names}
        for row in train:
            if row[1] in by_label and (shots is None or len(by_label[row[1]]) < shots):
                by_label[row[1]].append(row)
        rows = [row for each in by_label.values() for row in each]
        drawn.shuffle(rows)
        kept = [row for row in test if row[1] in by_label]
        if labels:
            return Data("quick", rows, kept[::8], full=False)
        return Data(f"banking77-{shots}" if shots else "banking77", rows, kept, full=shots is None)

    return made


def clinc150(seed: int) -> Data:
    """The 150 intents, official train and test rows."""
    parts = json.loads((data_folder() / "clinc150" / "data_full.json").read_text(encoding="utf-8"))
    train, test = ([(text, label) for text, label in parts[split]] for split in ("train", "test"))
    random.Random(seed).shuffle(train)
    return Data("clinc150", train, test, full=True)


quick = banking(12, labels=12)
SAMPLES = {f"banking77-{shots}": banking(shots) for shots in (5, 10, 20)}
DATA: dict[str, Callable[[int], Data]] = {**SAMPLES, "banking77": banking(), "clinc150": clinc150}


if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "2")
    main()
