"""A specialist from a larger model's recorded answers: what it may keep after N logs, beside shad0wllm on the same.

    SHOAL_DATA=... python bench/distil.py [--quick] [--backbone encoder]

The teachers are columns of llm_banking77. Logs are drawn from the train rows of llama3.2-3b (5 nearest examples) and,
for GPT-4 (3 examples a label), of which only answers to the test rows are recorded, from those. 300 of the logs carry
the gold label as a person's judgement (none of 500 logs). Everything is measured on rows that are no logs and that the
teacher gave a usable answer to. Both systems see the same logs and split them as they like; shad0wllm is certified by
its own rule, at 5 % with 90 % confidence. What was measured of it is kept, see bench/peers.py.
"""

import argparse
import csv
import random
import sys
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

import shoal
from measuring import data_folder
from peers import Data, measured
from peers_environments import CACHE, Failed
from peers_systems import SYSTEMS
from results import write
from shoal.calibration import certify, certify_both, grid
from shoal.data import Answers, Dataset, read_answers, split
from shoal.metrics import clopper_pearson, wilson
from shoal.models import Specialist

ALPHAS = (0.05, 0.03, 0.02)
DELTA = 0.05
JUDGED = 300
EVALUATED = 1_000  # of the rows with a recorded GPT-4 answer; the others are its logs
LOGS = {"llama3.2_3b_5nn_fewshot": (500, 1_000, 2_000, 4_000, 8_000), "gpt4_3shot_representative": (500, 1_000, 2_000)}
NAMES = {"llama3.2_3b_5nn_fewshot": "llama3.2-3b, 5 nearest", "gpt4_3shot_representative": "GPT-4, 3 examples"}

Row = dict[str, str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="the shortest logs alone, by the lexical rung")
    parser.add_argument("--backbone", default="encoder")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    results: list[dict[str, Any]] = []
    backbone = "tfidf" if arguments.quick else arguments.backbone
    for system in (partial(by_shoal, backbone=backbone), by_shad0wllm):
        for teacher, sizes in LOGS.items():
            logs, rest = rows_of(teacher, arguments.seed)
            for size in sizes[:1] if arguments.quick else sizes:
                results.append({"teacher": NAMES[teacher], "logs": size} | system(logs[:size], rest))
                print(results[-1], flush=True)
                write("distil", results, seed=arguments.seed)
    print(f"wrote {write('distil', results, seed=arguments.seed)}")
    if arguments.quick and any("failed" in row for row in results):
        sys.exit("shad0wllm did not run")


def rows_of(teacher: str, seed: int) -> tuple[list[Row], list[Row]]:
    """Logs in random order, and the rows to be judged by."""
    read: dict[str, list[Row]] = {}
    for part in ("train", "test"):
        with (data_folder() / "llm_banking77" / f"{part}_llm.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        read[part] = [{"text": row["text"], "answer": row.get(teacher, ""), "gold": row["gold"]} for row in rows]
        random.Random(seed).shuffle(read[part])
    if teacher.startswith("gpt4"):
        return read["test"][EVALUATED:], read["test"][:EVALUATED]
    return read["train"], read["test"]


def by_shoal(logs: Sequence[Row], rest: Sequence[Row], backbone: str) -> dict[str, Any]:
    """Train on the logs; certify for each risk; keep what may be kept of the rest."""
    labels = sorted({row["gold"] for row in (*logs, *rest)})
    judged = JUDGED if len(logs) > 2 * JUDGED else 0
    rows = [{**row, "truth": row["gold"] if place < judged else ""} for place, row in enumerate(logs)]
    answers = read_answers(rows, answer="answer", truth="truth", labels=labels)
    dataset = split(answers.dataset, drop_leaks=True)
    specialist = shoal.train(
        Answers(dataset, answers.unusable, answers.votes_left_out),
        backbone=backbone,
        risk=ALPHAS[0],
        budget_seconds=600,
        cache=CACHE / "distil",
    )
    facts = specialist.report["teacher"]
    usable = [row for row in rest if row["answer"] in labels]
    judgement = specialist.judge([row["text"] for row in usable])
    said = np.array(labels)[judgement.label]
    agrees = said == np.array([row["answer"] for row in usable])
    true = said == np.array([row["gold"] for row in usable])
    confidence = np.where(judgement.eligible, judgement.confidence, -np.inf)
    kept = {}
    for alpha in ALPHAS:
        teacher, both = thresholds(specialist, dataset, alpha)
        kept[f"{alpha:.2f}"] = {
            "teacher": _kept(confidence >= teacher, agrees, true),
            "both": _kept(confidence >= both, agrees, true) if judged else None,
        }
    return {
        "system": "shoal",
        "backbone": backbone,
        "unusable": sum(answers.unusable.values()),
        "evaluated": len(usable),
        "judged": facts["judged"],
        "treatment": facts["treatment"],
        "agreement": _share(agrees),
        "accuracy": _share(true),
        "teacher_accuracy": _share(np.array([row["answer"] == row["gold"] for row in usable])),
        "kept": kept,
        "served": _kept(judgement.accepted, agrees, true),
        "training_seconds": specialist.provenance["training_seconds"],
    }


def thresholds(specialist: Specialist, dataset: Dataset, alpha: float) -> tuple[float, float]:
    """From which confidence answers may be kept: against the teacher, and against the truth as well; inf for none.

    The dev rows have taught the head by now, so that what it says of them is worth nothing. Which thresholds are tested
    follows from the confidence of the calibration rows instead, without looking at what is right: given the scores, the
    sequence is fixed.
    """
    rows = dataset.part("calibration")
    judged = specialist.judge(rows.texts)
    confidence = np.where(judged.eligible, judged.confidence, -np.inf)
    said = np.array(specialist.task.labels)[judged.label]
    agrees = said == np.array(rows.targets)
    steps = grid(confidence, rows=len(said), risk=alpha, delta=DELTA)
    alone = certify(confidence, agrees, risk=alpha, delta=DELTA, grid=steps).threshold
    known = np.array([row.truth is not None for row in rows.rows])
    true = np.array([row.truth or "" for row in rows.rows]) == said
    begin = float(grid(confidence, rows=max(int(known.sum()), 1), risk=alpha, delta=DELTA)[0])
    _, truth = certify_both(confidence, agrees, true, known, risk=alpha, delta=DELTA, grid=steps, second_from=begin)
    return np.inf if alone is None else alone, np.inf if truth.threshold is None else truth.threshold


def by_shad0wllm(logs: Sequence[Row], rest: Sequence[Row]) -> dict[str, Any]:
    """The same logs, as its teacher's rows, in its own environment."""
    system = next(each for each in SYSTEMS if each.name == "shad0wllm")
    labels = {row["gold"] for row in (*logs, *rest)}
    train = [(row["text"], row["answer"]) for row in logs if row["answer"] in labels]
    usable = [row for row in rest if row["answer"] in labels]
    data = Data("distil", train, [(row["text"], row["answer"]) for row in usable], full=True)
    try:
        found = measured(system, data, 0, 1_200, quick=False)
    except Failed as error:
        return {"system": "shad0wllm", "failed": str(error)}
    said = np.array(found["labels"])
    agrees = said == np.array([row["answer"] for row in usable])
    true = said == np.array([row["gold"] for row in usable])
    return {
        "system": "shad0wllm",
        "evaluated": len(usable),
        "agreement": _share(agrees),
        "accuracy": _share(true),
        "kept": {"0.05": {"teacher": _kept(np.array(found["kept"], dtype=bool), agrees, true), "both": None}},
        "certified_by_itself": found["certified_by_itself"],
        "training_seconds": round(found["training_seconds"], 1),
    }


def _kept(kept: np.ndarray, agrees: np.ndarray, true: np.ndarray) -> dict[str, Any]:
    """Share kept, and of the kept: the shares that disagree with the teacher, and that are wrong."""
    rows = int(kept.sum())

    def wrong(right: np.ndarray) -> dict[str, float] | None:
        errors = int((kept & ~right).sum())
        low, high = clopper_pearson(errors, rows) if rows else (0.0, 1.0)
        return {"value": errors / rows, "low": low, "high": high} if rows else None

    return {"share": rows / len(kept), "disagree": wrong(agrees), "wrong": wrong(true)}


def _share(right: np.ndarray) -> dict[str, float]:
    low, high = wilson(int(right.sum()), len(right))
    return {"value": float(right.mean()), "low": low, "high": high}


if __name__ == "__main__":
    main()
