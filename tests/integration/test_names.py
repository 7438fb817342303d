"""Day one: a project without a labelled row trains, answers, hands everything on, and later learns from rows."""

import csv
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shoal import load
from shoal.cli import main
from shoal.registry import Registry

pytest.importorskip("torch")
pytestmark = pytest.mark.slow

DATA = Path(__file__).parents[2] / "examples" / "helpdesk" / "data" / "intent.csv"
LABELS = ["gas_smell_emergency", "meter_reading", "ev_charging", "refund_status", "out_of_scope"]
PROJECT = '[project]\nname = "day-one"\n[specialists.intent]\n'
NAMED = f'labels = {json.dumps(LABELS)}\nunlabelled = "texts.csv"\n'

Shoal = Callable[..., tuple[int, str]]


@pytest.fixture
def shoal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Shoal:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def shoal(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["shoal", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        assert isinstance(ended.value.code, int | None)
        return ended.value.code or 0, said.out + said.err

    return shoal


def write(path: Path, rows: list[dict[str, str]], columns: tuple[str, ...]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


def test_from_names_to_rows(shoal: Shoal, tmp_path: Path) -> None:
    with DATA.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["label"] in LABELS[:4] and len(row["text"]) < 100]
    write(tmp_path / "texts.csv", rows, ("text",))
    tests = '[tests.gas]\ntexts = ["there is a smell of gas, an emergency"]\nexpect = "gas_smell_emergency"\n'
    (tmp_path / "own.toml").write_text(tests + '[tests.case]\nrows = 5\nchange = "lower"\n')
    (tmp_path / "shoal.toml").write_text(f'{PROJECT}{NAMED}behaviour = ["own.toml"]\n')

    code, said = shoal("train")
    assert "own: 2 of 2 behavioural tests hold" in said
    assert code == 0 and "Nothing is promised" in said and "295 labelled rows" in said and "1,805" in said
    registry = Registry(tmp_path / ".shoal" / "registry")
    first = load(registry.path(registry.resolve("intent")))
    assert first.certificate is None and first.report == {}
    assert first.provenance["texts"] == len({row["text"] for row in rows})
    answers = first.predict([row["text"] for row in rows])
    assert {(one.accepted, one.reason, one.tier) for one in answers} == {(False, "not_certified", "names")}
    right = sum(one.label == row["label"] for one, row in zip(answers, rows, strict=True))
    assert right > 0.5 * len(rows)  # guessing is right in a fifth

    code, said = shoal("predict", "intent", "I can smell gas in the kitchen")
    answer: dict[str, Any] = json.loads(said)
    assert code == 0 and answer["label"] == "gas_smell_emergency" and answer["accepted"] is False
    assert shoal("data", "check")[0] == 0

    # Rows arrive; one label has none yet. The larger model must still be able to give it.
    write(tmp_path / "rows.csv", rows, ("text", "label"))
    (tmp_path / "shoal.toml").write_text(f'{PROJECT}{NAMED}data = "rows.csv"\nbackbone = "tfidf"\n')
    code, said = shoal("train")
    assert code == 0 and "'out_of_scope': without a row" in " ".join(said.split())
    second = load(registry.path(registry.resolve("intent")))
    assert registry.resolve("intent").version == "v2" and second.report
    assert list(second.task.labels) == sorted(LABELS)
    assert "out_of_scope" not in {one.label for one in second.predict([row["text"] for row in rows])}

    # Names alone do not push out what has learnt from rows.
    (tmp_path / "shoal.toml").write_text(PROJECT + NAMED)
    code, said = shoal("train", "--json")
    (trained,) = json.loads(said[: said.rindex("]") + 1])
    assert code == 1 and trained["report"] is None and trained["needs"]["least"] == 295
    assert [rule["message"] for rule in trained["gate"]["reasons"] if not rule["passed"]] == [
        "the champion has learnt from labelled rows; what has learnt from none does not take its place"
    ]
    assert registry.resolve("intent").version == "v2"
