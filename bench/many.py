"""Ten specialists of one project on the same messages: what the shared pass through the encoder saves.

    SHOAL_DATA=... python bench/many.py [--rows 4000]

CLINC150's ten domains make ten tasks on the same texts: which intent of the domain a text is, or none of them. All ten
are trained twice: with the cache that a project shares (the encoder is exported once and each text embedded once), and
each on its own. The rung is the frozen encoder; both runs give the same specialists.
"""

import argparse
import json
import random
import tempfile
import time
from pathlib import Path
from typing import Any

import shoal
from measuring import data_folder, load_average
from results import write

NONE = "another_domain"
Rows = list[dict[str, str]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=4000, help="training texts, shared by all ten")
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    domains, texts = messages(400 if arguments.quick else arguments.rows)
    tasks = {
        name: labelled(texts, set(intents)) for name, intents in list(domains.items())[: 2 if arguments.quick else 10]
    }
    results: list[dict[str, Any]] = []
    answers: dict[str, list[float]] = {}
    for shared in (True, False):
        load, began = load_average(), time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            made = [train(rows, name, Path(folder) if shared else None) for name, rows in tasks.items()]
        seconds = time.monotonic() - began
        accuracies = [each.report["metrics"]["accuracy"]["value"] for each in made]
        answers["shared" if shared else "apart"] = accuracies
        results.append(
            {
                "training": "one project, shared encoder pass" if shared else "ten separate trainings",
                "specialists": len(made),
                "rows": len(texts),
                "seconds": round(seconds, 1),
                "seconds_each": round(seconds / len(made), 2),
                "mean_accuracy": round(sum(accuracies) / len(accuracies), 4),
                "load_average": load,
            }
        )
        print(results[-1], flush=True)
    print(f"wrote {write('many', results, seed=0)}")


def messages(rows: int) -> tuple[dict[str, list[str]], list[tuple[str, str, str]]]:
    """The domains with their intents, and texts with intent and split."""
    folder = data_folder() / "clinc150"
    domains = json.loads((folder / "domains.json").read_text(encoding="utf-8"))
    full = json.loads((folder / "data_full.json").read_text(encoding="utf-8"))
    train = [(text, intent, "") for text, intent in full["train"]]
    random.Random(0).shuffle(train)
    return domains, train[:rows] + [(text, intent, "test") for text, intent in full["test"][::5]]


def labelled(texts: list[tuple[str, str, str]], intents: set[str]) -> Rows:
    rows = [
        {"text": text, "label": intent if intent in intents else NONE, "split": split} for text, intent, split in texts
    ]
    return [{key: value for key, value in row.items() if value} for row in rows]


def train(rows: Rows, name: str, cache: Path | None) -> shoal.Specialist:
    return shoal.train(rows, backbone="encoder", name=name, cache=cache)


if __name__ == "__main__":
    main()
