"""What extraction could reach: the units of a text that a reference itself would choose, one after the other."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shoal.metrics.rouge import Words, pairs

_LEAST_GAIN = 1e-9


class Reference:
    """A reference against the units of one text, ready to be asked for gains.

    What is gained is the mean of ROUGE-1 and ROUGE-2 F1; pairs of words that span two units are not counted.

    Args:
        units: words of each unit [n], in lower case.
        reference: its words.
    """

    def __init__(self, units: Sequence[Words], reference: Words) -> None:
        self._lengths = np.array([[len(unit), max(len(unit) - 1, 0)] for unit in units], np.float64).reshape(-1, 2)
        self._size = np.array([len(reference), max(len(reference) - 1, 0)], np.float64)
        single, double = Counter(reference), pairs(reference)
        self._wanted = [np.fromiter(each.values(), np.float64, len(each)) for each in (single, double)]
        self._counts = [np.zeros((len(units), len(each))) for each in (single, double)]
        places = {word: place for place, word in enumerate(single)}, {pair: place for place, pair in enumerate(double)}
        for row, unit in enumerate(units):
            for word in unit:
                if (place := places[0].get(word)) is not None:
                    self._counts[0][row, place] += 1
            for pair, count in pairs(unit).items():
                if (place := places[1].get(pair)) is not None:
                    self._counts[1][row, place] = count

    def alone(self) -> NDArray[np.float64]:
        """Tell what each unit would reach by itself [n], in [0, 1]."""
        return self._score(np.zeros(2), np.zeros(2), self._wanted)

    def greedy(self, costs: NDArray[np.integer], limit: int) -> list[int]:
        """Choose units in the order of their gain, until none gains any more or fits (Nallapati et al. 2017).

        Args:
            costs: of each unit [n], in sentences, words or tokens.
            limit: what the chosen may cost together.
        """
        chosen: list[int] = []
        hits, length, left = np.zeros(2), np.zeros(2), [each.copy() for each in self._wanted]
        reached, spent = 0.0, 0
        while len(chosen) < len(costs):
            score = self._score(hits, length, left)
            score[chosen] = -1.0
            score[spent + costs > limit] = -1.0
            best = int(score.argmax())
            if score[best] <= reached + _LEAST_GAIN:
                break
            for order in (0, 1):
                taken = np.minimum(self._counts[order][best], left[order])
                left[order] -= taken
                hits[order] += taken.sum()
            reached, length, spent = float(score[best]), length + self._lengths[best], spent + int(costs[best])
            chosen.append(best)
        return chosen

    def _score(
        self, hits: NDArray[np.float64], length: NDArray[np.float64], left: list[NDArray[np.float64]]
    ) -> NDArray[np.float64]:
        """Tell what each unit would reach with the chosen: F1 is twice the common over the sum of both lengths."""
        scores = np.zeros(len(self._lengths))
        for order in (0, 1):
            common = hits[order] + np.minimum(self._counts[order], left[order]).sum(axis=1)
            scores += common / np.maximum(length[order] + self._lengths[:, order] + self._size[order], 1.0)
        return scores
