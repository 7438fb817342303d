"""What is chosen on the dev rows of a tagger: rules, calibration, thresholds. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shoal.calibration import Platt, fit_platt, log_odds
from shoal.metrics.resampling import value_of
from shoal.metrics.spans import micro, partners, span_counts
from shoal.models.tagger import RuleUse, Tagged, Tagger
from shoal.privacy import Finding, Rules, resolve
from shoal.tasks import Span

Floats = NDArray[np.floating]
Spanned = Sequence[Sequence[Span]]

THRESHOLDS = np.round(np.arange(0.05, 0.96, 0.05), 2)  # fixed beforehand; dev chooses among them
# What the rules call a thing, and what tasks may call it besides.
_ALSO: Mapping[str, tuple[str, ...]] = {
    "CREDIT_CARD": ("CREDIT_CARD_NUMBER", "CARD_NUMBER"),
    "DATE_TIME": ("DATE",),
    "EMAIL_ADDRESS": ("EMAIL",),
    "IBAN_CODE": ("IBAN",),
    "IP_ADDRESS": ("IP",),
    "PHONE_NUMBER": ("PHONE", "TELEPHONE"),
    "UK_POSTCODE": ("POSTCODE",),
    "URL": ("DOMAIN_NAME",),
    "US_BANK_NUMBER": ("ACCOUNT_NUMBER", "BANK_ACCOUNT"),
    "US_DRIVER_LICENSE": ("DRIVER_LICENSE",),
    "US_PASSPORT": ("PASSPORT",),
    "US_SSN": ("SSN",),
}
_PRIOR, _PRIOR_ROWS = 0.8, 2.0  # a rule is believed to be right in four of five, with the weight of two findings
_PRECISE = 0.7  # below this precision a rule is not used
_OWN_SPANS = 20  # dev spans of a type from which it has a threshold of its own
_HELD = 10  # dev texts that hold a type from which its own recall is aimed at


def mapped(kinds: Sequence[str], types: Sequence[str]) -> dict[str, str]:
    """Rules that may be of use, with the type of the task that each finds: by name, or by another usual name."""
    by_name = {name.upper().replace("-", "_").replace(" ", "_"): name for name in types}
    names = {kind: (kind, *_ALSO.get(kind, ())) for kind in kinds}
    found = {kind: next((by_name[name] for name in known if name in by_name), None) for kind, known in names.items()}
    return {kind: name for kind, name in found.items() if name is not None}


def measured(rules: Rules, types: Mapping[str, str], texts: Sequence[str], references: Spanned) -> list[RuleUse]:
    """Measure how often each rule is right on texts, overlaps between rules resolved; the most precise first.

    Rules learn nothing, so that training rows may be among the texts.
    """
    found: Counter[str] = Counter()
    right: Counter[str] = Counter()
    for text, reference in zip(texts, references, strict=True):
        known = {(span.start, span.end, span.type) for span in reference}
        for finding in resolve(rules.find(text)):
            span = finding.span
            found[span.type] += 1
            right[span.type] += (span.start, span.end, types[span.type]) in known
    uses = [
        RuleUse(kind, name, round((right[kind] + _PRIOR * _PRIOR_ROWS) / (found[kind] + _PRIOR_ROWS), 4))
        for kind, name in types.items()
    ]
    return sorted(uses, key=lambda use: (-use.confidence, use.kind))


class Chosen(NamedTuple):
    """A tagger with rules, and what was found out about each rule."""

    tagger: Tagger
    rules: dict[str, str]


def with_rules(tagger: Tagger, uses: Sequence[RuleUse], texts: Sequence[str], references: Spanned) -> Chosen:
    """Give a tagger the rules that are precise, less those without which it is better on the dev texts (strict F1)."""
    told = {use.kind: f"not used: right in {use.confidence:.0%}" for use in uses if use.confidence < _PRECISE}
    kept = [use for use in uses if use.confidence >= _PRECISE]
    best = _f1(replace(tagger, rules=tuple(kept)), texts, references)
    for use in reversed(list(kept)):
        fewer = [each for each in kept if each is not use]
        without = _f1(replace(tagger, rules=tuple(fewer)), texts, references)
        if without > best:
            kept, best = fewer, without
            told[use.kind] = f"not used: right in {use.confidence:.0%}, but dev is better without it"
    told |= {use.kind: f"used for {use.type}: right in {use.confidence:.0%}" for use in kept}
    return Chosen(replace(tagger, rules=tuple(kept)), told)


def _f1(tagger: Tagger, texts: Sequence[str], references: Spanned) -> float:
    answers = [answer.spans for answer in tagger.predict(texts)]
    return micro_f1(references, answers, tagger.task.types)


def micro_f1(references: Spanned, answers: Spanned, types: Sequence[str]) -> float:
    """Strict F1 over all spans."""
    counts = span_counts(references, answers, types, strict=True)
    return value_of(micro(counts, "f1"), len(counts))


def span_chance(tagger: Tagger, texts: Sequence[str], references: Spanned) -> Platt:
    """Fit what the model's raw chance of a span means, on the dev texts; `tagger` has neither rules nor a fit."""
    scores: list[float] = []
    right: list[bool] = []
    for tagged, reference in zip(tagger.tag(texts), references, strict=True):
        known = {(span.start, span.end, span.type) for span in reference}
        for finding in tagged.findings:
            scores.append(finding.span.confidence)
            right.append((finding.span.start, finding.span.end, finding.span.type) in known)
    return fit_platt(log_odds(np.array(scores)), np.array(right, dtype=bool))


def least_sure(findings: Sequence[Finding], reference: Sequence[Span], name: str) -> float | None:
    """How sure the tagger was of the reference's span of this type that it was least sure of.

    0 where it did not see one (`metrics.spans.partners`, partial); None where the reference has none.
    """
    wanted = [span for span in reference if span.type == name]
    if not wanted:
        return None
    given = [finding.span for finding in findings if finding.span.type == name]
    seen = dict(partners(wanted, given, strict=False))
    return min(given[seen[at]].confidence if at in seen else 0.0 for at in range(len(wanted)))


def holding(tagged: Sequence[Tagged], references: Spanned, name: str) -> Floats:
    """`least_sure` of the texts that hold the type [m]."""
    sure = (least_sure(each.findings, reference, name) for each, reference in zip(tagged, references, strict=True))
    return np.array([each for each in sure if each is not None], dtype=np.float64)


@dataclass(frozen=True, slots=True)
class _Kind:
    """What the dev texts say of one type: confidences of findings, whether they are right, spans, `holding`."""

    scores: Floats
    right: NDArray[np.bool_]
    spans: int
    held: Floats

    @classmethod
    def pooled(cls, kinds: Sequence["_Kind"]) -> "_Kind":
        """All types together."""
        return cls(
            np.concatenate([kind.scores for kind in kinds]),
            np.concatenate([kind.right for kind in kinds]),
            sum(kind.spans for kind in kinds),
            np.concatenate([kind.held for kind in kinds]),
        )


def thresholds(
    types: Sequence[str], tagged: Sequence[Tagged], references: Spanned, risk: float | None
) -> tuple[float, ...]:
    """For each type the confidence from which its spans are answered, chosen on the dev texts.

    Without a promise the one with the best strict F1. Where one is asked for, misses weigh more: the lowest one within
    a standard error of the best F1, or one still lower at which half the allowed share is missed, if there is such a
    one. Types with few dev spans get what all types together would.
    """
    kinds = [_kind(name, tagged, references) for name in types]
    everything = _Kind.pooled(kinds)
    chosen: list[float] = []
    for kind in kinds:
        best = _best(kind if kind.spans >= _OWN_SPANS else everything, lowest=risk is not None)
        aim = None if risk is None else _aim(kind.held if len(kind.held) >= _HELD else everything.held, risk / 2)
        chosen.append(best if aim is None else min(best, aim))
    return tuple(chosen)


def _kind(name: str, tagged: Sequence[Tagged], references: Spanned) -> _Kind:
    scores: list[float] = []
    right: list[bool] = []
    spans = 0
    for each, reference in zip(tagged, references, strict=True):
        known = {(span.start, span.end) for span in reference if span.type == name}
        spans += len(known)
        for finding in each.findings:
            if finding.span.type == name:
                scores.append(finding.span.confidence)
                right.append((finding.span.start, finding.span.end) in known)
    return _Kind(np.array(scores), np.array(right, dtype=bool), spans, holding(tagged, references, name))


def _best(kind: _Kind, *, lowest: bool) -> float:
    """Find the threshold of the best F1, or the lowest within a standard error of it; else the one nearest one half."""
    f1 = np.array(
        [
            2 * kind.right[kind.scores >= threshold].sum() / max((kind.scores >= threshold).sum() + kind.spans, 1)
            for threshold in THRESHOLDS
        ]
    )
    error = np.sqrt(f1.max() * (1 - f1.max()) / max(kind.spans, 1)) if lowest else 0.0
    good = THRESHOLDS[f1 >= f1.max() - error].tolist()
    return good[0] if lowest else min(good, key=lambda threshold: abs(threshold - 0.5))


def _aim(held: Floats, share: float) -> float | None:
    """Find the highest threshold at which at most this share is missed."""
    passing = [threshold for threshold in THRESHOLDS.tolist() if len(held) and (held < threshold).mean() <= share]
    return passing[-1] if passing else None


def sure(tagger: Tagger, tagged: Sequence[Tagged], references: Spanned) -> tuple[Floats, NDArray[np.bool_]]:
    """Certainty of each whole answer before `whole` [n], and whether it is wholly right [n], strictly."""
    right = [
        {(span.start, span.end, span.type) for span in tagger.answer(each).spans}
        == {(span.start, span.end, span.type) for span in reference}
        for each, reference in zip(tagged, references, strict=True)
    ]
    return np.array([tagger.certainty(each) for each in tagged]), np.array(right, dtype=bool)
