"""Quality and cost of each rung on Banking77 and CLINC150, official splits; the test rows are used once, here.

    SHOAL_DATA=... python bench/rungs.py [--seeds 3] [--only banking77] [--no-promise]

Every row is one call of `shoal.train`; nothing was chosen on these test rows. Without a promise the rows that would
certify it train as well. A rung that averages several methods is
also shown method by method (`alone`). Out of scope (CLINC150): energy of the last tier, in-scope test rows against the
official out-of-scope test rows.
"""

import argparse
import csv
import json
import math
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

import shoal
from results import RESULTS, write
from shoal.calibration import energy
from shoal.metrics import auroc
from shoal.models import Specialist

RUNGS = ("tfidf", "static", "encoder", "finetune", "auto")
Rows = list[dict[str, str]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--only", choices=("banking77", "clinc150"))
    parser.add_argument("--rungs", nargs="+", choices=RUNGS, default=RUNGS)
    parser.add_argument("--no-promise", action="store_true")
    parser.add_argument("--merge", action="store_true", help="keep the rows of earlier runs that are not run now")
    arguments = parser.parse_args()
    folder = os.environ.get("SHOAL_DATA")
    if not folder:
        sys.exit("SHOAL_DATA is not set; it names the folder of public data (shoal data get banking77, clinc150).")
    risk = None if arguments.no_promise else 0.05
    results: list[dict[str, Any]] = []
    for name, (rows, foreign) in data_sets(Path(folder)):
        if arguments.only in (None, name):
            for rung in arguments.rungs:
                results.append(measure(name, rung, rows, foreign, arguments.seeds, risk))
                print(json.dumps(results[-1]), flush=True)
    if arguments.merge:
        results = earlier(results) + results
    print(f"wrote {write('rungs', results, seed=0)}")


def earlier(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows on record that `results` does not replace; each says at which commit it was measured."""
    done = {(row["data"], row["rung"]) for row in results}
    record = json.loads((RESULTS / "rungs.json").read_text(encoding="utf-8"))
    return [{"commit": record["commit"], **row} for row in record["results"] if (row["data"], row["rung"]) not in done]


def data_sets(folder: Path) -> Iterator[tuple[str, tuple[Rows, list[str]]]]:
    """Rows with their official split, and texts that are out of scope."""
    banking: Rows = []
    for split in ("train", "test"):
        with (folder / "banking77" / f"{split}.csv").open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                banking.append({"text": row["text"], "label": row["category"], "split": split})
    yield "banking77", (banking, [])
    clinc = json.loads((folder / "clinc150" / "data_full.json").read_text(encoding="utf-8"))
    rows: Rows = [
        {"text": text, "label": label, "split": split} for split in ("train", "test") for text, label in clinc[split]
    ]
    # Half of the official validation rows choose, the other half certify.
    for number, (text, label) in enumerate(clinc["val"]):
        rows.append({"text": text, "label": label, "split": ("dev", "calibration")[number % 2]})
    yield "clinc150", (rows, [text for text, _ in clinc["oos_test"]])


def measure(name: str, rung: str, rows: Rows, foreign: list[str], seeds: int, risk: float | None) -> dict[str, Any]:
    """Mean over seeds, and each seed's figures."""
    runs = [_run(rung, rows, foreign, seed, risk) for seed in range(seeds)]
    figures = [key for key, value in runs[0].items() if isinstance(value, float)]
    return {
        "data": name,
        "rung": rung if risk else f"{rung}, no promise",
        **{key: round(mean(run[key] for run in runs), 5) for key in figures},
        "runs": runs,
    }


def _run(rung: str, rows: Rows, foreign: list[str], seed: int, risk: float | None) -> dict[str, Any]:
    began = time.monotonic()
    specialist = shoal.train(rows, backbone=rung, seed=seed, risk=risk)
    report, made = specialist.report, specialist.provenance
    accepted = report["accepted"]
    return {
        "accuracy": report["metrics"]["accuracy"]["value"],
        "parameters_millions": round(_parameters(specialist) / 1e6, 1),
        "accuracy_interval": [report["metrics"]["accuracy"]["low"], report["metrics"]["accuracy"]["high"]],
        "macro_f1": report["metrics"]["macro_f1"]["value"],
        "training_seconds": float(made["training_seconds"]),
        "whole_seconds": round(time.monotonic() - began, 1),
        "joules": float(made["training_joules"]),
        "coverage": accepted["coverage"]["value"],
        "risk_of_kept": float(accepted["risk"]["value"]) if accepted["risk"] else 0.0,
        "size_megabytes": report["size_bytes"] / 1e6,
        "p50_ms": report["speed"]["p50_ms"],
        "docs_per_second": report["speed"]["docs_per_second"],
        "tiers": [tier["name"] for tier in report["tiers"]],
        "ladder": made["ladder"]["rungs"],
        "skipped": made["ladder"]["skipped"],
        **_last_tier(specialist, rows, foreign),
    }


def _parameters(specialist: Specialist) -> int:
    """Numbers in all of its weights."""
    with tempfile.TemporaryDirectory() as folder:
        specialist.save(Path(folder) / "model")
        graphs = (onnx.load(path).graph.initializer for path in Path(folder).rglob("*.onnx"))
        arrays = (np.load(path) for path in Path(folder).rglob("*.npz"))
        return sum(math.prod(each.dims) for graph in graphs for each in graph) + sum(
            archive[name].size for archive in arrays for name in archive.files
        )


def _last_tier(specialist: Specialist, rows: Rows, foreign: list[str]) -> dict[str, Any]:
    """What each method of the last tier says alone, and how well its energy tells what is out of scope."""
    tested = [row for row in rows if row["split"] == "test"]
    texts = [row["text"] for row in tested]
    truth = np.array([row["label"] for row in tested])
    tier = specialist.tiers[-1]
    names = tier.name.split("+")
    known: dict[int, NDArray[np.float32]] = {}
    inside = tier.scores(texts, known)
    labels = np.array(specialist.task.labels)
    alone = {
        method: float((labels[known[id(view.scorer)].argmax(axis=1)] == truth).mean())
        for method, view in zip(names, tier.views, strict=True)
    }
    if not foreign:
        return {"alone": alone}
    return {"alone": alone, "scope_auroc": float(auroc(energy(inside), energy(tier.scores(foreign))))}


if __name__ == "__main__":
    main()
