"""The public data sets themselves: pinned sums, sizes and official splits."""

import os
from pathlib import Path

import pytest

from shoal.data import load_out_of_scope, load_public, sources

SHOAL_DATA = os.environ.get("SHOAL_DATA", "")
pytestmark = [
    pytest.mark.public_data,
    pytest.mark.skipif(not SHOAL_DATA, reason="SHOAL_DATA does not name a folder with the public data sets"),
]

# rows, labels, train, dev, test; 0 where there is no official split
SIZES = {
    "banking77": (13_083, 77, 10_003, 0, 3_080),
    "bitext_customer_support": (8_100, 27, 6_480, 810, 810),
    "clinc150": (22_500, 150, 15_000, 3_000, 4_500),
    "davidson_hate": (24_783, 3, 0, 0, 0),
    "headlines_gold": (10_000, 4, 5_000, 0, 5_000),
    "llm_babe_bias": (3_021, 2, 0, 0, 0),
    "llm_imdb_gpt": (1_000, 2, 0, 0, 0),
}


@pytest.mark.parametrize("name", sources.names())
def test_the_pinned_sums_are_those_of_the_published_files(name: str, tmp_path: Path) -> None:
    folder = sources.get(name, tmp_path, local=SHOAL_DATA)
    assert {path.name for path in folder.iterdir()} == {file.name for file in sources.source(name).files}


@pytest.mark.parametrize("name", SIZES)
def test_rows_labels_and_official_splits(name: str) -> None:
    data = load_public(name, SHOAL_DATA)
    found = data.split_counts()
    assert (len(data), len(data.labels), found["train"], found["dev"], found["test"]) == SIZES[name]


def test_out_of_scope_texts_are_apart() -> None:
    apart = load_out_of_scope(SHOAL_DATA).split_counts()
    assert (apart["train"], apart["dev"], apart["test"]) == (100, 100, 1_000)
