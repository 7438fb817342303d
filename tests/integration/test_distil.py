"""A project that learns from a larger model's logged answers: what is left out, what is promised, what is said."""

import csv
import json
import random
import sys
from pathlib import Path
from typing import Any

import pytest

import shoal
from shoal.cli import main
from shoal.registry import Registry

pytest.importorskip("torch")
pytestmark = pytest.mark.slow

DATA = Path(__file__).parents[2] / "examples" / "helpdesk" / "data" / "urgency.csv"
LABELS = ["emergency", "routine", "today"]
PROJECT = f"""
[project]
name = "taught"
[specialists.urgency]
data = "logs.csv"
label = "answer"
labels = {json.dumps(LABELS)}
teacher = {{ votes = ["again"], truth = "person" }}
backbone = "tfidf"
guarantee = {{ risk = 0.6 }}
"""


def logs() -> list[dict[str, str]]:
    """A teacher that answers by chance in one of six, was asked twice for a third, and is unusable now and then."""
    draw = random.Random(0)
    with DATA.open(newline="", encoding="utf-8") as file:
        rows = [row for row, _ in zip(csv.DictReader(file), range(260), strict=False)]

    def asked(label: str) -> str:
        return label if draw.random() > 1 / 6 else draw.choice(LABELS)

    made = [
        {
            "text": row["text"],
            "answer": asked(row["label"]),
            "again": asked(row["label"]) if place % 3 == 0 else "",
            "person": row["label"] if place < 100 else "",
        }
        for place, row in enumerate(rows)
    ]
    for place, answer in ((5, "?"), (150, "urgent!"), (151, "")):
        made[place]["answer"] = answer
    return made


def test_a_project_learns_from_logs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with (tmp_path / "logs.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ("text", "answer", "again", "person"))
        writer.writeheader()
        writer.writerows(logs())
    (tmp_path / "shoal.toml").write_text(PROJECT)
    monkeypatch.setattr(sys, "argv", ["shoal", "train"])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    assert not ended.value.code, said
    assert "teacher: 3 of 260 answers are no label and left out" in said.err
    assert "agrees with itself in" in said.out and "By people's labels" in said.out

    registry = Registry(tmp_path / ".shoal" / "registry")
    specialist = shoal.load(registry.path(registry.resolve("urgency")))
    teacher: dict[str, Any] = specialist.report["teacher"]
    assert specialist.task.labels == tuple(LABELS)
    assert teacher["answers"] == 257 and teacher["unusable"] == {"?": 1, "urgent!": 1, "": 1}
    assert 70 <= teacher["asked_again"] <= 87 and 0.6 < teacher["self_agreement"]["value"] < 0.9
    assert teacher["judged"] >= 90 and 0.75 < teacher["teacher_accuracy"]["value"] < 0.97
    assert {one["treatment"] for one in teacher["tried"]} == {"plain", "soft", "pruned", "soft, pruned"}
    best = min(teacher["tried"], key=lambda one: one["dev_log_loss"])
    assert teacher["treatment"] == best["treatment"] == specialist.provenance["treatment"]
    assert specialist.truth_certificate is not None and specialist.truth_certificate.rows >= 90
    if specialist.truth_certificate.certified:
        assert specialist.certificate is not None
        assert (
            specialist.truth_certificate.threshold == specialist.certificate.threshold == specialist.tiers[-1].threshold
        )
    report = (registry.path(registry.resolve("urgency")) / "report.md").read_text(encoding="utf-8")
    assert "agrees with itself" in report


def test_texts_without_labels_are_learnt_from_or_not_and_both_are_said(tmp_path: Path) -> None:
    with DATA.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    known = [{"text": row["text"], "label": row["label"]} for row in rows[:150]]
    others = [row["text"] for row in rows[150:]]
    held = shoal.data.split(shoal.data.read(known), drop_leaks=True)
    repeated = [row.text for row in held.rows if row.split != "train"]
    alone = shoal.train(known, backbone="tfidf", risk=None)
    guided = shoal.train(known, backbone="tfidf", risk=None, unlabelled=[*others, *repeated], cache=tmp_path)
    assert "unlabelled" not in alone.provenance
    found = guided.provenance["unlabelled"]
    assert found["texts"] <= len(set(others))  # those of held-out rows are left out
    best = max(found["tried"], key=lambda one: one["gain"])
    assert found["verdict"].startswith("not used") == (best["gain"] <= best["standard_error"])
    nothing = shoal.train(known, backbone="tfidf", risk=None, unlabelled=repeated, cache=tmp_path)
    assert nothing.provenance["unlabelled"]["verdict"] == "not used: no text is left that repeats no row"
    assert [one.label for one in nothing.predict(others)] == [one.label for one in alone.predict(others)]
