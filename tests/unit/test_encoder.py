"""Texts that run together: every text once, no larger group than allowed, never dearer than plain groups of eight.

And long texts are read in windows, and the engine under them reports to nobody.
"""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.models.encoder import EncoderScorer
from shoal.models.graph import _GROUP, _RUN_TOKENS, _groups


def cost(lengths: list[int], groups: list[tuple[int, int]]) -> int:
    return sum(_RUN_TOKENS + (end - start) * lengths[start] for start, end in groups)


@given(st.lists(st.integers(2, 256), min_size=1, max_size=60))
def test_groups_cover_all_texts_at_the_least_cost(lengths: list[int]) -> None:
    lengths.sort(reverse=True)
    groups = _groups(lengths)
    assert [row for start, end in groups for row in range(start, end)] == list(range(len(lengths)))
    assert max(end - start for start, end in groups) <= _GROUP
    plain = [(start, min(start + _GROUP, len(lengths))) for start in range(0, len(lengths), _GROUP)]
    assert cost(lengths, groups) <= cost(lengths, plain)
    assert cost(lengths, groups) <= cost(lengths, [(row, row + 1) for row in range(len(lengths))])


def test_like_lengths_run_together_and_a_long_text_alone() -> None:
    assert _groups([200, 10, 10, 9]) == [(0, 1), (1, 4)]
    assert _groups([12] * 20) == [(0, 4), (4, 12), (12, 20)]


def test_the_engine_keeps_no_record_for_its_maker(tmp_path: Path) -> None:
    program = "import shoal.models.encoder, onnxruntime; onnxruntime.SessionOptions()"
    kept = ("CI", "ORT_DISABLE_TELEMETRY", "ORT_RUNNING_UNIT_TESTS", "XDG_CACHE_HOME")  # each would silence it too
    environment = {name: value for name, value in os.environ.items() if name not in kept} | {"HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)
    assert not [path for path in tmp_path.rglob("*") if "onnxruntime" in path.name]


WORDS = [f"w{number}" for number in range(40)]
TABLE = np.random.default_rng(0).normal(size=(len(WORDS), 6)).astype(np.float32)


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    """A tokenizer of words and a graph that averages their vectors."""
    onnx = pytest.importorskip("onnx")
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace

    tokenizer = Tokenizer(WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="w0"))
    tokenizer.pre_tokenizer = Whitespace()
    node, value = onnx.helper.make_node, onnx.helper.make_tensor_value_info
    int64, float32 = onnx.TensorProto.INT64, onnx.TensorProto.FLOAT
    graph = onnx.helper.make_graph(
        [
            node("Gather", ["table", "input_ids"], ["vectors"]),
            node("Cast", ["attention_mask"], ["mask"], to=float32),
            node("Unsqueeze", ["mask", "last"], ["wide"]),
            node("Mul", ["vectors", "wide"], ["kept"]),
            node("ReduceSum", ["kept", "tokens"], ["sum"], keepdims=0),
            node("ReduceSum", ["mask", "tokens"], ["count"], keepdims=1),
            node("Div", ["sum", "count"], ["embeddings"]),
        ],
        "mean",
        [value("input_ids", int64, ["n", "t"]), value("attention_mask", int64, ["n", "t"])],
        [value("embeddings", float32, ["n", 6])],
        [
            onnx.numpy_helper.from_array(TABLE, "table"),
            onnx.numpy_helper.from_array(np.array([2]), "last"),
            onnx.numpy_helper.from_array(np.array([1]), "tokens"),
        ],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9)
    return {
        "tokenizer_json": tokenizer.to_str().encode(),
        "onnx": model.SerializeToString(),
        "weight": np.eye(6, 3),
        "bias": np.zeros(3),
        "max_tokens": 8,
    }


def words(counts: list[int]) -> list[list[str]]:
    draw = np.random.default_rng(1)
    return [draw.choice(WORDS, count).tolist() for count in counts]


def mean(each: list[str]) -> np.ndarray:
    return TABLE[[WORDS.index(word) for word in each]].mean(axis=0)


@pytest.mark.parametrize("windows", [1, 3])
def test_long_texts_are_averaged_over_windows_up_to_the_last(made: dict[str, Any], windows: int) -> None:
    texts = words([3, 8, 9, 20, 24, 25, 500, 1])
    scorer = EncoderScorer(**made, windows=windows)
    found = scorer.embed([" ".join(each) for each in texts])
    np.testing.assert_allclose(found, [mean(each[: 8 * windows]) for each in texts], atol=1e-5)
    alone = np.concatenate([scorer.embed([" ".join(each)]) for each in texts])
    np.testing.assert_allclose(found, alone, atol=1e-5)
    assert scorer.exceeding([" ".join(each) for each in texts]).tolist() == [len(each) > 8 for each in texts]


def test_windows_are_saved_and_old_folders_have_one(made: dict[str, Any], tmp_path: Path) -> None:
    scorer = EncoderScorer(**made).with_windows(4)
    scorer.save(tmp_path)
    text = [" ".join(each) for each in words([30])]
    opened = EncoderScorer.load(tmp_path)
    assert opened.windows == 4
    np.testing.assert_array_equal(opened.logits(text), scorer.logits(text))
    (tmp_path / "encoder.json").write_text('{"max_tokens":8}')
    old = EncoderScorer.load(tmp_path)
    assert old.windows == 1
    np.testing.assert_array_equal(old.logits(text), EncoderScorer(**made).logits(text))


def test_a_megabyte_is_read_no_further_than_the_windows(made: dict[str, Any]) -> None:
    text = "w1 " * 350_000
    scorer = EncoderScorer(**made, windows=4)
    began = time.process_time()
    np.testing.assert_allclose(scorer.embed([text])[0], TABLE[1], atol=1e-5)
    assert time.process_time() - began < 1
