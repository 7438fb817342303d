"""What is judged is what is served: a candidate's tier reads the same confidence that chose it."""

import numpy as np
import pytest

from shoal.training.choice import Candidate, candidates, choose_final
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
        outside=None,
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


def test_with_few_rows_the_lowest_log_loss_decides_and_with_many_the_price() -> None:
    draw = np.random.default_rng(1)
    rows, labels = 60, 3
    targets = draw.integers(0, labels, rows)
    judging = Judging(list(map(str, range(rows))), targets, 0, None, 0.05, np.zeros(labels, bool), 0)
    rungs = []
    for name, signal in (("tfidf", 1.9), ("encoder", 2.0)):  # a difference that 60 rows cannot show
        logits = (draw.normal(size=(rows, labels)) + signal * np.eye(labels)[targets]).astype(np.float32)
        rungs.append(Rung(name, Recorded(logits), logits, judging.judge(logits), 0.0, 0.0, {}))
    made = [one for one in candidates(rungs, judging) if len(one.rungs) == 1]
    losses = [one.judged.losses for one in made]
    assert 0 < (losses[0] - losses[1]).mean() < (losses[0] - losses[1]).std() / rows**0.5
    many, _ = choose_final(made, None)
    few, tried = choose_final(made, None, few=True)
    assert (many.name, few.name) == ("tfidf", "encoder")
    assert [one["verdict"] for one in tried] == [
        "log-loss no lower than that of encoder",
        "chosen: the lowest log-loss",
    ]
