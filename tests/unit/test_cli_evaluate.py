"""`shoal evaluate` as typed: figures, slices, behaviour, another model beside it, exit codes."""

import csv
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

import shoal
from shoal.cli import app
from shoal.errors import ConfigError, DataError, GateFailed, InputError, NotFoundError, ShoalError
from shoal.models.tfidf import TfidfScorer
from shoal.registry import Registry

GOLDEN = Path(__file__).parents[1] / "data" / "artifact_v1"
ROWS = GOLDEN.with_name("artifact_v1_rows.csv")
OWN = """
[terms.bread]
rye = ["rye"]
wheat = ["wheat"]
[tests.bread]
rows = 10
change = { swap = "bread" }
[tests.hours]
texts = ["when do you open", "are you open on sunday"]
expect = "opening"
"""

Evaluate = Callable[..., Result]


@pytest.fixture
def evaluate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Evaluate:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("shoal.evaluation.speed.measure", quickly(monkeypatch))

    def evaluate(*arguments: object) -> Result:
        return CliRunner().invoke(app, ["evaluate", *map(str, arguments)])

    return evaluate


def quickly(monkeypatch: pytest.MonkeyPatch):
    """Time for a moment only."""
    from shoal.evaluation import speed

    measure = speed.measure
    return lambda predict, texts, seconds: measure(predict, texts, 0.02)


def refused(result: Result, kind: type[ShoalError]) -> str:
    assert isinstance(result.exception, kind), result.output
    return str(result.exception)


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """The golden rows, each with a channel; those of one channel have wrong labels."""
    path = tmp_path / "rows.csv"
    with ROWS.open(newline="") as source, path.open("w", newline="") as target:
        writer = csv.writer(target)
        writer.writerow(["text", "label", "channel"])
        for number, row in enumerate(csv.DictReader(source)):
            wrong = number % 3 == 0 and row["label"] != "hours"
            writer.writerow([row["text"], "hours" if wrong else row["label"], "sms" if number % 3 == 0 else "web"])
    return path


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """The golden specialist as a bad export would leave it: its weights rounded to whole tens."""
    scorer = tmp_path / "scorer"
    shutil.copytree(GOLDEN / "scorers" / "0", scorer)
    with np.load(scorer / "weights.npz") as arrays:
        values = dict(arrays)
    values["weight"] = np.round(values["weight"] / 10) * 10
    np.savez(scorer / "weights.npz", **values)
    whole = shoal.load(GOLDEN)
    tiers = tuple(
        replace(tier, views=tuple(replace(view, scorer=TfidfScorer.load(scorer)) for view in tier.views))
        for tier in whole.tiers
    )
    replace(whole, tiers=tiers).save(tmp_path / "damaged")
    return tmp_path / "damaged"


def test_a_model_folder_on_other_rows(evaluate: Evaluate) -> None:
    result = evaluate(GOLDEN, "--data", ROWS)
    assert result.exit_code == 0, result.output
    assert "on 96 test rows" in result.output


def test_slices_behaviour_and_written_reports(evaluate: Evaluate, rows: Path, tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(OWN.replace("opening", "hours"))
    result = evaluate(
        GOLDEN, "--data", rows, "--slice", "channel", "--behaviour", "own.toml", "--report", "out", "--json"
    )
    found = json.loads(result.output)
    report = found["report"]
    assert [one["value"] for one in report["slices"]] == ["web", "sms"]
    assert report["slices"][1]["right"] < report["slices"][1]["rows"] / 2 < report["slices"][0]["right"]
    assert {one["name"]: one["passed"] > 0 for one in report["behaviour"]} == {"bread": True, "hours": True}
    assert found["gate"]["passed"] is (result.exit_code == 0)
    assert json.loads((tmp_path / "out" / "report.json").read_text()) == report
    assert "channel = sms" in (tmp_path / "out" / "report.md").read_text()
    assert "channel = sms" in (tmp_path / "out" / "report.html").read_text()


def test_a_damaged_export_does_not_pass_beside_the_sound_model(evaluate: Evaluate, damaged: Path) -> None:
    result = evaluate(damaged, "--data", ROWS, "--against", GOLDEN)
    assert "the gate did not pass" in refused(result, GateFailed) and "max_regression" in str(result.exception)
    assert "shown to be worse" in result.output
    assert evaluate(GOLDEN, "--data", ROWS, "--against", damaged).exit_code == 0
    same = evaluate(GOLDEN, "--data", ROWS, "--against", GOLDEN)
    assert same.exit_code == 0 and "right on the very same rows" in same.output


@pytest.fixture
def project(tmp_path: Path, rows: Path, damaged: Path) -> Path:
    """A project whose champion is the golden specialist, and whose v2 is damaged."""
    (tmp_path / "shoal.toml").write_text(
        '[project]\nname = "bakery"\n[specialists.bakery]\ndata = { train = "rows.csv", test = "rows.csv" }\n'
        'slices = { columns = ["channel"] }\ngate = { slice_gap = 0.2 }\n'
    )
    registry = Registry(tmp_path / ".shoal" / "registry")
    registry.publish("bakery", GOLDEN)
    registry.publish("bakery", damaged)
    registry.promote("bakery", "v1")
    return tmp_path


def test_a_champion_is_held_against_the_rules_of_its_table(evaluate: Evaluate, project: Path) -> None:
    result = evaluate("bakery")
    assert "slice_gap" in refused(result, GateFailed)
    assert "channel = sms is right on" in result.output and "no champion that" in result.output


def test_another_version_is_held_against_the_champion(evaluate: Evaluate, project: Path) -> None:
    result = evaluate("bakery@v2")
    assert "max_regression" in refused(result, GateFailed)
    assert "points against the champion on 96 rows" in result.output


def test_what_cannot_be_evaluated_is_told(evaluate: Evaluate, project: Path) -> None:
    assert "name rows with labels" in refused(evaluate(GOLDEN), InputError)
    assert "v9" in refused(evaluate("bakery@v9"), NotFoundError)
    assert "no such file" in refused(evaluate(GOLDEN, "--data", "none.csv"), DataError)
    assert "no column 'lable'" in refused(evaluate(GOLDEN, "--data", ROWS, "--label", "lable"), DataError)
    assert "bias, sentiment" in refused(evaluate(GOLDEN, "--data", ROWS, "--behaviour", "bais"), ConfigError)
    told = refused(evaluate(GOLDEN, "--data", ROWS, "--behaviour", "sentiment"), InputError)
    assert "its labels are complaint, hours, order" in told


def test_a_suite_with_another_label_is_refused_before_anything_is_measured(evaluate: Evaluate, project: Path) -> None:
    (project / "own.toml").write_text(OWN)
    told = refused(evaluate("bakery", "--behaviour", "own.toml"), InputError)
    assert "speaks of 'opening'" in told and 'labels = { opening = "..." }' in told
