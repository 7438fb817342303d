"""What training may reuse lies in the user's cache; a home that cannot be written costs time, never the training."""

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import shoal.training
from shoal.cli import app
from shoal.errors import ShoalError

ROWS = "text,label\n" + "".join(f"{word} number {n},{word}\n" for word in ("heron", "otter") for n in range(12))


class Stopped(ShoalError):
    """Ends the command where training would begin."""


def cache_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Any:
    given: list[Any] = []

    def train(*_: Any, **options: Any) -> None:
        given.append(options["cache"])
        raise Stopped("here training would begin")

    monkeypatch.setattr(shoal.training, "train", train)
    (tmp_path / "rows.csv").write_text(ROWS)
    (tmp_path / "shoal.toml").write_text('[project]\nname = "pond"\n[specialists.bird]\ndata = "rows.csv"\n')
    monkeypatch.chdir(tmp_path)
    assert isinstance(CliRunner().invoke(app, ["train", *arguments]).exception, Stopped)
    return given[0]


@pytest.mark.parametrize("arguments", [(), ("--data", "rows.csv", "--out", "model")])
def test_training_is_given_the_users_cache(
    arguments: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert cache_given(tmp_path, monkeypatch, *arguments) == tmp_path / "cache" / "shoal"


def test_without_xdg_it_is_in_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_given(tmp_path, monkeypatch) == tmp_path / ".cache" / "shoal"


def test_a_home_that_cannot_be_written_leaves_training_without_a_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert cache_given(tmp_path, monkeypatch) is None
