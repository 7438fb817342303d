"""Train the static rung: distilled token vectors, a weight for each token and a small network, tuned together."""
# pyright: reportUnknownMemberType=false, reportPrivateImportUsage=false
# torch types some members loosely.

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from shoal.calibration import fit_temperature, log_softmax
from shoal.models.static import StaticScorer, WordIds
from shoal.training.heads import Plan, fitted
from shoal.training.progress import Progress, silent

_HIDDEN = 512
_BATCH = 64
_RATE = 2e-3
_WARM_UP = 0.06
_DROPOUT = 0.1
_TOKEN_DROPOUT = 0.3  # the strongest regulariser here: a text must be recognised without a third of its tokens
_SMOOTHING = 0.05
_DECAY = 0.01  # of the network, not of the vectors, whose starting point carries the encoder's knowledge
_ROWS_SEEN = 200_000  # rows times epochs, within the limits below
_FEWEST_EPOCHS, _MOST_EPOCHS = 4, 30
_PATIENCE = 4
_SETTLED = 0.7  # share of the planned epochs


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
    """Weighted sum of token vectors, normalised, under two layers.

    Only tokens of the training texts have parameters: others keep their distilled vector, and the optimizer's work
    falls from 30,000 tokens to a few thousand.
    """

    def __init__(self, vectors: Tensor, labels: int) -> None:
        super().__init__()
        self.vectors = nn.Parameter(vectors.clone())
        self.weights = nn.Parameter(torch.zeros(len(vectors)))  # logarithms
        width = vectors.shape[1]
        # Of unit length a vector's entries are about 1 / sqrt(width): scaled, they suit the layer's initial weights.
        self.scale = math.sqrt(width)
        self.first = nn.Linear(width, _HIDDEN)
        self.last = nn.Linear(_HIDDEN, labels)
        self.dropout = nn.Dropout(_DROPOUT)

    def forward(self, ids: Tensor, starts: Tensor) -> Tensor:
        weights = self.weights.exp()[ids]
        if self.training:
            weights = weights * (torch.rand(len(ids)) >= _TOKEN_DROPOUT)
        pooled = functional.embedding_bag(ids, self.vectors, starts, mode="sum", per_sample_weights=weights)
        values = self.dropout(functional.normalize(pooled, dim=1) * self.scale)
        return self.last(self.dropout(functional.relu(self.first(values))))


@dataclass(frozen=True, slots=True)
class Fitted:
    """A trained static scorer.

    Attributes:
        scorer: with the lowest log-loss on dev.
        epoch: of which it is, from 1; 0 is logistic regression on the vectors as they were distilled.
        settled: whether the learning rate had fallen far by then, so that training again on a few more rows ends alike.
    """

    scorer: StaticScorer
    epoch: int
    settled: bool


def fit(
    texts: Sequence[str],
    targets: NDArray[np.integer],
    labels: int,
    *,
    table: NDArray[np.float32],
    tokenizer_json: bytes,
    dev_texts: Sequence[str] = (),
    dev_targets: NDArray[np.integer] | None = None,
    seed: int = 0,
    budget_seconds: float = math.inf,
    last_epoch: int | None = None,
    progress: Progress = silent,
) -> Fitted:
    """Tune token vectors and a head on texts [n] with targets [n] in 0..labels-1; 20 to 40 s for 8,000 short texts.

    The epoch with the lowest log-loss on the dev rows (after temperature scaling) is kept, the last one without dev
    rows. With few rows nothing tuned may beat logistic regression on the vectors as they are, which is tried first.
    The same seed gives the same model on the same machine, thread count and torch version, unless the budget cuts it
    short.

    Args:
        texts: training texts.
        targets: their label numbers.
        labels: how many labels there are, L.
        table: distilled token vectors [V, d] (`distill`).
        tokenizer_json: the tokenizer whose ids are the table's rows.
        dev_texts: texts that only choose the epoch.
        dev_targets: their label numbers.
        seed: of initial weights, order and dropout.
        budget_seconds: no epoch is begun that would not end within it; at least one is.
        last_epoch: stop after this one of those planned without it, 0 before the first; None goes all the way.
        progress: called as progress(stage, done, total).
    """
    began = time.monotonic()
    words = WordIds(tokenizer_json)
    if last_epoch == 0:
        return _untuned(words, texts, targets, labels, table, tokenizer_json)
    rows = words(texts)
    seen = np.unique(np.fromiter(chain.from_iterable(rows), np.int64))
    position = np.zeros(len(table), np.int64)
    position[seen] = np.arange(len(seen))
    bags = _Bags.of([position[row].tolist() for row in rows])
    wanted = torch.from_numpy(np.asarray(targets, dtype=np.int64))
    epochs = min(_MOST_EPOCHS, max(_FEWEST_EPOCHS, _ROWS_SEEN // max(len(texts), 1)))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = _Network(torch.from_numpy(table[seen]), labels)
        optimizer, schedule = _optimizer(network, epochs * math.ceil(len(texts) / _BATCH))
        stop = min(epochs, last_epoch or epochs)
        best: tuple[float, Fitted] | None = None
        if len(dev_texts):
            plain = _untuned(words, texts, targets, labels, table, tokenizer_json)
            best = (_log_loss(plain.scorer, dev_texts, dev_targets), plain)
        for epoch in range(1, stop + 1):
            progress("static", epoch - 1, stop)
            _epoch(network, bags, wanted, optimizer, schedule, np.random.default_rng([seed, epoch]))
            ends = epoch == stop or _out_of_time(began, epoch, budget_seconds)
            if len(dev_texts) or ends:
                scorer = _exported(network, table, seen, tokenizer_json, words)
                loss = _log_loss(scorer, dev_texts, dev_targets)
                if best is None or loss <= best[0]:
                    best = (loss, Fitted(scorer, epoch, settled=epoch >= _SETTLED * epochs))
                if ends or epoch - max(best[1].epoch, 1) >= _PATIENCE:
                    break
    progress("static", stop, stop)
    assert best is not None
    return best[1]


def _out_of_time(began: float, epoch: int, budget_seconds: float) -> bool:
    """Whether another epoch, as long as the mean of the `epoch` that are done, would pass the budget."""
    spent = time.monotonic() - began
    return spent * (epoch + 1) / epoch > budget_seconds


def _optimizer(network: _Network, steps: int) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LambdaLR]:
    """AdamW (Loshchilov & Hutter 2019) with a short warm-up and linear descent."""
    tokens = [network.vectors, network.weights]
    others = [*network.first.parameters(), *network.last.parameters()]
    groups = [{"params": tokens, "weight_decay": 0.0}, {"params": others, "weight_decay": _DECAY}]
    optimizer = torch.optim.AdamW(groups, lr=_RATE, fused=True)

    def factor(step: int) -> float:
        return min(1.0, (step + 1) / (_WARM_UP * steps)) * (1 - step / steps)

    return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, factor)


def _epoch(
    network: _Network,
    bags: _Bags,
    targets: Tensor,
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LambdaLR,
    random: np.random.Generator,
) -> None:
    """One pass over the training texts in random order."""
    network.train()
    order = random.permutation(len(targets))
    for start in range(0, len(order), _BATCH):
        rows = order[start : start + _BATCH]
        loss = functional.cross_entropy(network(*bags.batch(rows)), targets[rows], label_smoothing=_SMOOTHING)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()


def _untuned(
    words: WordIds,
    texts: Sequence[str],
    targets: NDArray[np.integer],
    labels: int,
    table: NDArray[np.float32],
    tokenizer_json: bytes,
) -> Fitted:
    """Put a logistic regression on the distilled vectors."""
    headless = StaticScorer(tokenizer_json, table, (), words)
    head = fitted(headless.embed(texts), targets, None, labels, Plan())
    return Fitted(StaticScorer(tokenizer_json, table, [(head.weight, head.bias)], words), 0, settled=True)


def _exported(
    network: _Network, table: NDArray[np.float32], seen: NDArray[np.int64], tokenizer_json: bytes, words: WordIds
) -> StaticScorer:
    """Build the served form: token weights folded into the vectors, the scale into the first layer."""
    with torch.no_grad():
        tuned = table.copy()
        tuned[seen] = (network.vectors * network.weights.exp()[:, None]).numpy()
        first, last = network.first, network.last
        layers = [
            ((first.weight.T * network.scale).numpy(), first.bias.numpy().copy()),
            (last.weight.T.numpy().copy(), last.bias.numpy().copy()),
        ]
    return StaticScorer(tokenizer_json, tuned, layers, words)


def _log_loss(scorer: StaticScorer, texts: Sequence[str], targets: NDArray[np.integer] | None) -> float:
    """Log-loss at the best temperature; 0 without rows."""
    if targets is None or not len(texts):
        return 0.0
    logits = scorer.logits(texts)
    chances = log_softmax(logits, fit_temperature(logits, targets))
    return -float(chances[np.arange(len(targets)), targets].mean())
