"""How long does the review of a long contract take, from file to finished page?

    SHOAL_DATA=... python bench/review.py

Terms of service of the unfair_tos corpus that no specialist was trained on, joined to one document of 15,000 words (30
pages of 500), numbered, in paragraphs of 60 words or more. It is written as text, HTML and DOCX. Timed are reading,
judging and drawing the HTML page, in one process with the specialist loaded; and the command `shoal review`, from its
start to its end. The specialists tell the categories of unfair clauses apart; how well is another benchmark's matter.
"""

import argparse
import csv
import html
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import docx
import numpy as np

import shoal
import shoal.data
from measuring import CACHE, data_folder, load_average, median
from results import write
from shoal.documents import read
from shoal.report import review_html
from shoal.review import review

SEED = 0
REPEATS = 9
WORDS = 15_000
PAGE = 500
PARAGRAPH = 60
FAIR_ROWS = 2_500
RUNGS = ("tfidf", "encoder")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=REPEATS)
    repeats = parser.parse_args().repeats
    with tempfile.TemporaryDirectory() as folder:
        paragraphs = contract()
        files = written(paragraphs, Path(folder))
        results = [timed(rung, path, paragraphs, repeats) for rung in RUNGS for path in files]
    print(write("review", results, seed=SEED))


def sentences(listed: str) -> list[dict[str, str]]:
    """Sentences of the documents on a list of the corpus, in order; the label is the category of an unfair clause."""
    folder = data_folder() / "unfair_tos"
    names = {Path(line).stem for line in (folder / listed).read_text(encoding="utf-8").split()}
    with (folder / "unfair_tos_en.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["document"] in names]
    unfair = re.compile(r"([a-z]+)[23]")
    return [
        {
            "text": row["text"],
            "label": found[1] if (found := unfair.search(row["tags"])) else "none",
            "group": row["document"],
        }
        for row in rows
    ]


def contract() -> list[str]:
    """Paragraphs of 60 words or more, 15,000 in all."""
    paragraphs, words, total = [], [], 0
    for row in sentences("LIST_TEST_0.txt"):
        words += row["text"].split()
        if len(words) >= PARAGRAPH:
            paragraphs.append(" ".join(words))
            total += len(words)
            words = []
        if total >= WORDS:
            return paragraphs
    sys.exit(f"the test documents hold {total:,} words only")


def written(paragraphs: list[str], folder: Path) -> list[Path]:
    """The contract as text, HTML and DOCX."""
    numbered = [(f"{1 + n // 10}.{1 + n % 10}", text) for n, text in enumerate(paragraphs)]
    (folder / "contract.txt").write_text("\n\n".join(f"{number} {text}" for number, text in numbered), encoding="utf-8")
    body = "".join(f"<p>{number} {html.escape(text)}</p>\n" for number, text in numbered)
    (folder / "contract.html").write_text(f"<!doctype html><title>x</title><body>{body}", encoding="utf-8")
    made = docx.Document()
    for number, text in numbered:
        made.add_paragraph(f"{number} {text}")
    made.save(str(folder / "contract.docx"))
    return [folder / f"contract.{suffix}" for suffix in ("txt", "html", "docx")]


def trained(rung: str) -> Path:
    """The folder of a specialist for unfair clauses, trained on the first call and kept."""
    place = CACHE / f"review-{rung}"
    if not (place / "manifest.json").is_file():
        rows = sentences("LIST_TRAIN_0.txt")
        fair = [row for row in rows if row["label"] == "none"]
        chosen = np.random.default_rng(SEED).choice(len(fair), min(FAIR_ROWS, len(fair)), replace=False)
        rows = [row for row in rows if row["label"] != "none"] + [fair[index] for index in sorted(chosen)]
        made = shoal.train(shoal.data.read(rows, group="group"), backbone=rung, seed=SEED, name="unfair")
        place.parent.mkdir(parents=True, exist_ok=True)
        made.save(place, overwrite=True)
    return place


def timed(rung: str, path: Path, paragraphs: list[str], repeats: int) -> dict[str, Any]:
    """Time the parts and the whole."""
    folder = trained(rung)
    model = shoal.load(folder)
    document = read(path)
    found = review(document, model)
    parts: dict[str, Callable[[], object]] = {
        "read": lambda: read(path),
        "judge": lambda: review(document, model),
        "draw": lambda: review_html(document, found),
        "all": lambda: review_html(again := read(path), review(again, model)),
    }
    seconds = {name: median([clock(call) for _ in range(repeats)], seed=SEED) for name, call in parts.items()}
    cpu = median([clock(parts["all"], time.process_time) for _ in range(repeats)], seed=SEED)
    out = path.with_suffix(".review.html")
    command = [sys.executable, "-c", "from shoal.cli import main; main()", "review", path, "--specialist", folder]
    whole = [clock(lambda: subprocess.run([*command, "--out", out], check=True, capture_output=True)) for _ in range(5)]
    row = {
        "specialist": rung,
        "format": path.suffix.removeprefix("."),
        "words": sum(len(text.split()) for text in paragraphs),
        "pages": sum(len(text.split()) for text in paragraphs) // PAGE,
        "segments": len(document.segments),
        "findings": len(found.findings),
        "doubts": len(found.doubts),
        **{f"{name}_seconds": value for name, value in seconds.items()},
        "cpu_seconds": cpu,
        "command_seconds": median(whole, seed=SEED),
        "load": load_average(),
    }
    print(row)
    return row


def clock(call: Callable[[], object], now: Callable[[], float] = time.perf_counter) -> float:
    begun = now()
    call()
    return now() - begun


if __name__ == "__main__":
    main()
