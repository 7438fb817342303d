"""Summaries by quotation beside the beginning, LexRank and TextRank (sumy) and the oracle, at one budget.

    SHOAL_DATA=... python bench/summarization.py [--data qmsum_spans legal_summarization] [--quick]

qmsum_spans: trained on val.jsonl, the summaries of test.jsonl measured once; the budget is as many words as the
references of val have on average. legal_summarization: both files together, five folds by document or service, each
fold summarised once by what the other four taught; the budget is one sentence, and in a second run 16 words, as many
as its references have on average. Every system chooses among the same
sentences under the same budget; one that only ranks takes them in its order and leaves out what does not fit. Only
shoal is told the query. ROUGE is F1 without stemming; it is compared with the rouge-score package on every summary, and
every quote is looked up in its text. The promise is tried on 200 draws of half as many texts: a certificate that at
most 20 % of the kept have less than half of the oracle's ROUGE-1, and what is true of all texts.
"""

import argparse
import hashlib
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from measuring import CACHE, data_folder, load_average
from peers_environments import environment, run, surroundings
from results import RESULTS, write
from shoal.calibration import certify
from shoal.data import Dataset, Row
from shoal.evaluation.summarization import FIGURES, central, chosen_f1, judge, lead, read_words
from shoal.metrics import bootstrap, mean_of
from shoal.metrics.oracle import Reference
from shoal.models.passages import Passages
from shoal.models.ranking import Ranker
from shoal.models.selection import Selection, in_turn
from shoal.models.summarizer import Summarizer, drafted
from shoal.tasks import Budget
from shoal.training.summarization import train

FOLDS = 5
RISK, FLOOR, DRAWS = 0.2, 0.5, 200
Trained = list[tuple[Summarizer, list[Row]]]


class Systems(NamedTuple):
    """What each system chose: for each test text, and how many texts a second shoal and sumy did."""

    passages: list[Passages]
    references: list[str]
    chosen: dict[str, list[list[int]]]
    speed: dict[str, float]
    confidence: list[float]
    shares: list[float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", choices=DATA, default=list(DATA))
    parser.add_argument("--quick", action="store_true", help="sixty texts of each")
    parser.add_argument("--merge", action="store_true", help="keep what earlier runs measured and this one does not")
    arguments = parser.parse_args()
    results: list[dict[str, Any]] = []
    for name in arguments.data:
        load = load_average()
        folder = data_folder() / name.removesuffix("_words")
        trained, facts = DATA[name](folder, 60 if arguments.quick else 100_000)
        systems = summarised(trained)
        for row in measured(systems):
            results.append({"data": name, **row, **facts, "load_average": load})
            print(results[-1], flush=True)
    if arguments.merge:
        results = earlier(results) + results
    print(f"wrote {write('summarization', results, seed=0)}")


def earlier(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What an earlier run measured and this one did not."""
    done = {row["data"] for row in results}
    before = json.loads((RESULTS / "summarization.json").read_text(encoding="utf-8"))["results"]
    return [row for row in before if row["data"] not in done]


def qmsum(folder: Path, most: int) -> tuple[Trained, dict[str, Any]]:
    parts = {part: lines(folder / f"{part}.jsonl")[:most] for part in ("val", "test")}
    rows = {
        part: [
            Row(each["dialogue"], "", target=each["summary"], query=each["query"], group=f"{part} {each['meeting']}")
            for each in found
        ]
        for part, found in parts.items()
    }
    made = learnt(rows["val"], rows["test"], None)
    return [(made, rows["test"])], facts_of([made])


def legal(folder: Path, most: int, budget: Budget) -> tuple[Trained, dict[str, Any]]:
    found = [
        Row(
            each["original_text"],
            "",
            target=each["reference_summary"],
            group=f"{file} {each['urls' if tosdr else 'doc']}",
        )
        for file, tosdr in (("tldrlegal_v1", False), ("tosdr_annotated_v1", True))
        for each in list(json.loads((folder / f"{file}.json").read_text(encoding="utf-8")).values())[:most]
    ]
    folds = [int(hashlib.sha256(str(row.group).encode()).hexdigest(), 16) % FOLDS for row in found]
    trained: Trained = []
    for number in range(FOLDS):
        test = [row for row, fold in zip(found, folds, strict=True) if fold == number]
        rest = [row for row, fold in zip(found, folds, strict=True) if fold != number]
        trained.append((learnt(rest, test, budget), test))
    return trained, facts_of([made for made, _ in trained])


def learnt(rows: Sequence[Row], test: Sequence[Row], budget: Budget | None) -> Summarizer:
    """Train without a promise, so that all rows but the test rows teach."""
    parts = [*(replace(row, split="train") for row in rows), *(replace(row, split="test") for row in test)]
    return train(Dataset.of(parts), budget=budget, risk=None, cache=CACHE)


def facts_of(made: Sequence[Summarizer]) -> dict[str, Any]:
    ((counted, most),) = made[0].task.budget.model_dump(exclude_none=True).items()
    return {
        "budget": f"{most} {counted.removesuffix('s') if most == 1 else counted}",
        "references": int(np.mean([each.provenance["references"] for each in made])),
        "ranker": sorted({each.provenance["recipe"]["ranker"] for each in made}),
        "training_seconds": round(float(np.mean([each.provenance["training_seconds"] for each in made])), 1),
    }


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def summarised(trained: Trained) -> Systems:
    passages: list[Passages] = []
    references: list[str] = []
    chosen: dict[str, list[list[int]]] = {
        name: [] for name in ("shoal", "shoal, untrained", "centrality", "lead", "oracle")
    }
    began, answers = time.perf_counter(), []
    for made, rows in trained:
        answers += made.predict([row.text for row in rows], [row.query for row in rows])
    seconds = time.perf_counter() - began
    for made, rows in trained:
        drafts = list(made.drafts([row.text for row in rows], [row.query for row in rows]))
        passages += [draft.passages for draft in drafts]
        references += [str(row.target) for row in rows]
        chosen["shoal"] += [draft.chosen for draft in drafts]
        blank = Ranker.untrained(made.width)
        chosen["shoal, untrained"] += [drafted(draft.passages, blank, Selection()).chosen for draft in drafts]
    for found, answer in zip(passages, answers, strict=True):
        for quote in answer.quotes:  # the claim, looked up for every text
            assert found.text[quote.start : quote.end] == quote.text and quote.text in found.text
    chosen["lead"] = [lead(each) for each in passages]
    chosen["centrality"] = [central(each) for each in passages]
    chosen["oracle"] = [oracle(each, reference) for each, reference in zip(passages, references, strict=True)]
    orders = sumys(passages)
    for name, found in orders.items():
        chosen[name] = [
            in_turn(order, each.costs, each.limit) for order, each in zip(found["orders"], passages, strict=True)
        ]
    speed = {name: len(passages) / found["seconds"] for name, found in orders.items()}
    drafts = (draft for made, rows in trained for draft in made.drafts([r.text for r in rows], [r.query for r in rows]))
    shares = [judge(draft, reference).share for draft, reference in zip(drafts, references, strict=True)]
    speed["shoal"] = len(passages) / seconds
    return Systems(passages, references, chosen, speed, [answer.confidence for answer in answers], shares)


def oracle(passages: Passages, reference: str) -> list[int]:
    return Reference(*read_words(passages, reference)).greedy(passages.costs, passages.limit)


def sumys(passages: Sequence[Passages]) -> dict[str, Any]:
    documents = [[each.quote(index) for index in range(len(each.units))] for each in passages]
    return worker({"documents": documents, "pairs": []})["rankings"]


def worker(job: dict[str, Any]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as scratch:
        given, out = Path(scratch) / "job.json", Path(scratch) / "out.json"
        given.write_text(json.dumps(job), encoding="utf-8")
        script = Path(__file__).with_name("summaries_worker.py")
        command = [str(environment("sumy").python), str(script), str(given), str(out)]
        run(command, Path(scratch) / "log", 1800, env=surroundings(1))
        return json.loads(out.read_text(encoding="utf-8"))


def measured(systems: Systems) -> list[dict[str, Any]]:
    """One row a system, the oracle last; differences are of shoal's figure to it, paired over texts."""
    found = {
        name: np.stack([chosen_f1(*each) for each in zip(systems.passages, chosen, systems.references, strict=True)])
        for name, chosen in systems.chosen.items()
    }
    agreement = google_agrees(systems, found)
    order = sorted(found, key=lambda name: (name == "oracle", -found[name][:, 0].mean()))
    return [
        {
            "system": name,
            "texts": len(systems.passages),
            **{figure: estimate(found[name][:, column]) for column, figure in enumerate(FIGURES)},
            **(
                {}
                if name == "shoal"
                else {
                    f"shoal_{figure}_more": estimate(found["shoal"][:, column] - found[name][:, column])
                    for column, figure in enumerate(FIGURES)
                }
            ),
            "texts_a_second": round(systems.speed[name], 1) if name in systems.speed else None,
            "largest_difference_to_rouge_score": agreement,
            **({"promise": promise(systems)} if name == "shoal" else {}),
        }
        for name in order
    ]


def promise(systems: Systems) -> dict[str, Any]:
    """How often a certificate on half as many texts, drawn with replacement, is broken over all of them."""
    confidence, good = np.array(systems.confidence), np.array(systems.shares) >= FLOOR
    draw = np.random.default_rng(0)
    found: list[tuple[bool, float]] = []
    for _ in range(DRAWS):
        rows = draw.integers(0, len(good), len(good) // 2)
        threshold = certify(confidence[rows], good[rows], risk=RISK).threshold
        kept = confidence >= (2.0 if threshold is None else threshold)
        found.append((bool(kept.any() and (~good[kept]).mean() > RISK), float(kept.mean())))
    return {
        "risk": RISK,
        "floor": FLOOR,
        "below_floor": round(float((~good).mean()), 4),
        "draws": DRAWS,
        "certified": sum(share > 0 for _, share in found),
        "broken": sum(broken for broken, _ in found),
        "mean_kept": round(float(np.mean([share for _, share in found])), 4),
    }


def google_agrees(systems: Systems, found: dict[str, NDArray[np.float64]]) -> float:
    pairs, own = [], []
    for name, chosen in systems.chosen.items():
        for row, (passages, taken, reference) in enumerate(
            zip(systems.passages, chosen, systems.references, strict=True)
        ):
            pairs.append(["\n".join(passages.quote(index) for index in sorted(taken)), reference])
            own.append(found[name][row])
    theirs = worker({"documents": [], "pairs": pairs})["rouge"]
    difference = float(np.abs(np.array(theirs) - np.array(own)).max())
    assert difference < 1e-9, f"ROUGE differs from rouge-score's by {difference}"
    return difference


def estimate(values: NDArray[np.float64]) -> dict[str, float]:
    found = bootstrap(mean_of(values), len(values), seed=0, resamples=5000)
    return {"value": round(found.value, 4), "low": round(found.low, 4), "high": round(found.high, 4)}


DATA: dict[str, Callable[[Path, int], tuple[Trained, dict[str, Any]]]] = {
    "qmsum_spans": qmsum,
    "legal_summarization": partial(legal, budget=Budget(sentences=1)),
    "legal_summarization_words": partial(legal, budget=Budget(words=16)),
}


if __name__ == "__main__":
    main()
