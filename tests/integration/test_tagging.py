"""From rows with spans to a tagger that is served: real encoder, real rules, small data."""

import itertools
import random
from pathlib import Path

import pytest

from shoal.data import Dataset, Row, split
from shoal.errors import DataError, InputError
from shoal.evaluation import TaskReport
from shoal.models.tagger import Tagger
from shoal.tasks import Span, Spans

pytest.importorskip("torch")
pytest.importorskip("presidio_analyzer")
pytestmark = pytest.mark.slow

NAMES = [
    "Amara Quill",
    "Bodil Fenn",
    "Cosmo Tarn",
    "Dorcas Wyeth",
    "Ebba Lund",
    "Fitch Marlow",
    "Gwen Ash",
    "Ione Vale",
]
PLACES = ["Leeds", "Porto", "Utrecht", "Bergen", "Graz", "Cork", "Lyon", "Turin"]
SENTENCES = [
    "My name is {name} and I live in {place}.",
    "{name} here, calling from {place}, reach me on {phone}",
    "Please send it to {name}.\r\nThanks!",
    "You can ring {phone} 😀 any time",
    "We moved from {place} to {place} last year",
    "Is the shop in {place} open?",
    "Where is my parcel?",
    "Ask for {name} at {phone}.",
]


def rows(count: int) -> list[Row]:
    draw = random.Random(0)
    made: list[Row] = []
    for number in range(count):
        text, spans = "", []
        for piece in SENTENCES[number % len(SENTENCES)].replace("{", "\0{").replace("}", "}\0").split("\0"):
            words = {
                "{name}": ("NAME", draw.choice(NAMES)),
                "{place}": ("PLACE", draw.choice(PLACES)),
                "{phone}": ("PHONE_NUMBER", f"+44 20 7946 {draw.randrange(10_000):04}"),
            }
            kind, word = words.get(piece, ("", piece))
            if kind:
                spans.append(Span(len(text), len(text) + len(word), kind, word))
            text += word
        made.append(Row(f"{text} ({number})", "", target=tuple(spans)))
    return made


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return split(Dataset.of(rows(240)), seed=0)


@pytest.fixture(scope="module")
def tagger(dataset: Dataset) -> Tagger:
    from shoal.training.tagging import train

    return train(dataset, name="people", risk=0.3, budget_seconds=12)


def test_what_it_learnt(tagger: Tagger, dataset: Dataset) -> None:
    report = TaskReport.from_dict(dict(tagger.report))
    assert report.headline == "f1"
    assert report.metrics["f1"].value > 0.6  # the budget is short: this much it reaches on a busy machine too
    assert report.metrics["partial_f1"].value >= report.metrics["f1"].value
    assert [part.name for part in report.parts] == ["NAME", "PHONE_NUMBER", "PLACE"]
    assert report.data.tested == len(report.row_scores) == len(report.row_keys) == len(dataset.part("test"))
    assert {mark.kind for example in report.examples for mark in example.marks} >= {"right"}
    assert any("used for PHONE_NUMBER" in told for told in tagger.provenance["tagger"]["rules"].values())


def test_what_it_promises(tagger: Tagger) -> None:
    assert set(tagger.promises) == {"NAME", "PHONE_NUMBER", "PLACE"}
    phones = tagger.promises["PHONE_NUMBER"]
    assert phones.certified
    assert phones.threshold == tagger.thresholds[1]
    assert tagger.certificate is not None
    assert (tagger.threshold is None) == (not tagger.certificate.certified)


def test_answers_have_exact_offsets_and_come_back_from_disk(tagger: Tagger, tmp_path: Path) -> None:
    tagger.save(tmp_path / "model")
    opened = Tagger.load(tmp_path / "model")
    texts = [
        "😀 My name is Gwen Ash and I live in Cork.",
        "Ask for Ione Vale at +44 20 7946 0018.\r\nThanks!",
        "",
        "Please send it to Ebba Lund. " * 200,
    ]
    answers = opened.predict(texts)
    assert [list(answer.spans) for answer in answers] == [list(answer.spans) for answer in tagger.predict(texts)]
    for text, answer in zip(texts, answers, strict=True):
        assert isinstance(answer, Spans)
        assert all(text[span.start : span.end] == span.text for span in answer.spans)
        assert all(before.end <= after.start for before, after in itertools.pairwise(answer.spans))
    assert ("PLACE", "Cork") in {(span.type, span.text) for span in answers[0].spans}
    assert ("PHONE_NUMBER", "+44 20 7946 0018") in {(span.type, span.text) for span in answers[1].spans}
    assert answers[2].reason == "empty_text"


def test_what_cannot_be_learnt_is_told_before_anything_is_trained(dataset: Dataset) -> None:
    from dataclasses import replace

    from shoal.training.tagging import train

    taught = [row for row in dataset.rows if row.split != "train" or "NAME" not in row.names]
    with pytest.raises(DataError, match=r"'NAME': in the held-out splits \(\d+ rows\) but never in train"):
        train(replace(dataset, rows=tuple(taught)))
    with pytest.raises(DataError, match=r"type 'SHOE_SIZE' has no span in the train rows .* there is no rule for it"):
        train(dataset, types=[*dataset.labels, "SHOE_SIZE"])
    bare_dev = [replace(row, target=()) if row.split == "dev" else row for row in dataset.rows]
    with pytest.raises(DataError, match=r"the dev rows \(\d+\) hold no span"):
        train(replace(dataset, rows=tuple(bare_dev)))
    with pytest.raises(DataError, match="type 'NAME' of the rows is not one of the 1 types given"):
        train(dataset, types=["PLACE"])
    with pytest.raises(DataError, match="no row has a span"):
        train([{"text": "hello", "spans": []}, {"text": "bye", "spans": []}])
    with pytest.raises(InputError, match="risk is 2"):
        train(dataset, risk=2)
