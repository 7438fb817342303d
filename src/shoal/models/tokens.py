"""A transformer encoder with a linear head on every token, read out for each unit (word or sign) of a text.

The graph gives the last hidden state [n, t, d]; the head is one matrix, with a table beside it for how the unit and its
neighbours are written: an encoder whose tokenizer lower-cases has never seen a capital letter.
"""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# tokenizers ships types for a part of its interface.

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from shoal.models import graph, units

Floats = NDArray[np.float32]

_OVERLAP = 0.25  # of a pass: so much of a long text is read twice, so that no word is judged at an edge


class _Settings(msgspec.Struct, frozen=True):
    max_tokens: int


@dataclass(frozen=True, slots=True)
class Read:
    """What the encoder makes of one text.

    Attributes:
        starts: first character of each unit [u].
        ends: behind its last one [u].
        logits: of its labels [u, K].
    """

    starts: list[int]
    ends: list[int]
    logits: Floats


class Tokens:
    """A text as an encoder reads it: token numbers in overlapping passes, and its units.

    Args:
        tokenizer_json: a Hugging Face `tokenizer.json`.
        max_tokens: of one pass, special tokens included.
    """

    def __init__(self, tokenizer_json: bytes, max_tokens: int) -> None:
        from tokenizers import Tokenizer

        self._tokenizer = Tokenizer.from_str(tokenizer_json.decode())
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        probe = self._tokenizer.encode("a")
        own = [at for at, special in enumerate(probe.special_tokens_mask) if not special] or [len(probe.ids)]
        self._before, self._after = probe.ids[: own[0]], probe.ids[own[-1] + 1 :]
        self._room = max_tokens - len(self._before) - len(self._after)
        self._step = self._room - int(_OVERLAP * self._room)

    def split(self, texts: Sequence[str]) -> list[tuple[units.Units, list[list[int]]]]:
        """Units of each text, and its token numbers pass by pass; a text without tokens has no pass."""
        encodings = self._tokenizer.encode_batch(list(texts), add_special_tokens=False)
        return [
            (units.find(text, encoding.offsets, encoding.word_ids), self._passes(encoding.ids))
            for text, encoding in zip(texts, encodings, strict=True)
        ]

    def _passes(self, ids: list[int]) -> list[list[int]]:
        starts = range(0, max(len(ids) - self._room + self._step, 1), self._step) if ids else ()
        return [[*self._before, *ids[start : start + self._room], *self._after] for start in starts]

    def places(self, passes: Sequence[Sequence[int]]) -> list[range]:
        """Numbers of the tokens that each pass of a text reads."""
        lengths = [len(ids) - len(self._before) - len(self._after) for ids in passes]
        return [range(number * self._step, number * self._step + length) for number, length in enumerate(lengths)]

    def inside(self, ids: Sequence[int]) -> slice:
        """Where the tokens of the text stand in a pass, between the special ones."""
        return slice(len(self._before), len(ids) - len(self._after))

    def joined(self, passes: Sequence[Floats], lengths: Sequence[int]) -> Floats:
        """Put passes [t, K] together, special tokens and padding left out: [tokens, K].

        Of tokens that two passes have read, each half is taken from the pass that reads further on its other side.
        """
        own = [
            given[len(self._before) : length - len(self._after)] for given, length in zip(passes, lengths, strict=True)
        ]
        parts: list[Floats] = []
        begin = 0
        for number, given in enumerate(own):
            shared = len(given) - self._step if number + 1 < len(own) else 0
            parts.append(given[begin : len(given) - shared + shared // 2])
            begin = shared // 2
        return np.concatenate(parts)


class TokenScorer:
    """Serves an exported encoder with its head on tokens.

    Args:
        tokenizer_json: a Hugging Face `tokenizer.json`, as bytes or where it lies.
        onnx: the graph, as bytes or where it lies.
        weight: head [d, K].
        bias: head [K].
        written: logits for how the unit before, the unit, and the unit behind are written [3, SHAPES, K].
        max_tokens: of one pass through the encoder, special tokens included; a longer text takes several.
        threads: groups that run side by side; None takes all cores.
    """

    kind: ClassVar[str] = "tokens.v1"

    def __init__(
        self,
        tokenizer_json: graph.Source,
        onnx: graph.Source,
        weight: ArrayLike,
        bias: ArrayLike,
        written: ArrayLike,
        max_tokens: int = 256,
        threads: int | None = None,
    ) -> None:
        self.weight = np.ascontiguousarray(weight, dtype=np.float32)
        self.bias = np.ascontiguousarray(bias, dtype=np.float32)
        self.written = np.ascontiguousarray(written, dtype=np.float32)
        self.max_tokens = max_tokens
        self._tokenizer_json = tokenizer_json
        self._tokens = Tokens(graph.content(tokenizer_json), max_tokens)
        self._graph = graph.Graph(onnx, threads)

    @property
    def size_bytes(self) -> int:
        """Bytes of the graph, the tokenizer and the head."""
        head = self.weight.nbytes + self.bias.nbytes + self.written.nbytes
        return graph.size(self._graph.onnx) + graph.size(self._tokenizer_json) + head

    def read(self, texts: Sequence[str]) -> list[Read]:
        """Logits of the labels of every unit, text by text."""
        split = self._tokens.split(texts)
        given = iter(
            self._graph.run([ids for _, passes in split for ids in passes], lambda hidden: hidden @ self.weight)
        )
        return [
            Read(found.starts, found.ends, self._logits(text, found, passes, [next(given) for _ in passes]))
            for text, (found, passes) in zip(texts, split, strict=True)
        ]

    def hidden(self, texts: Sequence[str]) -> list[tuple[list[int], Floats]]:
        """First pass of each text with tokens: token numbers, and their vectors [t, d]; to compare with training."""
        passes = [passes[0] for _, passes in self._tokens.split(texts) if passes]
        return [(ids, given[: len(ids)]) for ids, given in zip(passes, self._graph.run(passes), strict=True)]

    def save(self, folder: Path) -> None:
        """Write tokenizer.json, encoder.onnx, head.npz and encoder.json."""
        graph.copy(self._tokenizer_json, folder / "tokenizer.json")
        graph.copy(self._graph.onnx, folder / "encoder.onnx")
        np.savez(folder / "head.npz", weight=self.weight, bias=self.bias, written=self.written)
        (folder / "encoder.json").write_bytes(msgspec.json.encode(_Settings(self.max_tokens)))

    @classmethod
    def load(cls, folder: Path, *, threads: int | None = None) -> Self:
        """Open what `save` wrote."""
        settings = msgspec.json.decode((folder / "encoder.json").read_bytes(), type=_Settings)
        with np.load(folder / "head.npz", allow_pickle=False) as head:
            weight, bias, written = head["weight"], head["bias"], head["written"]
        tokenizer_json = (folder / "tokenizer.json").read_bytes()
        return cls(tokenizer_json, folder / "encoder.onnx", weight, bias, written, settings.max_tokens, threads)

    def _logits(self, text: str, found: units.Units, passes: list[list[int]], given: list[Floats]) -> Floats:
        if not found.starts:
            return np.empty((0, len(self.bias)), np.float32)
        tokens = self._tokens.joined(given, list(map(len, passes)))
        means = np.add.reduceat(tokens, found.tokens) / np.diff([*found.tokens, len(tokens)])[:, None]
        shapes = np.array([0, *units.shapes(text, found), 0])
        before, own, behind = (self.written[place][shapes[place : len(shapes) - 2 + place]] for place in range(3))
        return (means + before + own + behind + self.bias).astype(np.float32)
