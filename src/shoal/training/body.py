"""A pretrained encoder as a torch module: token numbers in, one unit vector a text out, or one vector a token."""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# transformers builds its models at run time, their types are not known.

import contextlib
import functools
import time
from collections.abc import Generator, Sequence
from typing import Any

import numpy as np
import torch
import transformers
from safetensors import SafetensorError
from tokenizers import Tokenizer
from torch import Tensor, nn

from shoal.errors import InputError
from shoal.training.backbone import WEIGHTS, Backbone, Pooling


class Body(nn.Module):
    """An encoder with pooling over the tokens of each text and L2 normalisation.

    Args:
        encoder: gives `last_hidden_state` and `hidden_states` [n, t, w].
        pooling: of the last layer: "mean" over the tokens of the text, or "cls", its first token. "none" leaves the
            last layer as it is: a vector for each token, neither pooled nor normalised.
        middle: also pool the layer in the middle, by mean, and put it behind the last (d = 2w instead of w): a frozen
            last layer has lost some of what the words themselves say.
    """

    def __init__(self, encoder: Any, pooling: Pooling, *, middle: bool = False) -> None:
        super().__init__()
        self.encoder = encoder
        self.pooling = pooling
        self.middle = middle

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Embeddings [n, d] (unpooled [n, t, w]) of token numbers [n, t]; the mask is 1 on tokens, 0 on padding."""
        given = self.encoder(
            input_ids=input_ids, attention_mask=attention_mask, output_hidden_states=self.middle, return_dict=True
        )
        last = given.last_hidden_state
        if self.pooling == "none":
            return last
        pooled = [last[:, 0] if self.pooling == "cls" else _mean(last, attention_mask)]
        if self.middle:
            pooled.append(_mean(given.hidden_states[len(given.hidden_states) // 2], attention_mask))
        return torch.cat([nn.functional.normalize(part, dim=1) for part in pooled], dim=1)


def _mean(hidden: Tensor, mask: Tensor) -> Tensor:
    weights = mask.unsqueeze(-1).to(hidden.dtype)
    return (hidden * weights).sum(1) / weights.sum(1)


def open_body(backbone: Backbone, *, middle: bool = False, pooling: Pooling | None = None) -> Body:
    """Load the weights, in float32; code that comes with a model is never run.

    `pooling` takes the place of the encoder's own.

    Raises:
        InputError: transformers cannot build this model from its folder.
    """
    with _quiet_transformers():
        try:
            encoder, found = transformers.AutoModel.from_pretrained(
                backbone.folder,
                trust_remote_code=False,
                use_safetensors=True,
                local_files_only=True,
                dtype=torch.float32,
                output_loading_info=True,
            )
        except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
            raise InputError(
                f"backbone {backbone.name!r}: {backbone.folder} cannot be opened as an encoder: "
                f"{str(error).splitlines()[0]}"
            ) from error
    # What a file lacks, transformers fills with random numbers. The pooler is not used here.
    missing = sorted(name for name in found["missing_keys"] if "pooler" not in name)
    if missing:
        raise InputError(
            f"backbone {backbone.name!r}: {backbone.folder / WEIGHTS} lacks {len(missing)} of the encoder's weights, "
            f"{missing[0]} among them. Fetch the encoder again, or give another."
        )
    return Body(encoder, pooling or backbone.pooling, middle=middle).eval()


def layers(body: Body) -> list[nn.Module]:
    """Layers of the encoder, from the bottom; empty where its modules do not say which they are."""
    depth = int(body.encoder.config.num_hidden_layers)
    stacks = (each for each in body.encoder.modules() if isinstance(each, nn.ModuleList) and len(each) == depth)
    return list(next(stacks, nn.ModuleList()))


@functools.cache
def bfloat16_is_faster() -> bool:
    """Whether this processor multiplies bfloat16 faster than float32, by trying; where it cannot it is much slower."""
    taken: dict[torch.dtype, float] = {}
    for kind in (torch.float32, torch.bfloat16):
        left, right = torch.ones(512, 512, dtype=kind), torch.ones(512, 512, dtype=kind)
        times: list[float] = []
        for _ in range(5):
            started = time.perf_counter()
            _ = left @ right
            times.append(time.perf_counter() - started)
        taken[kind] = min(times)
    return taken[torch.bfloat16] < taken[torch.float32]


def tokenised(backbone: Backbone, texts: Sequence[str]) -> list[list[int]]:
    """Token numbers of each text, special tokens included, at most `max_tokens`."""
    tokenizer = Tokenizer.from_str(backbone.tokenizer_json.decode())
    tokenizer.no_padding()
    tokenizer.enable_truncation(backbone.max_tokens)
    return [encoding.ids for encoding in tokenizer.encode_batch_fast(list(texts))]


def padded(ids: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Token numbers [n, t] padded to the longest, and their mask."""
    width = max(map(len, ids))
    tokens = np.zeros((len(ids), width), np.int64)
    mask = np.zeros((len(ids), width), np.int64)
    for row, each in enumerate(ids):
        tokens[row, : len(each)] = each
        mask[row, : len(each)] = 1
    return torch.from_numpy(tokens), torch.from_numpy(mask)


@contextlib.contextmanager
def _quiet_transformers() -> Generator[None]:
    """Keep transformers' own bars and advice off the terminal; put its settings back afterwards."""
    logging = transformers.utils.logging
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
