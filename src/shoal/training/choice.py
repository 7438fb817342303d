"""Right-sizing: the smallest model that dev cannot tell from the best, and a cheap tier ahead of it if that pays."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.calibration import Scope, energy
from shoal.metrics import clopper_pearson_upper
from shoal.models import Tier, View
from shoal.training.judging import Judged, Judging
from shoal.training.ladder import Rung

Floats = NDArray[np.floating]
Evidence = tuple[Floats, NDArray[np.bool_]]  # confidence [n], and whether the answer is right [n]

# What a text costs on each rung, relative to each other; fixed, so that the choice does not hang on a busy machine.
_COST = {"tfidf": 1.0, "static": 1.0, "encoder": 40.0, "finetune": 40.0}
_ENCODERS = ("encoder", "finetune")
SCOPE_LEVEL = 0.02  # the last tier turns away at most this share of in-scope texts as out of scope
FIRST_SCOPE_LEVEL = 0.05  # the first tier only hands them on, so it can be choosier
_LEVEL = 0.9  # confidence of the bound that a first tier must keep on dev
_LEAST_SHARE = 0.2  # of texts that a first tier has to keep to be worth its place
_TIMED = 200


@dataclass(frozen=True, slots=True)
class Candidate:
    """One rung, or several averaged with equal weights after each got its own temperature.

    `scores` [n, L] are of the dev rows, with `offset` [L] added where there is one (`imbalance`).
    """

    rungs: tuple[Rung, ...]
    scores: Floats
    judged: Judged
    offset: NDArray[np.float32] | None = None

    @property
    def name(self) -> str:
        """Names of the rungs, joined by "+"."""
        return "+".join(rung.name for rung in self.rungs)

    @property
    def cost(self) -> float:
        """Relative cost of a text."""
        return sum(_COST[rung.name] for rung in self.rungs)

    @property
    def views(self) -> tuple[View, ...]:
        """What a tier of this candidate averages."""
        weight = 1.0 / len(self.rungs)
        return tuple(View(rung.scorer, weight, rung.judged.temperature) for rung in self.rungs)

    def tier(self, threshold: float | None, scope_level: float) -> Tier:
        """Make a tier of it, calibrated on the dev rows."""
        return Tier(
            name=self.name,
            views=self.views,
            offset=self.offset,
            temperature=self.judged.temperature,
            scope=Scope.fit(energy(self.scores)),
            outside=self.judged.outside,
            threshold=threshold,
            scope_level=scope_level,
        )


@dataclass(frozen=True, slots=True)
class First:
    """A cheap tier ahead of the final one: the threshold from which it answers, and what it keeps and saves on dev."""

    candidate: Candidate
    threshold: float
    share: float
    found: dict[str, Any]


def candidates(rungs: Sequence[Rung], judging: Judging) -> list[Candidate]:
    """Every rung, and every average of several in which at most one runs an encoder.

    A frozen and a tuned encoder in one average would double its time and size for a fifth of a point (decision 0015).
    """
    subsets = chain.from_iterable(combinations(rungs, size) for size in range(1, len(rungs) + 1))
    subsets = (subset for subset in subsets if sum(rung.name in _ENCODERS for rung in subset) < 2)
    made: list[Candidate] = []
    for subset in subsets:
        scores = np.add.reduce([rung.logits / (rung.judged.temperature * len(subset)) for rung in subset])
        # Judged anew even when it is one rung alone: its own temperature is in the scores already.
        made.append(Candidate(subset, scores, judging.judge(scores)))
    return made


def choose_final(
    made: Sequence[Candidate], required: str | None, *, few: bool = False
) -> tuple[Candidate, list[dict[str, Any]]]:
    """Keep the cheapest candidate within one standard error of the best, in log-loss and in certified coverage.

    Both differences are paired: the same dev rows, the same simulated calibration sets. The one-standard-error rule is
    that of Breiman, Friedman, Olshen & Stone (1984). With few rows a label the dev rows are too few to show what a
    cheaper candidate loses: a standard error of theirs is many points of accuracy. There the lowest log-loss decides.

    Args:
        made: all candidates.
        required: a rung that must be part of it, or None.
        few: whether there are few rows a label.

    Returns:
        The choice, and for each candidate what was found and why it was not chosen.
    """
    # A rung that the budget did not allow cannot be required; the ladder says that it was skipped.
    asked = [one for one in made if any(rung.name == required for rung in one.rungs)]
    allowed = asked or list(made)
    best = min(allowed, key=lambda one: one.judged.log_loss)
    widest = max(allowed, key=lambda one: float(one.judged.coverage.mean()))
    fit = (
        [best]
        if few
        else [one for one in allowed if _as_good(one, best) and not _lower(one.judged.coverage, widest.judged.coverage)]
        or [best]
    )
    chosen = min(fit, key=lambda one: (one.cost, one.judged.log_loss))
    tried: list[dict[str, Any]] = []
    for one in made:
        if one is chosen:
            verdict = (
                f"chosen: {'the lowest log-loss' if few else 'the cheapest within one standard error of the best'}"
            )
        elif one not in allowed:
            verdict = f"not allowed: {required} was asked for"
        elif few:
            verdict = f"log-loss no lower than that of {best.name}"
        elif not _as_good(one, best):
            verdict = f"log-loss worse than {best.name} by more than one standard error"
        elif _lower(one.judged.coverage, widest.judged.coverage):
            verdict = f"certified coverage lower than {widest.name} by more than one standard error"
        else:
            verdict = f"no cheaper than {chosen.name}"
        tried.append(
            {
                "candidate": one.name,
                "dev_log_loss": one.judged.log_loss,
                "dev_accuracy": one.judged.accuracy,
                "dev_certified_coverage": float(one.judged.coverage.mean()),
                "verdict": verdict,
            }
        )
    return chosen, tried


def choose_first(made: Sequence[Candidate], final: Candidate, judging: Judging) -> tuple[First | None, dict[str, Any]]:
    """Put a cheap tier ahead if dev shows that it answers enough, saves time and costs neither errors nor coverage.

    Its threshold is the loosest at which, on the rows it keeps, it is wrong no more often than the final tier, the
    upper bound of its risk is inside the promise, and the certified coverage of the whole stays.

    Returns:
        The first tier or None, and what was found.
    """
    if judging.risk is None:
        return None, {"verdict": "none: without a promise no tier keeps anything"}
    if judging.outside is not None:
        return None, {"verdict": "none: with an out-of-scope label one tier judges every text"}
    cheap = [one for one in made if len(one.rungs) == 1 and one.cost < final.cost / 10]
    if not cheap:
        return None, {"verdict": "none: no rung is much cheaper than the final tier"}
    found: list[First] = []
    for one in cheap:
        first = _fitted(one, final, judging)
        if first is not None:
            found.append(first)
    if not found:
        return None, {"verdict": "none: no cheap rung keeps enough on dev without adding errors or losing coverage"}
    best = max(found, key=lambda first: first.share)
    if best.found["milliseconds_saved"] <= 0:
        return None, {"verdict": "none: it would save no time", **best.found}
    return best, {"verdict": "kept: it pays", **best.found}


def evidence(final: Candidate, first: First | None, judging: Judging) -> Evidence:
    """Tell what the dev rows say of the policy, by models that had not seen them.

    Returns:
        Confidence [n], +inf where the first tier keeps the answer, -inf where the last never may; and whether the
        answer is right [n].
    """
    confidence = np.where(_may(final, SCOPE_LEVEL, judging), final.judged.confidence, -np.inf)
    if first is None:
        return confidence, final.judged.correct
    one = first.candidate
    kept = _may(one, FIRST_SCOPE_LEVEL, judging) & (one.judged.confidence >= first.threshold)
    return np.where(kept, np.inf, confidence), np.where(kept, one.judged.correct, final.judged.correct)


def outside_evidence(final: Candidate, judging: Judging) -> Evidence:
    """Tell the same of the answers of the out-of-scope label, -inf standing for all others."""
    answered = final.judged.label == judging.outside
    return np.where(answered, final.judged.confidence, -np.inf), final.judged.correct


def _may(one: Candidate, scope_level: float, judging: Judging) -> NDArray[np.bool_]:
    """Which dev rows' answers may be kept at all: in scope, and of no barred label."""
    in_scope = Scope.fit(energy(one.scores)).p_value(energy(one.scores)) > scope_level
    return in_scope & ~judging.barred[one.judged.label]


def _as_good(one: Candidate, best: Candidate) -> bool:
    """Whether the log-loss is within one standard error of the best's, paired by row."""
    behind = one.judged.losses - best.judged.losses
    return bool(behind.mean() <= behind.std() / np.sqrt(len(behind)))


def _lower(coverage: Floats, reference: Floats) -> bool:
    """Whether certified coverage is lower by more than its standard error, paired by simulated calibration set."""
    behind = reference - coverage
    return bool(behind.mean() > behind.std())


def _fitted(one: Candidate, final: Candidate, judging: Judging) -> First | None:
    assert judging.risk is not None
    may = _may(one, FIRST_SCOPE_LEVEL, judging)
    wrong, final_wrong = ~one.judged.correct, ~final.judged.correct
    # From loose to strict, in steps of equal traffic.
    for threshold in np.quantile(one.judged.confidence, np.linspace(0.0, 1.0 - _LEAST_SHARE, 41)):
        kept = may & (one.judged.confidence >= threshold)
        rows, errors = int(kept.sum()), int((kept & wrong).sum())
        if rows < _LEAST_SHARE * len(kept):
            return None
        if errors > int((kept & final_wrong).sum()) or clopper_pearson_upper(errors, rows, _LEVEL) > judging.risk:
            continue
        confidence = np.where(judging.barred[final.judged.label], -np.inf, final.judged.confidence)
        correct = np.where(kept, one.judged.correct, final.judged.correct)
        coverage = judging.coverage(np.where(kept, np.inf, confidence), correct)
        if _lower(coverage, final.judged.coverage):
            continue
        share = rows / len(kept)
        own = 0.0 if one.rungs[0] in final.rungs else _milliseconds(one, judging)
        saved = share * (_milliseconds(final, judging) - (0.0 if own else _milliseconds(one, judging))) - own
        found = {
            "candidate": one.name,
            "dev_share": share,
            "dev_errors": errors,
            "dev_certified_coverage": float(coverage.mean()),
            "milliseconds_saved": round(saved, 3),
        }
        return First(one, float(threshold), share, found)
    return None


def _milliseconds(one: Candidate, judging: Judging) -> float:
    """Milliseconds a text, of some dev texts in one call."""
    texts = list(judging.texts[:_TIMED])
    started = time.perf_counter()
    for rung in one.rungs:
        rung.scorer.logits(texts)
    return (time.perf_counter() - started) / len(texts) * 1e3
