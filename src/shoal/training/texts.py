"""Texts that no one has labelled, as they are given to a training."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from shoal.data import read
from shoal.data.dataset import normalised
from shoal.errors import InputError


def different(unlabelled: str | Path | Sequence[str], most: int, seed: int) -> list[str]:
    """Take different texts that are not blank; a sample of them where there are more than can be looked at.

    Args:
        unlabelled: a list of texts, or a file with a column "text".
        most: how many can be looked at.
        seed: of the sample.

    Raises:
        InputError: what is given is no list of strings; DataError names the line of a file.
    """
    given = read(unlabelled, label=None).texts if isinstance(unlabelled, str | Path) else unlabelled
    for place, text in enumerate(given):
        if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance] - callers are untyped
            raise InputError(f"unlabelled[{place}] is of type {type(text).__name__}; give strings only.")
    found = list({normalised(text): text for text in given if text.strip()}.values())
    if len(found) <= most:
        return found
    chosen = np.random.default_rng(seed).permutation(len(found))[:most]
    return [found[at] for at in sorted(chosen)]
