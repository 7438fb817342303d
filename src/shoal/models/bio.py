"""Labels of units to spans: "begins" and "goes on" for each type, decoded so that what goes on has begun. Pure numpy.

Label 0 is outside, 1 + 2k begins a span of type k, 2 + 2k goes on with it (Ramshaw & Marcus 1995, as in CoNLL 2002).
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shoal.calibration import log_softmax

Floats = NDArray[np.floating]
Labels = NDArray[np.int64]

_OUTSIDE = np.log(0.99)  # a unit that is outside with this chance is outside on every path
_LIFT = 3.0  # nats that the second path takes off "outside", to see what was nearly a span
_ROWS = 2048  # pieces that are decoded at once


class Candidate(NamedTuple):
    """Units first to last of one type; `chance` is that of its least likely edge or unit, by the raw probabilities."""

    first: int
    last: int
    type: int
    chance: float


def labels_of(types: int) -> int:
    """How many labels there are for so many types."""
    return 1 + 2 * types


def encode(spans: Sequence[tuple[int, int, int]], starts: Sequence[int], ends: Sequence[int]) -> Labels:
    """Labels [u] of units at `starts` to `ends`, for spans (start, end, type) by start; a unit that touches belongs."""
    labels = np.zeros(len(starts), np.int64)
    at = 0
    for start, end, kind in spans:
        while at < len(starts) and ends[at] <= start:
            at += 1
        label = 1 + 2 * kind
        while at < len(starts) and starts[at] < end:
            labels[at] = label
            label = 2 + 2 * kind
            at += 1
    return labels


def candidates(logits: Sequence[Floats], temperature: float) -> list[list[Candidate]]:
    """Spans of each text that may be right: those of the best path, and others that were nearly on it.

    The best path goes from label to label as labels allow (Viterbi 1967); units that are surely outside cut the text
    into short pieces. A second path has "outside" lifted away by three nats: what it finds beside the first are spans
    that would be missed, with a low chance.

    Args:
        logits: of each text's units [u, K].
        temperature: divides them.
    """
    lengths = [len(each) for each in logits]
    if not sum(lengths):
        return [[] for _ in lengths]
    chances = log_softmax(np.concatenate([np.asarray(each, dtype=np.float64) for each in logits]), temperature)
    edges = np.cumsum([0, *lengths])
    pieces = _pieces(chances[:, 0] > _OUTSIDE, edges)
    lifted = chances.copy()
    lifted[:, 0] -= _LIFT
    best, second = _best_path(chances, pieces), _best_path(lifted, pieces)
    last_of_text = np.zeros(len(chances), np.bool_)
    last_of_text[edges[1:][np.array(lengths) > 0] - 1] = True
    found: list[list[Candidate]] = [[] for _ in lengths]
    taken = best > 0
    for path, first_path in ((best, True), (second, False)):
        for begin, end in _spans(path):
            if not first_path and taken[begin:end].any():
                continue
            text = int(np.searchsorted(edges, begin, side="right")) - 1
            chance = _chance(chances, path, begin, end, bool(last_of_text[end - 1]))
            offset = int(edges[text])
            found[text].append(Candidate(begin - offset, end - 1 - offset, (int(path[begin]) - 1) // 2, chance))
    return found


def _pieces(outside: NDArray[np.bool_], edges: NDArray[np.integer]) -> list[tuple[int, int]]:
    """Find runs of units that are not surely outside, none across two texts."""
    open_units = np.flatnonzero(~outside)
    if not len(open_units):
        return []
    first_of_text = np.zeros(len(outside) + 1, np.bool_)
    first_of_text[edges] = True
    cut = np.flatnonzero((np.diff(open_units) > 1) | first_of_text[open_units[1:]]) + 1
    begins, ends = open_units[np.append(0, cut)], open_units[np.append(cut - 1, len(open_units) - 1)] + 1
    return list(zip(begins.tolist(), ends.tolist(), strict=True))


def _best_path(chances: Floats, pieces: list[tuple[int, int]]) -> Labels:
    """Find the likeliest labels [u] that are allowed; 0 between the pieces."""
    path = np.zeros(len(chances), np.int64)
    ordered = sorted(pieces, key=lambda piece: piece[1] - piece[0])
    for start in range(0, len(ordered), _ROWS):
        rows = ordered[start : start + _ROWS]
        width = rows[-1][1] - rows[-1][0]
        padded = np.zeros((len(rows), width, chances.shape[1]))
        for row, (begin, end) in enumerate(rows):
            padded[row, : end - begin] = chances[begin:end]
            padded[row, end - begin :, 1:] = -1e9  # padding is outside
        for (begin, end), labels in zip(rows, _viterbi(padded), strict=True):
            path[begin:end] = labels[: end - begin]
    return path


def _viterbi(chances: Floats) -> Labels:
    """Likeliest allowed labels [n, w] of log-probabilities [n, w, K]: "goes on" only behind its own type."""
    rows, width, labels = chances.shape
    begins = np.arange(1, labels, 2, dtype=np.int64)
    goes_on = begins + 1
    back = np.zeros((rows, width, labels), np.int64)
    score = chances[:, 0].copy()
    score[:, goes_on] = -1e9
    for at in range(1, width):
        best = score.argmax(axis=1)
        came = np.repeat(best[:, None], labels, axis=1)
        after = np.take_along_axis(score, came, axis=1)
        from_begin = score[:, begins] >= score[:, goes_on]
        came[:, goes_on] = np.where(from_begin, begins, goes_on)
        after[:, goes_on] = np.where(from_begin, score[:, begins], score[:, goes_on])
        score = after + chances[:, at]
        back[:, at] = came
    path = np.zeros((rows, width), np.int64)
    path[:, -1] = score.argmax(axis=1)
    for at in range(width - 1, 0, -1):
        path[:, at - 1] = back[np.arange(rows), at, path[:, at]]
    return path


def _spans(path: Labels) -> Iterator[tuple[int, int]]:
    """First unit and the unit behind the last of each span."""
    begins = np.flatnonzero(path % 2 == 1)
    goes_on = (path > 0) & (path % 2 == 0)
    breaks = np.append(np.flatnonzero(~goes_on), len(path))
    ends = breaks[np.searchsorted(breaks, begins, side="right")]
    return zip(begins.tolist(), ends.tolist(), strict=True)


def _chance(chances: Floats, path: Labels, begin: int, end: int, last: bool) -> float:
    """Take the lowest of the probabilities that it begins here, that it goes on, and that it does not go on behind."""
    least = float(chances[np.arange(begin, end), path[begin:end]].min())
    if last:
        return float(np.exp(least))
    goes_on = path[begin] + 1
    return min(float(np.exp(least)), float(-np.expm1(chances[end, goes_on])))
