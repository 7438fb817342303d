"""Versions that are broken on purpose, trained by `shoal train` and stopped by its gate."""

import csv
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.slow

DATA = Path(__file__).parents[2] / "examples" / "helpdesk" / "data"
PROJECT = """
[project]
name = "desk"

[specialists.urgency]
data = { train = "train.csv", test = "test.csv" }
guarantee = { risk = 0.3, confidence = 0.9 }
backbone = "tfidf"
slices = { columns = ["channel"] }
behaviour = ["own.toml"]
gate = { slice_gap = 0.25 }
"""
OWN = """
[tests.case]
rows = 50
change = ["upper", "lower"]
"""


def rows(file: str) -> list[dict[str, str]]:
    with (DATA / file).open(newline="", encoding="utf-8") as lines:
        return [
            {"text": row["text"], "label": row["label"], "channel": "sms" if len(row["text"]) % 3 == 0 else "web"}
            for row in csv.DictReader(lines)
        ]


def write(path: Path, content: list[dict[str, str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["text", "label", "channel"])
        writer.writeheader()
        writer.writerows(content)


@pytest.fixture
def train(tmp_path: Path) -> Callable[[], tuple[int, dict[str, Any]]]:
    """Run `shoal train --json` in the project; its exit code and what it says."""
    (tmp_path / "shoal.toml").write_text(PROJECT)
    (tmp_path / "own.toml").write_text(OWN)

    def train() -> tuple[int, dict[str, Any]]:
        command = [Path(sys.executable).parent / "shoal", "train", "urgency", "--json"]
        environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)[0]

    return train


def test_a_version_spoilt_on_one_slice_does_not_become_champion(
    train: Callable[[], tuple[int, dict[str, Any]]], tmp_path: Path
) -> None:
    whole = rows("urgency.csv")[:320]
    write(tmp_path / "train.csv", whole)
    write(tmp_path / "test.csv", rows("urgency_test.csv"))
    code, first = train()
    assert code == 0, first["gate"]
    assert [one["value"] for one in first["report"]["slices"]] == ["web", "sms"]
    assert [one["name"] for one in first["report"]["behaviour"]] == ["case"]
    told = dict.fromkeys(label["label"] for label in whole)
    turned = dict(zip(told, [*list(told)[1:], next(iter(told))], strict=True))
    write(
        tmp_path / "train.csv",
        [row | {"label": turned[row["label"]]} if row["channel"] == "sms" else row for row in whole],
    )
    code, second = train()
    failed = {rule["name"] for rule in second["gate"]["reasons"] if not rule["passed"]}
    assert code == 1
    assert "max_slice_regression" in failed
    aliases = json.loads((tmp_path / ".shoal" / "registry" / "urgency" / "aliases.json").read_text())
    assert aliases["aliases"]["champion"]["version"] == "v1"
