"""How every candidate is judged: on the dev rows, by log-loss and by how much it would keep inside the guarantee."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from shoal import metrics
from shoal.calibration import Outside, certify, fit_temperature, grid, softmax

Floats = NDArray[np.floating]
Bools = NDArray[np.bool_]

_RESAMPLES = 60
_FEWEST = 8  # dev rows in and out of scope with which the chance of being out of scope is fitted; else softmax says it


@dataclass(frozen=True, slots=True)
class Judged:
    """What the dev rows [n] say of a candidate.

    Attributes:
        temperature: fitted on them.
        outside: fitted on them: chance of the out-of-scope label; None where there is none, or too few rows of it.
        losses: log-loss of each row [n], nats.
        posterior: calibrated probabilities [n, L].
        label: the best label [n].
        confidence: its calibrated probability [n].
        correct: whether it is right [n].
        coverage: share that a certificate would keep, in each of 60 simulated calibration sets; the same sets for
            every candidate, so that differences are paired.
    """

    temperature: float
    outside: Outside | None
    losses: Floats
    posterior: Floats
    label: NDArray[np.integer]
    confidence: Floats
    correct: Bools
    coverage: Floats

    @property
    def log_loss(self) -> float:
        """Mean log-loss."""
        return float(self.losses.mean())

    @property
    def accuracy(self) -> float:
        """Share of right labels."""
        return float(self.correct.mean())


@dataclass(frozen=True)
class Judging:
    """The dev rows and the promise that is aimed at.

    Attributes:
        texts: dev texts [n].
        targets: their label numbers [n].
        rows: how many rows the certificate will be tested on.
        risk: alpha of the promise; None when none is wanted: coverage is then 0 for every candidate.
        delta: 1 - its confidence.
        barred: for each label, whether its answers are never kept under the promise about labels [L].
        seed: of the simulated calibration sets.
        outside: number of the out-of-scope label; None: there is none.
    """

    texts: Sequence[str]
    targets: NDArray[np.integer]
    rows: int
    risk: float | None
    delta: float
    barred: Bools
    seed: int
    outside: int | None = None

    def judge(self, scores: Floats) -> Judged:
        """Judge combined logits [n, L] of the dev rows."""
        temperature = fit_temperature(scores, self.targets)
        posterior = softmax(scores, temperature)
        outside = self._outside(scores)
        if outside is not None:
            posterior = outside.mixed(posterior, scores)
        label = posterior.argmax(axis=1)
        confidence = posterior[np.arange(len(label)), label]
        correct = label == self.targets
        return Judged(
            temperature=temperature,
            outside=outside,
            losses=metrics.log_losses(posterior, self.targets),
            posterior=posterior,
            label=label,
            confidence=confidence,
            correct=correct,
            coverage=self.coverage(np.where(self.barred[label], -np.inf, confidence), correct),
        )

    def _outside(self, scores: Floats) -> Outside | None:
        if self.outside is None:
            return None
        rows = self.targets == self.outside
        if min(rows.sum(), (~rows).sum()) < _FEWEST:
            return None
        return Outside.fit(scores, rows, self.outside)

    def coverage(self, confidence: Floats, correct: Bools) -> Floats:
        """Certified coverage on calibration sets drawn from the dev rows with replacement (bootstrap).

        Args:
            confidence: of each dev row [n]; +inf = always kept, -inf = never kept.
            correct: whether its answer is right [n].
        """
        kept = np.zeros(len(self._resamples))
        if self.risk is None:
            return kept
        thresholds = grid(confidence, correct, rows=self.rows, risk=self.risk, delta=self.delta)
        for at, rows in enumerate(self._resamples):
            proof = certify(confidence[rows], correct[rows], risk=self.risk, delta=self.delta, grid=thresholds)
            kept[at] = proof.coverage if proof.certified else 0.0
        return kept

    @cached_property
    def _resamples(self) -> NDArray[np.int64]:
        draw = np.random.default_rng(self.seed)
        return draw.integers(0, max(len(self.targets), 1), (_RESAMPLES if self.rows else 1, self.rows))
