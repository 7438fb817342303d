"""From rows with records to a model that is served: real encoder, small data."""

import json
import random
from pathlib import Path
from typing import Any

import pytest

import shoal
from shoal.data import Dataset, Row, split
from shoal.errors import DataError, InputError
from shoal.evaluation import TaskReport
from shoal.models.extractor import Extractor
from shoal.tasks import Record

pytest.importorskip("torch")
pytestmark = pytest.mark.slow

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "reason": {"enum": ["refund", "fault", "delivery"]},
        "urgent": {"type": "boolean"},
        "channels": {"type": "array", "items": {"enum": ["email", "phone", "fax"]}},
        "amount": {"type": ["number", "null"]},
        "order": {"type": "string"},
    },
    "required": ["reason", "order"],
}
REASONS = {
    "refund": ["I want my money back", "please refund me", "give me a refund"],
    "fault": ["it does not switch on", "the screen is broken", "it is faulty"],
    "delivery": ["the parcel has not come", "where is my parcel", "it was never delivered"],
}


def rows(count: int) -> list[Row]:
    draw = random.Random(0)
    made: list[Row] = []
    for number in range(count):
        reason = draw.choice(list(REASONS))
        urgent, paid = draw.random() < 0.5, draw.random() < 0.5
        channels = [one for one in ("email", "phone") if draw.random() < 0.5]
        order, amount = f"AB-{draw.randrange(100, 1000)}-{number}", round(draw.uniform(5, 2000), 2)
        text = f"Order {order}: {draw.choice(REASONS[reason])}."
        text += f" I paid {amount:,.2f} pounds." if paid else " I paid nothing yet."
        text += " This is urgent, today please!" if urgent else " No hurry at all."
        text += "".join(f" Write me an {one}." if one == "email" else f" Ring my {one}." for one in channels)
        record = {
            "reason": reason,
            "urgent": urgent,
            "channels": channels,
            "amount": amount if paid else None,
            "order": order,
        }
        made.append(Row(text, "", target=record, origin=f"rows:{number + 1}"))
    return made


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return split(Dataset.of(rows(260)), seed=0)


@pytest.fixture(scope="module")
def extractor(dataset: Dataset) -> Extractor:
    made = shoal.train(dataset, "extraction", schema=SCHEMA, backbone="tfidf", risk=0.3, budget_seconds=15)
    assert isinstance(made, Extractor)
    return made


def test_what_it_learnt(extractor: Extractor, dataset: Dataset) -> None:
    report = TaskReport.from_dict(dict(extractor.report))
    assert report.headline == "field_accuracy"
    assert report.metrics["field_accuracy"].value > 0.8  # the budget is short: so much on a busy machine too
    assert report.metrics["field_accuracy"].value > report.baselines["most frequent"]["field_accuracy"].value
    assert [part.name for part in report.parts] == list(SCHEMA["properties"])
    assert report.data.tested == len(report.row_scores) == len(report.row_keys) == len(dataset.part("test"))
    assert report.certificate is not None and report.certificate.risk == 0.3
    assert extractor.provenance["tagger"]["steps_done"] > 0


def test_quoted_values_stand_where_they_are_said_to(extractor: Extractor, dataset: Dataset) -> None:
    texts = dataset.part("test").texts
    found = 0
    for text, answer in zip(texts, extractor.predict(texts), strict=True):
        for one in answer.fields:
            if one.start is not None and one.end is not None:
                quoted = text[one.start : one.end]
                assert quoted == one.value or float(quoted.replace(",", "")) == one.value
                found += 1
    assert found > len(texts) / 2


def test_a_saved_model_answers_the_same(extractor: Extractor, dataset: Dataset, tmp_path: Path) -> None:
    texts = [*dataset.part("test").texts[:20], "", "Zażółć 😀 nothing at all"]
    extractor.save(tmp_path / "model")
    opened = shoal.load(tmp_path / "model")
    answers = opened.predict(texts)
    assert answers == extractor.predict(texts)
    empty = answers[20]
    assert isinstance(empty, Record) and (empty.accepted, empty.reason) == (False, "empty_text")
    assert set(json.loads(empty.said)) == set(SCHEMA["properties"])
    damaged = next((tmp_path / "model" / "closed").rglob("*.json"))
    damaged.write_bytes(damaged.read_bytes() + b" ")
    with pytest.raises(InputError, match="closed"):
        shoal.load(tmp_path / "model")


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"reason": "advice"}, "rows:1: field 'reason' is 'advice'; it must be one of refund, fault, delivery"),
        ({"order": None}, "rows:1: field 'order' is missing"),
        ({"total": 3}, "rows:1: field 'total' is not one of the record's"),
    ],
)
def test_a_row_that_does_not_keep_to_the_schema_is_named(changed: dict[str, Any], told: str) -> None:
    first, *others = rows(30)
    assert isinstance(first.target, dict)
    wrong = Row(first.text, "", target=first.target | changed, origin=first.origin)
    with pytest.raises(DataError) as error:
        shoal.train(Dataset.of([wrong, *others]), "extraction", schema=SCHEMA)
    assert told in str(error.value)


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("urgent", True, "field 'urgent': it is true in all 30 rows; nothing can be learnt of it"),
        ("channels", [], "field 'channels': it is empty in all 30 rows"),
        ("amount", None, "field 'amount' is to be quoted from the text, but it is empty in all 30 rows"),
        ("order", "ZZ-1", "30 of its 30 values do not stand in their texts, such as ZZ-1 in rows:1"),
    ],
)
def test_a_field_of_which_nothing_can_be_learnt_is_named(field: str, value: Any, told: str) -> None:
    made = [
        Row(row.text, "", target={**row.target, field: value}, origin=row.origin)
        for row in rows(30)
        if isinstance(row.target, dict)
    ]
    with pytest.raises(DataError) as error:
        shoal.train(Dataset.of(made), "extraction", schema=SCHEMA)
    assert told in str(error.value)


def test_a_schema_must_be_given() -> None:
    with pytest.raises(InputError, match="schema is missing: give the JSON schema"):
        shoal.train(Dataset.of(rows(30)), "extraction")


def test_closed_fields_alone_need_no_encoder(dataset: Dataset) -> None:
    schema = {"properties": {name: SCHEMA["properties"][name] for name in ("reason", "urgent", "channels")}}
    kept = [
        Row(row.text, "", row.split, target={name: row.target[name] for name in schema["properties"]})
        for row in dataset.rows
        if isinstance(row.target, dict)
    ]
    made = shoal.train(Dataset.of(kept), "extraction", schema=schema, backbone="tfidf", risk=None)
    assert isinstance(made, Extractor) and made.quoted is None and made.brief
    assert made.report["metrics"]["exact_match"]["value"] > 0.8
    (answer,) = made.predict(["Please refund me. This is urgent, today please! Ring my phone."])
    assert isinstance(answer, Record)
    assert answer.record == {"reason": "refund", "urgent": True, "channels": ("phone",)}
    assert "fax" not in str(made.options)  # never seen, never answered


@pytest.mark.parametrize(
    ("reason", "urgent", "told"),
    [
        ("fault", None, "field 'reason': it is fault in all"),
        (None, False, "field 'urgent': it is false in all"),
    ],
)
def test_a_field_that_only_held_out_rows_vary_in_is_named(reason: str | None, urgent: bool | None, told: str) -> None:
    """What training and dev rows have one value of cannot be told apart, whatever the test rows hold."""
    made: list[Row] = []
    for number, row in enumerate(rows(60)):
        assert isinstance(row.target, dict)
        held = number % 4 == 0
        same = {} if held else {"reason": reason or row.target["reason"]}
        same |= {} if held or urgent is None else {"urgent": urgent}
        made.append(Row(row.text, "", "test" if held else "train", target={**row.target, **same}))
    with pytest.raises(DataError) as error:
        shoal.train(Dataset.of(made), "extraction", schema=SCHEMA, backbone="tfidf", risk=None)
    assert told in str(error.value) and "train and dev rows" in str(error.value)


@pytest.mark.parametrize("name", ["None", "null"])
def test_a_choice_that_is_called_like_nothing_is_not_null(name: str) -> None:
    draw = random.Random(0)
    made: list[Row] = []
    for number in range(120):
        size = draw.choice([name, None])
        made.append(Row(f"{'size is none' if size else 'no word of it'} {number}", "", target={"size": size}))
    schema = {"properties": {"size": {"enum": [name, None]}}}
    extractor = shoal.train(Dataset.of(made), "extraction", schema=schema, backbone="tfidf", risk=None)
    answers = extractor.predict(["size is none 7", "no word of it 8"])
    assert [answer.record["size"] for answer in answers if isinstance(answer, Record)] == [name, None]
