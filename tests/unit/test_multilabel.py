"""Several labels a text: metrics, thresholds, promises of each label, the model on disk, and a whole training."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

import shoal
from shoal import metrics
from shoal.calibration import best_threshold, certify_recall, fit_platt, sigmoid
from shoal.data import read
from shoal.errors import DataError, InputError
from shoal.evaluation import TaskReport, evaluate_any
from shoal.gate import check_task
from shoal.llm import read_label_set
from shoal.metrics import Counts
from shoal.models import MultiLabelSpecialist
from shoal.report import outcome_card, outcome_html, outcome_markdown

TOPICS = {
    "change": ("change the {} at any time", "modify the {} without notice", "amend the {} as we see fit"),
    "court": ("any dispute about the {} goes to the courts of Utopia", "the law of Utopia governs the {}"),
    "liability": ("we are not liable for the {}", "our liability for the {} is excluded"),
}
THINGS = ("terms", "prices", "service", "rules", "fees", "content", "account", "app", "policy", "data", "goods", "plan")
PLAIN = ("you can read about the {} in our help pages", "write to us about the {}", "the {} is shown on the first page")


def clauses(count: int, seed: int = 0) -> list[dict[str, Any]]:
    draw = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    for number in range(count):
        labels = [label for label in TOPICS if draw.random() < 0.35]
        said = [str(draw.choice(TOPICS[label])) for label in labels] or [str(draw.choice(PLAIN))]
        names = " ".join("".join(draw.choice(list("bdfgklmnprst"), 5)) for _ in range(8))  # or rows would be twins
        text = " and ".join(part.format(draw.choice(THINGS)) for part in said) + f", {names} {number}"
        rows.append({"text": text, "labels": labels})
    return rows


@pytest.fixture(scope="module")
def specialist() -> MultiLabelSpecialist:
    made = shoal.train(
        read(clauses(700), label="labels", task="multilabel"), "multilabel", backbone="tfidf", risk=0.1, name="clauses"
    )
    assert isinstance(made, MultiLabelSpecialist)
    return made


def test_it_learns_certifies_and_answers(specialist: MultiLabelSpecialist) -> None:
    (both, none) = specialist.predict(
        [
            "we are not liable for the app and change the terms at any time",
            "you can read about the plan in our help pages",
        ]
    )
    assert both.labels == ("change", "liability") and both.said == '["change","liability"]'
    assert none.labels == () and none.accepted
    assert {flag.label for flag in both.flags if flag.flagged} == {"change", "liability"}
    assert specialist.certificate is not None and specialist.certificate.certified
    assert all(policy.precision and policy.precision.certified for policy in specialist.policies)
    assert specialist.predict([""])[0].reason == "empty_text"


def test_its_folder_answers_the_same(specialist: MultiLabelSpecialist, tmp_path: Path) -> None:
    specialist.save(tmp_path / "m", documents={"README.md": "x"})
    opened = shoal.load(tmp_path / "m")
    texts = [row["text"] for row in clauses(50, seed=2)]
    assert opened.predict(texts) == specialist.predict(texts)
    assert opened.task == specialist.task and opened.report == specialist.report


def test_report_gate_and_pages(specialist: MultiLabelSpecialist) -> None:
    report = evaluate_any(specialist, read(clauses(200, seed=1), label="labels", task="multilabel"))
    assert isinstance(report, TaskReport)
    assert report.metrics["macro_f1"].value > 0.9 and [part.name for part in report.parts] == sorted(TOPICS)
    rules = shoal_rules(figures={"macro_f1": 0.5}, part_recall=0.5)
    assert check_task(report, rules, report).passed
    strict = check_task(report, shoal_rules(figures={"macro_f1": 1.01}))
    assert not strict.passed and "macro_f1" in strict.failures[0].message
    with pytest.raises(InputError, match="the report has macro_f1, micro_f1"):
        check_task(report, shoal_rules(figures={"rouge1": 0.1}))
    html, markdown = outcome_html(report, strict), outcome_markdown(report, strict)
    for page in (html, markdown):
        assert "at least 101.0% is asked" in page and "Precision at 10% risk: certified for 3 of 3 parts." in page
        assert all(label in page for label in TOPICS)
    assert "any number of 3 labels" in outcome_card(report)
    assert TaskReport.from_dict(report.as_dict()) == report


def shoal_rules(**given: Any) -> Any:
    from shoal.config.schema import GateConfig

    return GateConfig.model_construct(**{"figures": {}, **given})


def test_a_much_worse_version_is_stopped(specialist: MultiLabelSpecialist) -> None:
    rows = read(clauses(200, seed=3), label="labels", task="multilabel")
    report = evaluate_any(specialist, rows)
    assert isinstance(report, TaskReport)
    worse = TaskReport.from_dict({**report.as_dict(), "row_scores": [0.5 * score for score in report.row_scores]})
    verdict = check_task(worse, shoal_rules(), report)
    assert not verdict.passed and "shown to be worse" in verdict.failures[0].message


@pytest.mark.parametrize(
    ("rows", "options", "said"),
    [
        ([{"text": "a", "labels": []}] * 5, {}, "no row has a label"),
        (clauses(60), {"labels": ["change", "court", "liability", "tax"]}, "label 'tax' has no row that carries it"),
        (clauses(60), {"labels": ["change", "court"]}, "label 'liability' of the rows is not one of the 2 labels"),
    ],
)
def test_rows_that_cannot_be_learnt(rows: list[dict[str, Any]], options: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError, match=said):
        shoal.train(read(rows, label="labels", task="multilabel"), "multilabel", backbone="tfidf", **options)


def test_arguments_of_another_task_are_refused() -> None:
    with pytest.raises(InputError, match="task 'multilabel' does not take 'never'"):
        shoal.train([], "multilabel", never=["a"])
    with pytest.raises(InputError, match="task is 'poetry'; this version of shoal trains classification"):
        shoal.train([], "poetry")  # type: ignore[call-overload]


def test_labels_are_read_from_lists_and_from_strings() -> None:
    given = ["a|b", ["b", "a", "b"], "", None, '["c"]']
    rows = [{"text": "t", "labels": each} for each in given]
    assert [row.target for row in read(rows, label="labels", task="multilabel").rows] == [
        ("a", "b"), ("b", "a"), (), (), ("c",),
    ]  # fmt: skip
    with pytest.raises(DataError, match=r"row 1: column 'labels': got 3, must be a list of labels"):
        read([{"text": "t", "labels": 3}], label="labels", task="multilabel")


@settings(deadline=None, max_examples=40)
@given(
    some.lists(
        some.tuples(
            some.lists(some.booleans(), min_size=3, max_size=3), some.lists(some.booleans(), min_size=3, max_size=3)
        ),
        min_size=1,
        max_size=20,
    )
)
def test_counts_agree_with_the_statistics(rows: list[tuple[list[bool], list[bool]]]) -> None:
    answered, reference = (np.array([row[side] for row in rows]) for side in (0, 1))
    counts = Counts.of(answered, reference)
    ones = np.ones((1, len(rows)), np.float32)
    assert metrics.micro_f1_of(answered, reference)(ones)[0] == pytest.approx(counts.micro_f1, abs=1e-6)
    assert metrics.label_macro_f1_of(answered, reference)(ones)[0] == pytest.approx(counts.macro_f1, abs=1e-6)


def test_platt_finds_the_probabilities_it_was_given() -> None:
    draw = np.random.default_rng(0)
    logits = draw.normal(size=20_000) * 3
    has = draw.random(20_000) < sigmoid(0.7 * logits - 1.0)
    platt = fit_platt(logits, has)
    assert platt.scale == pytest.approx(0.7, abs=0.05) and platt.bias == pytest.approx(-1.0, abs=0.08)
    assert fit_platt(-logits, has).scale > 0  # a model that ranks backwards is not turned around
    few = fit_platt(np.array([2.0, -1.0]), np.array([True, False]))
    assert 0 < few.scale < 5


def test_the_threshold_of_highest_f1() -> None:
    probability = np.array([0.9, 0.8, 0.7, 0.6, 0.55, 0.3, 0.2])
    has = np.array([True, True, True, True, True, False, False])
    assert best_threshold(probability, has) == pytest.approx(0.425)
    assert best_threshold(probability, np.arange(7) < 3) == 0.5  # too few to say


def test_recall_is_certified_from_the_lowest_threshold_upwards() -> None:
    probability = np.linspace(0.1, 1.0, 200)
    certificate = certify_recall(probability, np.linspace(0.0, 0.5, 50), risk=0.1)
    assert certificate.certified and certificate.threshold is not None
    missed = int((probability < certificate.threshold).sum())
    assert 5 <= missed < 20 and certificate.errors == missed
    few = certify_recall(probability[:20], np.zeros(1), risk=0.1, what="rows with 'tax'")
    assert not few.certified and (few.rows_needed or 0) >= 9 and "rows with 'tax'" in few.reason


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ('{"labels": ["court", "change"]}', ("change", "court")),
        ('["Court"]', ("court",)),
        ("change, liability", ("change", "liability")),
        ("none", ()),
        ('{"labels": []}', ()),
        ("taxes", None),
        ("", None),
        ('{"labels": ["taxes"]}', None),
    ],
)
def test_what_a_larger_model_said_is_a_set_or_nothing(said: str, found: tuple[str, ...] | None) -> None:
    assert read_label_set(said, ("change", "court", "liability")) == found
