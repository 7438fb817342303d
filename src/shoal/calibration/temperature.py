"""Logits to probabilities that mean what they say: one temperature, fitted on held-out rows."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]

_LOWEST, _HIGHEST = 0.02, 50.0  # outside, the logits carry no usable scale
_GOLDEN = (np.sqrt(5.0) - 1) / 2
_STEPS = 48  # each shrinks the bracket by 0.618: log T to 1e-9


def softmax(logits: Floats, temperature: float = 1.0) -> NDArray[np.float64]:
    """Probabilities [n, L] of logits [n, L] divided by `temperature`."""
    return np.exp(log_softmax(logits, temperature))


def log_softmax(logits: Floats, temperature: float = 1.0) -> NDArray[np.float64]:
    """Log-probabilities [n, L] in nats."""
    scaled = np.asarray(logits, dtype=np.float64) / temperature
    return scaled - energy(scaled)[:, None]


def energy(logits: Floats) -> NDArray[np.float64]:
    """Log-sum-exp of raw logits [n, L] -> [n]: higher is more like training (Liu et al. 2020, sign turned).

    It must see the logits before any log_softmax, which makes it zero everywhere.
    """
    scaled = np.asarray(logits, dtype=np.float64)
    top = scaled.max(axis=1)
    return top + np.log(np.exp(scaled - top[:, None]).sum(axis=1))


def fit_temperature(logits: Floats, targets: NDArray[np.integer]) -> float:
    """Find the temperature that minimises the log-loss of `targets` [n] under logits [n, L] (Guo et al. 2017).

    The log-loss is convex in 1/T, so it has one minimum in log T: golden-section search finds it. 1.0 without rows.
    Log T has a normal prior around 0 with the weight of half a row: rows that are all right would otherwise ask for a
    temperature of 0, at which every answer is sure and none is surer than another.
    """
    if len(targets) == 0:
        return 1.0
    rows = np.arange(len(targets))

    def loss(log_temperature: float) -> float:
        chances = log_softmax(logits, float(np.exp(log_temperature)))[rows, targets]
        return (0.5 * log_temperature**2 - float(chances.sum())) / len(rows)

    low, high = np.log(_LOWEST), np.log(_HIGHEST)
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    loss_left, loss_right = loss(left), loss(right)
    for _ in range(_STEPS):
        if loss_left <= loss_right:
            high, right, loss_right = right, left, loss_left
            left = high - _GOLDEN * (high - low)
            loss_left = loss(left)
        else:
            low, left, loss_left = left, right, loss_right
            right = low + _GOLDEN * (high - low)
            loss_right = loss(right)
    return float(np.exp((low + high) / 2))
