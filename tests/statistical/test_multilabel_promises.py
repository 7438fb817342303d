"""Promises of a multi-label model hold: over 200 draws of calibration rows, each fails in at most 5 % of them."""

import numpy as np

from shoal.calibration import certify, certify_recall, grid, sigmoid

DRAWS, RISK = 200, 0.1


def drawn(random: np.random.Generator, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of one label, a little too sure of themselves, and who has it."""
    logits = random.normal(-1.0, 3.0, rows)
    return sigmoid(1.3 * logits), random.random(rows) < sigmoid(logits)


def test_precision_and_recall_of_a_label() -> None:
    random = np.random.default_rng(0)
    p_all, has_all = drawn(random, 200_000)
    failed = {"precision": 0, "recall": 0}
    certified = {"precision": 0, "recall": 0}
    for _ in range(DRAWS):
        dev, dev_has = drawn(random, 400)
        probability, has = drawn(random, 2_000)
        steps = grid(np.where(dev >= 0.5, dev, -np.inf), dev_has, rows=2_000, risk=RISK)
        found = certify(probability, has, probability >= 0.5, risk=RISK, grid=np.maximum(steps, 0.5))
        if found.threshold is not None:
            certified["precision"] += 1
            failed["precision"] += (~has_all[p_all >= found.threshold]).mean() > RISK
        levels = np.minimum(np.quantile(dev[dev_has], np.linspace(0, 0.2, 40)), 0.5)
        cleared = certify_recall(probability[has], levels, risk=RISK)
        if cleared.threshold is not None:
            certified["recall"] += 1
            failed["recall"] += (p_all[has_all] < cleared.threshold).mean() > RISK
    assert min(certified.values()) > DRAWS / 2, certified  # or the promise would be empty
    # 5 % of 200 are 10; 17 or more would be seen once in 50 if the promise held no better than it must.
    assert max(failed.values()) <= 16, (failed, certified)
