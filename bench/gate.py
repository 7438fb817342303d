"""Does the gate stop what is worse, and let pass what is as good? Seeded regressions of real models, 20 seeds.

    SHOAL_DATA=... python bench/gate.py

The frozen encoder under logistic regression, trained and tested anew in every seed: champion and challengers see
different draws of the training rows, and the test rows are drawn as well. The challengers are

    as good           another draw of nine tenths of the training rows, as the champion has one
    3 points worse    so few training rows that it is three points worse on dev rows
    biased            a quarter or half of the training rows of one slice carry the same wrong label
    7 bits, 6 bits    the champion, every matrix of its encoder rounded to so many bits, with one scale a matrix

Each is held against the champion by the rules of the product as they are when nothing is configured but the slices, on
all test rows and on some of them. Test rows are never looked at to choose anything.
"""

import argparse
import json
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from measuring import CACHE, banking77, data_folder
from results import RESULTS, write
from shoal import behaviour, gate
from shoal.config import GateConfig
from shoal.data import Dataset, Row, load_public
from shoal.evaluation import Slice, find_slices

SEEDS = 20
DROP = 0.03
DEV = 3000
POOL = 4500  # rows to train on; the champion gets nine tenths of them
BITS = (7, 6)

Floats = NDArray[np.float32]
Numbers = NDArray[np.intp]


@dataclass(frozen=True)
class Rows:
    """A data set with what the sound and the broken encoder make of it.

    Attributes:
        name: of the data.
        labels: label numbers [n].
        sound: embeddings [n, d].
        broken: embeddings by the encoder rounded to so many bits [n, d].
        slices: by terms in the texts.
        spoilt: name of the slice against which a challenger is biased.
        bias: number of the label that it then gives too often, and the share of the slice's training rows with it.
        shares: of the training rows, rising, among which one is three points worse than nine tenths.
        tests: numbers of test rows.
    """

    name: str
    labels: Numbers
    sound: Floats
    broken: dict[int, Floats]
    slices: Sequence[Slice]
    spoilt: str = ""
    bias: tuple[int, float] = (0, 0.0)
    shares: Sequence[float] = ()
    tests: Sequence[int] = ()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two seeds, to see that it works")
    parser.add_argument("--data", choices=DATA, help="one data set; what was measured on the other is kept")
    arguments = parser.parse_args()
    data_folder()
    results: list[dict[str, Any]] = []
    for name, rows in DATA.items():
        if arguments.data in (None, name):
            results += counted(rows(), 2 if arguments.quick else SEEDS)
        else:
            results += [row for row in earlier() if row["data"] == name]
    for one in results:
        print(one, flush=True)
    print(f"wrote {write('gate', results, seed=0)}")


def earlier() -> list[dict[str, Any]]:
    """What is on record."""
    path = RESULTS / "gate.json"
    return json.loads(path.read_text(encoding="utf-8"))["results"] if path.is_file() else []


def bank() -> Rows:
    topics = {
        "about": {
            "card": ["card", "cards", "visa", "mastercard"],
            "transfer": ["transfer", "transfers", "transferred", "transferring"],
            "top-up": ["top up", "top-up", "topup", "topped up", "topping up"],
            "cash": ["cash", "atm", "withdraw", "withdrawal", "withdrew"],
            "exchange": ["exchange", "currency", "currencies", "rate"],
            "identity": ["identity", "verify", "verification", "passcode", "pin"],
        }
    }
    rows = Dataset.of(Row(row["text"], row["label"]) for part in ("train", "test") for row in banking77(part))
    found = embedded("banking77", rows, topics, BITS)
    return replace(
        found,
        spoilt="about = transfer",
        bias=(rows.labels.index("transfer_timing"), 0.25),
        shares=(0.25, 0.35, 0.45, 0.55),
        tests=(3000, 1500, 750),
    )


def hate() -> Rows:
    rows = load_public("davidson_hate", data_folder())
    found = embedded("davidson_hate", rows, behaviour.load("bias").terms, ())
    return replace(
        found,
        spoilt="gender = women",
        bias=(rows.labels.index("hate_speech"), 0.5),
        shares=(0.03, 0.05, 0.08, 0.12),
        tests=(5000, 2500, 1000),
    )


def embedded(name: str, data: Dataset, terms: Any, bits: Sequence[int]) -> Rows:
    """Embed all texts by the product's frozen encoder, and by the same with broken weights; kept for the next run."""
    from shoal.training.backbone import resolve
    from shoal.training.cache import cached
    from shoal.training.frozen import embed
    from shoal.training.progress import silent

    CACHE.mkdir(exist_ok=True)
    features = embed(resolve("encoder"), data.texts, silent, CACHE)

    def rounded(bits: int) -> Floats:
        makings = [str(bits).encode(), *(text.encode() for text in data.texts)]
        made = cached(CACHE, "rounded.v1", makings, lambda: {"x": broken(features.exact, bits).embed(data.texts)})
        return made["x"][:, : features.width].astype(np.float32)

    return Rows(
        name=name,
        labels=np.array([data.labels.index(label) for label in data.targets]),
        sound=features.train[:, : features.width],
        broken={count: rounded(count) for count in bits},
        slices=find_slices(data, terms),
    )


def broken(scorer: Any, bits: int) -> Any:
    """The encoder after a rounding that is too coarse: few bits and one scale for each whole matrix."""
    import onnx
    from onnx import numpy_helper

    from shoal.training.backbone import resolve
    from shoal.training.export import served

    with tempfile.TemporaryDirectory() as folder:
        scorer.save(Path(folder))
        model = onnx.load(Path(folder) / "encoder.onnx")
    for tensor in model.graph.initializer:
        weights = numpy_helper.to_array(tensor)
        if weights.ndim == 2 and min(weights.shape) > 64 and weights.dtype.kind == "f":
            step = np.abs(weights).max() / (2 ** (bits - 1) - 1)
            tensor.CopyFrom(
                numpy_helper.from_array((np.round(weights / step) * step).astype(weights.dtype), tensor.name)
            )
    none = np.zeros((scorer.weight.shape[0], 1)), np.zeros(1)
    return served(resolve("encoder"), model.SerializeToString(), *none)


def counted(rows: Rows, seeds: int) -> list[dict[str, Any]]:
    """How often each challenger is stopped, by number of test rows."""
    stops: dict[tuple[str, int], Counter[str]] = {}
    drops: dict[tuple[str, int], list[tuple[float, float]]] = {}
    sizes: dict[int, list[int]] = {}
    for seed in range(seeds):
        test, models = challengers(rows, seed)
        for count in rows.tests:
            part = test[:count]
            slices = [Slice(one.by, one.value, one.rows[part]) for one in rows.slices]
            spoilt = next(one.rows for one in slices if one.name == rows.spoilt)
            sizes.setdefault(count, []).append(int(spoilt.sum()))
            champion = models["champion"][:count]
            for name, right in models.items():
                if name == "champion":
                    continue
                found = gate.against_champion((champion, right[:count]), slices, GateConfig())
                key = name, count
                change = right[:count].astype(float) - champion
                drops.setdefault(key, []).append((change.mean(), change[spoilt].mean()))
                stops.setdefault(key, Counter()).update(rule.name for rule in found if not rule.passed)
                stops[key]["difference seen"] += bool(change.mean() < -GateConfig().max_regression)
                stops[key]["any"] += not all(rule.passed for rule in found)
        print(f"{rows.name}, seed {seed}: { ({key: dict(one) for key, one in stops.items()}) }", flush=True)
    return [
        {
            "data": rows.name,
            "challenger": name,
            "test_rows": count,
            "slices": len(rows.slices),
            "spoilt_slice": rows.spoilt,
            "spoilt_rows": float(np.mean(sizes[count])),
            "difference": float(np.mean([drop for drop, _ in drops[name, count]])),
            "difference_on_slice": float(np.mean([drop for _, drop in drops[name, count]])),
            "seeds": seeds,
            "stopped": stops[name, count]["any"],
            "by_all_rows": stops[name, count]["max_regression"],
            "by_a_slice": stops[name, count]["max_slice_regression"],
            "if_the_difference_seen_decided": stops[name, count]["difference seen"],
        }
        for name, count in stops
    ]


def challengers(rows: Rows, seed: int) -> tuple[Numbers, dict[str, NDArray[np.bool_]]]:
    """Draw test, dev and training rows; train the champion and its challengers; what each has right on test."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(rows.labels))
    most = max(rows.tests)
    test, dev, pool = order[:most], order[most : most + DEV], order[most + DEV :][:POOL]

    def drawn(share: float) -> Numbers:
        return rng.permutation(pool)[: round(share * len(pool))]

    champion = fitted(rows.sound, drawn(0.9), rows.labels)
    aim = right(champion, rows.sound, rows.labels, dev).mean() - DROP
    smaller = []
    for share in rows.shares:
        smaller.append(fitted(rows.sound, drawn(share), rows.labels))
        if right(smaller[-1], rows.sound, rows.labels, dev).mean() >= aim + 0.01:
            break
    worse = min(smaller, key=lambda head: abs(right(head, rows.sound, rows.labels, dev).mean() - aim))
    spoilt = next(one.rows for one in rows.slices if one.name == rows.spoilt)
    wrong, share = rows.bias
    taught = np.where(spoilt & (rng.random(len(rows.labels)) < share), wrong, rows.labels)
    heads = {"as good": fitted(rows.sound, drawn(0.9), rows.labels), "3 points worse": worse}
    heads["biased"] = fitted(rows.sound, drawn(0.9), taught)
    answered = {"champion": right(champion, rows.sound, rows.labels, test)}
    answered |= {name: right(head, rows.sound, rows.labels, test) for name, head in heads.items()}
    return test, answered | {
        f"{bits} bits": right(champion, embeddings, rows.labels, test) for bits, embeddings in rows.broken.items()
    }


def fitted(embeddings: Floats, rows: Numbers, labels: Numbers) -> Any:
    from shoal.training import heads

    return heads.fitted(embeddings[rows], labels[rows], None, int(labels.max()) + 1, heads.Plan())


def right(head: Any, embeddings: Floats, labels: Numbers, rows: Numbers) -> NDArray[np.bool_]:
    return (embeddings[rows] @ head.weight + head.bias).argmax(axis=1) == labels[rows]


DATA = {"banking77": bank, "davidson_hate": hate}

if __name__ == "__main__":
    main()
