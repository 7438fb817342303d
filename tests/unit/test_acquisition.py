"""Which texts to label next: all kinds covered, doubts before the sure, nothing twice, and a share at random."""

from pathlib import Path

import numpy as np
import pytest

from shoal.errors import InputError
from shoal.models import load
from shoal.training import acquisition
from shoal.training.acquisition import choose, typical, unsure

pytest.importorskip("sklearn")

GOLDEN = load(Path(__file__).parents[1] / "data" / "artifact_v1")
TEXTS = [
    f"{word} number {number}" for number in range(8) for word in ("order rye bread", "when are you open", "stale cake")
]


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def islands(sizes: tuple[int, ...], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    centres = draw.normal(size=(len(sizes), 16))
    island = np.repeat(np.arange(len(sizes)), sizes)
    return unit(centres[island] + 0.05 * draw.normal(size=(len(island), 16))), island


@pytest.fixture(autouse=True)
def own_vectors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Vectors by the letters of a text: the encoder itself is asked in tests/integration."""

    def vectors(texts: list[str], *_: object) -> np.ndarray:
        return unit(np.array([[1 + text.count(chr(97 + n)) for n in range(26)] for text in texts], float))

    monkeypatch.setattr(acquisition, "_vectors", vectors)


def test_typical_rows_cover_every_island_the_large_ones_first() -> None:
    vectors, island = islands((5, 60, 20, 40))
    rows = typical(vectors, 4, seed=1)
    assert island[rows].tolist() == [1, 3, 2, 0]
    assert len(set(typical(vectors, 50, seed=1).tolist())) == 50


def test_rows_that_embed_alike_are_still_as_many_as_wanted() -> None:
    same = unit(np.ones((10, 4)))
    assert len(set(typical(same, 6, seed=0).tolist())) == 6


def test_unsure_rows_are_doubtful_and_unlike_each_other() -> None:
    vectors, island = islands((30, 30, 30, 30))
    posterior = np.tile([0.98, 0.01, 0.01], (120, 1))
    doubtful = np.isin(island, (1, 2))
    posterior[doubtful] = [0.4, 0.35, 0.25]
    rows = unsure(vectors, posterior, 8, seed=0)
    assert doubtful[rows].all() and len(set(rows.tolist())) == 8
    assert set(island[rows].tolist()) == {1, 2}


def test_without_a_specialist_and_with_one() -> None:
    cold = choose(TEXTS, 8, seed=3)
    assert [one.why for one in cold].count("random") == 2 and {one.why for one in cold} == {"random", "typical"}
    assert {(one.suggested, one.confidence) for one in cold} == {("", None)}
    warm = choose(TEXTS, 8, specialist=GOLDEN, seed=3)
    assert [one.why for one in warm].count("random") == 2 and {one.why for one in warm} == {"random", "unsure"}
    for one, answer in zip(warm, GOLDEN.predict([one.text for one in warm]), strict=True):
        assert one.suggested == answer.label and one.confidence == pytest.approx(answer.confidence, abs=1e-6)
    assert len({one.text for one in cold}) == len({one.text for one in warm}) == 8
    assert choose(TEXTS, 8, specialist=GOLDEN, seed=3) == warm


def test_what_is_empty_labelled_or_there_twice_is_left_out() -> None:
    texts = [" ", "", "Same  thing", "same thing", "done", "other"]
    assert {one.text for one in choose(texts, 99, labelled=["DONE "], random=1)} == {"Same  thing", "other"}
    with pytest.raises(InputError, match="none of the 2 texts is left to label"):
        choose(["", "done"], 1, labelled=["done"])


def test_the_pool_is_bounded_and_any_share_may_be_random(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acquisition, "MOST_TEXTS", 10)
    assert len(choose(TEXTS, 50)) == 10
    assert {one.why for one in choose(TEXTS, 5, random=0)} == {"typical"}
    assert {one.why for one in choose(TEXTS, 5, random=1)} == {"random"}
    for count, random in ((0, 0.25), (3, 1.5)):
        with pytest.raises(InputError, match="one must be at least 1"):
            choose(TEXTS, count, random=random)
