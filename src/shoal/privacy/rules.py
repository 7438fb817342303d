"""Structured identifiers by their form: Presidio's pattern recognisers and the phonenumbers library, nothing else.

Presidio's recognisers are asked one by one, without its engine: no language model is loaded and nothing is fetched.
Importing the library takes about a second (several where torch and transformers are installed, which it then imports
too), so it is imported when rules are first made. What is found has a confidence: 1.0 where a checksum or the list of
top-level domains confirmed it, else how rarely other things have that form, as the authors of the pattern judged it. A
trained tagger puts the precision that it measured in its place.
"""
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
# Presidio and its pattern recognisers are typed only in part.

import importlib.util
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from shoal.errors import EnvironmentProblem, InputError
from shoal.privacy.overlaps import Finding, resolve
from shoal.tasks import Span

NEEDS_PII = "rules for personal data need the 'pii' extra: pip install 'shoal[pii]'"

_PHONE = "PHONE_NUMBER"
_RECOGNISERS = {
    "ABA_ROUTING_NUMBER": "AbaRoutingRecognizer",
    "CREDIT_CARD": "CreditCardRecognizer",
    "CRYPTO": "CryptoRecognizer",
    "DATE_TIME": "DateRecognizer",
    "EMAIL_ADDRESS": "EmailRecognizer",
    "IBAN_CODE": "IbanRecognizer",
    "IP_ADDRESS": "IpRecognizer",
    "MAC_ADDRESS": "MacAddressRecognizer",
    "UK_NHS": "NhsRecognizer",
    "UK_NINO": "UkNinoRecognizer",
    "UK_POSTCODE": "UkPostcodeRecognizer",
    "URL": "UrlRecognizer",
    "US_BANK_NUMBER": "UsBankRecognizer",
    "US_DRIVER_LICENSE": "UsLicenseRecognizer",
    "US_ITIN": "UsItinRecognizer",
    "US_PASSPORT": "UsPassportRecognizer",
    "US_SSN": "UsSsnRecognizer",
    "UUID": "UuidRecognizer",
}
KINDS: tuple[str, ...] = tuple(sorted([*_RECOGNISERS, _PHONE]))
"""What the rules can find."""

DEFAULT_REGIONS = ("US", "GB", "DE", "FR", "ES", "IT", "IN", "AU", "BR")
"""Countries whose national ways of writing a phone number are known; numbers with + and a country code always are."""

_EXTRA = ("phonenumbers", "presidio_analyzer", "tldextract")
_NATIONAL, _INTERNATIONAL = 0.4, 0.8  # Presidio's own score of a valid phone number; twice that with a country code
_DIGITS = re.compile(r"(?:\d\W{0,3}){7}")  # a phone number has seven digits or more
_DIGIT = re.compile(r"\d")
# A pattern cannot match without these: most texts are then passed over at once.
_NEEDS: dict[str, re.Pattern[str]] = {
    "CREDIT_CARD": re.compile(r"\d{3}"),
    "EMAIL_ADDRESS": re.compile("@"),
    "IP_ADDRESS": re.compile(r"\d\.\d|::|[0-9A-Fa-f]:[0-9A-Fa-f]"),
    "MAC_ADDRESS": re.compile(r"[0-9A-Fa-f]{2}[:.-][0-9A-Fa-f]{2}|[0-9A-Fa-f]{4}\."),
    "URL": re.compile(r"\w\.\w"),
    "UUID": re.compile("-"),
}
_LETTERS_ONLY = frozenset({"CRYPTO", "EMAIL_ADDRESS", "IP_ADDRESS", "MAC_ADDRESS", "URL", "UUID"})

_Rule = Callable[[str], Iterator[tuple[int, int, float]]]


class Rules:
    """Finds structured identifiers; the same text gives the same findings every time.

    Args:
        kinds: of `KINDS`, which to look for.
        regions: countries (two letters, ISO 3166) whose national phone numbers are looked for.

    Raises:
        InputError: a kind or region is not known.
        EnvironmentProblem: the 'pii' extra is missing.
    """

    def __init__(self, kinds: Sequence[str] = KINDS, regions: Sequence[str] = DEFAULT_REGIONS) -> None:
        unknown = [kind for kind in kinds if kind not in KINDS]
        if unknown:
            raise InputError(f"there is no rule for {unknown[0]!r}; there are {', '.join(KINDS)}.")
        missing = [module for module in _EXTRA if importlib.util.find_spec(module) is None]
        if missing:
            raise EnvironmentProblem(f"{NEEDS_PII} ({', '.join(missing)} cannot be imported)")
        self.kinds = tuple(kinds)
        self.regions = tuple(regions)
        self._rules: dict[str, _Rule] = {}
        for kind in kinds:
            self._rules[kind] = _phone_numbers(regions) if kind == _PHONE else _pattern(kind)

    def find(self, text: str) -> list[Finding]:
        """Everything of the wanted kinds, by kind; findings of different kinds may overlap, of one they do not.

        The type of a finding is its kind, its source "rule".
        """
        digits = _DIGIT.search(text) is not None
        found: list[Finding] = []
        for kind, rule in self._rules.items():
            needed = _NEEDS.get(kind)
            if (not digits and kind not in _LETTERS_ONLY) or (needed is not None and not needed.search(text)):
                continue
            findings = [
                Finding(Span(start, end, kind, text[start:end], score, "rule"), checked=score >= 1)
                for start, end, score in rule(text)
            ]
            found.extend(resolve(findings))
        return found


def _pattern(kind: str) -> _Rule:
    """Make the rule of one of Presidio's pattern recognisers."""
    from presidio_analyzer import predefined_recognizers

    offered: Any = getattr(predefined_recognizers, _RECOGNISERS[kind])
    recogniser: Any = _offline_email(offered) if kind == "EMAIL_ADDRESS" else offered()

    def rule(text: str) -> Iterator[tuple[int, int, float]]:
        for result in recogniser.analyze(text, [kind], None):
            yield result.start, result.end, float(result.score)

    return rule


def _offline_email(offered: Any) -> Any:
    """Presidio's recogniser, with the list of domains that comes with tldextract: it would fetch the newest one.

    A domain that is not on the list leaves an address unconfirmed; Presidio would drop it. Machines of an own network
    (".local", ".internal") and those of examples (".example", RFC 2606) write to people too.
    """
    import tldextract

    domains = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)

    class Email(offered):
        def validate_result(self, pattern_text: str) -> bool | None:
            return bool(domains(pattern_text).fqdn) or None

    return Email(name="EmailRecognizer")


def _phone_numbers(regions: Sequence[str]) -> _Rule:
    """Make the rule of phone numbers that are valid in one of the regions, or with a country code."""
    import phonenumbers

    unknown = [region for region in regions if region not in phonenumbers.SUPPORTED_REGIONS]
    if unknown:
        raise InputError(f"{unknown[0]!r} is no region with phone numbers; give ISO 3166 codes such as 'US' or 'GB'.")

    def rule(text: str) -> Iterator[tuple[int, int, float]]:
        if not _DIGITS.search(text):
            return
        found: dict[tuple[int, int], float] = {}
        for region in regions:
            for match in phonenumbers.PhoneNumberMatcher(text, region, leniency=phonenumbers.Leniency.VALID):
                found[match.start, match.end] = _INTERNATIONAL if match.raw_string.startswith("+") else _NATIONAL
        for (start, end), score in found.items():
            yield start, end, score

    return rule
