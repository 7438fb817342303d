"""What turns texts into logits: the interface of every trained body with its head, and how one is opened from disk."""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from shoal.errors import ArtifactError, ShoalError

Logits = NDArray[np.float32]

# Loaded on first use: a machine that serves the static tier never loads onnxruntime.
_HOMES = {
    "tfidf.v1": ("shoal.models.tfidf", "TfidfScorer"),
    "static.v1": ("shoal.models.static", "StaticScorer"),
    "static.v2": ("shoal.models.folded", "FoldedScorer"),
    "encoder.v1": ("shoal.models.encoder", "EncoderScorer"),
}
# Microseconds a text: a server asks these on its event loop, since a thread would cost more than it gains.
BRIEF = frozenset({"tfidf.v1", "static.v1", "static.v2"})


class Scorer(Protocol):
    """A trained body with its head; the same texts get the same logits every time.

    Attributes:
        kind: versioned name of the method, the key under which it is opened again.
    """

    kind: ClassVar[str]

    @property
    def size_bytes(self) -> int:
        """Bytes of the files that `save` writes, to within a per cent."""
        ...

    def logits(self, texts: Sequence[str]) -> Logits:
        """Unnormalised log-probabilities [n, L] of the labels, in the task's label order."""
        ...

    def save(self, folder: Path) -> None:
        """Write plain files into `folder`, an existing empty one."""
        ...

    @classmethod
    def load(cls, folder: Path, *, threads: int | None = None) -> Self:
        """Open what `save` wrote; `threads` bounds the CPU threads of one call, None takes all cores."""
        ...


def open_scorer(kind: str, folder: Path, *, threads: int | None = None) -> Scorer:
    """Open the scorer of `kind` that lies in `folder`.

    Raises:
        ArtifactError: the kind is unknown to this version of shoal, or the files do not fit it.
    """
    if kind not in _HOMES:
        raise ArtifactError(
            f"{folder}: a model of kind {kind!r} is not known to this shoal, which knows {', '.join(_HOMES)}. "
            "Use the shoal version that wrote it, or a newer one."
        )
    module, name = _HOMES[kind]
    loader: type[Scorer] = getattr(import_module(module), name)
    try:
        return loader.load(folder, threads=threads)
    except ShoalError:
        raise
    except Exception as error:  # whatever a damaged file makes numpy, tokenizers or onnxruntime raise
        raise ArtifactError(f"{folder}: cannot be read as a {kind} model: {error}") from error
