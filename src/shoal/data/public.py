"""The public data sets as `Dataset`s, with their official splits."""

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal, cast

from shoal.data.dataset import Dataset, Row
from shoal.data.read import read
from shoal.data.sources import source
from shoal.errors import DataError, NotFoundError

OUT_OF_SCOPE = "out_of_scope"

_HATE = {"0": "hate_speech", "1": "offensive_language", "2": "neither"}
_BIAS = {"0": "not_biased", "1": "biased"}
_SENTIMENT = {"0": "negative", "1": "positive"}


def load_public(name: str, folder: str | Path) -> Dataset:
    """Read a public data set.

    Rows carry the official splits: train and test for banking77 and headlines_gold; train, dev and test for clinc150
    (in-scope rows only, see `load_out_of_scope`) and bitext_customer_support; none for llm_babe_bias (label: the
    experts'), davidson_hate and llm_imdb_gpt (label: the gold one), which have no official splits.

    Args:
        name: of the data set.
        folder: the folder that holds `name/`, such as the destination of `get`.

    Raises:
        NotFoundError: no data set of that name is classification with a reader here.
        DataError: a file is missing or damaged.
    """
    source(name)
    reader = _READERS.get(name)
    if reader is None:
        raise NotFoundError(f"{name!r} is not read as labelled rows; those that are: {', '.join(_READERS)}")
    return reader(Path(folder) / name)


def load_out_of_scope(folder: str | Path) -> Dataset:
    """Read the texts of clinc150 that belong to none of its intents, by official split, all labelled "out_of_scope"."""
    return Dataset.of(_clinc(Path(folder) / "clinc150", out_of_scope=True))


def _banking77(folder: Path) -> Dataset:
    return read({"train": folder / "train.csv", "test": folder / "test.csv"}, label="category")


def _clinc150(folder: Path) -> Dataset:
    return Dataset.of(_clinc(folder, out_of_scope=False))


def _clinc(folder: Path, *, out_of_scope: bool) -> Iterator[Row]:
    path = folder / "data_full.json"
    try:
        parts = cast(dict[str, list[list[str]]], json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file; `shoal data get clinc150` fetches it") from None
    except ValueError as error:
        raise DataError(f"{path}: not valid JSON: {error}") from None
    names: dict[str, Literal["train", "dev", "test"]] = {"train": "train", "val": "dev", "test": "test"}
    for name, split in names.items():
        key = f"oos_{name}" if out_of_scope else name
        for number, (text, label) in enumerate(parts[key], start=1):
            yield Row(text, OUT_OF_SCOPE if out_of_scope else label, split, origin=f"{path}:{key}:{number}")


def _bitext(folder: Path) -> Dataset:
    files = {part: folder / f"{part}.csv" for part in ("train", "dev", "test")}
    return read(files, text="utterance", label="intent")


def _babe(folder: Path) -> Dataset:
    return _renamed(read(folder / "babe_llm_labels.csv", label="gold"), _BIAS)


def _davidson(folder: Path) -> Dataset:
    return _renamed(read(folder / "labeled_data.csv", text="tweet", label="class"), _HATE)


def _imdb(folder: Path) -> Dataset:
    # The ten further rows of this set are examples for the prompt of the LLM.
    return _renamed(read(folder / "ocats_imdb_dev_gpt.csv"), _SENTIMENT)


def _headlines(folder: Path) -> Dataset:
    return Dataset.of([*_headline_rows(folder / "train.csv", "train"), *_headline_rows(folder / "test.csv", "test")])


def _headline_rows(path: Path, split: Literal["train", "test"]) -> Iterator[Row]:
    """Read rows without a header: a prompt (the headline between "Q: " and "A:"), a label, a number."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.reader(file)
            line = 1
            for prompt, label, _ in reader:
                text = prompt.removeprefix("Q: ").removesuffix("\nA:")
                yield Row(text, label.strip(), split, origin=f"{path}:{line}")
                line = reader.line_num + 1
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file; `shoal data get headlines_gold` fetches it") from None


def _renamed(data: Dataset, names: dict[str, str]) -> Dataset:
    """Give numbered labels their names."""
    return Dataset.of(Row(row.text, names[row.label], row.split, origin=row.origin) for row in data.rows)


_READERS: dict[str, Callable[[Path], Dataset]] = {
    "banking77": _banking77,
    "bitext_customer_support": _bitext,
    "clinc150": _clinc150,
    "davidson_hate": _davidson,
    "headlines_gold": _headlines,
    "llm_babe_bias": _babe,
    "llm_imdb_gpt": _imdb,
}
