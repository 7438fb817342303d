"""Does the promise hold on real data? 200 random calibration/test splits of held-out rows; two scorers, two sets.

    SHOAL_DATA=... python bench/guarantee.py

The claim: over draws of the calibration rows, the true risk of the kept answers exceeds alpha in at most delta of them.
On real data the true risk has to be stood in for, and there are three ways to do it, all reported:

- `drawn, pool risk`: the held-out pool is the population, so the risk over all its rows is the true one. Calibration
  rows are drawn from it *with* replacement, which is exactly the setting of the claim.
- `split, pool risk`: calibration rows are drawn *without* replacement (the usual split), the pool's risk is the truth.
  Drawing without replacement varies less, so this is easier than the claim.
- `split, rest risk`: the risk seen on the rows left over. That sample varies by itself and, worse, *against* the
  calibration rows: an error that did not fall among them falls among the rest. The larger the calibration share, the
  stronger this is, so no procedure has this share bounded by delta; it is shown for a third and for half of the pool.
  `split, rest risk, expected` is what it would be if the rest were a fresh sample of its size from the pool.
"""

import argparse
import csv
import os
import sys
from itertools import product
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quick_scorers import SCORERS, fit_scores
from results import write
from shoal.calibration import Certificate, certify, fit_temperature, grid, softmax
from shoal.metrics import clopper_pearson

SPLITS = 200
DELTA = 0.05
ALPHAS = (0.05, 0.03)
SHARES = (1 / 3, 1 / 2)  # of the pool that become calibration rows

Rows = tuple[list[str], list[str]]
Scored = tuple[NDArray[np.float64], NDArray[np.bool_]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--splits", type=int, default=SPLITS)
    arguments = parser.parse_args()
    folder = os.environ.get("SHOAL_DATA")
    if not folder:
        sys.exit("SHOAL_DATA is not set; it names the folder of public data (shoal data get banking77, babe).")
    results: list[dict[str, Any]] = []
    for name, (train, dev, pool) in data_sets(Path(folder), arguments.seed).items():
        for scorer in SCORERS:
            scored = scored_rows(scorer, train, dev, pool, seed=arguments.seed)
            for alpha, share in product(ALPHAS, SHARES):
                row = {"data": name, "scorer": scorer, "alpha": alpha, "delta": DELTA}
                row |= measure(*scored, alpha=alpha, share=share, splits=arguments.splits, seed=arguments.seed)
                results.append(row)
                print(_line(row), flush=True)
    print(f"wrote {write('guarantee', results, seed=arguments.seed)}")


def data_sets(folder: Path, seed: int) -> dict[str, tuple[Rows, Rows, Rows]]:
    """Train, dev and held-out pool: Banking77's official test rows; half of BABE, which has no official split."""
    rng = np.random.default_rng(seed)
    texts, labels = _columns(folder / "banking77" / "train.csv", "text", "category")
    order = rng.permutation(len(texts))
    banking = (
        _pick(texts, labels, order[1000:]),
        _pick(texts, labels, order[:1000]),
        _columns(folder / "banking77" / "test.csv", "text", "category"),
    )
    texts, labels = _columns(folder / "llm_babe_bias" / "babe_llm_labels.csv", "text", "gold")
    order = rng.permutation(len(texts))
    half = len(texts) // 2
    babe = (
        _pick(texts, labels, order[300:half]),
        _pick(texts, labels, order[:300]),
        _pick(texts, labels, order[half:]),
    )
    return {"banking77": banking, "llm_babe_bias": babe}


def measure(dev: Scored, pool: Scored, *, alpha: float, share: float, splits: int, seed: int) -> dict[str, Any]:
    """Certify on `splits` random calibration shares of the pool, and compare with the risks named above."""
    rng = np.random.default_rng(seed)
    confidence, correct = pool
    rows = int(len(confidence) * share)
    thresholds = grid(*dev, rows=rows, risk=alpha, delta=DELTA)
    kept, violated_drawn, violated_pool, violated_rest, expected, certified = [], 0, 0, 0, 0.0, 0
    for _ in range(splits):
        drawn = rng.integers(0, len(confidence), rows)
        violated_drawn += _exceeds(_certificate(pool, drawn, thresholds, alpha), pool, alpha)
        order = rng.permutation(len(confidence))
        certificate = _certificate(pool, order[:rows], thresholds, alpha)
        rest = order[rows:]
        held_out = (confidence[rest], correct[rest])
        violated_pool += _exceeds(certificate, pool, alpha)
        violated_rest += _exceeds(certificate, held_out, alpha)
        expected += _chance_rest_exceeds(certificate, pool, held_out, alpha)
        certified += certificate.certified
        kept.append(float((held_out[0] >= certificate.threshold).mean()) if certificate.certified else 0.0)
    return {
        "accuracy": float(correct.mean()),
        "pool_rows": len(confidence),
        "calibration_rows": rows,
        "splits": splits,
        "certified": _share(certified, splits),
        "mean_coverage": float(np.mean(kept)),
        "coverage_5_to_95": [float(edge) for edge in np.quantile(kept, [0.05, 0.95])],
        "violations": {
            "drawn, pool risk": _share(violated_drawn, splits),
            "split, pool risk": _share(violated_pool, splits),
            "split, rest risk": _share(violated_rest, splits),
            "split, rest risk, expected": expected / splits,
        },
    }


def scored_rows(scorer: str, train: Rows, dev: Rows, pool: Rows, *, seed: int) -> tuple[Scored, Scored]:
    """Fit a scorer, calibrate it on dev: confidence and correctness of the dev rows and of the pool's."""
    labels, logits = fit_scores(scorer, train, {"dev": dev[0], "pool": pool[0]}, seed=seed)
    index = {label: number for number, label in enumerate(labels)}
    targets = {name: np.array([index[label] for label in part]) for name, part in (("dev", dev[1]), ("pool", pool[1]))}
    temperature = fit_temperature(logits["dev"], targets["dev"])

    def scored(name: str) -> Scored:
        posterior = softmax(logits[name], temperature)
        return posterior.max(axis=1), posterior.argmax(axis=1) == targets[name]

    return scored("dev"), scored("pool")


def _certificate(pool: Scored, rows: NDArray[np.int64], thresholds: NDArray[np.float64], alpha: float) -> Certificate:
    return certify(pool[0][rows], pool[1][rows], risk=alpha, delta=DELTA, grid=thresholds)


def _exceeds(certificate: Certificate, scored: Scored, alpha: float) -> bool:
    if certificate.threshold is None:
        return False
    kept = scored[0] >= certificate.threshold
    return bool(kept.any()) and float((~scored[1][kept]).mean()) > alpha


def _chance_rest_exceeds(certificate: Certificate, pool: Scored, rest: Scored, alpha: float) -> float:
    """Chance that a fresh sample as large as the rest shows more than alpha, the true risk being the pool's."""
    if certificate.threshold is None:
        return 0.0
    risk = float((~pool[1][pool[0] >= certificate.threshold]).mean())
    size = int((rest[0] >= certificate.threshold).sum())
    spread = np.sqrt(max(risk * (1 - risk), 1e-9) / size)
    return 1 - NormalDist().cdf((alpha - risk) / spread)


def _share(count: int, total: int) -> dict[str, float]:
    low, high = clopper_pearson(count, total)
    return {"value": count / total, "low": low, "high": high}


def _columns(path: Path, text: str, label: str) -> Rows:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [row[text] for row in rows], [row[label] for row in rows]


def _pick(texts: list[str], labels: list[str], order: NDArray[np.int64]) -> Rows:
    return [texts[row] for row in order], [labels[row] for row in order]


def _line(row: dict[str, Any]) -> str:
    violations = ", ".join(
        f"{name} {value if isinstance(value, float) else value['value']:.3f}"
        for name, value in row["violations"].items()
    )
    return (
        f"{row['data']} {row['scorer']} alpha {row['alpha']}, {row['calibration_rows']} rows: "
        f"accuracy {row['accuracy']:.3f}, certified {row['certified']['value']:.2f}, "
        f"coverage {row['mean_coverage']:.3f}; violations: {violations}"
    )


if __name__ == "__main__":
    main()
