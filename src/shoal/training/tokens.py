"""Tune an encoder under a linear head on its tokens: labels of units, every weight trained, within a budget of seconds.

As `finetune`, whose optimizer and batches it uses: AdamW with layer-wise rates, warm-up and linear descent, bfloat16
where this processor multiplies it faster. Rare types weigh more. The head begins at zero; it learns a hundred times as
fast as the layers under it.
"""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# transformers builds its models at run time, their types are not known.

import contextlib
import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from shoal.models import bio, units
from shoal.models.tokens import Tokens
from shoal.tasks import Span
from shoal.training.backbone import Backbone
from shoal.training.body import Body, bfloat16_is_faster, open_body, padded
from shoal.training.finetune import batches_of, layered
from shoal.training.progress import Progress

_TOKENS_SEEN = 700_000  # training goes over about so many tokens in all ...
_FEWEST_EPOCHS, _MOST_EPOCHS = 3, 20  # ... within these bounds
_STEPS = 1500  # as many as can be had of batches between these two sizes: few rows teach little in few steps
_SMALLEST_BATCH, _LARGEST_BATCH = 2, 16
_RATE = 5e-4  # of the top layer, for the largest batch; five times that of a classifier: each row has many labels
_HEAD_RATE = 5e-3
_WARM_UP = 0.06
_LARGEST_GRADIENT = 1.0
_DROPOUT = 0.1
_HEAVIEST = 4.0  # most that a label weighs, against the most frequent type's
_IGNORED = -100  # torch's mark of places without a label


@dataclass(frozen=True, slots=True)
class Passes:
    """Training texts as the encoder reads them, one row a pass.

    Attributes:
        ids: token numbers of each pass, special tokens included.
        labels: of each token; special ones have none.
        shapes: how the unit before, the token's own and the one behind are written [3, t].
    """

    ids: list[list[int]]
    labels: list[NDArray[np.int64]]
    shapes: list[NDArray[np.int64]]


@dataclass(frozen=True, slots=True)
class Tuned:
    """A tuned encoder: a vector a token, and the head on them, as `TokenScorer` wants it."""

    body: Body
    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    written: NDArray[np.float32]
    details: dict[str, Any]


class _Head(nn.Module):
    def __init__(self, width: int, labels: int) -> None:
        super().__init__()
        self.dropout = nn.Dropout(_DROPOUT)
        self.linear = nn.Linear(width, labels)
        self.written = nn.ModuleList(nn.Embedding(units.SHAPES, labels) for _ in range(3))
        for each in self.parameters():
            nn.init.zeros_(each)

    def forward(self, hidden: Tensor, shapes: Tensor) -> Tensor:
        """Logits [n, t, K] of hidden states [n, t, w] and shapes [n, 3, t]."""
        beside = sum(table(shapes[:, place]) for place, table in enumerate(self.written))
        return self.linear(self.dropout(hidden)) + beside


def passes_of(
    backbone: Backbone, texts: Sequence[str], spans: Sequence[Sequence[Span]], types: Sequence[str]
) -> Passes:
    """Read training texts; all tokens of a unit carry its label, since a unit is judged by the mean of its tokens."""
    reader = Tokens(backbone.tokenizer_json, backbone.max_tokens)
    number = {name: index for index, name in enumerate(types)}
    made = Passes([], [], [])
    for text, listed, (found, passes) in zip(texts, spans, reader.split(texts), strict=True):
        wanted = bio.encode([(span.start, span.end, number[span.type]) for span in listed], found.starts, found.ends)
        shapes = np.array([0, *units.shapes(text, found), 0])
        columns = np.stack([wanted, shapes[:-2], shapes[1:-1], shapes[2:]])
        for ids, place in zip(passes, reader.places(passes), strict=True):
            unit = np.searchsorted(np.array(found.tokens), np.arange(place.start, place.stop), side="right") - 1
            own = np.zeros((4, len(ids)), np.int64)
            own[0] = _IGNORED
            own[:, reader.inside(ids)] = columns[:, unit]
            made.ids.append(ids)
            made.labels.append(own[0])
            made.shapes.append(own[1:])
    return made


def fit(
    backbone: Backbone,
    passes: Passes,
    types: int,
    *,
    seed: int,
    budget_seconds: float,
    progress: Progress,
) -> Tuned:
    """Tune an encoder on labelled passes; about a minute for 800 sentences on two cores.

    The learning rate rises and falls with the planned steps or with the budget, whichever ends first: a training that
    the budget cuts short still ends well, however little it has seen. The same seed gives the same model on the same
    machine and thread count unless the budget cuts it short.

    Raises:
        InputError: the encoder cannot be opened.
    """
    began = time.monotonic()
    tokens = sum(map(len, passes.ids))
    epochs = min(_MOST_EPOCHS, max(_FEWEST_EPOCHS, round(_TOKENS_SEEN / max(tokens, 1))))
    batch = int(np.clip(round(epochs * len(passes.ids) / _STEPS), _SMALLEST_BATCH, _LARGEST_BATCH))
    reduced = bfloat16_is_faster()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        body = open_body(backbone, pooling="none").train()
        head = _Head(int(body.encoder.config.hidden_size), bio.labels_of(types)).train()
        weights = torch.from_numpy(_weights(passes.labels, types))
        optimizer = layered(body, head, _RATE * (batch / _LARGEST_BATCH) ** 0.5, _HEAD_RATE)
        orders = (batches_of(passes.ids, np.random.default_rng([seed, epoch]), batch) for epoch in range(epochs))
        first = list(next(orders))
        steps, done, epoch_seconds = epochs * len(first), 0, 0.0
        for step, rows in enumerate(itertools.chain(first, *orders)):
            share = max(step / steps, (time.monotonic() - began) / budget_seconds)
            if step == len(first):
                epoch_seconds = time.monotonic() - began
            if share >= 1:
                break
            if step % 10 == 0:
                progress("tagger", int(1000 * share), 1000)
            factor = min(1.0, (share + 1 / steps) / _WARM_UP) * (1 - share)
            for group in optimizer.param_groups:
                group["lr"] = group["full"] * factor
            optimizer.zero_grad(set_to_none=True)
            _loss(body, head, passes, rows, weights, reduced).backward()
            nn.utils.clip_grad_norm_([*body.parameters(), *head.parameters()], _LARGEST_GRADIENT)
            optimizer.step()
            done = step + 1
    progress("tagger", 1000, 1000)
    details = {
        "epochs": epochs,
        "batch": batch,
        "steps_done": round(done / steps, 3),
        "precision_of_training": "bfloat16" if reduced else "float32",
        "seconds_an_epoch": round(epoch_seconds, 1),
    }
    with torch.no_grad():
        weight, bias = head.linear.weight.T.numpy().copy(), head.linear.bias.numpy().copy()
        written = np.stack([next(table.parameters()).numpy() for table in head.written])
    return Tuned(body.eval(), weight, bias, written, details)


def _weights(labels: Sequence[NDArray[np.int64]], types: int) -> NDArray[np.float32]:
    """Weights of the labels [K]: by the fourth root of how much rarer a type is than the most frequent one."""
    counts = np.bincount(np.concatenate([each[each >= 0] for each in labels]), minlength=bio.labels_of(types))
    by_type = counts[1::2] + counts[2::2]
    heavier = np.clip((by_type.max() / np.maximum(by_type, 1)) ** 0.25, 1.0, _HEAVIEST)
    return np.concatenate([[1.0], np.repeat(heavier, 2)]).astype(np.float32)


def _loss(body: Body, head: _Head, passes: Passes, rows: NDArray[np.int64], weights: Tensor, reduced: bool) -> Tensor:
    ids, mask = padded([passes.ids[row] for row in rows])
    labels = np.full(ids.shape, _IGNORED, np.int64)
    shapes = np.zeros((len(rows), 3, ids.shape[1]), np.int64)
    for place, row in enumerate(rows):
        labels[place, : len(passes.labels[row])] = passes.labels[row]
        shapes[place, :, : len(passes.labels[row])] = passes.shapes[row]
    precision = torch.autocast("cpu", torch.bfloat16) if reduced else contextlib.nullcontext()
    with precision:
        hidden = body(ids, mask)
    logits = head(hidden.float(), torch.from_numpy(shapes))
    return functional.cross_entropy(
        logits.flatten(0, 1), torch.from_numpy(labels).flatten(), weight=weights, ignore_index=_IGNORED
    )
