"""The label for what belongs to none of the others: its chance, its own threshold, its own promise."""

from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pytest
from pydantic import ValidationError

from shoal.calibration import Outside, Scope, energy, softmax
from shoal.data import Dataset, Row
from shoal.errors import InputError
from shoal.evaluation import Report, evaluate
from shoal.metrics import auroc
from shoal.models import Specialist, load
from shoal.models.tier import Tier, View
from shoal.report import evaluation_markdown, promise
from shoal.tasks import Classification
from shoal.training.classification import _certified

LABELS = ("bill", "card", "none", "rate")
NONE = 2


class NumbersScorer:
    """Logits written in the text: "0.5 1 -2 3"."""

    kind: ClassVar[str] = "tfidf.v1"
    size_bytes = 0

    def logits(self, texts: list[str]) -> np.ndarray:
        rows = [list(map(float, text.split())) if text.strip() else [0.0] * 4 for text in texts]
        return np.array(rows, np.float32).reshape(-1, 4)

    def save(self, folder: Path) -> None:
        (folder / "nothing").touch()

    @classmethod
    def load(cls, folder: Path, *, threads: int | None = None) -> Self:
        return cls()


def specialist(**tier: Any) -> Specialist:
    outside = Outside(column=NONE, energy=-1.0, log_odds=1.0, bias=0.0)
    one = Tier("tfidf", (View(NumbersScorer()),), outside=outside, **tier)
    return Specialist(name="x", task=Classification(labels=LABELS, out_of_scope="none"), tiers=(one,))


def world(rows: int, seed: int, hard: float = 1.5) -> tuple[np.ndarray, np.ndarray]:
    """Scores [n, 4] and labels [n]: three labels with high energy, and texts of none with low."""
    draw = np.random.default_rng(seed)
    targets = draw.choice(4, rows, p=[0.25, 0.25, 0.25, 0.25])
    scores = draw.normal(size=(rows, 4)) + hard * 2 * np.eye(4)[targets] * (targets != NONE)[:, None]
    scores[:, NONE] += np.where(targets == NONE, hard, 0.0)
    return scores, targets


def test_chance_is_logistic_regression_on_both_signals_and_beats_softmax() -> None:
    linear = pytest.importorskip("sklearn.linear_model")
    scores, targets = world(2000, seed=1)
    scores += np.random.default_rng(2).normal(size=(2000, 1))  # a level that softmax does not see
    outside = Outside.fit(scores, targets == NONE, NONE)
    inside = energy(np.delete(scores, NONE, axis=1))
    signals = np.column_stack([inside, scores[:, NONE] - inside])
    standard = (signals - signals.mean(axis=0)) / signals.std(axis=0)
    theirs = linear.LogisticRegression(C=10, tol=1e-8).fit(standard, targets == NONE).predict_proba(standard)[:, 1]
    np.testing.assert_allclose(outside.chance(scores), theirs, atol=1e-4)
    fresh, truth = world(4000, seed=3)
    chance, plain = Outside.fit(*_boolean(world(2000, seed=4)), NONE).chance(fresh), softmax(fresh)[:, NONE]
    gained = [auroc(-one[truth != NONE], -one[truth == NONE]) for one in (chance, plain)]
    assert gained[0] > gained[1]


def _boolean(made: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    return made[0], made[1] == NONE


@pytest.mark.parametrize("apart", [False, True])
def test_fitting_ends_whatever_the_rows(apart: bool) -> None:
    scores = np.array([[9.0, 0, 0, 0]] * 8 + [[0, 0, 9.0 if apart else 0, 0]] * 8 + [[0.0, 0, 0, 0]] * (not apart))
    outside = Outside.fit(scores, np.arange(len(scores)) >= 8, NONE)
    chance = outside.chance(np.vstack([scores, [[1e4, 0, 0, 0], [0, 0, 1e4, 0]]]))
    assert np.isfinite([outside.energy, outside.log_odds, outside.bias]).all()
    assert ((chance >= 0) & (chance <= 1)).all() and chance[0] < 0.1 < 0.9 < chance[8]


def test_the_other_labels_share_what_is_left_in_their_proportions() -> None:
    scores, _ = world(50, seed=5)
    outside = Outside(column=NONE, energy=-0.5, log_odds=0.7, bias=0.1)
    before = softmax(scores, 2.0)
    after = outside.mixed(before, scores)
    np.testing.assert_allclose(after.sum(axis=1), 1.0)
    np.testing.assert_allclose(after[:, NONE], outside.chance(scores))
    np.testing.assert_allclose(after[:, 0] / after[:, 3], before[:, 0] / before[:, 3])
    certain = outside.mixed(np.array([[0.0, 0.0, 1.0, 0.0]]), scores[:1])
    assert np.isfinite(certain).all()


TEXTS = ["8 0 0 0", "0 0 6 0", "0 0 1 0", "0 0 0 2", ""]


@pytest.mark.parametrize(
    ("thresholds", "accepted", "reasons"),
    [
        ((0.5, 0.8), [True, True, False, True, False], ["certified", "certified", "below_threshold"]),
        ((None, 0.9), [False, True, False, False, False], ["not_certified", "certified", "below_threshold"]),
        ((0.5, None), [True, False, False, True, False], ["certified", "not_certified", "not_certified"]),
        ((None, None), [False] * 5, ["not_certified", "not_certified", "not_certified"]),
    ],
)
def test_each_kind_of_answer_has_its_own_threshold(
    thresholds: tuple[float | None, float | None], accepted: list[bool], reasons: list[str]
) -> None:
    tier = specialist().tiers[0]
    tier = replace(tier, threshold=thresholds[0], outside_threshold=thresholds[1])
    tier = replace(tier, outside=Outside(column=NONE, energy=0.0, log_odds=1.0, bias=0.5))
    answers = replace(specialist(), tiers=(tier,)).predict(TEXTS)
    assert [one.label for one in answers[:4]] == ["bill", "none", "none", "rate"]
    assert [one.accepted for one in answers] == accepted
    assert [one.reason for one in answers[:3]] == reasons and answers[4].reason == "empty_text"


def test_a_text_unlike_any_other_may_be_answered_so_but_not_with_a_label() -> None:
    far = Scope((100.0, 200.0, 300.0))
    answers = specialist(scope=far, scope_level=0.3, threshold=0.1, outside_threshold=0.1).predict(
        ["8 0 0 0", "0 0 6 0"]
    )
    assert [(one.label, one.reason) for one in answers] == [("bill", "out_of_scope"), ("none", "certified")]
    barred = specialist(threshold=0.1, outside_threshold=0.1)
    barred = replace(barred, task=Classification(labels=LABELS, out_of_scope="none", never=("none",)))
    assert barred.predict(["0 0 6 0"])[0].reason == "never_label"


def test_the_label_must_be_one_of_the_labels() -> None:
    with pytest.raises(ValidationError, match="out_of_scope must be one of the labels"):
        Classification(labels=("a", "b"), out_of_scope="c")
    shoal = pytest.importorskip("shoal")
    rows = [{"text": f"text {n}", "label": "ab"[n % 2]} for n in range(40)]
    with pytest.raises(InputError, match="out_of_scope is 'c', which is the label of no row; there are a, b"):
        shoal.train(rows, backbone="tfidf", out_of_scope="c")


def texts_of(scores: np.ndarray) -> list[str]:
    return [" ".join(f"{value:.6f}" for value in row) for row in scores]


def rows_of(scores: np.ndarray, targets: np.ndarray, split: Any = "calibration") -> Dataset:
    texts = texts_of(scores)
    return Dataset.of([Row(t, LABELS[n], split) for t, n in zip(texts, targets, strict=True)], LABELS)


def certified(rows: int, seed: int, risk: float = 0.1, delta: float = 0.05) -> Specialist:
    dev, truth = world(500, seed=9_999)
    outside = Outside.fit(dev, truth == NONE, NONE)
    before = specialist()
    before = replace(before, tiers=(replace(before.tiers[0], outside=outside),))
    judged = before.judge(texts_of(dev))
    right, answered = judged.label == truth, judged.label == NONE
    evidence = [np.where(one, judged.confidence, -np.inf) for one in (~answered, answered)]
    calibration = rows_of(*world(rows, seed))
    return _certified(before, risk, delta / 2, (evidence[0], right), (evidence[1], right), calibration, taught=False)


def test_both_promises_hold_as_often_as_they_say() -> None:
    """Over draws of the calibration rows, either promise is broken in at most delta of them."""
    risk, delta, draws = 0.1, 0.2, 150
    scores, targets = world(40_000, seed=77)
    # All in one call: which rows are kept follows from label and confidence.
    judged = certified(50, seed=0).judge(texts_of(scores))
    right, answered = judged.label == targets, judged.label == NONE
    broken, kept = 0, [0, 0]
    for seed in range(draws):
        tier = certified(400, seed, risk, delta).tiers[0]
        limits = (tier.threshold, tier.outside_threshold)
        risks = [0.0, 0.0]
        for kind, (limit, mine) in enumerate(zip(limits, (~answered, answered), strict=True)):
            if limit is not None:
                held = mine & (judged.confidence >= limit)
                risks[kind] = float(1 - right[held].mean())
                kept[kind] += 1
        broken += max(risks) > risk
    assert min(kept) > 0.5 * draws  # a promise that is never made cannot be broken
    assert broken <= delta * draws + 2.5 * np.sqrt(delta * (1 - delta) * draws)


def test_both_promises_are_saved_reported_and_read_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = certified(600, seed=3)
    assert made.outside_certificate is not None and made.outside_certificate.certified
    assert made.certificate is not None and made.certificate.confidence == 0.975
    made.save(tmp_path / "model")
    monkeypatch.setattr("shoal.models.tfidf.TfidfScorer", NumbersScorer)
    opened = load(tmp_path / "model")
    assert opened.outside_certificate == made.outside_certificate and opened.task == made.task
    tier, before = opened.tiers[0], made.tiers[0]
    assert (tier.outside, tier.outside_threshold) == (before.outside, before.outside_threshold)

    scores, targets = world(800, seed=8)
    report = evaluate(opened, rows_of(scores, targets, "test"), timing_seconds=0.05)
    found = report.none_of_these
    assert found is not None and found.label == "none" and found.rows == (targets == NONE).sum()
    assert found.auroc is not None and found.auroc > 0.8 and found.risk is not None and found.kept > 50
    judged = opened.judge(texts_of(scores))
    answered = judged.label == NONE
    assert found.kept == (answered & judged.accepted).sum()
    assert found.errors == (answered & judged.accepted & (targets != NONE)).sum()
    best = np.delete(scores, NONE, axis=1).argmax(axis=1)
    would = np.array([0, 1, 3])[best] == targets
    assert found.accuracy_lost == pytest.approx((answered & would & (targets != NONE)).sum() / (targets != NONE).sum())
    said = promise(report)
    assert "of kept answers but 'none' disagree" in said and "of kept answers 'none' belong elsewhere" in said
    assert "AUROC of 'none'" in evaluation_markdown(report)
    assert Report.from_dict(report.as_dict()) == report


def test_without_rows_of_it_nothing_is_promised_about_it() -> None:
    made = certified(600, seed=3)
    scores, targets = world(400, seed=5)
    inner = targets != NONE
    report = evaluate(made, rows_of(scores[inner], targets[inner], "test"), timing_seconds=0.05)
    found = report.none_of_these
    assert found is not None and (found.rows, found.auroc, found.recall) == (0, None, None)
    evaluation_markdown(report)
