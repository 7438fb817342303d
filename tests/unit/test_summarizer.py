"""A summarizer quotes verbatim, within every budget, whatever it is given; what it may not promise it does not keep."""

import time
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoal.calibration import certify
from shoal.cli.verdicts import judged
from shoal.config import GateConfig
from shoal.data import Dataset, Row
from shoal.errors import ArtifactError, InputError
from shoal.evaluation.summarization import evaluate
from shoal.models.encoder import EncoderScorer
from shoal.models.expectation import FACTS, Expectation
from shoal.models.passages import MOST_UNITS
from shoal.models.ranking import Ranker
from shoal.models.salience import NAMES
from shoal.models.selection import Selection, in_turn, select
from shoal.models.summarizer import Summarizer
from shoal.tasks import Budget, Summarization

WIDTH = 6
VOCABULARY = "agent customer the my bill is wrong it doubled this month refund of 20 euros thanks hello yes no ?"
WORDS = VOCABULARY.split()
CALL = (
    "Agent: Hello, how can I help?\nCustomer: My bill doubled this month. Why is that?\nAgent: The refund was wrong.\n"
    "Customer: Thanks.\nAgent: You get 20 euros by Friday.\nCustomer: Yes, thanks."
)


@pytest.fixture(scope="module")
def encoder() -> EncoderScorer:
    """A tokenizer of words and a graph that gives a text the vector of its words' mean."""
    onnx = pytest.importorskip("onnx")
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace

    tokenizer = Tokenizer(WordLevel({word: number for number, word in enumerate(["[UNK]", *WORDS])}, "[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    table = np.random.default_rng(0).normal(size=(len(WORDS) + 1, WIDTH)).astype(np.float32)
    node, value = onnx.helper.make_node, onnx.helper.make_tensor_value_info
    int64, float32 = onnx.TensorProto.INT64, onnx.TensorProto.FLOAT
    graph = onnx.helper.make_graph(
        [
            node("Gather", ["table", "input_ids"], ["vectors"]),
            node("Cast", ["attention_mask"], ["mask"], to=float32),
            node("Unsqueeze", ["mask", "last"], ["wide"]),
            node("Mul", ["vectors", "wide"], ["kept"]),
            node("ReduceSum", ["kept", "tokens"], ["sum"], keepdims=0),
            node("LpNormalization", ["sum"], ["embeddings"], axis=1),
        ],
        "mean",
        [value("input_ids", int64, ["n", "t"]), value("attention_mask", int64, ["n", "t"])],
        [value("embeddings", float32, ["n", WIDTH])],
        [
            onnx.numpy_helper.from_array(table, "table"),
            onnx.numpy_helper.from_array(np.array([2]), "last"),
            onnx.numpy_helper.from_array(np.array([1]), "tokens"),
        ],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9)
    none = np.zeros((WIDTH, 1)), np.zeros(1)
    return EncoderScorer(tokenizer.to_str().encode(), model.SerializeToString(), *none, max_tokens=16, threads=1)


@pytest.fixture
def summarizer(encoder: EncoderScorer) -> Summarizer:
    return Summarizer(
        name="notes",
        task=Summarization(unit="sentence", budget=Budget(sentences=2)),
        encoder=encoder,
        width=WIDTH,
        ranker=Ranker.untrained(WIDTH),
    )


def spent(quotes: Any, budget: Budget, encoder: EncoderScorer) -> int:
    texts = [quote.text.replace("\ud800", "?") for quote in quotes]
    if budget.sentences:
        return len(texts)
    return sum(len(text.split()) for text in texts) if budget.words else int(encoder.lengths(texts).sum())


PIECES = [
    "Agent: ",
    "\nCustomer: ",
    "my bill is wrong",
    ". ",
    "שלום",
    "😀",
    "\r\n",
    "\u200b",
    "? ",
    " ",
    "refund",
    "\ud800",
]
BUDGETS = st.builds(
    lambda name, most: Budget(**{name: most}), st.sampled_from(["sentences", "words", "tokens"]), st.integers(1, 30)
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join), BUDGETS, st.sampled_from([None, "", "refund"]))
def test_quotes_are_verbatim_in_order_and_within_the_budget(
    encoder: EncoderScorer, text: str, budget: Budget, query: str | None
) -> None:
    for unit in ("sentence", "turn"):
        made = Summarizer(
            name="notes",
            task=Summarization(unit=unit, budget=budget),
            encoder=encoder,
            width=WIDTH,
            ranker=Ranker.untrained(WIDTH),
        )
        (summary,) = made.predict([text], [query])
        before = 0
        for quote in summary.quotes:
            assert before <= quote.start < quote.end <= len(text)
            assert text[quote.start : quote.end] == quote.text
            before = quote.end
        limit = budget.sentences or budget.words or budget.tokens
        assert limit is not None and spent(summary.quotes, budget, encoder) <= limit
        assert bool(summary.quotes) == bool(text.strip()) or (budget.tokens or 9) < 4  # a word has up to three
        assert not summary.accepted


def test_without_training_the_query_decides(summarizer: Summarizer) -> None:
    about = summarizer.predict([CALL] * 2, ["my bill doubled", "20 euros"], Budget(sentences=1))
    assert ["doubled" in about[0].said, "20 euros" in about[1].said] == [True, True]
    assert about[0].confidence == 0.0 and about[0].reason == "not_certified"


def test_nothing_one_unit_and_less_than_the_budget(summarizer: Summarizer) -> None:
    empty, one, all_of_it = summarizer.predict(["", "My bill", "My bill. Is wrong."], budget=Budget(words=500))
    assert (empty.quotes, empty.reason, empty.said) == ((), "empty_text", "")
    assert (one.said, all_of_it.said) == ("My bill", "My bill.\nIs wrong.")


def test_a_unit_longer_than_the_budget_is_quoted_by_its_beginning(summarizer: Summarizer) -> None:
    text = "the refund of 20 euros is wrong this month"
    assert summarizer.predict([text], budget=Budget(words=3))[0].said == "the refund of"
    assert summarizer.predict([text], budget=Budget(tokens=5))[0].said == "the refund of 20 euros"


@pytest.mark.parametrize(
    ("texts", "queries", "told"),
    [
        ("one text", None, "one string"),
        ([1], None, r"texts\[0\] is of type int"),
        (["a"], [], "0 queries for 1 texts"),
        (["a"], "q", "queries is one string"),
        (["a"], [3], r"queries\[0\] is of type int"),
    ],
)
def test_what_is_no_list_of_strings_is_refused(summarizer: Summarizer, texts: Any, queries: Any, told: str) -> None:
    with pytest.raises(InputError, match=told):
        summarizer.predict(texts, queries)


def certified(summarizer: Summarizer, threshold: float) -> Summarizer:
    certificate = certify(np.full(200, threshold), np.ones(200, bool), risk=0.1, grid=np.array([threshold]))
    expectation = Expectation([0.0] * len(FACTS), [1.0] * len(FACTS), [0.0] * len(FACTS), 0.7)
    return replace(summarizer, certificate=certificate, expectation=expectation)


def test_kept_above_the_threshold_and_only_for_what_the_promise_is_about(summarizer: Summarizer) -> None:
    sure, unsure = certified(summarizer, 0.6), certified(summarizer, 0.8)
    assert (sure.predict([CALL])[0].accepted, sure.predict([CALL])[0].reason) == (True, "certified")
    assert unsure.predict([CALL])[0].reason == "below_threshold"
    assert sure.predict([CALL], budget=Budget(sentences=2))[0].accepted
    assert sure.predict([CALL], budget=Budget(sentences=3))[0].reason == "not_certified"
    assert sure.predict([CALL], ["refund"])[0].reason == "not_certified"
    assert replace(sure, queried=True).predict([CALL], ["refund"])[0].accepted
    assert sure.predict([" "])[0].reason == "empty_text"


def test_saved_and_opened_it_says_the_same(summarizer: Summarizer, tmp_path: Path) -> None:
    made = certified(replace(summarizer, selection=Selection(0.5, 0.2, 0.1), floor=0.4, queried=True), 0.6)
    made.save(tmp_path / "notes")
    opened = Summarizer.load(tmp_path / "notes", threads=1)
    assert opened.predict([CALL], ["refund"]) == made.predict([CALL], ["refund"])
    assert (opened.task, opened.certificate, opened.selection, opened.floor) == (
        made.task,
        made.certificate,
        made.selection,
        0.4,
    )
    assert opened.predict([CALL], ["refund"])[0].accepted


def test_weights_for_other_features_are_refused(summarizer: Summarizer, tmp_path: Path) -> None:
    short = replace(summarizer.ranker, mean=np.zeros(len(NAMES) - 1, np.float32))
    replace(summarizer, ranker=short).save(tmp_path / "old")
    with pytest.raises(ArtifactError, match="is made for"):
        Summarizer.load(tmp_path / "old")


def test_a_megabyte_is_read_as_far_as_said_and_quickly(summarizer: Summarizer) -> None:
    text = "".join(f"The refund of {number} euros is wrong. " for number in range(29_000))
    assert len(text) > 1_000_000
    began = time.process_time()
    (summary,) = summarizer.predict([text])
    assert time.process_time() - began < 20
    assert len(summary.quotes) == 2
    assert text[: summary.quotes[-1].end].count(".") <= MOST_UNITS


def test_alike_units_are_not_both_chosen() -> None:
    vectors = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    worth, costs = np.array([1.0, 0.9, 0.5]), np.ones(3, int)
    assert select(worth, vectors, costs, 2, Selection(diversity=0.0)) == [0, 1]
    assert select(worth, vectors, costs, 2, Selection(diversity=0.6)) == [0, 2]
    assert select(worth, vectors, costs, 3, Selection(diversity=0.0, stop=0.6)) == [0, 1]
    assert select(worth, vectors, np.array([5, 1, 1]), 5, Selection(0.0, thrift=1.0)) == [1, 2]
    assert select(np.zeros(0), np.zeros((0, 2)), np.zeros(0, int), 3, Selection()) == []


def test_rankings_are_read_under_a_budget() -> None:
    assert in_turn([2, 0, 1], np.array([3, 1, 4]), 5) == [2, 1]
    assert in_turn([2, 0, 1], np.array([3, 1, 4]), 7) == [2, 0]


@pytest.mark.parametrize(
    ("unit", "budget", "said"),
    [
        ("turn", Budget(sentences=2), "at most 2 turns;"),
        ("sentence", Budget(sentences=2), "at most 2 sentences;"),
        ("turn", Budget(words=9), "at most 9 words;"),
    ],
)
def test_the_report_names_what_the_budget_counts(summarizer: Summarizer, unit: Any, budget: Budget, said: str) -> None:
    made = replace(summarizer, task=Summarization(unit=unit, budget=budget))
    report = evaluate(made, Dataset.of([Row(CALL, "", target="The bill doubled.")] * 2), timing_seconds=0)
    assert said in report.notes[0]
    assert report.speed.calls == 0 and report.speed.docs_per_second == 0.0


def test_the_gate_does_not_time_the_champion(summarizer: Summarizer) -> None:
    class Untimed(Summarizer):
        def predict(self, *_: Any, **__: Any) -> Any:
            raise AssertionError("the champion was asked again and again")

    champion = Untimed(**{each.name: getattr(summarizer, each.name) for each in fields(summarizer)})
    test = Dataset.of([Row(CALL, "", target="The bill doubled."), Row("Yes, thanks.", "", target="Thanks.")])
    report = evaluate(summarizer, test, timing_seconds=0)
    verdict = judged(report, GateConfig(), summarizer, champion, test, {})
    (rule,) = verdict.reasons
    assert (rule.name, rule.value, rule.passed) == ("max_regression", 0.0, True)
