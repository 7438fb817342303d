"""How fast each rung answers, beside a plain transformers pipeline with the same body, in one run.

    SHOAL_DATA=... python bench/inference.py [--quick] [--repeats 7] [--seed 0]

Banking77 test texts. Every repeat asks every engine in turn, so that a busy neighbour slows all of them; a ratio is
taken within a repeat. The pipeline is `pipeline("text-classification")` at its defaults (float32, one text at a time)
over the packaged encoder with a classification head. Engines are warm: the lexical rungs have seen the words. One core:
the process may run on one only. Also said: the share of the time that tokenisation takes, and how near the encoder
comes to the fastest matrix product of onnxruntime here.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np

from measuring import banking77, load_average, median, specialist
from results import write

RUNGS = ("tfidf", "static", "encoder", "encoder-fp32", "finetune-int8", "finetune-fp32")
PEER = "transformers pipeline"
BULK = {"tfidf": 2048, "static": 8192, PEER: 48}  # texts a bulk call; 256 for the others
SINGLE = {PEER: 24}  # texts asked one by one; 60 for the others
GEMM = 1024  # rows and columns of the matrices whose product is the measured peak
Predict = Callable[[list[str]], object]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two repeats: does it run?")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cores", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    repeats = 2 if arguments.quick else arguments.repeats
    if arguments.cores:
        print(json.dumps(measured(arguments.cores, repeats, arguments.seed)))
        return
    for rung in RUNGS:
        specialist(rung, seed=arguments.seed)
    results: list[dict[str, Any]] = []
    for cores in range(1, min(2, len(os.sched_getaffinity(0))) + 1):
        command = [sys.executable, __file__, "--repeats", str(repeats), "--seed", str(arguments.seed)]
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}  # as shoal's commands ask; the pipeline has its own
        done = subprocess.run(
            [*command, "--cores", str(cores)], stdout=subprocess.PIPE, text=True, check=True, env=environment
        )
        results += json.loads(done.stdout.splitlines()[-1])
        for row in results[-len(RUNGS) - 1 :]:
            print(json.dumps(row), flush=True)
    print(f"wrote {write('inference', results, seed=arguments.seed)}")


def measured(cores: int, repeats: int, seed: int) -> list[dict[str, Any]]:
    """One row an engine, on this many cores."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-cores:])
    texts = [row["text"] for row in banking77("test")]
    np.random.default_rng(seed).shuffle(texts)
    engines: dict[str, Predict] = {PEER: pipeline()}
    parts: dict[str, str] = {}
    for rung in RUNGS:
        engines[rung], parts[rung] = opened(rung, cores, seed)
    for name, predict in engines.items():
        predict(texts if name in ("tfidf", "static") else texts[:256])  # warm: words remembered, memory taken
    load = [load_average()]
    bulk: dict[str, list[float]] = {name: [] for name in engines}
    cpu: dict[str, list[float]] = {name: [] for name in engines}
    single: dict[str, list[list[float]]] = {name: [] for name in engines}
    peaks: dict[str, list[float]] = {"fp32": [], "int8": []}
    products = {kind: product(kind, cores) for kind in peaks}
    for repeat in range(repeats):
        for name, predict in engines.items():
            many = list(islice(cycle(texts), repeat * 97, repeat * 97 + BULK.get(name, 256)))
            wall, used = clocked(lambda predict=predict, many=many: predict(many))
            bulk[name].append(len(many) / wall)
            cpu[name].append(1e3 * used / len(many))
            ones = [[text] for text in islice(cycle(texts), repeat * 97, repeat * 97 + SINGLE.get(name, 60))]
            single[name].append([clocked(lambda predict=predict, one=one: predict(one))[0] * 1e3 for one in ones])
        for kind, run in products.items():
            peaks[kind].append(max(2e-9 * GEMM**3 / clocked(run)[0] for _ in range(5)))
    load.append(load_average())
    rows: list[dict[str, Any]] = []
    for name in engines:
        alone = [np.median(calls) for calls in single[name]]
        row: dict[str, Any] = {
            "engine": name,
            "cores": cores,
            "docs_per_second": median(bulk[name]),
            "times_pipeline": median([own / peer for own, peer in zip(bulk[name], bulk[PEER], strict=True)]),
            "p50_ms": median([float(one) for one in alone]),
            "p99_ms": median([float(np.quantile(calls, 0.99)) for calls in single[name]]),
            "cpu_ms_a_text": median(cpu[name]),
            "load_average": load,
            "repeats": repeats,
        }
        if name in parts:
            folder = specialist(name, seed=seed)
            row |= explained(parts[name], folder, texts, row, {kind: max(found) for kind, found in peaks.items()})
        rows.append(row)
    return rows


def pipeline() -> Predict:
    """A transformers pipeline at its defaults over the packaged encoder."""
    import transformers

    from shoal.training.backbone import resolve

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    folder = resolve("encoder").folder
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder, num_labels=77)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    return transformers.pipeline("text-classification", model=model, tokenizer=tokenizer, device="cpu")


def opened(rung: str, cores: int, seed: int) -> tuple[Predict, str]:
    import shoal

    made = shoal.load(specialist(rung, seed=seed), threads=cores)
    return made.predict, made.tiers[-1].views[0].scorer.kind


def clocked(call: Callable[[], object]) -> tuple[float, float]:
    """Wall and processor seconds of a call."""
    wall, used = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - wall, time.process_time() - used


def product(kind: str, threads: int) -> Callable[[], object]:
    """A square matrix product in onnxruntime, float32 or int8."""
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper

    left, right, out = {
        "fp32": (TensorProto.FLOAT, TensorProto.FLOAT, TensorProto.FLOAT),
        "int8": (TensorProto.UINT8, TensorProto.INT8, TensorProto.INT32),
    }[kind]
    draw = np.random.default_rng(0)
    given, weight = draw.integers(0, 100, (GEMM, GEMM)), draw.integers(-100, 100, (GEMM, GEMM))
    types = {TensorProto.FLOAT: np.float32, TensorProto.UINT8: np.uint8, TensorProto.INT8: np.int8}
    graph = helper.make_graph(
        [helper.make_node("MatMul" if kind == "fp32" else "MatMulInteger", ["a", "b"], ["c"])],
        "product",
        [helper.make_tensor_value_info("a", left, (GEMM, GEMM))],
        [helper.make_tensor_value_info("c", out, (GEMM, GEMM))],
        [onnx.numpy_helper.from_array(weight.astype(types[right]), "b")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    feed = {"a": given.astype(types[left])}
    return lambda: session.run(None, feed)


def explained(
    kind: str, folder: Path, texts: Sequence[str], row: dict[str, Any], peaks: dict[str, float]
) -> dict[str, Any]:
    """The share of tokenisation, and of an encoder how near it is to the peak of matrix products."""
    from tokenizers import Tokenizer

    from shoal.models.static import WordIds

    many = list(texts[:256])
    encode: Callable[[list[str]], Any]
    if kind == "encoder.v1":
        tokenizer = Tokenizer.from_file(str(next(folder.rglob("tokenizer.json"))))
        tokenizer.no_padding()
        encode = tokenizer.encode_batch_fast
        tokens = sum(len(each.ids) for each in encode(many)) / len(many)
    elif kind.startswith("static."):
        encode = WordIds(next(folder.rglob("tokenizer.json")).read_bytes()).flat
        tokens = float(encode(many)[1].mean())
    else:
        return {}
    used = float(np.median([clocked(lambda: encode(many))[1] for _ in range(9)])) / len(many)
    found: dict[str, Any] = {
        "tokens_a_text": round(tokens, 1),
        "tokenisation_share": round(1e3 * used / row["cpu_ms_a_text"]["value"], 4),
    }
    if kind == "encoder.v1":
        precision = "fp32" if row["engine"].endswith("fp32") else "int8"
        graph = next(folder.rglob("encoder.onnx"))
        gops = row["docs_per_second"]["value"] * tokens * operations_a_token(graph) * 1e-9
        found |= {
            "giga_operations": round(gops, 1),
            "peak": round(peaks[precision], 1),
            "of_peak": round(gops / peaks[precision], 3),
        }
    return found


def operations_a_token(graph: Path) -> float:
    """Additions and multiplications of the products with weights, for one token."""
    import onnx

    sizes = [int(np.prod(each.dims)) for each in onnx.load(str(graph)).graph.initializer if len(each.dims) == 2]
    vocabulary = max(sizes)
    return 2.0 * sum(size for size in sizes if size not in (vocabulary,) and size >= 384 * 384 and size != 512 * 384)


if __name__ == "__main__":
    main()
