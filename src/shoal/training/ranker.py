"""Fit the network that ranks units: a softmax over the units of each text against what each of them gains."""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# parts of torch ship no types.

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from shoal.models.passages import Passages
from shoal.models.ranking import Ranker

_TEMPERATURE = 0.3  # of the target: a unit that gains three tenths less than the best is worth e times less
_BATCH = 16  # texts
_EPOCHS, _MOST_STEPS, _FEWEST_STEPS = 40, 2_000, 300
_RATE = 5e-3


class Recipe(NamedTuple):
    """How large a network is: hidden units of each of several, coordinates of the vectors that it sees."""

    hidden: int
    projected: int
    networks: int
    decay: float
    dropout: float


LINEAR = Recipe(0, 0, 1, 0.01, 0.0)
HIDDEN = Recipe(16, 32, 3, 0.01, 0.2)
WAYS = {"linear": (LINEAR,), "hidden layer, vectors": (HIDDEN,), "both": (LINEAR, HIDDEN)}  # what is averaged


class Taught(NamedTuple):
    """A text with the gain of each of its units [n], the largest above 0."""

    passages: Passages
    gains: NDArray[np.float64]


def fit(taught: Sequence[Taught], recipe: Recipe, *, seed: int) -> Ranker:
    """Fit a ranker on texts with gains (listwise, Cao et al. 2007); the same seed gives the same weights."""
    blank = Ranker.untrained(taught[0].passages.vectors.shape[1])
    projection = _projection([each.passages.vectors for each in taught], recipe.projected)
    seen = replace(blank, projection=projection)
    inputs = [seen.inputs(each.passages) for each in taught]
    together = np.concatenate(inputs)
    mean, scale = together.mean(axis=0), together.std(axis=0) + 1e-6
    rows = [torch.from_numpy((each - mean) / scale) for each in inputs]
    targets = [torch.from_numpy(_target(each.gains)) for each in taught]
    networks = [_network(rows, targets, recipe, seed=seed * 1_000 + number) for number in range(recipe.networks)]
    parts = [[weight.detach().numpy() for weight in network.parameters()] for network in networks]
    share = np.float32(1 / recipe.networks)
    return Ranker(
        projection=projection,
        mean=mean,
        scale=scale,
        linear=np.asarray(sum(each[0] for each in parts) * share, np.float32),
        hidden=np.concatenate([each[1] for each in parts], axis=1),
        bias=np.concatenate([each[2] for each in parts]),
        out=np.concatenate([each[3] for each in parts]) * share,
    )


def averaged(rankers: Sequence[Ranker]) -> Ranker:
    """Put rankers that were fitted on the same texts into one, whose score is the mean of theirs."""
    widest = max(rankers, key=lambda each: len(each.mean))
    share = np.float32(1 / len(rankers))

    def wide(weights: NDArray[np.float32]) -> NDArray[np.float32]:
        """Add rows of zeros for inputs that a ranker does not see."""
        missing = len(widest.mean) - len(weights)
        return np.concatenate([weights, np.zeros((missing, *weights.shape[1:]), np.float32)])

    return replace(
        widest,
        linear=np.sum([wide(each.linear) * share for each in rankers], axis=0, dtype=np.float32),
        hidden=np.concatenate([wide(each.hidden) for each in rankers], axis=1),
        bias=np.concatenate([each.bias for each in rankers]),
        out=np.concatenate([each.out for each in rankers]) * share,
    )


class _Network(nn.Module):
    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.linear = nn.Parameter(torch.zeros(inputs))
        self.hidden = nn.Parameter(torch.randn(inputs, hidden) / inputs**0.5)
        self.bias = nn.Parameter(torch.zeros(hidden))
        self.out = nn.Parameter(torch.randn(hidden) / max(hidden, 1) ** 0.5)

    def forward(self, rows: Tensor) -> Tensor:
        return rows @ self.linear + torch.tanh(rows @ self.hidden + self.bias) @ self.out


def _network(rows: Sequence[Tensor], targets: Sequence[Tensor], recipe: Recipe, *, seed: int) -> _Network:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = _Network(rows[0].shape[1], recipe.hidden)
        optimiser = torch.optim.AdamW(network.parameters(), lr=_RATE, weight_decay=recipe.decay)
        steps = max(_FEWEST_STEPS, min(_MOST_STEPS, _EPOCHS * len(rows) // _BATCH))
        schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.05, total_iters=steps)
        for _ in range(steps):
            drawn = torch.randint(len(rows), (min(_BATCH, len(rows)),)).tolist()
            seen = nn.functional.dropout(torch.cat([rows[each] for each in drawn]), recipe.dropout)
            scores = network(seen).split([len(rows[each]) for each in drawn])
            losses = [-(targets[each] * score.log_softmax(0)).sum() for each, score in zip(drawn, scores, strict=True)]
            optimiser.zero_grad()
            torch.stack(losses).mean().backward()
            optimiser.step()
            schedule.step()
    return network


def _target(gains: NDArray[np.float64]) -> NDArray[np.float32]:
    """Make what the softmax is to give: gains as shares of the best, sharpened."""
    wanted = np.exp((gains / gains.max() - 1.0) / _TEMPERATURE)
    return (wanted / wanted.sum()).astype(np.float32)


def _projection(vectors: Sequence[NDArray[np.float32]], coordinates: int) -> NDArray[np.float32]:
    """Find the directions in which the vectors differ most [d, coordinates] (principal components)."""
    together = np.concatenate(vectors).astype(np.float64)
    centred = together - together.mean(axis=0)
    found = np.linalg.eigh(centred.T @ centred)[1][:, ::-1]
    return np.ascontiguousarray(found[:, :coordinates], np.float32)
