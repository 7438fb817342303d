"""Train the static rung: distilled token vectors, a weight for each token and a small network, tuned together.

What is served folds the network's first layer into the vectors (`models.folded`).
"""
# pyright: reportUnknownMemberType=false, reportPrivateImportUsage=false
# torch types some members loosely.

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from shoal.models.folded import FoldedScorer
from shoal.models.static import StaticScorer, WordIds
from shoal.training.heads import Plan, SoftTargets, fitted
from shoal.training.heads import losses as losses_of
from shoal.training.progress import Progress, silent

_HIDDEN = 256
_BATCH = 64
_RATE = 2e-3
_WARM_UP = 0.06
_DROPOUT = 0.1
_TOKEN_DROPOUT = 0.3  # the strongest regulariser here: a text must be recognised without a third of its tokens
_SMOOTHING = 0.05
_DECAY = 0.01  # of the network, not of the vectors, whose starting point carries the encoder's knowledge
_ROWS_SEEN = 200_000  # rows times epochs, within the limits below
_FEWEST_EPOCHS, _MOST_EPOCHS = 4, 30
_TINY = 1e-12


@dataclass(frozen=True, slots=True)
class _Bags:
    """Token ids of many texts, one after the other."""

    ids: NDArray[np.int64]
    lengths: NDArray[np.int64]
    starts: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "starts", np.cumsum(self.lengths) - self.lengths)

    @classmethod
    def of(cls, rows: list[list[int]]) -> Self:
        lengths = np.fromiter(map(len, rows), np.int64, len(rows))
        return cls(np.fromiter(chain.from_iterable(rows), np.int64, int(lengths.sum())), lengths)

    def batch(self, rows: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Ids of these rows and where each begins."""
        lengths = self.lengths[rows]
        starts = np.cumsum(lengths) - lengths
        at = np.arange(int(lengths.sum())) + np.repeat(self.starts[rows] - starts, lengths)
        return torch.from_numpy(self.ids[at]), torch.from_numpy(starts)


class _Network(nn.Module):
    """Weighted sum of token vectors over the root of the weights' summed squares, under two layers.

    That divisor keeps the scale of short and long texts alike, as unit length would, and yet the first layer can be
    folded into the vectors.

    Only tokens of the training texts have parameters: others keep their distilled vector, and the optimizer's work
    falls from 30,000 tokens to a few thousand.
    """

    def __init__(self, vectors: Tensor, labels: int) -> None:
        super().__init__()
        self.vectors = nn.Parameter(vectors.clone())
        self.weights = nn.Parameter(torch.zeros(len(vectors)))  # logarithms
        self.first = nn.Linear(vectors.shape[1], _HIDDEN)
        self.last = nn.Linear(_HIDDEN, labels)
        self.dropout = nn.Dropout(_DROPOUT)

    def forward(self, ids: Tensor, starts: Tensor) -> Tensor:
        weights = self.weights.exp()[ids]
        if self.training:
            weights = weights * (torch.rand(len(ids)) >= _TOKEN_DROPOUT)
        pooled = functional.embedding_bag(ids, self.vectors, starts, mode="sum", per_sample_weights=weights)
        squares = torch.segment_reduce(
            weights**2, "sum", offsets=torch.cat([starts, torch.tensor([len(ids)])]), initial=0
        )
        values = self.dropout(pooled / squares.clamp_min(_TINY).sqrt()[:, None])
        return self.last(self.dropout(functional.relu(self.first(values))))


@dataclass(frozen=True, slots=True)
class Fitted:
    """A trained static scorer.

    Attributes:
        scorer: with the lower log-loss on dev.
        tuned: False when that is logistic regression on the vectors as they were distilled.
        complete: whether the budget allowed every planned pass.
    """

    scorer: StaticScorer | FoldedScorer
    tuned: bool
    complete: bool


@dataclass(frozen=True, slots=True)
class Vectors:
    """Distilled token vectors.

    Attributes:
        table: of each token [V, d] (`distill`).
        tokenizer_json: the tokenizer whose ids are the table's rows.
        words: the same, opened.
    """

    table: NDArray[np.float32]
    tokenizer_json: bytes
    words: WordIds


def fit(
    texts: Sequence[str],
    targets: SoftTargets,
    labels: int,
    *,
    vectors: Vectors,
    dev_texts: Sequence[str],
    dev_targets: NDArray[np.integer],
    seed: int = 0,
    budget_seconds: float = math.inf,
    progress: Progress = silent,
) -> Fitted:
    """Tune token vectors and a head (`tune`), unless logistic regression on the vectors as they are is better on dev.

    With few rows nothing tuned may beat it.

    Args:
        texts: training texts [n].
        targets: their label numbers in 0..labels-1, or shares of the labels [n, L].
        labels: how many labels there are, L.
        vectors: to start from.
        dev_texts: texts that only choose.
        dev_targets: their label numbers.
        seed: of initial weights, order and dropout.
        budget_seconds: for tuning; the learning rate falls to zero with it.
        progress: called as progress(stage, done, total).
    """
    plain = untuned(texts, targets, labels, vectors)
    scorer, complete = tune(
        texts, targets, labels, vectors=vectors, seed=seed, budget_seconds=budget_seconds, progress=progress
    )
    losses = [losses_of(each.logits(dev_texts), dev_targets).mean() for each in (scorer, plain)]
    return Fitted(scorer, True, complete) if losses[0] <= losses[1] else Fitted(plain, False, complete)


def untuned(texts: Sequence[str], targets: SoftTargets, labels: int, vectors: Vectors) -> StaticScorer:
    """Put a logistic regression on the distilled vectors."""
    headless = StaticScorer(vectors.tokenizer_json, vectors.table, (), vectors.words)
    head = fitted(headless.embed(texts), targets, None, labels, Plan())
    return StaticScorer(vectors.tokenizer_json, vectors.table, [(head.weight, head.bias)], vectors.words)


def tune(
    texts: Sequence[str],
    targets: SoftTargets,
    labels: int,
    *,
    vectors: Vectors,
    seed: int = 0,
    budget_seconds: float = math.inf,
    progress: Progress = silent,
) -> tuple[FoldedScorer, bool]:
    """Tune token vectors and a head on texts [n] with targets [n]; about 20 s for 8,000 short texts.

    The learning rate falls to zero with the planned passes or with the budget, whichever ends first; at least one batch
    is learnt from. Where it has fallen to is no worse a place to stop than an epoch that a few hundred dev rows choose.
    The same seed gives the same model on the same machine, thread count and torch version, unless the budget cuts it
    short.

    Returns:
        The scorer, and whether every planned pass was made.
    """
    began = time.monotonic()
    rows = vectors.words(texts)
    seen = np.unique(np.fromiter(chain.from_iterable(rows), np.int64))
    position = np.zeros(len(vectors.table), np.int64)
    position[seen] = np.arange(len(seen))
    bags = _Bags.of([position[row].tolist() for row in rows])
    wanted = torch.from_numpy(targets.astype(np.int64 if targets.ndim == 1 else np.float32))
    epochs = min(_MOST_EPOCHS, max(_FEWEST_EPOCHS, _ROWS_SEEN // max(len(texts), 1)))
    steps, step, share = epochs * math.ceil(len(texts) / _BATCH), 0, 0.0
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = _Network(torch.from_numpy(vectors.table[seen]), labels).train()
        optimizer = _optimizer(network)
        batches = chain.from_iterable(
            _batches(len(texts), np.random.default_rng([seed, each])) for each in range(epochs)
        )
        for step, batch in enumerate(batches):
            share = max(step / steps, (time.monotonic() - began) / max(budget_seconds, _TINY))
            if share >= 1 and step:
                break
            if step % 50 == 0:
                progress("static", int(1000 * share), 1000)
            rate = _RATE * min(1.0, (step + 1) / (_WARM_UP * steps)) * max(1 - share, 0.0)
            for group in optimizer.param_groups:
                group["lr"] = rate
            loss = functional.cross_entropy(network(*bags.batch(batch)), wanted[batch], label_smoothing=_SMOOTHING)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
        else:
            step = steps
    progress("static", 1000, 1000)
    return _exported(network, vectors, seen), step == steps


def _optimizer(network: _Network) -> torch.optim.Optimizer:
    """AdamW (Loshchilov & Hutter 2019)."""
    tokens = [network.vectors, network.weights]
    others = [*network.first.parameters(), *network.last.parameters()]
    groups = [{"params": tokens, "weight_decay": 0.0}, {"params": others, "weight_decay": _DECAY}]
    return torch.optim.AdamW(groups, lr=_RATE, fused=True)


def _batches(rows: int, random: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """One pass in random order."""
    order = random.permutation(rows)
    for start in range(0, rows, _BATCH):
        yield order[start : start + _BATCH]


def _exported(network: _Network, vectors: Vectors, seen: NDArray[np.int64]) -> FoldedScorer:
    """Build the served form: token weights and the first layer folded into the vectors."""
    with torch.no_grad():
        table, weights = vectors.table.copy(), np.ones(len(vectors.table), np.float32)
        weights[seen] = network.weights.exp().numpy()
        table[seen] = network.vectors.numpy()
        table *= weights[:, None]
        first, last = network.first, network.last
        head = last.weight.T.numpy().copy(), last.bias.numpy().copy()
        folded, bias = table @ first.weight.T.numpy(), first.bias.numpy().copy()
        return FoldedScorer(vectors.tokenizer_json, folded, weights, bias, head, vectors.words)
