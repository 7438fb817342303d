"""Several labels a text: unfair clauses of terms of service, clause types of contracts, beside TF-IDF.

    SHOAL_DATA=... python bench/multilabel.py [--only unfair_tos] [--folds 5]

unfair_tos: a category counts where a clause is potentially or clearly unfair (levels 2 and 3), official five folds of
whole documents; answers of all folds together make micro- and macro-F1. cuad_clauses: contracts dealt out over five
folds by hash; texts that stand under several categories have all of them. The rival is TF-IDF of words with one
logistic regression a label (scikit-learn's defaults, as published baselines have it), and the same with balanced
weights. Nothing is chosen on test rows; no promise is asked for, so that all rows of a fold train.
"""

import argparse
import csv
import hashlib
import re
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier

import shoal
from measuring import data_folder, load_average
from results import write
from shoal import data as tables
from shoal import metrics
from shoal.evaluation import label_matrix
from shoal.metrics import Counts
from shoal.models import MultiLabelSpecialist

Row = dict[str, Any]
Bools = NDArray[np.bool_]
CACHE = Path.home() / ".cache" / "shoal-bench" / "multilabel"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=("unfair_tos", "cuad_clauses"))
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--backbone", default="auto")
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    results: list[dict[str, Any]] = []
    for name, folds in (("unfair_tos", unfair_tos), ("cuad_clauses", cuad_clauses)):
        if arguments.only in (None, name):
            results += measured(name, list(folds())[: 1 if arguments.quick else arguments.folds], arguments.backbone)
    print(f"wrote {write('multilabel', results, seed=0)}")


def measured(name: str, folds: Sequence[list[Row]], backbone: str) -> Iterator[dict[str, Any]]:
    """One row for each system, over the answers of all folds."""
    labels = tuple(sorted({label for rows in folds for row in rows for label in row["labels"]}))
    answers: dict[str, list[Bools]] = {}
    took: dict[str, list[float]] = {}
    truths: list[Bools] = []
    speeds: list[float] = []
    answered_by: list[str] = []
    load = load_average()
    for rows in folds:
        dataset = tables.read(rows, label="labels", task="multilabel", group="group")
        test = dataset.part("test")
        truths.append(label_matrix(test, labels))
        began = time.monotonic()
        made = shoal.train(dataset, "multilabel", backbone, None, labels=labels, cache=CACHE)
        assert isinstance(made, MultiLabelSpecialist)
        took.setdefault("shoal", []).append(time.monotonic() - began)
        started = time.monotonic()
        answers.setdefault("shoal", []).append(made.judge(test.texts).flagged)
        speeds.append(len(test) / (time.monotonic() - started))
        answered_by.append(made.tier)
        for rival, weight in (("TF-IDF, one against the rest", None), ("the same, balanced weights", "balanced")):
            began = time.monotonic()
            answers.setdefault(rival, []).append(lexical(dataset.part("train"), test, labels, weight))
            took.setdefault(rival, []).append(time.monotonic() - began)
        counts = {system: Counts.of(each[-1], truths[-1]) for system, each in answers.items()}
        print(
            made.tier,
            {system: (round(c.micro_f1, 4), round(c.macro_f1, 4)) for system, c in counts.items()},
            flush=True,
        )
    truth = np.concatenate(truths)
    for system, parts in answers.items():
        flagged = np.concatenate(parts)
        counts = Counts.of(flagged, truth)
        yield {
            "data": name,
            "system": system,
            "answers": sorted(set(answered_by)) if system == "shoal" else None,
            "folds": len(folds),
            "labels": len(labels),
            "test_rows": len(truth),
            "positives": int(truth.sum()),
            "micro_f1": estimate(metrics.micro_f1_of(flagged, truth), len(truth)),
            "macro_f1": estimate(metrics.label_macro_f1_of(flagged, truth), len(truth)),
            "f1": dict(zip(labels, counts.f1.round(4).tolist(), strict=True)),
            "training_seconds": round(float(np.mean(took[system])), 1),
            "texts_per_second": round(float(np.median(speeds))) if system == "shoal" else None,
            "load_average": load,
        }


def estimate(statistic: metrics.Statistic, rows: int) -> dict[str, float]:
    found = metrics.bootstrap(statistic, rows, seed=0)
    return {"value": round(found.value, 4), "low": round(found.low, 4), "high": round(found.high, 4)}


def lexical(train_rows: tables.Dataset, test: tables.Dataset, labels: Sequence[str], weight: str | None) -> Bools:
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    features = vectorizer.fit_transform(train_rows.texts)
    model = OneVsRestClassifier(LogisticRegression(C=10.0, class_weight=weight, max_iter=200))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(features, label_matrix(train_rows, labels))
    return model.predict(vectorizer.transform(test.texts)).astype(bool)


def unfair_tos() -> Iterator[list[Row]]:
    folder = data_folder() / "unfair_tos"
    rows: list[Row] = []
    with (folder / "unfair_tos_en.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            tags = (re.fullmatch(r"([a-z]+)([123])", tag) for tag in row["tags"].split())
            labels = sorted({tag[1] for tag in tags if tag is not None and tag[2] in "23"})
            rows.append({"text": row["text"], "labels": labels, "group": row["document"]})
    for fold in range(5):
        listed = (folder / f"LIST_TEST_{fold}.txt").read_text(encoding="utf-8").split()
        held_out = {name.removesuffix(".txt") for name in listed}
        yield [{**row, "split": "test" if row["group"] in held_out else "train"} for row in rows]


def cuad_clauses() -> Iterator[list[Row]]:
    merged: dict[tuple[str, str], set[str]] = {}
    with (data_folder() / "cuad_clauses" / "cuad_clause_spans.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            merged.setdefault((row["contract_id"], row["text"]), set()).add(row["category"])
    rows: list[Row] = [
        {"text": text, "labels": sorted(labels), "group": contract} for (contract, text), labels in merged.items()
    ]
    for fold in range(5):
        yield [{**row, "split": "test" if _fold(row["group"]) == fold else "train"} for row in rows]


def _fold(group: str) -> int:
    return int(hashlib.sha256(group.encode()).hexdigest(), 16) % 5


if __name__ == "__main__":
    main()
