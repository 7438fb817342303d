"""From torch to ONNX, and to int8 where that is proven harmless; what is exported is what is judged and served."""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportMissingTypeStubs=false
# onnxruntime and parts of torch.onnx ship no types.

import logging
import tempfile
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from shoal.errors import EnvironmentProblem
from shoal.metrics import compare
from shoal.models.encoder import EncoderScorer
from shoal.training.backbone import Backbone
from shoal.training.body import Body, padded, tokenised
from shoal.training.judging import Judging

_OPSET = 17
_PARITY_ROWS = 200
_LARGEST_DIFFERENCE = 1e-3  # of an element of a unit vector; float32 rounding gives about 1e-6
_LOWEST_AGREEMENT = 0.999
_MARGIN = 0.005  # int8 may be worse by half a point of accuracy at most
_TIMED_ROWS = 256


def to_onnx(body: Body) -> bytes:
    """Export the body as an ONNX graph: input_ids, attention_mask [n, t] -> embedding [n, d] in float32.

    Of a body without pooling the output is [n, t, w].
    """
    ids = torch.ones((2, 8), dtype=torch.long)
    mask = torch.ones_like(ids)
    mask[1, 5:] = 0
    axes = {0: "texts", 1: "tokens"}
    given = axes if body.pooling == "none" else {0: "texts"}
    with tempfile.TemporaryDirectory(prefix="shoal-") as scratch, warnings.catch_warnings():
        # The exporter that traces (dynamo=False) warns that it is the older one; the newer needs onnxscript and took
        # no advantage here. The tracer's other warnings are about branches on constants.
        warnings.simplefilter("ignore")
        path = Path(scratch) / "encoder.onnx"
        torch.onnx.export(
            body.eval(),
            (ids, mask),
            str(path),
            input_names=["input_ids", "attention_mask"],
            output_names=["embedding"],
            dynamic_axes={"input_ids": axes, "attention_mask": axes, "embedding": given},
            opset_version=_OPSET,
            dynamo=False,
        )
        return path.read_bytes()


def to_int8(graph: bytes) -> bytes:
    """Quantise matrix products and embedding tables to int8: weights per channel, activations while running."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)  # it advises on the root logger to fuse nodes first, which was slower (trials)
    try:
        with tempfile.TemporaryDirectory(prefix="shoal-") as scratch:
            source, target = Path(scratch) / "fp32.onnx", Path(scratch) / "int8.onnx"
            source.write_bytes(graph)
            quantize_dynamic(
                source,
                target,
                op_types_to_quantize=["MatMul", "Gather"],
                per_channel=True,
                weight_type=QuantType.QInt8,
            )
            return target.read_bytes()
    finally:
        root.setLevel(level)


def served(backbone: Backbone, graph: bytes, weight: ArrayLike, bias: ArrayLike) -> EncoderScorer:
    """Open an exported body under head [d, L] and bias [L] for serving."""
    return EncoderScorer(backbone.tokenizer_json, graph, weight, bias, max_tokens=backbone.max_tokens)


def check_parity(body: Body, backbone: Backbone, scorer: EncoderScorer, texts: Sequence[str]) -> dict[str, float]:
    """Compare the exported float32 model with the torch one on at most 200 texts.

    Returns:
        Largest difference of an embedding's element, and the share of texts with the same best label.

    Raises:
        EnvironmentProblem: they differ: torch and onnxruntime of these versions do not fit each other.
    """
    sample = list(texts[:_PARITY_ROWS])
    with torch.inference_mode():
        trained = np.concatenate([body(*padded([ids])).float().numpy() for ids in tokenised(backbone, sample)])
    exported = scorer.embed(sample)
    difference = float(np.abs(trained - exported).max())
    best = [(each @ scorer.weight + scorer.bias).argmax(axis=1) for each in (trained, exported)]
    agreement = float((best[0] == best[1]).mean())
    if difference > _LARGEST_DIFFERENCE or agreement < _LOWEST_AGREEMENT:
        raise EnvironmentProblem(
            f"the exported model differs from the trained one (embeddings by {difference:.2g}, same label on "
            f"{agreement:.2%} of {len(sample)} texts): onnxruntime does not compute what torch {torch.__version__} "
            "exported. Install the versions of shoal's constraints.txt."
        )
    return {"largest_difference": difference, "agreement": agreement, "rows": len(sample)}


def compressed(
    scorer: EncoderScorer, graph: bytes, backbone: Backbone, logits: NDArray[np.float32], judging: Judging
) -> tuple[EncoderScorer, NDArray[np.float32], dict[str, Any]]:
    """Replace a float32 scorer by its int8 form when that is faster and, paired on dev, proven no worse.

    Args:
        scorer: float32.
        graph: its ONNX graph.
        backbone: whose tokenizer it uses.
        logits: its logits of the dev rows [n, L].
        judging: the dev rows and how they are judged.

    Returns:
        The scorer to serve, its dev logits, and what was found: precision, agreement, accuracy difference, speed-up.
    """
    smaller = small(scorer, graph, backbone)
    small_logits = smaller.logits(judging.texts)
    found = weighed(logits, small_logits, speedup(scorer, smaller, judging.texts), judging)
    return (smaller, small_logits, found) if found["precision"] == "int8" else (scorer, logits, found)


def small(scorer: EncoderScorer, graph: bytes, backbone: Backbone) -> EncoderScorer:
    """Give a float32 scorer its int8 form."""
    return served(backbone, to_int8(graph), scorer.weight, scorer.bias)


def weighed(exact: NDArray[np.float32], small: NDArray[np.float32], faster: float, judging: Judging) -> dict[str, Any]:
    """Decide between float32 and int8 by their logits of the dev rows [n, L] and int8's speed-up.

    Returns:
        `precision` ("int8" or "fp32"), why int8 was refused where it was, and the figures that decided.
    """
    before, after = judging.judge(exact), judging.judge(small)
    paired = compare(before.correct, after.correct)
    gain = after.coverage - before.coverage
    faults = [
        fault
        for fault, true in (
            ("it is not faster here", faster <= 1),
            ("it loses more than half a point of accuracy on dev", paired.difference < -_MARGIN),
            ("it keeps less inside the guarantee on dev", gain.mean() < -gain.std()),
        )
        if true
    ]
    return {
        **({"precision": "fp32", "int8_refused": "; ".join(faults)} if faults else {"precision": "int8"}),
        "agreement": float((exact.argmax(axis=1) == small.argmax(axis=1)).mean()),
        "accuracy_difference": paired.difference,
        "coverage_difference": float(gain.mean()),
        "speedup": round(faster, 2),
    }


def speedup(exact: EncoderScorer, small: EncoderScorer, texts: Sequence[str]) -> float:
    """How many times as fast `small` is on at most 256 of these texts."""
    timed = list(texts[:_TIMED_ROWS])
    return _seconds(exact, timed) / _seconds(small, timed)


def _seconds(scorer: EncoderScorer, texts: Sequence[str]) -> float:
    """Time it three times and take the best."""
    taken: list[float] = []
    for _ in range(3):
        started = time.perf_counter()
        scorer.embed(texts)
        taken.append(time.perf_counter() - started)
    return min(taken)
