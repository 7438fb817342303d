"""The methods of a multi-label task, each judged on rows that it has not seen, and which of them to keep.

Cheap ones first, as the budget allows: lexical features and the frozen encoder under one logistic regression a label,
then, where it is asked for, the encoder with every weight tuned.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from shoal.errors import DataError
from shoal.models import Scorer
from shoal.models.tfidf import TfidfScorer
from shoal.training import frozen, multilabel_tuning, one_against_rest, tfidf
from shoal.training.backbone import Backbone
from shoal.training.heads import Head
from shoal.training.one_against_rest import LEXICAL_LIFT, LEXICAL_STRENGTH, Plan
from shoal.training.progress import Progress

Floats = NDArray[np.floating]
Bools = NDArray[np.bool_]

_COST = {"tfidf": 1.0, "encoder": 40.0, "finetune": 40.0}  # of a text, relative


@dataclass(frozen=True, slots=True)
class Rung:
    """One method.

    Attributes:
        name: "tfidf", "encoder" or "finetune".
        scorer: as it will be served.
        logits: of the rows that trained it, by heads that had not seen them, each label calibrated [n, L].
        scale: of each label's raw logit [L], and ...
        bias: ... what is added [L], to calibrate it.
        details: what the method has to say about itself.
    """

    name: str
    scorer: Scorer
    logits: Floats
    scale: Floats
    bias: Floats
    details: dict[str, Any]


@dataclass(kw_only=True)
class Climb:
    """The rows to learn from and what every method needs; `rungs` and `skipped` fill as it climbs.

    Attributes:
        texts: of the rows.
        has: their labels [n, L].
        fold: number of each row's fold [n] (`one_against_rest.folds`).
        backbone: the encoder to start from.
        deadline: `time.monotonic()` after which nothing further is tried.
        seed: of everything random.
        progress: called as progress(stage, done, total).
        cache: folder for what can be used again; None keeps nothing.
    """

    texts: Sequence[str]
    has: Bools
    fold: NDArray[np.intp]
    backbone: Backbone
    deadline: float
    seed: int
    progress: Progress
    cache: Path | None
    rungs: list[Rung] = field(default_factory=list[Rung])
    skipped: dict[str, str] = field(default_factory=dict[str, str])

    def run(self, names: Sequence[str]) -> None:
        """Train the methods of these names, cheap first, on all rows and by folds.

        Raises:
            DataError: none of them could be trained.
        """
        methods = {"tfidf": self._lexical, "encoder": self._frozen, "finetune": self._tuned}
        for name in names:
            if self.rungs and time.monotonic() > self.deadline:
                self.skipped[name] = "the budget was used up"
                continue
            made = methods[name]()
            if isinstance(made, str):
                self.skipped[name] = made
            else:
                self.rungs.append(made)
        if not self.rungs:
            why = "; ".join(self.skipped.values())
            raise DataError(f"nothing can be learnt from {len(self.texts)} rows ({why}). Give others.")

    def _lexical(self) -> Rung | str:
        began = time.monotonic()
        self.progress("tfidf", 0, 2)
        parts = tfidf.vectorizers(len(self.texts), self.has.shape[1])
        try:
            features = tfidf.joined([part.fit_transform(self.texts) for part in parts])
        except ValueError:  # scikit-learn's "empty vocabulary"
            return "the training texts hold no words"
        self.progress("tfidf", 1, 2)
        words: list[list[str]] = [part.get_feature_names_out().tolist() for part in parts]
        idf = np.concatenate([part.idf_ for part in parts])
        found = self._fitted(features, Plan(LEXICAL_STRENGTH, LEXICAL_LIFT))
        self.progress("tfidf", 2, 2)
        scorer = TfidfScorer(words[0], words[1], idf=idf, weight=found.head.weight, bias=found.head.bias)
        return self._rung("tfidf", scorer, found.logits, began, found.told)

    def _frozen(self) -> Rung:
        began = time.monotonic()
        features = self._features()
        found = self._fitted(features.train)
        scorer = features.scorer.with_head(found.head.weight, found.head.bias)
        details = {**found.told, "precision": "int8" if features.small else "fp32", "parity": features.parity}
        return self._rung("encoder", scorer, found.logits, began, details)

    def _tuned(self) -> Rung | str:
        """Tune the encoder if that pays beside the methods before it."""
        began = time.monotonic()
        features = self._features()
        last = features.train[:, : features.width]
        head = one_against_rest.fitted(last, self.has, one_against_rest.choose(last, self.has, self.fold))
        tuner = multilabel_tuning.Tuner(
            texts=self.texts,
            has=self.has,
            fold=self.fold,
            backbone=self.backbone,
            head=head,
            int8=features.small is not None,
            seed=self.seed,
            deadline=self.deadline,
            progress=self.progress,
        )
        made = tuner.run(averages(self.rungs, self.has)[0].logits if self.rungs else None)
        if isinstance(made, str):
            return made
        return self._rung("finetune", made.scorer, made.logits, began, made.details)

    def _features(self) -> frozen.Features:
        return frozen.embed(self.backbone, self.texts, self.progress, self.cache)

    def _fitted(self, features: Any, plan: Plan | None = None) -> "_Fitted":
        """Fit heads on all rows and by folds; how is chosen unless it is given."""
        plan = plan or one_against_rest.choose(features, self.has, self.fold)
        logits = one_against_rest.cross_validated(features, self.has, self.fold, plan)
        head = one_against_rest.fitted(features, self.has, plan)
        return _Fitted(head, logits, {"C": plan.strength, "lift": plan.lift})

    def _rung(self, name: str, scorer: Scorer, raw: Floats, began: float, details: dict[str, Any]) -> Rung:
        """Calibrate each label on logits [n, L] of the rows by models that had not seen them."""
        logits, platt = one_against_rest.calibrated(raw, self.has)
        told: dict[str, Any] = {
            "rung": name,
            "held_out_log_loss": float(one_against_rest.losses(logits, self.has).mean()),
            "seconds": round(time.monotonic() - began, 2),
            "size_bytes": scorer.size_bytes,
            **details,
        }
        scale, bias = np.array([each.scale for each in platt]), np.array([each.bias for each in platt])
        return Rung(name, scorer, logits, scale, bias, told)


class _Fitted(NamedTuple):
    """Heads on all rows, and what heads that had not seen a row say of it [n, L]."""

    head: Head
    logits: Floats
    told: dict[str, Any]


class Average(NamedTuple):
    """Some methods, their calibrated logits averaged [n, L], and the log-loss of each row [n]."""

    rungs: list[Rung]
    logits: Floats
    losses: Floats

    @property
    def cost(self) -> float:
        """Relative cost of a text."""
        return sum(_COST[rung.name] for rung in self.rungs)


def averages(rungs: Sequence[Rung], has: Bools) -> list[Average]:
    """Every method, and each that runs an encoder with the lexical one beside it; the lowest log-loss first."""
    made: list[Average] = []
    lexical = [rung for rung in rungs if rung.name == "tfidf"]
    for rung in rungs:
        for beside in ([], lexical) if lexical and rung.name != "tfidf" else ([],):
            some = [*beside, rung]
            logits = np.add.reduce([each.logits for each in some]) / len(some)
            made.append(Average(some, logits, one_against_rest.losses(logits, has)))
    return sorted(made, key=lambda one: float(one.losses.mean()))


def choose(rungs: Sequence[Rung], has: Bools) -> tuple[Average, list[dict[str, Any]]]:
    """Keep the cheapest of the methods and their averages within one standard error of the best log-loss, paired."""
    made = averages(rungs, has)
    best = made[0].losses

    def as_good(each: Floats) -> bool:
        behind = each - best
        return bool(behind.mean() <= behind.std() / np.sqrt(len(behind)))

    chosen = min((one for one in made if as_good(one.losses)), key=lambda one: one.cost)
    tried = [
        {
            "candidate": "+".join(rung.name for rung in one.rungs),
            "held_out_log_loss": float(one.losses.mean()),
            "chosen": one is chosen,
        }
        for one in made
    ]
    return chosen, tried
