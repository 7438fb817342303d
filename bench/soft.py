"""What soft targets and texts without labels add, on train rows of Banking77 alone: a trial to choose by, not to quote.

    SHOAL_DATA=... python bench/soft.py [votes | probabilities | unlabelled] [--logs 1000] [--texts 3000]

Votes: the recorded answers of four models, the commonest being the answer, and gold labels with simulated flips.
Probabilities: a head on 2,500 other rows stands in for a larger model that gives them. Both are learnt by a head on
the frozen encoder and by one on TF-IDF. Texts without labels: whole trainings of the two rungs that learn from guesses,
without a promise.
"""

import argparse
import csv
import random
from collections import Counter

import numpy as np

import shoal
from measuring import data_folder
from peers_environments import CACHE
from shoal.calibration import softmax
from shoal.data import Row
from shoal.training import frozen, heads, noise, tfidf
from shoal.training.backbone import resolve
from shoal.training.progress import silent

TEACHERS = ("qwen3_30b_a3b_fewshot_open", "llama3.2_3b_5nn_fewshot", "qwen3_8b_zeroshot", "gemma3_4b_zeroshot")
ROWS, DEV, JUDGED = 6_000, 200, 1_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("votes", "probabilities", "unlabelled"), nargs="?", default="votes")
    parser.add_argument("--logs", type=int, default=1_000)
    parser.add_argument("--texts", type=int, default=3_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with (data_folder() / "llm_banking77" / "train_llm.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    random.Random(arguments.seed).shuffle(rows)
    rows = rows[:ROWS]
    if arguments.what == "unlabelled":
        unlabelled(rows, arguments.logs, arguments.texts)
        return
    texts, labels = [row["text"] for row in rows], sorted({row["gold"] for row in rows})
    embeddings = frozen.embed(resolve("auto"), texts, silent, CACHE / "soft").train
    gold = np.array([labels.index(row["gold"]) for row in rows])
    if arguments.what == "probabilities":
        known = slice(ROWS - JUDGED - 2_500, ROWS - JUDGED)
        head = heads.regression(embeddings[known], gold[known], len(labels), strength=10.0, iterations=60)
        chances = softmax(embeddings @ head.weight + head.bias)
        told = [Row("", "", probabilities=tuple(zip(labels, map(float, each), strict=True))) for each in chances]
        compare("probabilities", texts, embeddings, gold, told, labels, arguments.logs)
        return
    answers = [tuple(row[name] for name in TEACHERS if row[name] in labels) or (row["gold"],) for row in rows]
    compare("four models", texts, embeddings, gold, [voted(each) for each in answers], labels, arguments.logs)
    for flips in (0.1, 0.25):
        draw = random.Random(arguments.seed)
        asked = [tuple(draw.choice(labels) if draw.random() < flips else row["gold"] for _ in range(3)) for row in rows]
        compare(f"flips {flips}", texts, embeddings, gold, [voted(each) for each in asked], labels, arguments.logs)


def voted(answers: tuple[str, ...]) -> Row:
    return Row("", Counter(answers).most_common(1)[0][0], votes=answers)


def compare(name: str, texts: list[str], embeddings, gold, told: list[Row], labels: list[str], logs: int) -> None:
    """Learn the first answer, the commonest or most probable one, and the shares; print how they do."""
    shares = noise.shares(told, labels)
    assert shares is not None
    best = shares.argmax(axis=1)
    train, dev, judged = slice(0, logs), slice(logs, logs + DEV), slice(ROWS - JUDGED, ROWS)
    lexical, transform = tfidf.features(texts[train], len(labels))
    print(f"{name}: the answer is right in {np.mean(best[judged] == gold[judged]):.1%}")
    ways = {"answer": best[train], "shares": shares[train]}
    if told[0].votes:
        ways = {"first vote": np.array([labels.index(row.votes[0]) for row in told[train]]), **ways}
    views = {
        "encoder": [embeddings[part] for part in (train, dev, judged)],
        "tfidf": [lexical, transform(texts[dev]), transform(texts[judged])],
    }
    for view, (known, held, asked) in views.items():
        for way, targets in ways.items():
            head = heads.regression(known, targets, len(labels), strength=10.0, iterations=60)
            loss = heads.losses(held @ head.weight + head.bias, best[dev]).mean()
            said = (asked @ head.weight + head.bias).argmax(axis=1)
            agrees, right = np.mean(said == best[judged]), np.mean(said == gold[judged])
            print(f"  {view:8} {way:10} dev log-loss {loss:.3f}, agrees {agrees:.1%}, right {right:.1%}", flush=True)


def unlabelled(rows: list[dict[str, str]], logs: int, texts: int) -> None:
    """Train each rung with and without the texts."""
    known = [{"text": row["text"], "label": row["gold"]} for row in rows[:logs]]
    others, judged = [row["text"] for row in rows[logs : logs + texts]], rows[ROWS - JUDGED :]
    for rung in ("tfidf", "static"):
        for given in ([], others):
            made = shoal.train(known, backbone=rung, risk=None, unlabelled=given, cache=CACHE / "soft")
            said = made.predict([row["text"] for row in judged])
            right = np.mean([one.label == row["gold"] for one, row in zip(said, judged, strict=True)])
            took = made.provenance["training_seconds"]
            print(f"{rung:8} {len(given):5} texts: right {right:.1%}, {took:.0f} s", made.provenance.get("unlabelled"))


if __name__ == "__main__":
    main()
