"""What the speed measurements share: medians with intervals, public texts, and specialists trained once and kept."""

import csv
import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

CACHE = Path(tempfile.gettempdir()) / "shoal-bench"
RESAMPLES = 2000
BUDGET_SECONDS = 300


def data_folder() -> Path:
    """The folder of public data, or the end of the program with a clear message."""
    folder = os.environ.get("SHOAL_DATA")
    if not folder:
        sys.exit(
            "SHOAL_DATA is not set; it names the folder of public data. "
            "Fill one first: shoal data get banking77 --to FOLDER; then SHOAL_DATA=FOLDER make bench"
        )
    if not (Path(folder) / "banking77" / "train.csv").is_file():
        sys.exit(f"SHOAL_DATA is {folder}, which has no banking77/train.csv: shoal data get banking77 --to {folder}")
    return Path(folder)


def banking77(split: str) -> list[dict[str, str]]:
    """Rows of Banking77 with their official split."""
    with (data_folder() / "banking77" / f"{split}.csv").open(encoding="utf-8", newline="") as file:
        return [{"text": row["text"], "label": row["category"], "split": split} for row in csv.DictReader(file)]


def median(values: Sequence[float], *, seed: int = 0, digits: int = 4) -> dict[str, float]:
    """Median of repeats, with the 95 % bootstrap interval of the median."""
    sample = np.asarray(values, dtype=np.float64)
    drawn = np.random.default_rng(seed).choice(sample, (RESAMPLES, len(sample)))
    low, high = np.quantile(np.median(drawn, axis=1), [0.025, 0.975])
    return {name: _short(value, digits) for name, value in (("value", np.median(sample)), ("low", low), ("high", high))}


def _short(value: Any, digits: int) -> float:
    return float(f"{float(value):.{digits}g}")


def load_average() -> float:
    """How busy the machine was in the last minute, in cores: what neighbours take, too."""
    return round(os.getloadavg()[0], 2)


def specialist(rung: str, *, seed: int) -> Path:
    """The folder of a specialist for Banking77, trained on the first call and kept in the temporary folder.

    "encoder-fp32", "finetune-int8" and "finetune-fp32" are for speed alone: graphs of the same encoder under the head
    they would have, in float32 where int8 would be served, and without the middle layer that the frozen rung adds. What
    the weights are does not change how long they take.
    """
    rows = banking77("train") + banking77("test")
    import shoal

    home = Path(shoal.__file__).parent
    sources = sorted([*(home / "models").glob("*.py"), *(home / "training").glob("*.py")])  # another recipe: anew
    made_by = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
    key = hashlib.sha256(json.dumps([rows, seed, made_by]).encode()).hexdigest()[:12]
    folder = CACHE / f"{rung}-{key}"
    if not (folder / "manifest.json").is_file():
        print(f"making {rung} (once, kept in {folder}) ...", flush=True)
        made = _variant(rung, seed) if "-" in rung else _trained(rung, rows, seed)
        made.save(folder)
    return folder


def _trained(rung: str, rows: list[dict[str, str]], seed: int) -> Any:
    import shoal

    return shoal.train(rows, backbone=rung, budget_seconds=BUDGET_SECONDS, seed=seed, cache=CACHE)


def _variant(name: str, seed: int) -> Any:
    import shoal
    from shoal.models import View
    from shoal.training.backbone import resolve
    from shoal.training.body import open_body
    from shoal.training.export import served, to_int8, to_onnx

    rung, precision = name.split("-")
    base = shoal.load(specialist("encoder", seed=seed))
    backbone = resolve("encoder")
    body = open_body(backbone, middle=rung == "encoder")
    graph = to_onnx(body)
    if precision == "int8":
        graph = to_int8(graph)
    width = int(body.encoder.config.hidden_size) * (2 if body.middle else 1)
    head = np.random.default_rng(seed).normal(size=(width, len(base.task.labels))).astype(np.float32)
    scorer = served(backbone, graph, head, np.zeros(len(base.task.labels)))
    tier = replace(base.tiers[-1], name=rung, views=(View(scorer),))
    return replace(base, tiers=(tier,), provenance={}, report={})
