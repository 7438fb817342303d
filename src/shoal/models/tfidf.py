"""The lexical rung: TF-IDF over words, word pairs and character n-grams with a linear head, in numpy alone.

Features are those of scikit-learn's `TfidfVectorizer` (Salton & Buckley 1988; sublinear counts, l2 norm), word and
character parts normalised apart. They are remade here so that serving needs no scikit-learn; tests hold the two equal.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import ClassVar, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from shoal.models.scorer import Logits

WORD_PATTERN = r"(?u)\b\w+\b"
WORD_LENGTHS = (1, 2)  # words in a feature
CHARACTER_LENGTHS = (2, 4)  # characters in a feature; none crosses a word

_WORD = re.compile(WORD_PATTERN)
_CHUNK = 1024  # texts whose features are in memory at once
_CACHED_WORDS = 50_000
_LONGEST_CACHED = 64  # characters; longer "words" are rarely seen twice


class _Vocabulary(msgspec.Struct, frozen=True):
    """Features in the order of the weights' rows, words first."""

    words: list[str]
    characters: list[str]


class TfidfScorer:
    """Serves a linear model over TF-IDF features; no limit on the length of a text.

    Args:
        words: W word and word-pair features.
        characters: C character features.
        idf: inverse document frequencies [W + C].
        weight: head [W + C, L]; kept and saved as float16, which tests hold to be enough.
        bias: head [L].
    """

    kind: ClassVar[str] = "tfidf.v1"

    def __init__(
        self,
        words: Sequence[str],
        characters: Sequence[str],
        idf: NDArray[np.floating],
        weight: NDArray[np.floating],
        bias: NDArray[np.floating],
    ) -> None:
        self._vocabulary = _Vocabulary(list(words), list(characters))
        self._words = {word: row for row, word in enumerate(words)}
        self._characters = {part: row for row, part in enumerate(characters, start=len(words))}
        self._idf = np.asarray(idf, dtype=np.float32)
        # Rounded, so that a model on disk and the one just trained agree; float32, as numpy multiplies float16 slowly.
        self._weight = np.asarray(weight, dtype=np.float16).astype(np.float32)
        self._bias = np.asarray(bias, dtype=np.float32)
        self._parts_of: dict[str, list[int]] = {}

    @property
    def size_bytes(self) -> int:
        """Bytes of the weights and the vocabulary."""
        features = self._vocabulary.words + self._vocabulary.characters
        text = sum(len(feature.encode()) + 3 for feature in features)
        return text + self._weight.nbytes // 2 + self._idf.nbytes + self._bias.nbytes

    def logits(self, texts: Sequence[str]) -> Logits:
        """Logits [n, L] of the texts."""
        result = np.empty((len(texts), len(self._bias)), np.float32)
        for start in range(0, len(texts), _CHUNK):
            bounds, features, values = self.features(texts[start : start + _CHUNK])
            for row, (first, end) in enumerate(pairwise(bounds), start=start):
                result[row] = values[first:end] @ self._weight[features[first:end]]
        return result + self._bias

    def features(self, texts: Sequence[str]) -> tuple[list[int], NDArray[np.int64], NDArray[np.float32]]:
        """TF-IDF features of n texts as a sparse matrix by rows.

        Returns:
            Where each row begins in the other two and where the last ends [n + 1]; feature numbers, rising within a
            row; their weights.
        """
        found = [self._found(text) for text in texts]
        lengths = np.fromiter(map(len, found), np.int64, len(found))
        flat = np.fromiter((each for row in found for each in row), np.int64, int(lengths.sum()))
        width = len(self._idf) or 1
        keys, counts = np.unique(np.repeat(np.arange(len(texts)), lengths) * width + flat, return_counts=True)
        rows, features = np.divmod(keys, width)
        values = (1 + np.log(counts.astype(np.float32))) * self._idf[features]
        halves = 2 * rows + (features >= len(self._words))  # word part, character part of each text
        norms = np.sqrt(np.bincount(halves, values * values, minlength=2 * len(texts)))
        values /= norms[halves].astype(np.float32)
        return np.searchsorted(rows, np.arange(len(texts) + 1)).tolist(), features, values

    def save(self, folder: Path) -> None:
        """Write features.json and weights.npz."""
        (folder / "features.json").write_bytes(msgspec.json.encode(self._vocabulary))
        np.savez(folder / "weights.npz", idf=self._idf, weight=self._weight.astype(np.float16), bias=self._bias)

    @classmethod
    def load(cls, folder: Path, *, threads: int | None = None) -> Self:
        """Open what `save` wrote; one thread is used, whatever `threads`."""
        vocabulary = msgspec.json.decode((folder / "features.json").read_bytes(), type=_Vocabulary)
        with np.load(folder / "weights.npz", allow_pickle=False) as arrays:
            idf, weight, bias = arrays["idf"], arrays["weight"], arrays["bias"]
        if len(idf) != len(vocabulary.words) + len(vocabulary.characters) or weight.shape != (len(idf), len(bias)):
            raise ValueError("features.json and weights.npz are of different sizes")
        return cls(vocabulary.words, vocabulary.characters, idf, weight, bias)

    def _found(self, text: str) -> list[int]:
        """Known features of one text, repeated as often as they occur."""
        lower = text.lower()
        words = _WORD.findall(lower)
        known = self._words
        found = [known[word] for word in words if word in known]
        found += [known[pair] for pair in map(" ".join, pairwise(words)) if pair in known]
        for word in lower.split():
            parts = self._parts_of.get(word)
            if parts is None:
                parts = [self._characters[part] for part in _parts(word) if part in self._characters]
                if len(word) <= _LONGEST_CACHED:
                    if len(self._parts_of) >= _CACHED_WORDS:
                        self._parts_of.clear()
                    self._parts_of[word] = parts
            found += parts
        return found


def _parts(word: str) -> Iterator[str]:
    """Character n-grams of one word with a space on either side; a word no longer than n counts once, whole."""
    padded = f" {word} "
    for length in range(CHARACTER_LENGTHS[0], CHARACTER_LENGTHS[1] + 1):
        if len(padded) <= length:
            yield padded
            return
        for start in range(len(padded) - length + 1):
            yield padded[start : start + length]
