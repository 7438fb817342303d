"""Token vectors from a sentence encoder, made on the spot: what a token means when it stands alone.

The method of model2vec (Tulkens & van Dongen 2024): every token of the vocabulary goes through the encoder by itself,
the outputs are centred and rotated onto their principal components, and weighted by smooth inverse frequency (Arora,
Liang & Ma 2017), the frequency guessed from the token's rank (Zipf). Remade here in a page because model2vec's own
function needs packages that exclude current versions of transformers.
"""
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
# transformers and tokenizers ship partial types.

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from shoal.training.backbone import Backbone
from shoal.training.body import open_body
from shoal.training.cache import cached
from shoal.training.progress import Progress, silent

_METHOD = "distill.v1"
_BATCH = 256
_SIF = 1e-4


def distill(
    backbone: Backbone, *, dimensions: int = 384, cache: Path | None = None, progress: Progress = silent
) -> NDArray[np.float32]:
    """Make the token table [V, d] of an encoder; about 15 s for MiniLM on two cores.

    Args:
        backbone: the encoder.
        dimensions: d, at most the encoder's width, of which all are kept otherwise.
        cache: folder where tables are kept (`training.cache`); None keeps none.
        progress: called as progress(stage, done, total).

    Returns:
        Vectors by token id, of float16 precision whether they come from the cache or not.
    """
    made = cached(
        cache,
        _METHOD,
        [str(dimensions).encode(), backbone.sha256.encode(), backbone.tokenizer_json],
        lambda: {"table": _weighted(_components(_outputs(backbone, progress), dimensions)).astype(np.float16)},
    )
    return made["table"].astype(np.float32)


def _outputs(backbone: Backbone, progress: Progress) -> NDArray[np.float32]:
    """Mean of the last layer over each token with its special tokens [V, width]."""
    tokenizer = Tokenizer.from_str(backbone.tokenizer_json.decode())
    tokenizer.no_padding()
    around = tokenizer.encode("").ids  # [CLS] [SEP]; some tokenizers have only an end, or nothing
    before, after = (around[:1], around[1:]) if len(around) > 1 else ([], around)
    size = tokenizer.get_vocab_size()
    model = open_body(backbone).encoder
    outputs: list[NDArray[np.float32]] = []
    with torch.inference_mode():
        for start in range(0, size, _BATCH):
            progress("distill", start, size)
            ids = [[*before, token, *after] for token in range(start, min(start + _BATCH, size))]
            batch = torch.tensor(ids)
            hidden = model(input_ids=batch, attention_mask=torch.ones_like(batch)).last_hidden_state
            outputs.append(hidden.mean(dim=1).float().numpy())
    progress("distill", size, size)
    return np.nan_to_num(np.concatenate(outputs))


def _components(vectors: NDArray[np.float32], dimensions: int) -> NDArray[np.float32]:
    """Centred vectors on their first principal components [V, d], largest variance first."""
    centred = vectors - vectors.mean(axis=0)
    _, directions = np.linalg.eigh(centred.T @ centred / len(centred))
    rotated = centred @ directions[:, ::-1][:, :dimensions]
    # The sign of an eigenvector is arbitrary; fixing it makes the table the same everywhere.
    return rotated * np.sign(rotated[np.abs(rotated).argmax(axis=0), np.arange(rotated.shape[1])])


def _weighted(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale by a / (a + p), p the Zipf frequency of the token's rank, then to unit variance overall."""
    chance = 1 / np.arange(2, len(vectors) + 2)
    weights = _SIF / (_SIF + chance / chance.sum())
    scaled = vectors * weights[:, None]
    return (scaled / scaled.std()).astype(np.float32)
