"""What dev rows choose for a tagger: which rules, which thresholds."""

import importlib.util

import numpy as np
import pytest

from shoal.models.tagger import RuleUse, Tagged
from shoal.privacy import KINDS, Finding, Rules
from shoal.tasks import Span
from shoal.training.tagging_choice import THRESHOLDS, holding, least_sure, mapped, measured, thresholds

needs_pii = pytest.mark.skipif(importlib.util.find_spec("presidio_analyzer") is None, reason="needs the 'pii' extra")


def span(start: int, kind: str = "NAME", confidence: float = 1.0, end: int | None = None) -> Span:
    return Span(start, start + 4 if end is None else end, kind, confidence=confidence, source="model")


def tagged(*spans: Span) -> Tagged:
    return Tagged("", tuple(Finding(each) for each in spans))


def test_rules_are_mapped_by_name_and_never_by_coincidence() -> None:
    found = mapped(KINDS, ["credit-card", "SSN", "DOMAIN_NAME", "PERSON", "IBAN_CODE"])
    assert found == {"CREDIT_CARD": "credit-card", "US_SSN": "SSN", "URL": "DOMAIN_NAME", "IBAN_CODE": "IBAN_CODE"}


@needs_pii
def test_a_rule_is_as_precise_as_it_was_on_rows() -> None:
    texts = ["write to a.b@example.org"] * 8 + ["on 12/24/2019 or 12/25/2019"] * 8
    references = [[Span(9, 24, "EMAIL_ADDRESS")]] * 8 + [[Span(3, 13, "DATE_TIME")]] * 8
    kinds = {"EMAIL_ADDRESS": "EMAIL_ADDRESS", "DATE_TIME": "DATE_TIME", "IBAN_CODE": "IBAN_CODE"}
    mail, iban, date = measured(Rules(list(kinds)), kinds, texts, references)
    assert mail == RuleUse("EMAIL_ADDRESS", "EMAIL_ADDRESS", pytest.approx((8 + 1.6) / 10, abs=1e-3))
    assert date == RuleUse("DATE_TIME", "DATE_TIME", pytest.approx((8 + 1.6) / 18, abs=1e-3))
    assert iban == RuleUse("IBAN_CODE", "IBAN_CODE", 0.8)


def test_how_sure_of_the_least_sure_one() -> None:
    findings = [Finding(span(0, confidence=0.9)), Finding(span(10, confidence=0.3)), Finding(span(20, "CITY"))]
    assert least_sure(findings, [span(0)], "NAME") == 0.9
    assert least_sure(findings, [span(0), span(10, end=15)], "NAME") == 0.3  # more than half is shared
    assert least_sure(findings, [span(0), span(20)], "NAME") == 0.0  # found, but as a city
    assert least_sure(findings, [span(20, "CITY")], "NAME") is None
    held = holding([tagged(span(0, confidence=0.9)), tagged(), tagged()], [[span(0)], [span(0)], []], "NAME")
    assert held.tolist() == [0.9, 0.0]


def rows(right: list[float], wrong: list[float]) -> tuple[list[Tagged], list[list[Span]]]:
    """A text for each confidence: one span that is right, or one that is not."""
    texts = [tagged(span(0, confidence=each)) for each in [*right, *wrong]]
    return texts, [[span(0)]] * len(right) + [[]] * len(wrong)


def test_without_a_promise_the_best_f1() -> None:
    (chosen,) = thresholds(["NAME"], *rows([0.9] * 30 + [0.62] * 30, [0.52] * 30), None)
    assert chosen == 0.55


def test_with_a_promise_lower_within_a_standard_error_and_until_half_the_share_is_missed() -> None:
    some = rows([0.9] * 58 + [0.22] * 2, [0.17] * 3)
    assert thresholds(["NAME"], *some, None) == (0.2,)
    (chosen,) = thresholds(["NAME"], *rows([0.9] * 50 + [0.12] * 10, [0.1] * 60), 0.1)
    assert chosen == pytest.approx(0.1)
    assert chosen in THRESHOLDS


def test_a_type_that_dev_hardly_holds_gets_what_all_types_would() -> None:
    texts, references = rows([0.9] * 30 + [0.62] * 30, [0.52] * 30)
    own, other = thresholds(["NAME", "CITY"], texts, references, None)
    assert own == other == 0.55
    assert np.isin([own, other], THRESHOLDS).all()
