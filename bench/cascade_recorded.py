"""The cascade against recorded GPT-4 answers: accuracy, share of LLM calls and cost, beside either model alone.

    SHOAL_DATA=... python bench/cascade_recorded.py [--backbone auto] [--budget 600]

The reference is the gold label. The specialist is trained, calibrated and certified by `shoal.train` on rows that are
not test rows; every test row is then decided by the served policy (`routing.cascade`), replayed on recorded answers.

Costs are estimated: the recordings hold labels, not tokens. A prompt is rebuilt as it is described (three examples of
each label for Banking77, eight for BABE with a line of reasoning each), its tokens counted as a quarter of its bytes
and priced by the "gpt-4" entry of headlines_gold/serviceinfo.json. The specialist costs CPU time, given in ms.
"""

import argparse
import csv
import dataclasses
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

import shoal
from results import write
from shoal.calibration import certify, grid
from shoal.data import Dataset, split
from shoal.meter import Price, baseline, cost, count_tokens_estimate
from shoal.metrics import clopper_pearson, wilson
from shoal.models import Judgement, Specialist
from shoal.routing import Failure, LLMAnswer, Recorded, Route, cascade, replay
from shoal.tasks import Usage

DELTA = 0.05
ALPHAS = (0.03, 0.05, 0.10)
REASONING_TOKENS = 60  # assumed length of one chain of thought about a sentence, in the examples and in the answer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", default="auto")
    parser.add_argument("--budget", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    folder = os.environ.get("SHOAL_DATA")
    if not folder:
        sys.exit("SHOAL_DATA is not set; it names the folder of public data.")
    price = gpt4_price(Path(folder) / "headlines_gold" / "serviceinfo.json")
    results: list[dict[str, Any]] = []
    for read in (banking77, babe):
        name, dataset, recorded, prompt, answer_tokens = read(Path(folder), arguments.seed)
        specialist = shoal.train(
            dataset,
            backbone=arguments.backbone,
            risk=min(ALPHAS),  # tiers ahead of the last are chosen for the strictest promise, so they suit the others
            budget_seconds=arguments.budget,
            seed=arguments.seed,
            name=name,
        )
        for alpha in ALPHAS:
            certified = recertified(specialist, dataset, alpha)
            for row in compared(certified, dataset.part("test"), recorded, prompt, answer_tokens, price):
                results.append({"data": name, "alpha": alpha, "delta": DELTA, "backbone": arguments.backbone} | row)
                print(results[-1], flush=True)
    print(f"wrote {write('cascade_recorded', results, seed=arguments.seed)}")


def gpt4_price(path: Path) -> Price:
    """Read dollars per token, give dollars per million."""
    entry = json.loads(path.read_text(encoding="utf-8"))["openaichat"]["gpt-4"]
    return Price(input=entry["cost_input"] * 1e6, output=entry["cost_output"] * 1e6)


def banking77(folder: Path, seed: int) -> tuple[str, Dataset, dict[str, str | None], str, int]:
    """Official split; dev and calibration rows are carved out of train. GPT-4 with three representative examples."""
    test = _rows(folder / "llm_banking77" / "test_llm.csv")
    train = _rows(folder / "banking77" / "train.csv")
    dataset = Dataset.from_rows(
        [{"text": row["text"], "label": row["category"], "split": "train"} for row in train]
        + [{"text": row["text"], "label": row["gold"], "split": "test"} for row in test]
    )
    recorded: dict[str, str | None] = {row["text"]: row["gpt4_3shot_representative"] for row in test}
    examples = _examples([(row["text"], row["category"]) for row in train], 3, seed)
    labels = sorted({row["category"] for row in train})
    prompt = "Classify the customer's message into one of these intents: " + ", ".join(labels) + "\n\n"
    prompt += "".join(f"Message: {text}\nIntent: {label}\n\n" for text, label in examples)
    mean_label = round(sum(map(count_tokens_estimate, labels)) / len(labels))
    return "banking77", split(dataset, seed=seed, drop_leaks=True), recorded, prompt, mean_label


def babe(folder: Path, seed: int) -> tuple[str, Dataset, dict[str, str | None], str, int]:
    """No official split: half trains, a quarter is test. GPT-4, eight examples with reasoning; "?" was unusable."""
    rows = _rows(folder / "llm_babe_bias" / "babe_llm_labels.csv")
    dataset = Dataset.from_rows([{"text": row["text"], "label": row["gold"]} for row in rows])
    recorded = {row["text"]: answer if (answer := row["gpt_4@8-shot-CoT"]) != "?" else None for row in rows}
    examples = _examples([(row["text"], row["gold"]) for row in rows], 4, seed)
    reasoning = "x" * (4 * REASONING_TOKENS)
    prompt = "Decide whether the sentence is biased. Think step by step, then answer 0 or 1.\n\n"
    prompt += "".join(f"Sentence: {text}\nReasoning: {reasoning}\nAnswer: {label}\n\n" for text, label in examples)
    assigned = split(dataset, fractions=(0.5, 0.1, 0.15, 0.25), seed=seed, drop_leaks=True)
    return "llm_babe_bias", assigned, recorded, prompt, REASONING_TOKENS + 1


def recertified(specialist: Specialist, dataset: Dataset, alpha: float) -> Specialist:
    """Certify the last tier, alone, for another risk: grid on dev, proof on calibration rows.

    A tier ahead of it was chosen for the risk that was trained for, and may spend more than another one allows. Two
    promises certified on the same rows each have their own delta.
    """
    last = dataclasses.replace(specialist.tiers[-1], threshold=None)
    open_ended = dataclasses.replace(specialist, tiers=(last,))
    scored = {}
    for part in ("dev", "calibration"):
        rows = dataset.part(part)
        judged = open_ended.judge(rows.texts)
        targets = np.array([specialist.task.labels.index(label) for label in rows.targets])
        scored[part] = (_policy_confidence(judged), judged.label == targets)
    thresholds = grid(*scored["dev"], rows=len(scored["calibration"][0]), risk=alpha, delta=DELTA)
    certificate = certify(*scored["calibration"], risk=alpha, delta=DELTA, grid=thresholds)
    tier = dataclasses.replace(last, threshold=certificate.threshold)
    return dataclasses.replace(specialist, tiers=(tier,), certificate=certificate)


def compared(
    specialist: Specialist,
    test: Dataset,
    recorded: dict[str, str | None],
    prompt: str,
    answer_tokens: int,
    price: Price,
) -> list[dict[str, Any]]:
    """One row a policy: the specialist alone, the LLM alone, the cascade."""
    route = Route(specialist.name, llm="gpt-4")
    answer_text = "x" * (4 * answer_tokens)
    right = {"specialist alone": 0, "LLM alone": 0, "cascade": 0}
    calls = {"specialist alone": 0, "LLM alone": len(test), "cascade": 0}
    spent = {"specialist alone": 0.0, "LLM alone": 0.0, "cascade": 0.0}
    kept = kept_wrong = undecided = 0
    for text, gold, prediction in zip(test.texts, test.targets, specialist.predict(test.texts), strict=True):
        usage = baseline(text, price, prompt=prompt, answer=answer_text).usage
        label = recorded[text]
        decision = replay(cascade(route, text), Recorded(prediction, _answer(label, usage)))
        right["specialist alone"] += prediction.label == gold
        right["LLM alone"] += label == gold
        right["cascade"] += decision.said == gold
        spent["LLM alone"] += cost(usage, price)
        kept += prediction.accepted
        kept_wrong += prediction.accepted and prediction.label != gold
        undecided += decision.said is None
        if not prediction.accepted:
            calls["cascade"] += 1
            spent["cascade"] += cost(usage, price)
    low, high = clopper_pearson(kept_wrong, kept)
    about = {
        "test_rows": len(test),
        "certificate": specialist.certificate.reason if specialist.certificate else None,
        "tiers": [tier.name for tier in specialist.tiers],
        "coverage": kept / len(test),
        "risk_of_kept": {"value": kept_wrong / kept, "low": low, "high": high} if kept else None,
        "undecided": undecided,
        "specialist_ms": 1000 / specialist.report["speed"]["docs_per_second"],
        "prompt_tokens": count_tokens_estimate(prompt),
    }
    return [
        {
            "policy": policy,
            "accuracy": _share(right[policy], len(test)),
            "llm_calls": calls[policy] / len(test),
            "usd_per_1000": 1000 * spent[policy] / len(test),
        }
        | (about if policy == "cascade" else {})
        for policy in right
    ]


def _answer(label: str | None, usage: Usage) -> LLMAnswer | Failure:
    return LLMAnswer(label, usage) if label is not None else Failure("llm_error", "the recorded answer is unusable")


def _policy_confidence(judged: Judgement) -> np.ndarray:
    """+inf for rows that an earlier tier keeps, -inf for rows that may never be kept."""
    return np.where(judged.accepted, np.inf, np.where(judged.eligible, judged.confidence, -np.inf))


def _examples(rows: list[tuple[str, str]], per_label: int, seed: int) -> list[tuple[str, str]]:
    order = np.random.default_rng(seed).permutation(len(rows))
    taken: dict[str, list[str]] = {}
    for row in order:
        text, label = rows[row]
        if len(taken.setdefault(label, [])) < per_label:
            taken[label].append(text)
    return [(text, label) for label, texts in sorted(taken.items()) for text in texts]


def _share(count: int, total: int) -> dict[str, float]:
    low, high = wilson(count, total)
    return {"value": count / total, "low": low, "high": high}


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


if __name__ == "__main__":
    main()
