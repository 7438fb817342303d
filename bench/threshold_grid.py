"""How much coverage does the choice of thresholds win? The product's grid against plainer ones, on real scores.

    SHOAL_DATA=... python bench/threshold_grid.py

Calibration rows are drawn with replacement from the held-out pool, whose risk is therefore the true one; the grids see
dev rows only. Every grid keeps the promise; they differ in how often a certificate is found and how much it keeps.
"""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from guarantee import DELTA, Scored, data_sets, scored_rows
from quick_scorers import SCORERS
from results import write
from shoal.calibration import FIXED, certify, floor_rows, grid

DRAWS = 200
ALPHAS = (0.10, 0.05, 0.03)
ROWS = {"banking77": (500, 1000), "llm_babe_bias": (750,)}

Grid = Callable[[Scored, int, float], NDArray[np.float64]]


def quantiles(points: int) -> Grid:
    """Steps of equal traffic from the fewest rows that can certify down to everything."""

    def thresholds(dev: Scored, rows: int, alpha: float) -> NDArray[np.float64]:
        strict = min(1.0, floor_rows(alpha, DELTA) / rows)
        return np.append(np.quantile(dev[0], 1 - np.linspace(strict, 1.0, points)), 0.0)

    return thresholds


GRIDS: dict[str, Grid] = {
    "product: 40 points from the clearest pass": lambda dev, rows, alpha: grid(*dev, rows=rows, risk=alpha),
    "the same, confidence only": lambda dev, rows, alpha: grid(dev[0], rows=rows, risk=alpha),
    "the same, 10 points": lambda dev, rows, alpha: grid(*dev, rows=rows, risk=alpha, points=10),
    "the same, 100 points": lambda dev, rows, alpha: grid(*dev, rows=rows, risk=alpha, points=100),
    "10 quantiles from the strict end": quantiles(10),
    "40 quantiles from the strict end": quantiles(40),
    "fixed confidences 0.999 to 0": lambda _dev, _rows, _alpha: FIXED,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    seed = parser.parse_args().seed
    folder = os.environ.get("SHOAL_DATA")
    if not folder:
        sys.exit("SHOAL_DATA is not set; it names the folder of public data.")
    results: list[dict[str, Any]] = []
    for name, parts in data_sets(Path(folder), seed).items():
        for scorer in SCORERS:
            dev, pool = scored_rows(scorer, *parts, seed=seed)
            for alpha in ALPHAS:
                for rows in ROWS[name]:
                    about = {"data": name, "scorer": scorer, "alpha": alpha, "calibration_rows": rows}
                    results += [about | one for one in compared(dev, pool, rows, alpha, seed)]
                    for one in results[-len(GRIDS) :]:
                        print(one, flush=True)
    print(f"wrote {write('threshold_grid', results, seed=seed)}")


def compared(dev: Scored, pool: Scored, rows: int, alpha: float, seed: int) -> list[dict[str, Any]]:
    """Certified share, mean coverage and broken promises of each grid over the same draws."""
    confidence, correct = pool
    rng = np.random.default_rng(seed)
    draws = rng.integers(0, len(confidence), (DRAWS, rows))
    found: list[dict[str, Any]] = []
    for name, make in GRIDS.items():
        thresholds = make(dev, rows, alpha)
        kept, broken = np.zeros(DRAWS), 0
        for at, drawn in enumerate(draws):
            proof = certify(confidence[drawn], correct[drawn], risk=alpha, delta=DELTA, grid=thresholds)
            if proof.threshold is not None:
                inside = confidence >= proof.threshold
                kept[at] = inside.mean()
                broken += (~correct[inside]).mean() > alpha
        found.append(
            {
                "grid": name,
                "certified": float((kept > 0).mean()),
                "coverage": float(kept.mean()),
                "standard_error": float(kept.std() / np.sqrt(DRAWS)),
                "violations": broken / DRAWS,
            }
        )
    return found


if __name__ == "__main__":
    main()
