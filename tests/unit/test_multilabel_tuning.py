"""Tuning an encoder for several labels: no row judges what it taught, and it is left where it does not pay."""

import time
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from shoal.training import multilabel_tuning as tuning
from shoal.training.finetune import Tuned, Unaffordable
from shoal.training.heads import Head

ROWS = 50
HAS = np.random.default_rng(0).random((ROWS, 3)) < 0.4
TEXTS = [f"text {number}" for number in range(ROWS)]
FOLD = np.arange(ROWS) % 5


class Trainings(list[tuple[list[str], float]]):
    """Texts and seconds of each training, in place of the encoder; its models know what they were asked to learn."""

    quality = 4.0  # of the logits that its models give
    affordable = 99

    def fit(self, _backbone: Any, texts: list[str], targets: Any, *, budget_seconds: float, **_rest: Any) -> Tuned:
        if len(self) == self.affordable:
            raise Unaffordable("one pass over the texts takes about 9 s, 3 s are left")
        assert targets.tolist() == HAS[[TEXTS.index(text) for text in texts]].tolist()
        _rest["progress"]("finetune", 500, 1000)
        self.append((texts, budget_seconds))
        body: Any = SimpleNamespace()
        return Tuned(body, Head(np.zeros((4, 3)), np.zeros(3)), {"steps_done": 1.0})

    def logits(self, texts: Sequence[str]) -> Any:
        assert not set(texts) & set(self[-1][0]), "asked about texts that it has learnt from"
        return np.where(HAS[[TEXTS.index(text) for text in texts]], self.quality, -self.quality)


@pytest.fixture
def trainings(monkeypatch: pytest.MonkeyPatch) -> Trainings:
    made = Trainings()
    scorer = SimpleNamespace(logits=made.logits, weight=0, bias=0)
    monkeypatch.setattr(tuning.finetune, "fit", made.fit)
    monkeypatch.setattr(tuning.export, "to_onnx", lambda _body: b"")
    monkeypatch.setattr(tuning.export, "check_parity", lambda *_: {})
    monkeypatch.setattr(tuning.export, "served", lambda *_: scorer)
    monkeypatch.setattr(tuning.export, "small", lambda *_: scorer)
    return made


def tuner(told: list[int], fold: Any = FOLD) -> tuning.Tuner:
    backbone: Any = SimpleNamespace(tokenizer_json=b"")
    return tuning.Tuner(
        texts=TEXTS,
        has=HAS,
        fold=fold,
        backbone=backbone,
        head=Head(np.zeros((4, 3)), np.zeros(3)),
        int8=True,
        seed=0,
        deadline=time.monotonic() + 300.0,
        progress=lambda _stage, done, _total: told.append(done),
    )


def test_every_row_is_judged_by_an_encoder_that_had_not_seen_it(trainings: Trainings) -> None:
    told: list[int] = []
    made = tuner(told).run(np.zeros(HAS.shape))
    assert isinstance(made, tuning.Tuning) and (np.sign(made.logits) == np.where(HAS, 1, -1)).all()
    assert [len(texts) for texts, _ in trainings] == [40, 30, 30, 50]
    # Each part has its share of the time that is left: 40 of 150 rows, 30 of 110, 30 of 80, all.
    assert [round(seconds) for _, seconds in trainings] == [80, 82, 112, 300]
    assert told == sorted(told) and made.details["precision"] == "int8"


def test_it_ends_after_the_first_part_where_it_does_not_pay(trainings: Trainings) -> None:
    trainings.quality = 0.0
    said = tuner([]).run(np.where(HAS, 2.0, -2.0))
    assert isinstance(said, str) and said.startswith("on 10 held-out rows its log-loss was ") and len(trainings) == 1


@pytest.mark.parametrize("affordable", [0, 2, 3])
def test_a_short_budget_is_said(trainings: Trainings, affordable: int) -> None:
    trainings.affordable = affordable
    said = tuner([]).run(None)
    assert said == "the budget is too short: one pass over the texts takes about 9 s, 3 s are left"


def test_rows_of_few_groups_may_leave_folds_empty(trainings: Trainings) -> None:
    made = tuner([], fold=np.where(np.arange(ROWS) < 25, 0, 2)).run(None)
    assert isinstance(made, tuning.Tuning) and [len(texts) for texts, _ in trainings] == [25, 25, 50]
