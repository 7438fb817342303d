"""A tagger made by hand: exact offsets in awkward texts, thresholds, rules beside the model, the folder."""

import importlib.util
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoal import tasks
from shoal.calibration import Platt
from shoal.errors import ArtifactError, EnvironmentProblem, InputError
from shoal.models.tagger import RuleUse, Tagger
from shoal.models.tokens import TokenScorer
from shoal.tasks import Span, Tagging

TYPES = ("CITY", "NAME", "PHONE_NUMBER")
LABELS = {"new": 1, "york": 2, "rio": 1, "jose": 3, "zoe": 3, "דנה": 3, "5550187": 5}
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *LABELS, "in", "lives", "!", "and", ",", "-"]
needs_pii = pytest.mark.skipif(importlib.util.find_spec("presidio_analyzer") is None, reason="needs the 'pii' extra")


@pytest.fixture(scope="module")
def parts() -> dict[str, Any]:
    """A tokenizer that lower-cases, as BERT's, and a graph that looks its words up: each word is sure of one label."""
    onnx = pytest.importorskip("onnx")
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.normalizers import BertNormalizer
    from tokenizers.pre_tokenizers import BertPreTokenizer
    from tokenizers.processors import TemplateProcessing

    tokenizer = Tokenizer(WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = BertNormalizer(), BertPreTokenizer()
    tokenizer.post_processor = TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    table = np.zeros((len(WORDS), 7), np.float32)
    table[np.arange(len(WORDS)), [LABELS.get(word, 0) for word in WORDS]] = 12.0
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Gather", ["table", "input_ids"], ["hidden"])],
        "lookup",
        [value("input_ids", onnx.TensorProto.INT64, ["n", "t"])],
        [value("hidden", onnx.TensorProto.FLOAT, ["n", "t", 7])],
        [onnx.numpy_helper.from_array(table, "table")],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9)
    return {
        "tokenizer_json": tokenizer.to_str().encode(),
        "onnx": model.SerializeToString(),
        "weight": np.eye(7),
        "bias": np.zeros(7),
        "written": np.zeros((3, 9, 7)),
        "max_tokens": 12,
    }


@pytest.fixture(scope="module")
def tagger(parts: dict[str, Any]) -> Tagger:
    return Tagger(name="people", task=Tagging(types=TYPES), scorer=TokenScorer(**parts), thresholds=(0.5,) * 3)


def said(tagger: Tagger, text: str) -> list[tuple[str, str]]:
    (answer,) = tagger.predict([text])
    clean = text.encode(errors="replace").decode()
    assert all(span.text == clean[span.start : span.end] for span in answer.spans)
    return [(span.type, span.text) for span in answer.spans]


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        ("Zoe lives in New York!", [("NAME", "Zoe"), ("CITY", "New York")]),
        ("😀😀 zoe 👩‍👩‍👧 in Rio", [("NAME", "zoe"), ("CITY", "Rio")]),
        ("José and Jose\u0301!", [("NAME", "José"), ("NAME", "Jose\u0301")]),
        ("Zoe,\r\nRio\r\n", [("NAME", "Zoe"), ("CITY", "Rio")]),
        ("\u200bZoe\u200b in Rio", [("NAME", "Zoe"), ("CITY", "Rio")]),
        ("\u202bדנה\u202c in Rio", [("NAME", "דנה"), ("CITY", "Rio")]),
        ("\ud83d Zoe \ude00", [("NAME", "Zoe")]),
        ("new york,rio", [("CITY", "new york"), ("CITY", "rio")]),
        ("york", []),  # goes on with nothing
        ("", []),
        ("  \n ", []),
        ("\u200b", []),
    ],
)
def test_offsets_are_those_of_the_text_as_given(tagger: Tagger, text: str, spans: list[tuple[str, str]]) -> None:
    assert said(tagger, text) == spans


def test_zero_width_characters_stay_outside(tagger: Tagger) -> None:
    (answer,) = tagger.predict(["a\u200b Zoe"])
    assert [(span.start, span.end) for span in answer.spans] == [(3, 6)]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(["Zoe", "New", "York", "x", "😀", "e\u0301", "\r\n", "\u200b", "\ud800", "דנה", " "])))
def test_spans_lie_in_the_text_and_do_not_overlap(tagger: Tagger, words: list[str]) -> None:
    text = " ".join(words)
    (answer,) = tagger.predict([text])
    at = 0
    for span in answer.spans:
        assert at <= span.start < span.end <= len(text)
        at = span.end
    msgspec.json.encode(answer)


def test_a_long_text_is_read_to_its_end_in_passes_that_overlap(tagger: Tagger) -> None:
    words = ["in", "lives", "and", "in", "new", "york", "and"] * 40 + ["zoe"]
    text = " ".join(words)
    assert said(tagger, text) == [("CITY", "new york")] * 40 + [("NAME", "zoe")]


def test_a_megabyte_takes_seconds(tagger: Tagger) -> None:
    text = "zoe lives in new york and " * 40_000
    (answer,) = tagger.predict([text])
    assert len(answer.spans) == 80_000
    assert answer.spans[-1].text == "new york"


def test_thresholds_are_of_a_type(parts: dict[str, Any]) -> None:
    tagger = Tagger(name="x", task=Tagging(types=TYPES), scorer=TokenScorer(**parts), thresholds=(0.5, 1.0, 0.5))
    assert said(tagger, "Zoe in Rio") == [("CITY", "Rio")]


def test_what_is_accepted_and_why_not(tagger: Tagger, parts: dict[str, Any]) -> None:
    assert [answer.reason for answer in tagger.predict(["Zoe", " "])] == ["not_certified", "empty_text"]
    options: dict[str, Any] = {"name": "x", "task": tagger.task, "scorer": tagger.scorer, "thresholds": (0.5,) * 3}
    (certain,) = Tagger(**options, threshold=0.5).predict(["Zoe"])
    assert certain.accepted
    assert certain.reason == "certified"
    assert certain.confidence > 0.99
    (doubtful,) = Tagger(**options, threshold=0.5, whole=Platt(1.0, -30.0)).predict(["Zoe"])
    assert not doubtful.accepted
    assert doubtful.reason == "below_threshold"


@needs_pii
def test_rules_are_merged_by_the_stated_rule(tagger: Tagger) -> None:
    options: dict[str, Any] = {"name": "x", "task": tagger.task, "scorer": tagger.scorer, "thresholds": (0.5,) * 3}
    ruled = Tagger(**options, rules=(RuleUse("PHONE_NUMBER", "PHONE_NUMBER", 0.9),))
    (answer,) = ruled.predict(["zoe: +44 20 7946 0018"])
    assert [(span.type, span.source) for span in answer.spans] == [("NAME", "model"), ("PHONE_NUMBER", "rule")]
    assert answer.spans[1].text == "+44 20 7946 0018"
    assert answer.spans[1].confidence == 0.9
    assert said(Tagger(**{**options, "thresholds": (0.5, 0.5, 0.95)}, rules=ruled.rules), "+44 20 7946 0018") == []


def test_a_folder_comes_back_as_it_was(tagger: Tagger, tmp_path: Path) -> None:
    from dataclasses import replace

    full = replace(
        tagger, threshold=0.7, chance=Platt(0.9, 0.1), whole=Platt(1.1, -0.2), temperature=1.5, report={"f1": 0.5}
    )
    full.save(tmp_path / "model")
    opened = Tagger.load(tmp_path / "model")
    texts = ["Zoe lives in New York!", "rio", ""]
    assert opened.predict(texts) == full.predict(texts)
    assert opened.report == {"f1": 0.5}
    assert opened.size_bytes == full.size_bytes
    with pytest.raises(InputError, match="already holds a model"):
        full.save(tmp_path / "model")


def test_a_folder_that_does_not_fit_is_refused(tagger: Tagger, tmp_path: Path) -> None:
    from dataclasses import replace

    replace(tagger, thresholds=(0.5,)).save(tmp_path / "model")
    with pytest.raises(ArtifactError, match="1 thresholds for 3 types"):
        Tagger.load(tmp_path / "model")


def test_a_tagger_with_rules_says_at_loading_that_the_extra_is_missing(
    tagger: Tagger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    replace(tagger, rules=(RuleUse("CREDIT_CARD", "CITY", 0.9),)).save(tmp_path / "model")
    tagger.save(tmp_path / "plain")
    known = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, package=None: None if name == "presidio_analyzer" else known(name)
    )
    assert Tagger.load(tmp_path / "plain").predict(["Zoe"])[0].spans
    with pytest.raises(EnvironmentProblem, match=r"shoal\[pii\]"):
        Tagger.load(tmp_path / "model")


def test_what_is_no_list_of_strings(tagger: Tagger) -> None:
    with pytest.raises(InputError, match="one string"):
        tagger.predict("Zoe")
    bad: Any = ["Zoe", 3]
    with pytest.raises(InputError, match=r"texts\[1\] is of type int"):
        tagger.predict(bad)
    assert tagger.predict([]) == []


def test_the_answer_as_one_string(tagger: Tagger) -> None:
    (answer,) = tagger.predict(["in Rio"])
    (span,) = msgspec.json.decode(answer.said, type=list[Span])
    assert (span.start, span.end, span.type) == (3, 6, "CITY")
    assert isinstance(answer, tasks.Spans)
