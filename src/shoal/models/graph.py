"""An exported encoder in onnxruntime: token numbers in, what the graph gives for each text out, in groups side by side.

The graph takes `input_ids` and `attention_mask` (and `token_type_ids` if it asks for them), each [n, t].
"""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false
# onnxruntime ships no types.

import os
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# onnxruntime's published builds (from 1.29, on Linux too) tell their maker which models run, unless this is set before
# they are loaded. What runs here is nobody else's business.
os.putenv("ORT_DISABLE_TELEMETRY", "1")

Floats = NDArray[np.float32]
Source = bytes | Path

_GROUP = 8  # most texts that run together: larger groups leave a core's cache
_RUN_TOKENS = 12  # what one run costs beside its tokens, in tokens: measured for six layers of width 384 in int8


class Graph:
    """Runs an ONNX graph.

    Each run uses one thread, and groups of texts run side by side: that is faster in bulk than one run on all cores,
    and does not collapse when another process keeps a core busy.

    Args:
        onnx: the graph, as bytes or where it lies.
        threads: groups that run side by side; None takes all cores.
    """

    def __init__(self, onnx: Source, threads: int | None = None) -> None:
        import onnxruntime

        onnxruntime.disable_telemetry_events()  # for a program that had loaded it before us
        self.onnx = onnx
        self.threads = threads or os.cpu_count() or 1
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session: Any = onnxruntime.InferenceSession(
            str(onnx) if isinstance(onnx, Path) else onnx, options, providers=["CPUExecutionProvider"]
        )
        # Its threads are started on first use and stay; a pool for each batch would start them again and again.
        self._pool = ThreadPoolExecutor(self.threads, "shoal-encoder") if self.threads > 1 else None
        self._inputs = {each.name for each in self._session.get_inputs()}

    def run(self, ids: Sequence[Sequence[int]], then: Callable[[Floats], Floats] | None = None) -> list[Floats]:
        """Give the first output of the graph for each text, in order.

        Args:
            ids: token numbers of each text, special tokens included.
            then: what is done with the output of a group at once, in its thread [g, ...]; rows are texts.

        Returns:
            One row of the (changed) output for each text. An output for each token is padded to the longest text of
            the group: the first `len(ids[i])` places are those of the text.
        """
        order = np.argsort([-len(each) for each in ids], kind="stable").tolist()
        ranked = [ids[row] for row in order]
        groups = [ranked[start:end] for start, end in _groups(list(map(len, ranked)))]

        def one(group: Sequence[Sequence[int]]) -> Floats:
            given = self._run(group)
            return given if then is None else then(given)

        parts = map(one, groups) if self._pool is None or len(groups) == 1 else self._pool.map(one, groups)
        outputs: list[Floats] = [np.empty(0, np.float32)] * len(ids)
        for row, output in zip(order, (output for part in parts for output in part), strict=True):
            outputs[row] = output
        return outputs

    def _run(self, ids: Sequence[Sequence[int]]) -> Floats:
        """Output of one group, padded to its longest text."""
        width = max(map(len, ids))
        tokens = np.zeros((len(ids), width), np.int64)
        mask = np.zeros((len(ids), width), np.int64)
        for row, each in enumerate(ids):
            tokens[row, : len(each)] = each
            mask[row, : len(each)] = 1
        feed = {"input_ids": tokens, "attention_mask": mask, "token_type_ids": np.zeros_like(tokens)}
        return self._session.run(None, {name: feed[name] for name in self._inputs})[0]


def _groups(lengths: list[int]) -> list[tuple[int, int]]:
    """Cut texts of these lengths, falling, into groups (start, end) of the least cost, padding and runs together."""
    cost, start_of = [0], [0]
    for end in range(1, len(lengths) + 1):
        starts = range(max(0, end - _GROUP), end)
        best = min((cost[start] + _RUN_TOKENS + (end - start) * lengths[start], start) for start in starts)
        cost.append(best[0])
        start_of.append(best[1])
    groups: list[tuple[int, int]] = []
    end = len(lengths)
    while end:
        groups.append((start_of[end], end))
        end = start_of[end]
    return groups[::-1]


def content(source: Source) -> bytes:
    """Bytes of a part of a model."""
    return source if isinstance(source, bytes) else source.read_bytes()


def size(source: Source) -> int:
    """How many bytes it has."""
    return len(source) if isinstance(source, bytes) else source.stat().st_size


def copy(source: Source, target: Path) -> None:
    """Write it to a file."""
    if isinstance(source, bytes):
        target.write_bytes(source)
    else:
        shutil.copyfile(source, target)
