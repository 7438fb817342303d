"""How much of the traffic can be certified on each public data set, against human labels, at 5, 3 and 2 % of error.

    SHOAL_DATA=... python bench/certified.py [--data banking77 ...] [--rungs encoder finetune] [--merge]

One training a data set and rung at risk 5 %; the same specialist is certified again for 3 and 2 %, thresholds chosen on
its dev rows (`cascade_recorded.recertified`). Official splits where there are such; contracts of cuad_clauses never
straddle two splits, its labels are taken as one a clause. Kept shares and errors are of the test rows, asked once.
"""

import argparse
import csv
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import shoal
from cascade_recorded import recertified
from measuring import data_folder, load_average
from results import earlier, write
from shoal.data import Dataset, split
from shoal.metrics import wilson

RISKS = (0.05, 0.03, 0.02)
Row = dict[str, str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", choices=DATA, default=list(DATA))
    parser.add_argument("--rungs", nargs="+", default=["encoder"])
    parser.add_argument("--budget", type=float, default=600.0)
    parser.add_argument("--merge", action="store_true", help="keep what earlier runs measured and this one does not")
    arguments = parser.parse_args()
    results: list[dict[str, Any]] = []
    for name in arguments.data:
        for rung in arguments.rungs:
            for row in measured(name, rung, arguments.budget):
                results.append(row)
                print(row, flush=True)
            kept = earlier("certified", results, ("data", "rung")) if arguments.merge else []
            path = write("certified", sorted(kept + results, key=lambda row: (row["data"], row["rung"])), seed=0)
    print(f"wrote {path}")


def measured(name: str, rung: str, budget: float) -> Iterator[dict[str, Any]]:
    """One row for each risk."""
    load, began = load_average(), time.monotonic()
    dataset = split(Dataset.from_rows(DATA[name](data_folder() / name)), seed=0, drop_leaks=True)
    specialist = shoal.train(dataset, backbone=rung, risk=RISKS[0], budget_seconds=budget)
    seconds = time.monotonic() - began
    test = dataset.part("test")
    truth = np.array([specialist.task.labels.index(label) for label in test.targets])
    for risk in RISKS:
        certified = specialist if risk == RISKS[0] else recertified(specialist, dataset, risk)
        judged = certified.judge(test.texts)
        kept, wrong = int(judged.accepted.sum()), int((judged.accepted & (judged.label != truth)).sum())
        low, high = wilson(kept, len(truth))
        yield {
            "data": name,
            "rung": rung,
            "answers": " then ".join(tier.name for tier in specialist.tiers),
            "labels": len(specialist.task.labels),
            "train_rows": len(dataset.part("train")),
            "calibration_rows": len(dataset.part("calibration")),
            "accuracy": round(float((judged.label == truth).mean()), 4),
            "risk": risk,
            "certified": bool(certified.certificate and certified.certificate.certified),
            "kept": {"value": round(kept / len(truth), 4), "low": round(low, 4), "high": round(high, 4)},
            "wrong_of_kept": round(wrong / kept, 4) if kept else None,
            "seconds": round(seconds, 1),
            "load_average": load,
        }


def read(path: Path, **columns: str) -> list[Row]:
    with path.open(encoding="utf-8", newline="") as file:
        return [{name: row[column] for name, column in columns.items()} for row in csv.DictReader(file)]


def banking77(folder: Path) -> list[Row]:
    parts = {part: read(folder / f"{part}.csv", text="text", label="category") for part in ("train", "test")}
    return [{**row, "split": part} for part, rows in parts.items() for row in rows]


def clinc150(folder: Path) -> list[Row]:
    """Half of the official validation rows choose, the other half certify."""
    parts = json.loads((folder / "data_full.json").read_text(encoding="utf-8"))
    rows = [{"text": text, "label": label, "split": part} for part in ("train", "test") for text, label in parts[part]]
    halves = ("dev", "calibration")
    return rows + [
        {"text": text, "label": label, "split": halves[number % 2]} for number, (text, label) in enumerate(parts["val"])
    ]


def bitext(folder: Path) -> list[Row]:
    parts = {part: read(folder / f"{part}.csv", text="utterance", label="intent") for part in ("train", "dev", "test")}
    return [{**row, **({} if part == "train" else {"split": part})} for part, rows in parts.items() for row in rows]


def davidson(folder: Path) -> list[Row]:
    return read(folder / "labeled_data.csv", text="tweet", label="class")


def headlines(folder: Path) -> list[Row]:
    rows: list[Row] = []
    for part in ("train", "test"):
        with (folder / f"{part}.csv").open(encoding="utf-8", newline="") as file:
            for text, label, _ in csv.reader(file):
                rows.append({"text": text.removeprefix("Q: ").removesuffix("\nA:"), "label": label, "split": part})
    return rows


def imdb(folder: Path) -> list[Row]:
    return read(folder / "ocats_imdb_dev_gpt.csv", text="text", label="label")


def babe(folder: Path) -> list[Row]:
    return read(folder / "babe_llm_labels.csv", text="text", label="gold")


def cuad(folder: Path) -> list[Row]:
    return read(folder / "cuad_clause_spans.csv", text="text", label="category", group="contract_id")


DATA: dict[str, Callable[[Path], list[Row]]] = {
    "banking77": banking77,
    "clinc150": clinc150,
    "bitext_customer_support": bitext,
    "davidson_hate": davidson,
    "headlines_gold": headlines,
    "llm_imdb_gpt": imdb,
    "llm_babe_bias": babe,
    "cuad_clauses": cuad,
}


if __name__ == "__main__":
    main()
