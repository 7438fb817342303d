"""One step of a specialist: one scorer, or several averaged, read as calibrated probabilities."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shoal.calibration import Outside, Scope, energy, softmax
from shoal.models.scorer import Logits, Scorer


@dataclass(frozen=True, slots=True)
class View:
    """One scorer's part in a tier: its logits are divided by `temperature`, then weighted.

    With a temperature of its own each view speaks in comparable log-probabilities before they are averaged.
    """

    scorer: Scorer
    weight: float = 1.0
    temperature: float = 1.0


@dataclass(frozen=True, slots=True)
class Reading:
    """What a tier makes of n texts.

    Attributes:
        posterior: calibrated probabilities [n, L].
        label: index of the most probable label [n].
        confidence: its probability [n].
        in_scope: conformal p-value of being the kind of text seen in training [n]; 1 when the tier has no scope.
    """

    posterior: NDArray[np.float32]
    label: NDArray[np.intp]
    confidence: NDArray[np.float64]
    in_scope: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Tier:
    """A weighted average of views in log space, with its calibration and the threshold from which it may answer.

    Attributes:
        name: "tfidf", "static", "encoder", "finetune"...
        views: one or more; a scorer that an earlier tier has run on a text is not run again.
        offset: added to the combined scores [L]: lifts rare labels; None adds nothing.
        temperature: divides the combined scores before softmax.
        scope: reference energies of in-scope texts, of the combined scores before `temperature`; None looks at nothing.
        outside: chance of the out-of-scope label, from the same scores; None leaves it as softmax has it.
        threshold: confidence from which an answer is kept; None keeps none.
        outside_threshold: the same for answers of the out-of-scope label.
        scope_level: texts with a p-value at or below it are not kept: at most that share of in-scope texts.
    """

    name: str
    views: tuple[View, ...]
    offset: NDArray[np.float32] | None = None
    temperature: float = 1.0
    scope: Scope | None = None
    outside: Outside | None = None
    threshold: float | None = None
    outside_threshold: float | None = None
    scope_level: float = 0.0

    def scores(self, texts: Sequence[str], known: dict[int, Logits] | None = None) -> Logits:
        """Add up weight * logits / temperature over the views, and the offset: [n, L].

        The softmax of that is the weighted geometric mean of the views' probabilities (a logarithmic opinion pool):
        log_softmax would take a constant of the row from each view, which softmax ignores, and the energy with it.

        Args:
            texts: n texts.
            known: logits [n, L] that scorers have given these texts, by id(scorer); missing ones are added.
        """
        known = {} if known is None else known
        parts: list[Logits] = []
        for view in self.views:
            key = id(view.scorer)
            if key not in known:
                known[key] = view.scorer.logits(texts)
            parts.append(np.multiply(known[key], view.weight / view.temperature, dtype=np.float32))
        total = sum(parts[1:], start=parts[0])
        return total if self.offset is None else total + self.offset

    def read(self, scores: Logits) -> Reading:
        """Probabilities, best label and scope of combined logits [n, L]."""
        chances = softmax(scores, self.temperature)
        posterior = (chances if self.outside is None else self.outside.mixed(chances, scores)).astype(np.float32)
        label = posterior.argmax(axis=1)
        return Reading(
            posterior=posterior,
            label=label,
            confidence=posterior[np.arange(len(label)), label].astype(np.float64),
            in_scope=np.ones(len(label)) if self.scope is None else self.scope.p_value(energy(scores)),
        )
