"""What is judged is what is served: a candidate's tier reads the same confidence that chose it."""

import numpy as np
import pytest

from shoal.training.choice import Candidate, candidates
from shoal.training.judging import Judging
from shoal.training.ladder import Rung


class Recorded:
    """A scorer that knows the logits of its texts."""

    kind = "recorded"
    size_bytes = 0

    def __init__(self, logits: np.ndarray) -> None:
        self.by_text = dict(zip(map(str, range(len(logits))), logits, strict=True))

    def logits(self, texts: list[str]) -> np.ndarray:
        return np.array([self.by_text[text] for text in texts])


@pytest.fixture(scope="module")
def made() -> tuple[list[Candidate], list[str]]:
    draw = np.random.default_rng(0)
    rows, labels = 300, 4
    targets = draw.integers(0, labels, rows)
    judging = Judging(
        texts=list(map(str, range(rows))),
        targets=targets,
        rows=200,
        risk=0.1,
        delta=0.05,
        barred=np.zeros(labels, bool),
        seed=0,
    )
    rungs = []
    for name, sharpness in (("tfidf", 0.4), ("encoder", 6.0)):  # one far too meek, one far too sure
        logits = sharpness * (draw.normal(size=(rows, labels)) + 2.0 * np.eye(labels)[targets])
        logits = logits.astype(np.float32)
        rungs.append(Rung(name, Recorded(logits), logits, judging.judge(logits), 0.0, 0.0, {}))
    return candidates(rungs, judging), list(judging.texts)


@pytest.mark.parametrize("which", range(3), ids=["tfidf", "encoder", "both"])
def test_tier_reads_the_confidence_that_was_judged(made: tuple[list[Candidate], list[str]], which: int) -> None:
    candidate, texts = made[0][which], made[1]
    tier = candidate.tier(None, 0.02)
    reading = tier.read(tier.scores(texts))
    np.testing.assert_allclose(reading.confidence, candidate.judged.confidence, atol=1e-5)
    np.testing.assert_array_equal(reading.label, candidate.judged.label)
    assert abs(reading.confidence.mean() - candidate.judged.accuracy) < 0.05
