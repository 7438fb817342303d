"""Train the frozen rung: embeddings of the pretrained encoder, exported once, under multinomial logistic regression."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from shoal.models.encoder import EncoderScorer
from shoal.training import heads
from shoal.training.backbone import Backbone
from shoal.training.body import Body, open_body
from shoal.training.cache import Arrays, cached
from shoal.training.export import check_parity, served, speedup, to_int8, to_onnx, weighed
from shoal.training.judging import Judging
from shoal.training.progress import Progress, silent

Floats = NDArray[np.floating]

_CHUNK = 512  # texts between two signs of progress
_WINDOWS = 4  # passes through the encoder that a long text may take
_LONG = 0.05  # share of training texts beyond one pass from which reading further is tried


@dataclass(frozen=True, slots=True)
class Features:
    """Embeddings by the exported, frozen encoder.

    Attributes:
        exact: the encoder in float32, without a head.
        small: the same in int8; None where that is not faster.
        speedup: how many times as fast int8 is.
        parity: what comparing `exact` with torch gave.
        train: of the training texts [n, d], by `small` where there is one: a head fitted on what int8 computes makes
            up for part of its rounding.
        width: how many columns are the last layer's; the middle one's follow.
    """

    exact: EncoderScorer
    small: EncoderScorer | None
    speedup: float
    parity: dict[str, float]
    train: NDArray[np.float32]
    width: int

    @property
    def scorer(self) -> EncoderScorer:
        """The encoder that made `train`."""
        return self.small or self.exact


def embed(backbone: Backbone, texts: Sequence[str], progress: Progress, cache: Path | None = None) -> Features:
    """Export the pretrained encoder and embed the training texts, about 10 s for 10,000 short ones on two cores.

    With a cache, the exported encoder and the embeddings of just these texts are made once: specialists of one project
    that read the same messages share them.
    """
    return _features(backbone, _graphs(backbone, texts, cache), texts, progress, cache)


def embed_by(body: Body, backbone: Backbone, texts: Sequence[str], progress: Progress) -> Features:
    """Export a tuned body, which pools its middle layer too, and embed the training texts."""
    return _features(backbone, _exported(body, backbone, texts), texts, progress, None)


def _features(
    backbone: Backbone, graphs: Arrays, texts: Sequence[str], progress: Progress, cache: Path | None
) -> Features:
    width = int(graphs["width"])
    none = np.zeros((2 * width, 1)), np.zeros(1)
    exact, small = (served(backbone, graphs[name].tobytes(), *none) for name in ("exact", "small"))
    faster = speedup(exact, small, texts)
    name, scorer = ("small", small) if faster > 1 else ("exact", exact)
    train = cached(
        cache,
        "embeddings.v1",
        [graphs[name].tobytes(), str(backbone.max_tokens).encode(), *(text.encode(errors="replace") for text in texts)],
        lambda: {"embeddings": embedded(scorer, texts, progress)},
    )["embeddings"]
    parity = {
        "largest_difference": float(graphs["largest_difference"]),
        "agreement": float(graphs["agreement"]),
        "rows": int(graphs["rows"]),
    }
    return Features(exact, small if faster > 1 else None, faster, parity, train.astype(np.float32, copy=False), width)


def headless(backbone: Backbone, texts: Sequence[str], cache: Path | None = None) -> tuple[EncoderScorer, int]:
    """Export the pretrained encoder in float32, checked on these texts: without a head, and the last layer's width."""
    graphs = _graphs(backbone, texts, cache)
    width = int(graphs["width"])
    return served(backbone, graphs["exact"].tobytes(), np.zeros((2 * width, 1)), np.zeros(1)), width


def _graphs(backbone: Backbone, texts: Sequence[str], cache: Path | None) -> Arrays:
    return cached(
        cache,
        "encoder.v1",
        [backbone.sha256.encode(), backbone.pooling.encode(), torch.__version__.encode()],
        lambda: _exported(open_body(backbone, middle=True), backbone, texts),
    )


def _exported(body: Body, backbone: Backbone, texts: Sequence[str]) -> Arrays:
    """Make the encoder's ONNX graph in float32, compared with torch on some texts, and in int8."""
    graph = to_onnx(body)
    width = int(body.encoder.config.hidden_size)
    parity = check_parity(body, backbone, served(backbone, graph, np.zeros((2 * width, 1)), np.zeros(1)), texts)
    return {
        "exact": np.frombuffer(graph, np.uint8),
        "small": np.frombuffer(to_int8(graph), np.uint8),
        "width": np.array(width),
        **{name: np.array(value) for name, value in parity.items()},
    }


def fit(
    features: Features,
    texts: Sequence[str],
    targets: heads.SoftTargets,
    names: Sequence[str],
    judging: Judging,
    plan: heads.Plan | None = None,
    seconds: float = math.inf,
) -> tuple[EncoderScorer, NDArray[np.float32], dict[str, Any]]:
    """Fit the head on training embeddings; how, and the precision of the encoder, are chosen on dev (`heads.choose`).

    The head that is served has learnt from the dev rows too, with what they chose. The dev logits are those of the
    head before: calibration then sees an answer to each row by a head that had not seen it.

    Args:
        features: embeddings of the training texts.
        texts: the training texts.
        targets: their label numbers, or shares of the labels.
        names: the labels in words [L].
        judging: the dev rows.
        plan: how to fit the head; None chooses. Embeddings by a body that was tuned on the training rows cannot choose.
        seconds: that may be spent on reading long texts further.

    Returns:
        The scorer, the dev logits [n, L], and what was found.
    """
    scorer, train = features.scorer, features.train
    used, head, dev, words = _chosen(scorer, train, targets, names, judging, plan)
    found: dict[str, Any] = {"precision": "fp32", "int8_refused": "it is not faster here"}
    if features.small is not None:
        exact = _logits(features.exact.embed(judging.texts), head)
        found = weighed(exact, _logits(dev, head), features.speedup, judging)
        if found["precision"] == "fp32":
            scorer, train = features.exact, embedded(features.exact, texts, silent)
            used, head, dev, words = _chosen(scorer, train, targets, names, judging, plan)
    further, why = _further(scorer, Fit(train, used, head, dev), texts, targets, words, judging, seconds)
    if further is not None:
        scorer, (train, used, head, dev) = scorer.with_windows(_WINDOWS), further
    rows, wanted = np.concatenate([train, dev]), heads.joined([targets, judging.targets], len(names))
    final = heads.fitted(rows, wanted, words, len(names), used)
    details: dict[str, Any] = {
        "C": used.strength,
        "label_names": used.named,
        "parity": features.parity,
        "export": found,
    }
    details["long_texts"] = why
    return scorer.with_head(final.weight, final.bias), _logits(dev, head), details


class Fit(NamedTuple):
    """Embeddings of the training rows [n, d], how a head was fitted on them, the head, embeddings of the dev rows."""

    train: NDArray[np.float32]
    plan: heads.Plan
    head: heads.Head
    dev: NDArray[np.float32]


def _further(
    scorer: EncoderScorer,
    short: Fit,
    texts: Sequence[str],
    targets: heads.SoftTargets,
    words: NDArray[np.float32] | None,
    judging: Judging,
    seconds: float,
) -> tuple[Fit | None, str]:
    """Read long texts to four times the length, if dev says by more than one standard error that it pays."""
    long, long_dev = scorer.exceeding(texts), scorer.exceeding(judging.texts)
    if long.mean() < _LONG or not long_dev.any():
        return None, f"{long.mean():.1%} are longer than {scorer.max_tokens} tokens; all are read to there"
    wide = scorer.with_windows(_WINDOWS)
    began = time.monotonic()
    dev = _patched(wide, short.dev, judging.texts, long_dev)
    wanted = (time.monotonic() - began) / long_dev.sum() * long.sum()
    if wanted > seconds:
        return None, f"reading further would take about {wanted:.0f} s, {max(seconds, 0):.0f} s are left"
    train = _patched(wide, short.train, texts, long)
    head = heads.fitted(train, targets, words, len(short.head.bias), short.plan)
    before, after = (
        heads.losses(_logits(rows, each), judging.targets) for rows, each in ((short.dev, short.head), (dev, head))
    )
    gain = before - after
    if gain.mean() <= gain.std() / np.sqrt(len(gain)):
        return (
            None,
            f"{long.mean():.1%} are longer than {scorer.max_tokens} tokens; reading further does not pay on dev",
        )
    return Fit(train, short.plan, head, dev), f"read to {_WINDOWS * scorer.max_tokens} tokens: it pays on dev"


def _patched(
    scorer: EncoderScorer, embeddings: NDArray[np.float32], texts: Sequence[str], long: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Embed the long texts anew."""
    patched = embeddings.copy()
    patched[long] = embedded(scorer, [text for text, each in zip(texts, long, strict=True) if each], silent)
    return patched


def _chosen(
    scorer: EncoderScorer,
    train: Floats,
    targets: heads.SoftTargets,
    names: Sequence[str],
    judging: Judging,
    plan: heads.Plan | None,
) -> tuple[heads.Plan, heads.Head, NDArray[np.float32], NDArray[np.float32] | None]:
    """Plan and head on the training rows alone, dev embeddings, and those of the labels' names where they help."""
    dev = scorer.embed(judging.texts)
    words = scorer.embed(names) if heads.names_help(len(train) + len(dev), len(names)) else None
    plan = plan or heads.choose(train, targets, dev, judging.targets, words, len(names))
    return plan, heads.fitted(train, targets, words, len(names), plan), dev, words


def embedded(scorer: EncoderScorer, texts: Sequence[str], progress: Progress) -> NDArray[np.float32]:
    """Embed texts [n, d], with signs of progress."""
    if not texts:
        return scorer.embed(texts)
    parts: list[NDArray[np.float32]] = []
    for start in range(0, len(texts), _CHUNK):
        progress("encoder", start, len(texts))
        parts.append(scorer.embed(texts[start : start + _CHUNK]))
    progress("encoder", len(texts), len(texts))
    return np.concatenate(parts)


def _logits(embeddings: NDArray[np.float32], head: heads.Head) -> NDArray[np.float32]:
    return (embeddings @ head.weight + head.bias).astype(np.float32)
