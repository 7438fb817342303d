"""The report of a specialist whose logits the tests write into the texts themselves."""

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from shoal.behaviour import load
from shoal.calibration import Scope, certify
from shoal.data import Dataset, read
from shoal.errors import InputError
from shoal.evaluation import Report, SuspiciousLabel, gaps
from shoal.evaluation import evaluate as evaluate_slowly
from shoal.models import Specialist, Tier, View
from shoal.tasks import Classification

LABELS = ("cat", "cow", "dog")
evaluate = partial(evaluate_slowly, timing_seconds=0.02)


class Spoken:
    """A scorer that reads its logits from the text: "0 2.5 1 | anything"; `blur` makes it a weaker one."""

    kind = "spoken.test"
    size_bytes = 1_500_000

    def __init__(self, blur: float = 1.0) -> None:
        self.blur = blur

    def logits(self, texts: Sequence[str]) -> np.ndarray:
        return (
            np.array([[float(part) for part in text.split("|")[0].split()] for text in texts], np.float32) / self.blur
        )

    def save(self, folder: Path) -> None:
        raise NotImplementedError


def text(label: str, margin: float, row: int = 0, *, base: float = 0.0) -> str:
    return " ".join(f"{base + margin * (name == label):.3f}" for name in LABELS) + f" | row {row}"


def specialist(**changes) -> Specialist:
    tier = Tier("tfidf", (View(Spoken()),), threshold=0.8)
    settings = {"name": "pets", "task": Classification(labels=LABELS), "tiers": (tier,)}
    return Specialist(**(settings | changes))


def rows(count: int = 120, *, wrong: int = 12, split: str | None = "test") -> list[dict[str, str]]:
    """Every tenth row doubtful (margin 1); the first `wrong` rows carry another label than is predicted."""
    made = []
    for row in range(count):
        predicted = LABELS[row % 3]
        label = LABELS[(row + 1) % 3] if row < wrong else predicted
        item = {"text": text(predicted, 1.0 if row % 10 == 0 else 4.0, row), "label": label}
        made.append(item | ({"split": split} if split else {}))
    return made


@pytest.fixture(scope="module")
def report() -> Report:
    return evaluate(specialist(), Dataset.from_rows(rows()), seed=1)


def test_quality_over_all_rows(report):
    assert report.metrics.accuracy.value == 0.9  # exactly: a gate may ask for just that
    for estimate in (report.metrics.accuracy, report.metrics.macro_f1, report.metrics.brier, report.metrics.nll):
        assert estimate.low < estimate.value < estimate.high
    assert report.metrics.ece.low <= report.metrics.ece.value <= report.metrics.ece.high
    assert report.data.rows == {"test": 120}
    assert report.data.tested == 120


def test_what_is_kept(report):
    kept = report.accepted
    # 12 rows are doubtful (softmax of margin 1 is 0.576); rows 0 and 10 of them are among the 12 wrong ones.
    assert (kept.rows, kept.errors) == (108, 10)
    assert kept.coverage.value == 0.9
    assert kept.risk.value == pytest.approx(10 / 108)
    assert kept.risk.low < 10 / 108 < kept.risk.high
    assert kept.reasons == {"certified": 108, "below_threshold": 12}
    assert [(tier.name, tier.rows, tier.accepted) for tier in report.tiers] == [("tfidf", 120, 108)]


def test_confusions_and_labels(report):
    assert sum(map(sum, report.confusion.matrix)) == 120
    assert [pair.rows for pair in report.confusion.worst] == [4, 4, 4]
    assert report.confusion.worst[0].label != report.confusion.worst[0].predicted
    cat = report.per_label[0]
    assert (cat.label, cat.support) == ("cat", 40)
    assert cat.recall == pytest.approx(36 / 40)


def test_mistakes_come_surest_first(report):
    confidences = [mistake.confidence for mistake in report.mistakes]
    assert len(confidences) == 12
    assert confidences == sorted(confidences, reverse=True)
    assert report.mistakes[0].accepted
    assert not report.mistakes[-1].accepted
    assert report.mistakes[0].label != report.mistakes[0].predicted


def test_curve_ends_at_the_whole_and_speed_was_measured(report):
    assert report.curve[-1].coverage == 1.0
    assert report.curve[-1].risk == pytest.approx(0.1)
    assert 0 < report.speed.p50_ms <= report.speed.p99_ms
    assert report.speed.docs_per_second > 0
    assert report.size_bytes == 1_500_000
    assert report.training.seconds is None


def test_the_report_survives_json(report):
    text_ = json.dumps(report.as_dict(), allow_nan=False)
    assert Report.from_dict(json.loads(text_)) == report
    assert json.loads(text_)["schema"] == 1


def test_only_test_rows_are_used_but_all_are_counted():
    mixed = rows(60, wrong=0) + rows(90, wrong=90, split="train")
    report = evaluate(specialist(), Dataset.from_rows(mixed))
    assert report.metrics.accuracy.value == 1.0
    assert report.data.rows == {"test": 60, "train": 90}
    assert (report.data.tested, report.data.labels) == (60, 3)


def test_rows_without_splits_are_all_used():
    report = evaluate(specialist(), Dataset.from_rows(rows(30, wrong=3, split=None)))
    assert report.data.tested == 30
    assert report.data.rows == {"unassigned": 30}


def test_a_cascade_ranks_what_the_first_tier_keeps_before_the_second():
    tiers = (
        Tier("static", (View(Spoken(blur=4.0)),), threshold=0.5),
        Tier("encoder", (View(Spoken()),), threshold=0.55),
    )
    report = evaluate(specialist(tiers=tiers), Dataset.from_rows(rows(wrong=0)))
    assert [(tier.name, tier.rows, tier.accepted) for tier in report.tiers] == [
        ("static", 108, 108),
        ("encoder", 12, 12),
    ]
    assert [point.coverage for point in report.curve] == pytest.approx([0.9, 1.0])


def test_nothing_kept_is_reported_as_such():
    tier = Tier("tfidf", (View(Spoken()),), threshold=None)
    certificate = certify(np.zeros(5), np.ones(5, dtype=bool))
    report = evaluate(specialist(tiers=(tier,), certificate=certificate), Dataset.from_rows(rows()))
    assert report.accepted.rows == 0
    assert report.accepted.risk is None
    assert report.accepted.ece is None
    assert report.accepted.reasons == {"not_certified": 120}
    assert report.certificate == certificate


def test_out_of_scope_texts_are_told_apart_by_energy():
    scope = Scope.fit(np.linspace(9.0, 14.0, 99))
    tier = Tier("tfidf", (View(Spoken()),), threshold=0.8, scope=scope, scope_level=0.02)
    inside = [{"text": text(LABELS[n % 3], 4.0, n, base=9.0), "label": LABELS[n % 3]} for n in range(60)]
    strangers = [text("cat", 4.0, n, base=0.0) for n in range(40)]
    report = evaluate(specialist(tiers=(tier,)), Dataset.from_rows(inside), out_of_scope_texts=strangers)
    assert report.out_of_scope.rows == 40
    assert report.out_of_scope.auroc == 1.0
    assert report.out_of_scope.fpr95 == 0.0
    assert report.out_of_scope.accepted.value == 0.0


def test_never_labels_are_not_kept_and_not_on_the_curve():
    task = Classification(labels=LABELS, never=("dog",))
    report = evaluate(specialist(task=task), Dataset.from_rows(rows(wrong=0)))
    assert report.accepted.reasons["never_label"] > 30
    assert report.curve[-1].coverage == pytest.approx(2 / 3)
    assert {row.label: row.coverage for row in report.per_label}["dog"] == 0.0


def test_suspicious_rows_are_passed_on_from_mappings_and_structs():
    given = [
        {"text": "meow", "label": "dog", "suggested": "cat", "score": 0.01, "origin": "pets.csv:3"},
        SuspiciousLabel("moo", "cat", "cow", 0.02),
    ]
    report = evaluate(specialist(), Dataset.from_rows(rows(30, wrong=0)), suspicious=given)
    assert [row.text for row in report.suspicious] == ["meow", "moo"]
    assert report.suspicious[0].origin == "pets.csv:3"


def test_training_figures_come_from_the_provenance():
    provenance = {"training_seconds": 12.5, "training_joules": 300.0, "energy_source": "cpu time"}
    report = evaluate(specialist(provenance=provenance), Dataset.from_rows(rows(30, wrong=0)))
    assert (report.training.seconds, report.training.joules) == (12.5, 300.0)


def test_a_label_the_specialist_does_not_know_is_named():
    data = Dataset.from_rows([{"text": text("cat", 4.0), "label": "dogg"}])
    with pytest.raises(InputError, match=r"label 'dogg' is not one of the 3 labels.*did you mean 'dog'\?"):
        evaluate(specialist(), data)


def test_no_rows_is_an_error_with_a_remedy():
    with pytest.raises(InputError, match="no test rows"):
        evaluate(specialist(), Dataset.of([]))


def test_long_texts_are_shortened_and_many_labels_leave_the_matrix_out():
    labels = tuple(f"l{n:03}" for n in range(101))
    logits = " ".join("1" if n == 0 else "0" for n in range(101))
    data = Dataset.from_rows([{"text": f"{logits} | {'x' * 900}", "label": "l001"}] * 3)
    report = evaluate(specialist(task=Classification(labels=labels)), data)
    assert report.confusion.matrix is None
    assert (report.confusion.worst[0].label, report.confusion.worst[0].rows) == ("l001", 3)
    assert len(report.mistakes[0].text) == 400


def test_slices_by_columns_and_by_terms_in_the_texts():
    data = [
        {"text": f"{row['text']} {'She' if number < 40 else 'shed'} {'him' if number < 10 else ''}", **one}
        for number, row in enumerate(rows())
        for one in [{"label": row["label"], "channel": "sms" if number < 30 else "web", "split": "test"}]
    ]
    terms = {"gender": {"women": ["she"], "men": ["he", "him"], "nobody": ["xx"]}}
    report = evaluate(specialist(), read(data, slices=["channel"]), terms=terms)
    found = {one.name: (one.rows, one.right, one.kept, one.wrong) for one in report.slices}
    # The first twelve rows are wrong, and of every ten the first is not kept.
    assert found == {
        "channel = web": (90, 90, 81, 0),
        "channel = sms": (30, 18, 27, 10),
        "gender = women": (40, 28, 36, 10),
        "gender = men": (10, 0, 9, 9),
        "gender = nobody": (0, 0, 0, 0),
    }
    sms = report.slices[1]
    assert sms.accuracy.value == 0.6 and sms.accuracy.low < 0.6 < sms.accuracy.high
    assert sms.coverage.value == 0.9 and sms.risk is not None and sms.risk.value == pytest.approx(10 / 27)
    assert report.slices[-1].risk is None
    pairs = list(gaps(report.slices))
    assert [(pair.worse.value, pair.better.value) for pair in pairs] == [("sms", "web"), ("men", "women")]
    assert pairs[0].difference == pytest.approx(0.4) and pairs[0].p_value < 1e-6
    assert Report.from_dict(json.loads(json.dumps(report.as_dict()))) == report


def test_suites_are_part_of_the_report(tmp_path):
    (tmp_path / "own.toml").write_text('[tests.a]\ntexts = ["0 3 0 | moo"]\nexpect = "cow"\n')
    report = evaluate(specialist(), Dataset.from_rows(rows(30)), suites=[load(tmp_path / "own.toml")])
    assert [(one.suite, one.name, one.passed, one.holds) for one in report.behaviour] == [("own", "a", 1, True)]
    assert Report.from_dict(json.loads(json.dumps(report.as_dict()))) == report
