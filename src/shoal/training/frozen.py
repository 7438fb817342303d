"""Train the frozen rung: embeddings of the pretrained encoder, exported once, under multinomial logistic regression."""
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
# scikit-learn ships no types.

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from shoal.models.encoder import EncoderScorer
from shoal.training.backbone import Backbone
from shoal.training.body import open_body
from shoal.training.export import check_parity, served, to_onnx
from shoal.training.judging import Judging
from shoal.training.progress import Progress
from shoal.training.tfidf import head

Floats = NDArray[np.floating]

_CHUNK = 512  # texts between two signs of progress
_STRENGTHS = (1.0, 3.0, 10.0, 30.0, 100.0)  # inverse regularisation C, tried from left to right while dev improves
_USUAL = 10.0  # without dev rows
_ITERATIONS = 200


@dataclass(frozen=True, slots=True)
class Features:
    """Embeddings by the exported, frozen encoder.

    Attributes:
        graph: the encoder as ONNX, float32.
        parity: what comparing it with torch gave.
        train: of the training texts [n, d].
        width: how many columns are the last layer's; the middle one's follow.
    """

    graph: bytes
    parity: dict[str, float]
    train: NDArray[np.float32]
    width: int


class Head(NamedTuple):
    """A linear head: weight [d, L], bias [L], and the inverse regularisation it was fitted with."""

    weight: Floats
    bias: Floats
    strength: float


def embed(backbone: Backbone, texts: Sequence[str], progress: Progress) -> Features:
    """Export the pretrained encoder and embed the training texts, about 20 s for 10,000 short ones on two cores."""
    body = open_body(backbone, middle=True)
    graph = to_onnx(body)
    width = int(body.encoder.config.hidden_size)
    scorer = served(backbone, graph, np.zeros((2 * width, 1)), np.zeros(1))
    parity = check_parity(body, backbone, scorer, texts)
    parts: list[NDArray[np.float32]] = []
    for start in range(0, len(texts), _CHUNK):
        progress("encoder", start, len(texts))
        parts.append(scorer.embed(texts[start : start + _CHUNK]))
    progress("encoder", len(texts), len(texts))
    return Features(graph, parity, np.concatenate(parts), width)


def fit(
    backbone: Backbone, features: Features, targets: NDArray[np.integer], labels: int, judging: Judging
) -> tuple[EncoderScorer, NDArray[np.float32], float]:
    """Fit the head on training embeddings; its regularisation is chosen by log-loss on the dev rows.

    Returns:
        The float32 scorer, its dev logits [n, L], and the inverse regularisation chosen.
    """
    probe = served(backbone, features.graph, np.zeros((features.train.shape[1], 1)), np.zeros(1))
    dev = probe.embed(judging.texts)
    chosen = best_head(features.train, targets, labels, dev, judging)
    scorer = served(backbone, features.graph, chosen.weight, chosen.bias)
    return scorer, dev @ scorer.weight + scorer.bias, chosen.strength


def best_head(train: Floats, targets: NDArray[np.integer], labels: int, dev: Floats, judging: Judging) -> Head:
    """Choose the regularisation by dev log-loss; the usual one when there are too few dev rows to tell."""
    if len(dev) < labels:
        return usual_head(train, targets, labels)
    best: tuple[float, Head] | None = None
    for strength in _STRENGTHS:
        candidate = _fitted(train, targets, labels, strength)
        loss = judging.judge(dev @ candidate.weight + candidate.bias).log_loss
        if best is not None and loss >= best[0]:
            break
        best = (loss, candidate)
    assert best is not None
    return best[1]


def usual_head(train: Floats, targets: NDArray[np.integer], labels: int) -> Head:
    """Fit a head with the usual regularisation."""
    return _fitted(train, targets, labels, _USUAL)


def _fitted(train: Floats, targets: NDArray[np.integer], labels: int, strength: float) -> Head:
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = _regression(strength).fit(train, targets)
    return Head(*head(model, labels), strength)


def _regression(strength: float) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=strength, max_iter=_ITERATIONS)
