"""Which of several encoders knows these texts best: each is probed, frozen, on a sample, by cross-validation.

Encoder choice beats method choice: one that was trained on questions about topics may be deaf to tone. A linear head
on frozen embeddings tells them apart in seconds and ranks them much as fine-tuning would ("probing", Alain & Bengio
2017).
"""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from shoal.training import frozen, heads
from shoal.training.backbone import Backbone
from shoal.training.progress import Progress

_SAMPLE = 2_000  # rows that tell; more would cost more than they say


class Probed(NamedTuple):
    """What the sample says of one encoder: log-loss of each row [n] in nats, and seconds to embed them."""

    backbone: Backbone
    losses: NDArray[np.floating]
    correct: NDArray[np.bool_]
    seconds: float


def choose(
    backbones: Sequence[Backbone],
    texts: Sequence[str],
    targets: NDArray[np.integer],
    names: Sequence[str],
    *,
    seed: int,
    progress: Progress,
    cache: Path | None,
) -> tuple[Backbone, list[dict[str, Any]]]:
    """Keep the fastest encoder within one paired standard error of the best log-loss.

    Args:
        backbones: at least one; one alone is not probed.
        texts: training texts [n]; of more than 2,000 a sample is taken.
        targets: their label numbers [n].
        names: the labels in words [L].
        seed: of the sample.
        progress: called as progress(stage, done, total).
        cache: folder for exported encoders and embeddings; None keeps nothing.

    Returns:
        The choice, and for each encoder what was found, in plain values.
    """
    if len(backbones) == 1:
        return backbones[0], []
    rows = np.sort(np.random.default_rng([seed, 1]).permutation(len(texts))[:_SAMPLE])
    sample = [texts[int(row)] for row in rows]
    probed = [_probed(each, sample, targets[rows], names, progress, cache) for each in backbones]
    best = min(probed, key=lambda one: float(one.losses.mean()))
    chosen = min((one for one in probed if _as_good(one, best)), key=lambda one: one.seconds)
    return chosen.backbone, [
        {
            "encoder": one.backbone.name,
            "log_loss": float(one.losses.mean()),
            "accuracy": float(one.correct.mean()),
            "rows": len(rows),
            "seconds": round(one.seconds, 2),
            "chosen": one is chosen,
        }
        for one in probed
    ]


def _probed(
    backbone: Backbone,
    sample: Sequence[str],
    targets: NDArray[np.integer],
    names: Sequence[str],
    progress: Progress,
    cache: Path | None,
) -> Probed:
    features = frozen.embed(backbone, sample, progress, cache)
    named = heads.names_help(len(sample), len(names))
    words = (features.small or features.exact).embed(names) if named else None
    began = time.perf_counter()
    (features.small or features.exact).embed(sample[:200])
    seconds = (time.perf_counter() - began) * len(sample) / min(len(sample), 200)
    plan = heads.Plan(named=named)
    logits, told = heads.cross_validated(features.train, targets, words, len(names), plan)
    losses = heads.losses(logits[told], targets[told])
    return Probed(backbone, losses, logits[told].argmax(axis=1) == targets[told], seconds)


def _as_good(one: Probed, best: Probed) -> bool:
    behind = one.losses - best.losses
    return bool(behind.mean() <= behind.std() / np.sqrt(len(behind)))
