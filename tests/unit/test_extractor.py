"""Fields read from what the two parts of an extractor say: made by hand, no model behind them."""

from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from shoal.calibration import Platt
from shoal.errors import InputError
from shoal.models.extractor import Extractor, FieldPolicy, Option
from shoal.models.multilabel import LabelJudgement, LabelPolicy
from shoal.models.tagger import Tagged
from shoal.privacy import Finding
from shoal.tasks import Extraction, MultiLabel, Record, Slot, Span, Tagging

AS_IT_IS = Platt(1.0, 0.0)
CLOSED = {
    "reason = billing": 0.3,
    "reason = fault": 0.1,
    "channels = app": 0.9,
    "channels = sms": 0.2,
    "solved = true": 0.2,
}


@dataclass
class Heads:
    """A multi-label model that says the same of every text."""

    chances: dict[str, float] = field(default_factory=lambda: dict(CLOSED))
    tier: str = "tfidf"
    brief: bool = True
    size_bytes: int = 1

    @property
    def task(self) -> MultiLabel:
        return MultiLabel(labels=tuple(self.chances))

    @property
    def policies(self) -> tuple[LabelPolicy, ...]:
        return tuple(LabelPolicy(platt=AS_IT_IS, threshold=0.15) for _ in self.chances)

    def judge(self, texts: list[str]) -> LabelJudgement:
        probability = np.tile(np.array(list(self.chances.values())), (len(texts), 1))
        nothing: NDArray[np.bool_] = np.zeros(len(texts), np.bool_)
        return LabelJudgement(probability, probability > 0.5, probability[:, 0], nothing)


@dataclass
class Words:
    """A tagger that finds the given words, each with a confidence."""

    found: dict[str, tuple[str, float]]
    task: Tagging = field(default_factory=lambda: Tagging(types=("amount", "order")))
    thresholds: tuple[float, ...] = (0.5, 0.5)
    brief: bool = False
    size_bytes: int = 2

    @property
    def scorer(self) -> Any:
        return type("Scorer", (), {"kind": "tokens.v1"})

    def tag(self, texts: list[str]) -> list[Tagged]:
        def findings(text: str) -> tuple[Finding, ...]:
            spans = [
                Span(text.index(words), text.index(words) + len(words), kind, words, confidence, "model")
                for words, (kind, confidence) in self.found.items()
                if words in text
            ]
            return tuple(Finding(span) for span in sorted(spans, key=lambda span: span.start))

        return [Tagged(text, findings(text)) for text in texts]


SLOTS = (
    Slot(name="reason", type="choice", choices=("billing", "fault")),
    Slot(name="channels", type="choices", choices=("sms", "app", "fax")),
    Slot(name="solved", type="flag", required=False),
    Slot(name="amount", type="number", nullable=True),
    Slot(name="order", type="span", nullable=True, required=False),
)


def extractor(found: dict[str, tuple[str, float]], slots: tuple[Slot, ...] = SLOTS, **changed: Any) -> Extractor:
    labels = (("reason", "billing"), ("reason", "fault"), ("channels", "app"), ("channels", "sms"), ("solved", True))
    made = Extractor(
        name="call",
        task=Extraction(slots=slots),
        closed=cast("Any", Heads()),
        quoted=cast("Any", Words(found)),
        options=tuple(Option(slot, value, f"{slot} = {'true' if value is True else value}") for slot, value in labels),
        policies=(FieldPolicy(AS_IT_IS, AS_IT_IS),) * len(slots),
    )
    return replace(made, **changed)


def test_each_kind_of_field_is_filled() -> None:
    text = "Order A-77: they took 1,250.50 too much"
    (answer,) = extractor({"A-77": ("order", 0.9), "took 1,250.50": ("amount", 0.8)}).predict([text])
    assert answer.record == {
        "reason": "billing",
        "channels": ("sms", "app"),
        "solved": False,
        "amount": 1250.5,
        "order": "A-77",
    }
    by_name = {one.name: one for one in answer.fields}
    assert by_name["reason"].confidence == pytest.approx(0.75)  # of 0.3 and 0.1, which exclude each other
    assert by_name["channels"].confidence == pytest.approx(0.9 * 0.2)
    assert by_name["solved"].confidence == pytest.approx(0.8)
    amount = by_name["amount"]
    assert text[amount.start : amount.end] == "1,250.50"
    assert answer.confidence == pytest.approx(0.75 * 0.18 * 0.8)  # of those that are required
    assert (answer.accepted, answer.reason, answer.tier) == (False, "not_certified", "tfidf+tokens.v1")


def test_values_that_compete_make_a_field_doubtful() -> None:
    one = extractor({"A-77": ("order", 0.9), "B-2": ("order", 0.6), "a-77": ("order", 0.7)})
    alone, beside = (one.predict([text])[0].fields[-1] for text in ("it is A-77, a-77", "it is A-77, not B-2"))
    assert (alone.value, beside.value) == ("A-77", "A-77")
    assert alone.confidence == pytest.approx(0.9)  # the same order, written twice
    assert beside.confidence == pytest.approx(0.9 * 0.4)


def test_what_is_not_found_is_null() -> None:
    answer = extractor({"A-77": ("order", 0.4), "much": ("amount", 0.9)}).predict(["A-77 is too much"])[0]
    amount, order = answer.fields[3:]
    assert (amount.value, amount.confidence) == (None, pytest.approx(1.0, abs=1e-5))  # "much" is no number
    assert (order.value, order.confidence) == (None, pytest.approx(0.6))


def test_whole_numbers_are_whole() -> None:
    slots = (*SLOTS[:3], Slot(name="amount", type="integer", nullable=True), SLOTS[4])
    whole, half = extractor({"7": ("amount", 0.9), "2.5": ("amount", 0.9)}, slots).predict(["take 7", "take 2.5"])
    assert (whole.record["amount"], half.record["amount"]) == (7, None)
    assert isinstance(whole.record["amount"], int)


def test_a_record_that_lacks_a_required_field_is_never_kept() -> None:
    slots = (*SLOTS[:4], Slot(name="order", type="span"))
    made = extractor({"A-77": ("order", 0.1)}, slots, threshold=0.0)
    unsure, missing, empty = made.predict(["A-77", "nothing", " "])
    assert unsure.record["order"] == "A-77" and unsure.accepted  # whatever is likeliest: the schema knows no null
    assert missing.confidence == 0.0
    assert (empty.accepted, empty.reason) == (False, "empty_text")
    strict = replace(made, threshold=0.001)
    assert [one.reason for one in strict.predict(["A-77", "nothing"])] == ["certified", "below_threshold"]


def test_chances_are_calibrated_field_by_field_and_whole() -> None:
    policies = (FieldPolicy(Platt(1.0, 1.0), AS_IT_IS),) + (FieldPolicy(AS_IT_IS, AS_IT_IS),) * 4
    plain, changed = extractor({}), extractor({}, policies=policies, whole=Platt(1.0, 2.0))
    before, after = plain.predict(["x"])[0], changed.predict(["x"])[0]
    assert after.fields[0].confidence > before.fields[0].confidence
    assert after.fields[1:] == before.fields[1:]
    assert after.confidence > before.confidence


def test_where_no_field_is_required_all_count() -> None:
    slots = tuple(slot.model_copy(update={"required": False}) for slot in SLOTS)
    answer: Record = extractor({}, slots).predict(["x"])[0]
    assert answer.confidence == pytest.approx(float(np.prod([one.confidence for one in answer.fields])))


def test_texts_must_be_texts() -> None:
    with pytest.raises(InputError, match="list of strings"):
        extractor({}).predict(cast("Any", "x"))
