"""The fine-tuned rung of multi-label tasks: every weight of the encoder learns, and no row judges what it taught.

Rare labels have too few rows for a dev part of their own, so encoders are tuned on parts of the rows, each judged on
the rest, and one on all of them, which is served. After the first part it is known whether that pays.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from shoal.models.encoder import EncoderScorer
from shoal.training import export, finetune, one_against_rest
from shoal.training.backbone import Backbone
from shoal.training.heads import Head
from shoal.training.progress import Progress

Floats = NDArray[np.floating]
Bools = NDArray[np.bool_]

# Folds that are held out together: tuning an encoder takes too long to do it five times over.
_HELD_OUT = ((4,), (0, 1), (2, 3))


class Tuning(NamedTuple):
    """A tuned encoder under its head.

    Attributes:
        scorer: as it will be served.
        logits: of the rows, by encoders that had not seen them [n, L].
        details: what tuning has to say about itself.
    """

    scorer: EncoderScorer
    logits: NDArray[np.float32]
    details: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuner:
    """Rows to learn from, and how.

    Attributes:
        texts: of the rows.
        has: their labels [n, L].
        fold: number of each row's fold [n] (`one_against_rest.folds`).
        backbone: the encoder to start from.
        head: on the last layer's vectors of the pretrained encoder [d, L], to start from.
        int8: whether it is served in int8.
        seed: of order and dropout.
        deadline: `time.monotonic()` when all of it ends.
        progress: called as progress(stage, done, total).
    """

    texts: Sequence[str]
    has: Bools
    fold: NDArray[np.intp]
    backbone: Backbone
    head: Head
    int8: bool
    seed: int
    deadline: float
    progress: Progress

    def run(self, rival: Floats | None) -> Tuning | str:
        """Tune on parts of the rows, then on all, unless the first part says that it does not pay.

        Args:
            rival: calibrated logits [n, L] of the best method so far, by models that had not seen the row.

        Returns:
            What was tuned; or why it was left.
        """
        try:
            return self._run(rival)
        except finetune.Unaffordable as problem:
            return f"the budget is too short: {problem}"

    def _run(self, rival: Floats | None) -> Tuning | str:
        held_out = [out for out in (np.isin(self.fold, some) for some in _HELD_OUT) if out.any() and not out.all()]
        parts = [~out for out in held_out] + [np.ones(len(self.fold), np.bool_)]
        ends = np.cumsum([0, *(part.sum() for part in parts)]) / sum(part.sum() for part in parts)
        logits = np.zeros(self.has.shape, np.float32)
        for number, out in enumerate(held_out):
            scorer, _ = self._tuned(parts[number], ends[number], ends[number + 1])
            logits[out] = scorer.logits(list(compress(self.texts, out.tolist())))
            if number == 0 and rival is not None and (why := _no_better(logits[out], rival[out], self.has[out])):
                return why
        scorer, details = self._tuned(parts[-1], ends[-2], ends[-1])
        return Tuning(scorer, logits, {**details, "precision": "int8" if self.int8 else "fp32"})

    def _tuned(self, part: Bools, begin: float, end: float) -> tuple[EncoderScorer, dict[str, Any]]:
        """Tune on a part of the rows, from this share of the whole work to that; exported as it would be served."""

        def told(stage: str, at: int, total: int) -> None:
            self.progress(stage, int(1000 * (begin + (end - begin) * at / total)), 1000)

        seconds = (self.deadline - time.monotonic()) * (end - begin) / (1.0 - begin)
        texts = list(compress(self.texts, part.tolist()))
        tuned = finetune.fit(
            self.backbone,
            texts,
            self.has[part].astype(np.float32),
            head=self.head,
            seed=self.seed,
            budget_seconds=max(seconds, 0.0),
            progress=told,
            loss=finetune.label_by_label,
        )
        graph = export.to_onnx(tuned.body)
        scorer = export.served(self.backbone, graph, tuned.head.weight, tuned.head.bias)
        parity = export.check_parity(tuned.body, self.backbone, scorer, texts)
        return export.small(scorer, graph, self.backbone) if self.int8 else scorer, {**tuned.details, "parity": parity}


def _no_better(logits: Floats, rival: Floats, has: Bools) -> str | None:
    """Compare log-losses on rows that neither has seen; why to stop, or None."""
    own, before = (
        float(one_against_rest.losses(one_against_rest.calibrated(each, has)[0], has).mean())
        for each in (logits, rival)
    )
    if own < before:
        return None
    return f"on {len(has):,} held-out rows its log-loss was {own:.4f}, no lower than {before:.4f} without"
