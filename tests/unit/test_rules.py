"""Structured identifiers by their form: real recognisers, no network."""

import importlib.util
import socket
import subprocess
import sys

import pytest

from shoal.errors import EnvironmentProblem, InputError
from shoal.privacy import KINDS, Rules, resolve

needs_pii = pytest.mark.skipif(importlib.util.find_spec("presidio_analyzer") is None, reason="needs the 'pii' extra")


@pytest.fixture(scope="module")
def rules() -> Rules:
    return Rules()


def found(rules: Rules, text: str) -> dict[str, str]:
    return {each.span.type: text[each.span.start : each.span.end] for each in resolve(rules.find(text))}


@needs_pii
@pytest.mark.parametrize(
    ("kind", "text", "characters"),
    [
        ("CREDIT_CARD", "Charge 4111 1111 1111 1111, please.", "4111 1111 1111 1111"),
        ("IBAN_CODE", "Refund to DE89 3704 0044 0532 0130 00 today", "DE89 3704 0044 0532 0130 00"),
        ("EMAIL_ADDRESS", "Write to j.doe+orders@mail.example.com.", "j.doe+orders@mail.example.com"),
        ("EMAIL_ADDRESS", "Write to sheila@torre-dairy.example today", "sheila@torre-dairy.example"),
        ("IP_ADDRESS", "from 192.168.10.254 at noon", "192.168.10.254"),
        ("IP_ADDRESS", "from 2001:db8::ff00:42:8329 at noon", "2001:db8::ff00:42:8329"),
        ("PHONE_NUMBER", "ring +44 20 7946 0018 after six", "+44 20 7946 0018"),
        ("PHONE_NUMBER", "ring 020 7946 0018 after six", "020 7946 0018"),
        ("PHONE_NUMBER", "Meine Nummer: 030 23125 111", "030 23125 111"),
        ("US_SSN", "my ssn is 536-22-8714", "536-22-8714"),
        ("UUID", "ticket 123e4567-e89b-12d3-a456-426614174000", "123e4567-e89b-12d3-a456-426614174000"),
    ],
)
def test_what_is_found(rules: Rules, kind: str, text: str, characters: str) -> None:
    assert found(rules, text).get(kind) == characters


@needs_pii
@pytest.mark.parametrize("text", ["", "hello", "4111 1111 1111 1112", "Order 12 of 1999", "a@b", "\ud83d"])
def test_what_is_none(rules: Rules, text: str) -> None:
    assert not {"CREDIT_CARD", "IBAN_CODE", "EMAIL_ADDRESS", "PHONE_NUMBER"} & set(found(rules, text))


@needs_pii
def test_a_checksum_confirms_and_a_form_alone_does_not(rules: Rules) -> None:
    text = "card 4111111111111111, call 212 555 0187"
    by_kind = {each.span.type: each for each in resolve(rules.find(text))}
    assert by_kind["CREDIT_CARD"].checked
    assert by_kind["CREDIT_CARD"].span.confidence == 1.0
    assert by_kind["CREDIT_CARD"].span.source == "rule"
    assert not by_kind["PHONE_NUMBER"].checked
    known, unknown = (Rules(["EMAIL_ADDRESS"]).find(f"me@example.{end}")[0] for end in ("org", "internal"))
    assert known.checked and not unknown.checked
    assert 0 < by_kind["PHONE_NUMBER"].span.confidence < 1


@needs_pii
def test_offsets_are_characters_whatever_stands_before(rules: Rules) -> None:
    before = "😀\r\n\u202eשבת\u202c e\u0301\u200b "
    text = f"{before}me@example.org"
    (mail,) = (each.span for each in rules.find(text) if each.span.type == "EMAIL_ADDRESS")
    assert (mail.start, mail.end, mail.text) == (len(before), len(text), "me@example.org")


@needs_pii
def test_only_the_kinds_and_regions_asked_for() -> None:
    rules = Rules(["PHONE_NUMBER"], regions=["FR"])
    assert found(rules, "06 12 34 56 78 or me@example.org") == {"PHONE_NUMBER": "06 12 34 56 78"}
    assert found(rules, "020 7946 0018") == {}
    with pytest.raises(InputError, match="no rule for 'SHOE_SIZE'"):
        Rules(["SHOE_SIZE"])
    with pytest.raises(InputError, match="'XX' is no region"):
        Rules(["PHONE_NUMBER"], regions=["XX"])


@needs_pii
def test_nothing_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Presidio's own recogniser of mail addresses asks the network for the list of top-level domains."""
    asked: list[object] = []

    def refuse(*address: object, **options: object) -> object:
        asked.append(address)
        raise OSError("no network")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    assert found(Rules(KINDS), "me@example.org is at www.example.org")["EMAIL_ADDRESS"] == "me@example.org"
    assert asked == []


def test_a_missing_extra_is_told_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    known = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, package=None: None if name == "presidio_analyzer" else known(name)
    )
    with pytest.raises(EnvironmentProblem, match=r"pip install 'shoal\[pii\]'.*presidio_analyzer"):
        Rules()


def test_the_library_is_not_imported_before_it_is_needed() -> None:
    code = "import sys, shoal.privacy, shoal.models.tagger; sys.exit('presidio_analyzer' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
