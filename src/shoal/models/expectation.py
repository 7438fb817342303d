"""How much of the ROUGE within reach a summary is expected to have, judging by the text and by what was chosen."""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from shoal.models.passages import Passages
from shoal.models.salience import NAMES

FACTS = (
    *("units", "cost", "taken", "chosen", "mass", "evenness", "lead"),
    *("central", "query", "query_words", "place", "speaker"),
)
_FARTHEST = 2.5  # standard deviations: what a line says of texts unlike all it has seen is not believed
_COLUMN = {name: column for column, name in enumerate(NAMES)}


class Expectation(msgspec.Struct, frozen=True):
    """A linear model of the share, fitted by ridge regression on summaries of texts that trained nothing.

    Attributes:
        mean: of each fact.
        scale: its spread.
        weights: of each fact.
        bias: the mean share.
    """

    mean: list[float]
    scale: list[float]
    weights: list[float]
    bias: float

    def share(self, facts: NDArray[np.floating]) -> float:
        """Expect a share, in [0, 1], of the ROUGE that was within reach."""
        standard = np.clip((facts - np.array(self.mean)) / np.array(self.scale), -_FARTHEST, _FARTHEST)
        return float(np.clip(standard @ np.array(self.weights) + self.bias, 0.0, 1.0))


def facts(passages: Passages, scores: NDArray[np.floating], chosen: Sequence[int]) -> NDArray[np.float64]:
    """Describe a summary without its reference [len(FACTS)]; at least one unit is chosen."""
    rows = list(chosen)
    worth = np.exp(scores - scores.max())
    share = worth / worth.sum()
    ranked = np.sort(scores)[::-1]
    spent, whole = float(passages.costs[rows].sum()), float(passages.costs.sum())

    def mean(name: str) -> float:
        return float(passages.features[rows, _COLUMN[name]].mean())

    return np.array(
        [
            np.log(len(scores)),
            np.log1p(whole / passages.limit),
            spent / passages.limit,
            len(rows) / len(scores),
            share[rows].sum(),
            float(-(share * np.log(np.maximum(share, 1e-12))).sum()) / np.log(len(scores) + 1.0),
            ranked[0] - ranked[min(len(rows), len(ranked) - 1)],
            mean("central"),
            mean("query"),
            mean("query_words"),
            mean("place"),
            mean("query_speaker"),
        ],
        np.float64,
    )
