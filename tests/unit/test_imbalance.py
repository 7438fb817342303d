"""Rare labels are lifted where that helps them and harms nothing, and what is served is what was judged."""

from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pytest

from shoal import metrics
from shoal.models import Specialist, load
from shoal.tasks import Classification

pytest.importorskip("torch")

from shoal.training.choice import Candidate, candidates
from shoal.training.imbalance import adjusted
from shoal.training.judging import Judging
from shoal.training.ladder import Rung

COUNTS = np.array([900, 60, 40])


class Recorded:
    """Gives the text's number its logits."""

    kind: ClassVar[str] = "tfidf.v1"
    size_bytes = 0
    logits_of: ClassVar[np.ndarray]

    def logits(self, texts: list[str]) -> np.ndarray:
        return self.logits_of[[int(text) for text in texts]]

    def save(self, folder: Path) -> None:
        (folder / "nothing").touch()

    @classmethod
    def load(cls, folder: Path, *, threads: int | None = None) -> Self:
        return cls()


def world(kind: str, rows: int = 1500) -> tuple[Candidate, Judging]:
    draw = np.random.default_rng(3)
    targets = draw.choice(3, rows, p=COUNTS / COUNTS.sum())
    logits = draw.normal(size=(rows, 3)) + 2.2 * np.eye(3)[targets]
    if kind == "overlooks the rare":
        logits += 2.0 * np.log(COUNTS / COUNTS.sum())
    else:  # lifts them already
        logits -= np.log(COUNTS / COUNTS.sum())
    Recorded.logits_of = (1.5 * logits).astype(np.float32)
    judging = Judging(list(map(str, range(rows))), targets, 400, 0.1, 0.05, np.zeros(3, bool), 0)
    rung = Rung("tfidf", Recorded(), Recorded.logits_of, judging.judge(Recorded.logits_of), 0.0, 0.0, {})
    return candidates([rung], judging)[0], judging


def macro_f1(one: Candidate, judging: Judging) -> float:
    return metrics.macro_f1(judging.targets, one.judged.label, 3)


def test_labels_that_are_overlooked_are_lifted_and_nothing_else_is_lost() -> None:
    before, judging = world("overlooks the rare")
    after, found = adjusted(before, COUNTS, judging)
    assert found["degree"] in (0.25, 0.5, 0.75, 1.0)
    assert found["dev_macro_f1_gain"] == pytest.approx(macro_f1(after, judging) - macro_f1(before, judging), abs=1e-6)
    assert macro_f1(after, judging) > macro_f1(before, judging) + 0.03
    assert after.judged.log_loss <= before.judged.log_loss + 0.01
    rare = judging.targets == 2
    assert after.judged.correct[rare].mean() > before.judged.correct[rare].mean()


def test_nothing_is_lifted_where_that_would_harm_or_where_labels_are_even() -> None:
    lifted, judging = world("lifts them already")
    same, found = adjusted(lifted, COUNTS, judging)
    assert same is lifted and found["verdict"].startswith("none: no degree raises")
    before, judging = world("overlooks the rare")
    same, found = adjusted(before, np.array([100, 30, 90]), judging)
    assert same is before and "3.3 times as many rows" in found["verdict"]
    same, _ = adjusted(before, np.array([100, 0, 90]), judging)  # a label without a train row has no share
    assert same is before


def test_what_is_saved_and_served_is_what_was_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, judging = world("overlooks the rare")
    after, _ = adjusted(before, COUNTS, judging)
    made: Any = Specialist(name="x", task=Classification(labels=("a", "b", "c")), tiers=(after.tier(None, 0.02),))
    made.save(tmp_path / "model")
    monkeypatch.setattr("shoal.models.tfidf.TfidfScorer", Recorded)
    judged = load(tmp_path / "model").judge(list(judging.texts))
    np.testing.assert_array_equal(judged.label, after.judged.label)
    np.testing.assert_allclose(judged.confidence, after.judged.confidence, atol=1e-5)
