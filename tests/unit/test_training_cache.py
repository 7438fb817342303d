"""The cache is never wrong, only absent."""

from pathlib import Path

import numpy as np
import pytest

from shoal.training import cache
from shoal.training.cache import Arrays, cached


class Maker:
    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> Arrays:
        self.calls += 1
        return {"numbers": np.arange(5.0), "bytes": np.frombuffer(b"graph", np.uint8)}


def test_made_once_and_the_same_from_the_cache(tmp_path: Path) -> None:
    maker = Maker()
    first = cached(tmp_path / "new", "table.v1", [b"a", b"b"], maker)
    again = cached(tmp_path / "new", "table.v1", [b"a", b"b"], maker)
    assert maker.calls == 1
    assert again["bytes"].tobytes() == b"graph"
    np.testing.assert_array_equal(first["numbers"], again["numbers"])
    assert not list((tmp_path / "new").glob("*.partial"))


@pytest.mark.parametrize(("kind", "makings"), [("table.v2", [b"a", b"b"]), ("table.v1", [b"ab"]), ("table.v1", [b"b"])])
def test_every_making_counts(tmp_path: Path, kind: str, makings: list[bytes]) -> None:
    maker = Maker()
    cached(tmp_path, "table.v1", [b"a", b"b"], maker)
    cached(tmp_path, kind, makings, maker)
    assert maker.calls == 2


def test_without_a_folder_nothing_is_kept() -> None:
    maker = Maker()
    cached(None, "table.v1", [], maker)
    cached(None, "table.v1", [], maker)
    assert maker.calls == 2


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 half", b"no archive"])
def test_a_damaged_file_is_made_again(tmp_path: Path, content: bytes) -> None:
    maker = Maker()
    cached(tmp_path, "table.v1", [], maker)
    (file,) = tmp_path.glob("*.npz")
    file.write_bytes(content)
    np.testing.assert_array_equal(cached(tmp_path, "table.v1", [], maker)["numbers"], np.arange(5.0))
    assert maker.calls == 2


def test_a_cache_that_cannot_be_written_does_not_fail(tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("not a folder")
    assert cached(in_the_way, "table.v1", [], Maker())["numbers"].shape == (5,)


def test_the_longest_unused_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "_MOST_BYTES", 1_000)
    for number in range(4):
        cached(tmp_path, f"kind{number}.v1", [], Maker())
    assert 1 <= len(list(tmp_path.glob("*.npz"))) < 4
