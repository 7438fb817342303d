"""The promise on real texts: Banking77's test rows as the population, a real scorer, 400 calibration draws."""

import csv
import math
import os
from pathlib import Path

import numpy as np
import pytest

from shoal.calibration import certify, fit_temperature, grid, softmax

pytestmark = [pytest.mark.slow, pytest.mark.public_data]

DRAWS = 400
DELTA = 0.05
ALLOWED = DELTA + 3 * math.sqrt(DELTA * (1 - DELTA) / DRAWS)


def columns(path: Path) -> tuple[list[str], np.ndarray]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [row["text"] for row in rows], np.array([row["category"] for row in rows])


@pytest.fixture(scope="module")
def scored():
    """Confidence and correctness of dev rows and of the held-out pool."""
    folder = os.environ.get("SHOAL_DATA")
    if not folder:
        pytest.skip("SHOAL_DATA is not set: no public data")
    sklearn_text = pytest.importorskip("sklearn.feature_extraction.text")
    linear = pytest.importorskip("sklearn.linear_model")
    texts, targets = columns(Path(folder) / "banking77" / "train.csv")
    pool_texts, pool_targets = columns(Path(folder) / "banking77" / "test.csv")
    order = np.random.default_rng(0).permutation(len(texts))
    train, dev = order[1000:], order[:1000]
    words = sklearn_text.TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    model = linear.LogisticRegression(C=10.0, max_iter=100, tol=1e-3)
    model.fit(words.fit_transform([texts[row] for row in train]), targets[train])
    index = {label: number for number, label in enumerate(model.classes_)}

    def logits(rows: list[str]) -> np.ndarray:
        return model.decision_function(words.transform(rows))

    dev_logits, pool_logits = logits([texts[row] for row in dev]), logits(pool_texts)
    dev_index = np.array([index[label] for label in targets[dev]])
    pool_index = np.array([index[label] for label in pool_targets])
    temperature = fit_temperature(dev_logits, dev_index)
    return [
        (posterior.max(axis=1), posterior.argmax(axis=1) == truth)
        for posterior, truth in (
            (softmax(dev_logits, temperature), dev_index),
            (softmax(pool_logits, temperature), pool_index),
        )
    ]


@pytest.mark.parametrize("alpha", [0.05, 0.03])
def test_calibration_rows_drawn_from_real_texts(scored, alpha):
    dev, (confidence, correct) = scored
    rng = np.random.default_rng(1)
    rows = 1000
    thresholds = grid(*dev, rows=rows, risk=alpha, delta=DELTA)
    violated = certified = 0
    for _ in range(DRAWS):
        drawn = rng.integers(0, len(confidence), rows)
        certificate = certify(confidence[drawn], correct[drawn], risk=alpha, delta=DELTA, grid=thresholds)
        if certificate.certified:
            certified += 1
            violated += (~correct[confidence >= certificate.threshold]).mean() > alpha
    assert violated / DRAWS <= ALLOWED
    assert certified / DRAWS > 0.9
