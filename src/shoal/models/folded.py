"""The tuned static rung: token vectors with the first layer of their network folded in; five microseconds a text.

A text is the weighted sum of its token vectors over the root of the summed squares of the weights, then a layer, ReLU,
and the head. Every step before ReLU but that division is linear, so the layer is multiplied into the table once, when
the model is made, instead of into every text.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from shoal.models.scorer import Logits
from shoal.models.static import CHUNK, Layer, WordIds, pooled


class FoldedScorer:
    """Serves a folded token table under a linear head; texts are judged by their first 512 tokens.

    Args:
        tokenizer_json: the encoder's `tokenizer.json`.
        table: token vectors times their weight times the first layer [V, h]; kept and saved as float16 values.
        weights: of the tokens [V].
        bias: of the first layer [h].
        head: weight [h, L] and bias [L].
        words: the tokenizer, where it is open already.
    """

    kind: ClassVar[str] = "static.v2"

    def __init__(
        self,
        tokenizer_json: bytes,
        table: NDArray[np.floating],
        weights: NDArray[np.floating],
        bias: NDArray[np.floating],
        head: Layer,
        words: WordIds | None = None,
    ) -> None:
        self._tokenizer_json = tokenizer_json
        self._words = words or WordIds(tokenizer_json)
        self._weights = np.asarray(weights, np.float32)
        # Rounded, so that a model on disk and the one just trained agree; float32, as numpy multiplies float16 slowly.
        # The last column adds up the squares of the weights along with the vectors.
        rounded = np.asarray(table, np.float16).astype(np.float32)
        self._table = np.column_stack([rounded, self._weights**2])
        self._bias = np.asarray(bias, np.float32)
        self._head = np.asarray(head[0], np.float32), np.asarray(head[1], np.float32)

    @property
    def size_bytes(self) -> int:
        """Bytes of the table, the head and the tokenizer."""
        arrays = (self._weights, self._bias, *self._head)
        table = len(self._table) * len(self._bias) * 2
        return table + sum(array.nbytes for array in arrays) + len(self._tokenizer_json)

    def logits(self, texts: Sequence[str]) -> Logits:
        """Logits [n, L] of the texts."""
        weight, bias = self._head
        result = np.empty((len(texts), len(bias)), np.float32)
        for start in range(0, len(texts), CHUNK):
            sums = pooled(self._table, self._words, texts[start : start + CHUNK])
            hidden = sums[:, :-1]
            hidden /= np.sqrt(np.maximum(sums[:, -1:], 1e-12))
            hidden += self._bias
            np.maximum(hidden, 0, out=hidden)
            np.add(hidden @ weight, bias, out=result[start : start + CHUNK])
        return result

    def save(self, folder: Path) -> None:
        """Write tokenizer.json and weights.npz."""
        (folder / "tokenizer.json").write_bytes(self._tokenizer_json)
        np.savez(
            folder / "weights.npz",
            table=self._table[:, :-1].astype(np.float16),
            weights=self._weights,
            bias=self._bias,
            head_weight=self._head[0],
            head_bias=self._head[1],
        )

    @classmethod
    def load(cls, folder: Path, *, threads: int | None = None) -> Self:
        """Open what `save` wrote; one thread is used, whatever `threads`, but for BLAS."""
        with np.load(folder / "weights.npz", allow_pickle=False) as arrays:
            return cls(
                (folder / "tokenizer.json").read_bytes(),
                arrays["table"],
                arrays["weights"],
                arrays["bias"],
                (arrays["head_weight"], arrays["head_bias"]),
            )
