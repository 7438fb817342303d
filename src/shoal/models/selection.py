"""Which units make the summary: the worthiest that do not repeat each other, within a budget."""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


class Selection(msgspec.Struct, frozen=True):
    """How units are chosen by their worth.

    Attributes:
        diversity: how much likeness to what is chosen already counts against a unit, in [0, 1).
        thrift: exponent of the cost that a worth is divided by: 0 takes the worthiest, 1 the worthiest a word.
        stop: share of the first unit's value below which no further one is taken, although it would fit.
    """

    diversity: float = 0.3
    thrift: float = 0.0
    stop: float = 0.0


def select(worth: Floats, vectors: Floats, costs: NDArray[np.integer], limit: int, selection: Selection) -> list[int]:
    """Choose units by maximal marginal relevance (Carbonell & Goldstein 1998) under a budget.

    Args:
        worth: of each unit [n], positive, on a scale where twice as much is twice as good.
        vectors: of unit length [n, d].
        costs: of each unit [n], each at most `limit`.
        limit: what the chosen may cost together.
        selection: how.

    Returns:
        Indices in the order of choice; at least one where there is a unit.
    """
    top = float(worth.max(initial=0.0)) or 1.0
    value = (worth / top) / np.maximum(costs, 1) ** selection.thrift
    likeness = np.zeros(len(worth))
    open_still = np.ones(len(worth), np.bool_)
    chosen: list[int] = []
    spent, first = 0, 0.0
    while True:
        fits = open_still & (spent + costs <= limit)
        if not fits.any():
            return chosen
        marginal = np.where(fits, value * (1 - selection.diversity * np.clip(likeness, 0, 1)), -np.inf)
        best = int(marginal.argmax())
        if chosen and marginal[best] < selection.stop * first:
            return chosen
        first = first if chosen else float(marginal[best])
        chosen.append(best)
        open_still[best] = False
        spent += int(costs[best])
        likeness = np.maximum(likeness, vectors @ vectors[best])


def in_turn(order: Sequence[int], costs: NDArray[np.integer], limit: int) -> list[int]:
    """Take units in a given order, leaving out what does not fit any more: how rivals that only rank are read."""
    chosen: list[int] = []
    spent = 0
    for index in order:
        if spent + int(costs[index]) <= limit:
            chosen.append(index)
            spent += int(costs[index])
    return chosen
