"""A transformer encoder with a linear head: ONNX graph in onnxruntime, whether its body was frozen or fine-tuned.

The graph takes `input_ids` and `attention_mask` (and `token_type_ids` if it asks for them) and gives pooled, normalised
embeddings [n, d]; the head is one matrix.
"""
# pyright: reportUnknownMemberType=false
# tokenizers ships types for a part of its interface.

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Self

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from shoal.models import graph
from shoal.models.scorer import Logits

_CHARACTERS_A_TOKEN = 32  # what lies further back than this many characters a token is not looked at


class _Settings(msgspec.Struct, frozen=True):
    max_tokens: int
    windows: int = 1


class EncoderScorer:
    """Serves an exported encoder with its head.

    An int8 graph with dynamic quantisation scales activations by the batch, so that its logits depend slightly on which
    texts run together (`graph.Graph`); those of a float32 graph differ in rounding only.

    Args:
        tokenizer_json: a Hugging Face `tokenizer.json`, as bytes or where it lies.
        onnx: the graph, as bytes or where it lies.
        weight: head [d, L].
        bias: head [L].
        max_tokens: of one pass through the encoder, special tokens included.
        windows: longer texts are cut into passes, at most so many; their embeddings are averaged, each with the weight
            of its tokens. What lies further back is not looked at.
        threads: groups that run side by side; None takes all cores.
    """

    kind: ClassVar[str] = "encoder.v1"

    def __init__(
        self,
        tokenizer_json: bytes | Path,
        onnx: bytes | Path,
        weight: ArrayLike,
        bias: ArrayLike,
        max_tokens: int = 256,
        windows: int = 1,
        threads: int | None = None,
    ) -> None:
        from tokenizers import Tokenizer

        self.weight = np.ascontiguousarray(weight, dtype=np.float32)
        self.bias = np.ascontiguousarray(bias, dtype=np.float32)
        self.max_tokens = max_tokens
        self.windows = windows
        self._tokenizer_json = tokenizer_json
        self._tokenizer = Tokenizer.from_str(graph.content(tokenizer_json).decode())
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(max_tokens)
        self._graph = graph.Graph(onnx, threads)

    @property
    def size_bytes(self) -> int:
        """Bytes of the graph, the tokenizer and the head."""
        return graph.size(self._graph.onnx) + graph.size(self._tokenizer_json) + self.weight.nbytes + self.bias.nbytes

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Pooled embeddings [n, d] of the texts, before the head."""
        if not texts:
            return np.empty((0, len(self.weight)), np.float32)
        pieces = self._pieces(texts)
        ids = [piece for each in pieces for piece in each]
        embeddings = np.stack(self._graph.run(ids))
        return embeddings if len(ids) == len(texts) else _averaged(embeddings, pieces)

    def exceeding(self, texts: Sequence[str]) -> NDArray[np.bool_]:
        """Tell which texts are longer than one pass [n]."""
        limit = 2 * _CHARACTERS_A_TOKEN * self.max_tokens
        encodings = self._tokenizer.encode_batch_fast([text[:limit] for text in texts])
        return np.array([bool(encoding.overflowing) for encoding in encodings], np.bool_)

    def lengths(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Count the tokens of each text [n], special ones left out, however long it is."""
        encodings = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        return np.array(
            [len(each.ids) + sum(len(rest.ids) for rest in each.overflowing) for each in encodings], np.int64
        )

    def with_windows(self, windows: int) -> Self:
        """Give the same encoder, opened once, another number of windows."""
        other = copy.copy(self)
        other.windows = windows
        return other

    def with_head(self, weight: ArrayLike, bias: ArrayLike) -> Self:
        """Give the same encoder, opened once, another head: weight [d, L], bias [L]."""
        other = copy.copy(self)
        other.weight = np.ascontiguousarray(weight, dtype=np.float32)
        other.bias = np.ascontiguousarray(bias, dtype=np.float32)
        return other

    def logits(self, texts: Sequence[str]) -> Logits:
        """Logits [n, L] of the texts."""
        return self.embed(texts) @ self.weight + self.bias

    def save(self, folder: Path) -> None:
        """Write tokenizer.json, encoder.onnx, head.npz and encoder.json."""
        graph.copy(self._tokenizer_json, folder / "tokenizer.json")
        graph.copy(self._graph.onnx, folder / "encoder.onnx")
        np.savez(folder / "head.npz", weight=self.weight, bias=self.bias)
        (folder / "encoder.json").write_bytes(msgspec.json.encode(_Settings(self.max_tokens, self.windows)))

    @classmethod
    def load(cls, folder: Path, *, threads: int | None = None) -> Self:
        """Open what `save` wrote."""
        settings = msgspec.json.decode((folder / "encoder.json").read_bytes(), type=_Settings)
        with np.load(folder / "head.npz", allow_pickle=False) as head:
            weight, bias = head["weight"], head["bias"]
        return cls(
            (folder / "tokenizer.json").read_bytes(),
            folder / "encoder.onnx",
            weight,
            bias,
            max_tokens=settings.max_tokens,
            windows=settings.windows,
            threads=threads,
        )

    def _pieces(self, texts: Sequence[str]) -> list[list[list[int]]]:
        """Token numbers of each text, cut into passes."""
        limit = _CHARACTERS_A_TOKEN * self.max_tokens * self.windows
        encodings = self._tokenizer.encode_batch_fast([text[:limit] for text in texts])
        if self.windows == 1:
            return [[encoding.ids] for encoding in encodings]
        return [
            [encoding.ids, *(rest.ids for rest in encoding.overflowing[: self.windows - 1])] for encoding in encodings
        ]


def _averaged(embeddings: NDArray[np.float32], pieces: list[list[list[int]]]) -> NDArray[np.float32]:
    """Means over the passes of each text, weighted by their tokens."""
    counts = [len(each) for each in pieces]
    weights = np.array([len(piece) for each in pieces for piece in each], np.float32)
    starts = np.cumsum([0, *counts[:-1]])
    totals = np.add.reduceat(weights, starts)
    return (np.add.reduceat(embeddings * weights[:, None], starts) / totals[:, None]).astype(np.float32)
