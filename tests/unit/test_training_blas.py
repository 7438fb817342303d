"""One BLAS thread while something is learnt; afterwards what there was before."""

from collections.abc import Iterator

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

import shoal
from shoal.training import classification
from shoal.training.blas import one_thread

assert np  # its BLAS is what is looked at


def threads() -> set[int]:
    return {each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"}


@pytest.fixture(autouse=True)
def two() -> Iterator[None]:
    with one_thread():
        pass  # scipy's is loaded now
    with threadpool_limits(limits=2, user_api="blas"):
        yield


def test_a_training_has_one_and_afterwards_there_is_what_there_was(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[set[int]] = []

    def train(_data: object, **_: object) -> None:
        seen.append(threads())
        raise ValueError("enough")

    monkeypatch.setattr(classification, "train", train)
    with pytest.raises(ValueError, match="enough"):
        shoal.train([])
    assert (seen, threads()) == ([{1}], {2})
