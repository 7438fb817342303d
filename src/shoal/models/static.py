"""A table of token vectors, averaged and normalised, under a linear head: what few rows make of the static rung.

Static embeddings distilled from a sentence encoder (Tulkens & van Dongen 2024, model2vec); fastText averages words
alike (Joulin et al. 2017). Served in numpy; tokens come from the encoder's own tokenizer, remembered word by word.
Where the vectors are tuned as well, `folded` serves them.
"""
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
# tokenizers ships partial types.

import json
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from shoal.models.scorer import Logits

MAX_TOKENS = 512

_CHARACTERS_A_TOKEN = 32  # what lies further back than this many characters a token is not looked at
CHUNK = 1024  # texts whose vectors are in memory at once
_FEW = 32  # below this many texts they are added up one by one
_CACHED_WORDS = 100_000
_LONGEST_CACHED = 48  # characters; longer "words" are rarely seen twice

Layer = tuple[NDArray[np.floating], NDArray[np.floating]]


class StaticScorer:
    """Serves a token table with a feed-forward head; texts are judged by their first 512 tokens.

    Args:
        tokenizer_json: the encoder's `tokenizer.json`.
        table: token vectors [V, d], their weights folded in; kept and saved as float16 values.
        layers: weight [in, out] and bias [out] of each layer, ReLU between them; the last gives the logits.
        words: the tokenizer, where it is open already.
    """

    kind: ClassVar[str] = "static.v1"

    def __init__(
        self,
        tokenizer_json: bytes,
        table: NDArray[np.floating],
        layers: Sequence[Layer],
        words: "WordIds | None" = None,
    ) -> None:
        self._tokenizer_json = tokenizer_json
        self._words = words or WordIds(tokenizer_json)
        # Rounded, so that a model on disk and the one just trained agree; float32, as numpy multiplies float16 slowly.
        self._table = np.asarray(table, dtype=np.float16).astype(np.float32)
        self._layers = [(np.asarray(weight, np.float32), np.asarray(bias, np.float32)) for weight, bias in layers]

    @property
    def size_bytes(self) -> int:
        """Bytes of the table, the layers and the tokenizer."""
        layers = sum(weight.nbytes + bias.nbytes for weight, bias in self._layers)
        return self._table.nbytes // 2 + layers + len(self._tokenizer_json)

    def logits(self, texts: Sequence[str]) -> Logits:
        """Logits [n, L] of the texts."""
        result = np.empty((len(texts), len(self._layers[-1][1])), np.float32)
        for start in range(0, len(texts), CHUNK):
            values = self.embed(texts[start : start + CHUNK])
            for weight, bias in self._layers[:-1]:
                values = values @ weight
                values += bias
                np.maximum(values, 0, out=values)
            weight, bias = self._layers[-1]
            np.add(values @ weight, bias, out=result[start : start + CHUNK])
        return result

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed the texts as unit vectors [n, d]; zeros for a text without tokens."""
        sums = pooled(self._table, self._words, texts)
        norms = np.sqrt(np.einsum("nd,nd->n", sums, sums))
        sums /= np.maximum(norms, 1e-12)[:, None]
        return sums

    def save(self, folder: Path) -> None:
        """Write tokenizer.json and weights.npz."""
        (folder / "tokenizer.json").write_bytes(self._tokenizer_json)
        arrays: dict[str, NDArray[Any]] = {"table": self._table.astype(np.float16)}
        for number, (weight, bias) in enumerate(self._layers):
            arrays[f"weight{number}"], arrays[f"bias{number}"] = weight, bias
        np.savez(folder / "weights.npz", **arrays)  # pyright: ignore[reportArgumentType] - its keyword allow_pickle

    @classmethod
    def load(cls, folder: Path, *, threads: int | None = None) -> Self:
        """Open what `save` wrote; one thread is used, whatever `threads`, but for BLAS."""
        with np.load(folder / "weights.npz", allow_pickle=False) as arrays:
            count = sum(name.startswith("weight") for name in arrays.files)
            layers = [(arrays[f"weight{number}"], arrays[f"bias{number}"]) for number in range(count)]
            return cls((folder / "tokenizer.json").read_bytes(), arrays["table"], layers)


def pooled(table: NDArray[np.float32], words: "WordIds", texts: Sequence[str]) -> NDArray[np.float32]:
    """Add up the rows of a token table [V, d] that belong to each text [n, d].

    Texts are sorted by length, and the j-th tokens of all texts that have one are added at once: four times as fast as
    `np.add.reduceat` over the vectors of all tokens.
    """
    sums = np.zeros((len(texts), table.shape[1]), np.float32)
    if len(texts) < _FEW:
        for row, ids in enumerate(words(texts)):
            if ids:
                np.add.reduce(table[ids], axis=0, out=sums[row])
        return sums
    flat, lengths = words.flat(texts)
    order = np.argsort(-lengths, kind="stable")
    starts = (np.cumsum(lengths) - lengths)[order]
    longer = len(lengths) - np.cumsum(np.bincount(lengths))  # how many texts have more than j tokens
    for token, count in enumerate(longer[:-1].tolist()):
        sums[:count] += table[flat[starts[:count] + token]]
    ordered = np.empty_like(sums)
    ordered[order] = sums
    return ordered


class WordIds:
    """Token ids of texts, the same as the tokenizer's own, each distinct word tokenized once.

    BERT's tokenizers cut at spaces before anything else and never look across one, so the ids of a text are those of
    its words in a row. Other tokenizers are asked for each text as a whole.
    """

    def __init__(self, tokenizer_json: bytes) -> None:
        from tokenizers import Tokenizer

        self._tokenizer = Tokenizer.from_str(tokenizer_json.decode())
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(MAX_TOKENS)
        parts: dict[str, Any] = json.loads(tokenizer_json)
        self._by_word = all(
            (parts.get(part) or {}).get("type") == kind
            for part, kind in (("normalizer", "BertNormalizer"), ("pre_tokenizer", "BertPreTokenizer"))
        )
        self._known: dict[str, list[int]] = {}

    def __call__(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of each text, at most `MAX_TOKENS`, without special tokens around them."""
        cut = self._cut(texts)
        if not self._by_word:
            return self._whole(cut)
        split = (self._ids(text.split(" ")) for text in cut)
        return [list(chain.from_iterable(ids))[:MAX_TOKENS] for ids in split]

    def flat(self, texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Ids of all texts one after the other, and how many each text has [n]."""
        cut = self._cut(texts)
        if not self._by_word:
            rows = self._whole(cut)
            lengths = np.fromiter(map(len, rows), np.int64, len(rows))
            return np.fromiter(chain.from_iterable(rows), np.int64, int(lengths.sum())), lengths
        if not cut:
            return np.empty(0, np.int64), np.empty(0, np.int64)
        # Cutting all texts at once takes a third less time than one by one.
        words = " ".join(cut).split(" ")
        ids = self._ids(words)
        word_ends = np.fromiter(map(len, ids), np.int64, len(ids)).cumsum()
        ends = word_ends[np.fromiter((text.count(" ") + 1 for text in cut), np.int64, len(cut)).cumsum() - 1]
        flat = np.fromiter(chain.from_iterable(ids), np.int64, int(ends[-1]))
        lengths = np.diff(ends, prepend=0)
        if lengths.max() > MAX_TOKENS:
            keep = np.arange(len(flat)) - np.repeat(ends - lengths, lengths) < MAX_TOKENS
            flat, lengths = flat[keep], np.minimum(lengths, MAX_TOKENS)
        return flat, lengths

    def _cut(self, texts: Sequence[str]) -> list[str]:
        limit = _CHARACTERS_A_TOKEN * MAX_TOKENS
        return [text[:limit] for text in texts]

    def _whole(self, texts: list[str]) -> list[list[int]]:
        return [each.ids for each in self._tokenizer.encode_batch_fast(texts, add_special_tokens=False)]

    def _ids(self, words: list[str]) -> list[list[int]]:
        """Ids of each word."""
        known = self._known  # a thread that forgets them all replaces the dictionary and leaves this one alone
        try:
            return list(map(known.__getitem__, words))
        except KeyError:
            found = self._learn(list({word for word in words if word not in known}))
            return [known[word] if word in known else found[word] for word in words]

    def _learn(self, words: list[str]) -> dict[str, list[int]]:
        """Ids of words not seen before; the short ones are remembered, a bounded number of them."""
        encodings = self._tokenizer.encode_batch_fast(words, add_special_tokens=False)
        found = {word: each.ids for word, each in zip(words, encodings, strict=True)}
        if len(self._known) + len(found) > _CACHED_WORDS:
            self._known = {}
        self._known.update((word, ids) for word, ids in found.items() if len(word) <= _LONGEST_CACHED)
        return found
