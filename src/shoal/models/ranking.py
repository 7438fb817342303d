"""A small network that tells from a unit's features and vector how much of a summary it is worth."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from shoal.models.passages import Passages
from shoal.models.salience import NAMES

Floats = NDArray[np.float32]

_FILE = "ranker.npz"
# What is known without any reference: the beginning and the middle of things say most; with a query, what is near it.
_KNOWN = {"central_rank": 2.0, "first": 1.0, "words": 0.5, "query_rank": 4.0, "query_words_near": 4.0}


@dataclass(frozen=True, slots=True)
class Ranker:
    """One hidden layer beside a linear one; several networks of one kind lie side by side in it.

    Attributes:
        projection: of the vectors, whose coordinates are put behind the features [d, p]; p may be 0.
        mean: of the inputs in training [f + p].
        scale: their spread [f + p].
        linear: weights of the inputs [f + p].
        hidden: weights of the hidden layer [f + p, h]; h may be 0.
        bias: of the hidden layer [h].
        out: weights of its tanh [h].
    """

    projection: Floats
    mean: Floats
    scale: Floats
    linear: Floats
    hidden: Floats
    bias: Floats
    out: Floats

    @classmethod
    def untrained(cls, width: int) -> Self:
        """Rank by centrality, place and the query alone, where nothing could be learnt."""
        columns, none = len(NAMES), np.zeros(0, np.float32)
        return cls(
            projection=np.zeros((width, 0), np.float32),
            mean=np.zeros(columns, np.float32),
            scale=np.ones(columns, np.float32),
            linear=np.array([_KNOWN.get(name, 0.0) for name in NAMES], np.float32),
            hidden=np.zeros((columns, 0), np.float32),
            bias=none,
            out=none,
        )

    @property
    def size_bytes(self) -> int:
        """Bytes of its weights."""
        return sum(getattr(self, name).nbytes for name in self.__slots__)

    def inputs(self, passages: Passages) -> Floats:
        """Features and projected vectors, as they are [n, f + p]."""
        return np.concatenate([passages.features, passages.vectors @ self.projection], axis=1)

    def scores(self, passages: Passages) -> NDArray[np.floating]:
        """Log of the worth of each unit, up to a constant [n]."""
        inputs = (self.inputs(passages) - self.mean) / self.scale
        return inputs @ self.linear + np.tanh(inputs @ self.hidden + self.bias) @ self.out

    def save(self, folder: Path) -> None:
        """Write ranker.npz."""
        np.savez(folder / _FILE, **{name: getattr(self, name) for name in self.__slots__})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Open what `save` wrote; ValueError where it does not fit."""
        with np.load(folder / _FILE, allow_pickle=False) as weights:
            found = cls(*(weights[name] for name in cls.__slots__))
        if len(found.mean) != len(NAMES) + found.projection.shape[1]:
            raise ValueError(f"ranker.npz is made for {len(found.mean)} inputs, this shoal has {len(NAMES)} features")
        return found
