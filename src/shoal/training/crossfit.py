"""What texts with references teach a summarizer, chosen by cross-fitting: no text judges what it taught."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Self, cast

import numpy as np
from numpy.typing import NDArray

from shoal.calibration import grid
from shoal.evaluation.summarization import compared, judge, read_words
from shoal.metrics.oracle import Reference
from shoal.models.expectation import Expectation
from shoal.models.passages import Passages
from shoal.models.ranking import Ranker
from shoal.models.selection import Selection
from shoal.models.summarizer import Draft, drafted
from shoal.training.progress import Progress

if TYPE_CHECKING:
    from shoal.training.ranker import Recipe, Taught

_FOLDS = 5
_MOST = 1_000  # texts that choose: more hardly tell methods apart any better
_RIDGE = 10.0  # texts that pull the expected share towards the mean
SELECTIONS = tuple(
    Selection(diversity, thrift, stop)
    for diversity in (0.0, 0.3, 0.6)
    for thrift in (0.0, 0.2, 0.4, 0.6)
    for stop in (0.1, 0.4)
)


class Referenced(NamedTuple):
    """A text that was read, and its reference.

    Attributes:
        passages: of the text; at least one unit.
        reference: what a person wrote.
        group: texts of one group are never in two folds.
        words: of each unit, as ROUGE reads them.
        wanted: words of the reference.
    """

    passages: Passages
    reference: str
    group: str
    words: list[list[str]]
    wanted: list[str]

    @classmethod
    def of(cls, passages: Passages, reference: str, group: str) -> Self:
        """Read the words as well."""
        return cls(passages, reference, group, *read_words(passages, reference))


class Found(NamedTuple):
    """What the texts taught.

    Attributes:
        ranker: fitted on all of them.
        selection: how units are chosen.
        expectation: of the share of the oracle's ROUGE.
        confidence: that it gives to texts whose summaries were made by rankers that had not seen them [n].
        shares: that those summaries really have [n].
        log: what was tried and chosen.
    """

    ranker: Ranker
    selection: Selection
    expectation: Expectation
    confidence: NDArray[np.float64]
    shares: NDArray[np.float64]
    log: dict[str, Any]


def learn(texts: Sequence[Referenced], seed: int, progress: Progress, until: float) -> Found:
    """Choose how to rank, then how to select, by mean ROUGE of cross-fitted summaries; then fit on all texts.

    From the moment `until` (`time.monotonic`) on no further way is tried: the first one stands.
    """
    from shoal.training import ranker

    taught = [ranker.Taught(each.passages, Reference(each.words, each.wanted).alone()) for each in texts]
    some, folds = texts[:_MOST], _folds(texts[:_MOST], seed)
    tried: dict[str, float] = {}
    made: dict[str, list[Ranker]] = {}
    fitted: dict[Recipe, list[Ranker]] = {}
    for number, (name, recipes) in enumerate(ranker.WAYS.items()):
        progress("ranker", number, len(ranker.WAYS))
        if made and time.monotonic() > until:
            break
        for recipe in (each for each in recipes if each not in fitted):
            kept = [_teaching(taught[:_MOST], folds != fold) for fold in range(_FOLDS)]
            fitted[recipe] = [ranker.fit(each, recipe, seed=seed) for each in kept]
        made[name] = [ranker.averaged([fitted[recipe][fold] for recipe in recipes]) for fold in range(_FOLDS)]
        tried[name] = _quality(_drafts(some, made[name], folds, Selection()), some)
    way = max(tried, key=lambda each: tried[each])
    rankers = made[way]
    qualities: dict[Selection, float] = {}
    for selection in SELECTIONS:
        if not qualities or time.monotonic() <= until:
            qualities[selection] = _quality(_drafts(some, rankers, folds, selection), some)
    selection = max(qualities, key=lambda each: qualities[each])
    drafts = _drafts(some, rankers, folds, selection)
    shares = np.array([judge(draft, each.reference).share for draft, each in zip(drafts, some, strict=True)])
    expectation, expected = _expectation(drafts, shares)
    whole = _teaching(taught, np.ones(len(taught), np.bool_))
    return Found(
        ranker=ranker.averaged([ranker.fit(whole, recipe, seed=seed) for recipe in ranker.WAYS[way]]),
        selection=selection,
        expectation=expectation,
        confidence=expected,
        shares=shares,
        log={
            "ranker": way,
            "tried": {name: round(quality, 4) for name, quality in tried.items()},
            "selection": {name: getattr(selection, name) for name in selection.__struct_fields__},
            "mean_rouge": round(qualities[selection], 4),
        },
    )


def thresholds(
    confidence: NDArray[np.float64],
    shares: NDArray[np.float64],
    *,
    floor: float,
    rows: int,
    risk: float,
    delta: float,
) -> NDArray[np.float64]:
    """Give expected shares from which summaries could be kept, strict to loose, for `calibration.certify`.

    They are placed where the cross-fitted summaries were good often enough. `calibration.grid` reads confidences as
    chances of being right; here that is the share of good ones among those of which at least as much was expected.

    Args:
        confidence: expected shares of the cross-fitted summaries [n].
        shares: what they really have [n].
        floor: a summary is good from this share on.
        rows: how many calibration rows will be tested.
        risk: alpha.
        delta: chance of failure.
    """
    order = np.argsort(-confidence, kind="stable")
    good = (shares >= floor)[order]
    chance = np.minimum.accumulate(np.cumsum(good) / np.arange(1, len(good) + 1))
    steps = grid(chance, good, rows=rows, risk=risk, delta=delta)
    places = np.searchsorted(-chance, -steps, side="right") - 1  # the last one whose chance is at least the step
    return np.unique(np.append(confidence[order][np.maximum(places, 0)], 0.0))[::-1]


def _teaching(taught: "Sequence[Taught]", kept: NDArray[np.bool_]) -> "list[Taught]":
    """Select texts, without those in which no unit gains anything."""
    return [each for each, use in zip(taught, kept.tolist(), strict=True) if use and each.gains.max() > 0]


def _folds(texts: Sequence[Referenced], seed: int) -> NDArray[np.intp]:
    """Give each text the number of a fold [n]; groups stay together, folds are alike in groups."""
    groups = list(dict.fromkeys(text.group for text in texts))
    order: list[int] = np.random.default_rng(seed).permutation(len(groups)).tolist()
    fold = {groups[group]: place % _FOLDS for place, group in enumerate(order)}
    return np.array([fold[text.group] for text in texts])


def _drafts(
    texts: Sequence[Referenced], rankers: Sequence[Ranker], folds: NDArray[np.intp], selection: Selection
) -> list[Draft]:
    """Summarise each text by the ranker that has not seen it."""
    own = (rankers[int(fold)] for fold in folds)
    return [drafted(text.passages, ranker, selection) for text, ranker in zip(texts, own, strict=True)]


def _quality(drafts: Sequence[Draft], texts: Sequence[Referenced]) -> float:
    """Average ROUGE-1, ROUGE-2 and ROUGE-L F1 over all texts."""
    found = (compared(text.words, draft.chosen, text.wanted)[0] for draft, text in zip(drafts, texts, strict=True))
    return float(np.mean(list(found)))


def _expectation(drafts: Sequence[Draft], shares: NDArray[np.float64]) -> tuple[Expectation, NDArray[np.float64]]:
    """Fit the expected share of the oracle's ROUGE by ridge regression; and what it says of the same texts."""
    described = np.stack([draft.facts for draft in drafts if draft.facts is not None])
    mean, scale = described.mean(axis=0), described.std(axis=0) + 1e-9
    standard = (described - mean) / scale
    inner = standard.T @ standard + _RIDGE * np.eye(standard.shape[1])
    weights = cast("NDArray[np.float64]", np.linalg.solve(inner, standard.T @ (shares - shares.mean())))
    expectation = Expectation(mean.tolist(), scale.tolist(), weights.tolist(), float(shares.mean()))
    return expectation, np.array([expectation.share(each) for each in described])
