"""Which of several overlapping findings stand."""

import itertools
import random

from hypothesis import given
from hypothesis import strategies as st

from shoal.privacy import Finding, resolve
from shoal.tasks import Span


def finding(start: int, end: int, confidence: float = 0.5, source: str = "model", checked: bool = False) -> Finding:
    return Finding(Span(start, end, "T", confidence=confidence, source=source), checked)


findings = st.lists(
    st.builds(
        lambda start, length, kind, confidence, source, checked: Finding(
            Span(start, start + length, kind, confidence=confidence, source=source), checked
        ),
        st.integers(0, 30),
        st.integers(1, 10),
        st.sampled_from(["A", "B"]),
        st.sampled_from([0.1, 0.5, 0.9, 1.0]),
        st.sampled_from(["rule", "model"]),
        st.booleans(),
    ),
    max_size=25,
)


def overlap(one: Finding, other: Finding) -> bool:
    return one.span.start < other.span.end and other.span.start < one.span.end


def test_a_checksum_wins_over_a_surer_model() -> None:
    checked = finding(5, 10, 0.6, "rule", checked=True)
    assert resolve([finding(0, 20, 0.99), checked]) == [checked]


def test_then_the_surer_then_the_longer_then_the_rule() -> None:
    assert resolve([finding(0, 9, 0.5), finding(5, 7, 0.6)]) == [finding(5, 7, 0.6)]
    assert resolve([finding(5, 7), finding(0, 9)]) == [finding(0, 9)]
    assert resolve([finding(0, 9), finding(0, 9, source="rule")]) == [finding(0, 9, source="rule")]


def test_what_only_touches_stays() -> None:
    assert len(resolve([finding(0, 5), finding(5, 9), finding(9, 10)])) == 3


@given(findings)
def test_none_overlaps_and_nothing_is_made_up(given: list[Finding]) -> None:
    kept = resolve(given)
    assert all(one in given for one in kept)
    assert not any(overlap(one, other) for one, other in itertools.combinations(kept, 2))
    assert [one.span.start for one in kept] == sorted(one.span.start for one in kept)
    assert all(any(overlap(one, other) for other in kept) for one in given)


@given(findings, st.randoms(use_true_random=False))
def test_the_order_of_the_findings_does_not_matter(given: list[Finding], chance: random.Random) -> None:
    shuffled = list(given)
    chance.shuffle(shuffled)
    assert resolve(shuffled) == resolve(given)


@given(findings)
def test_resolving_again_changes_nothing(given: list[Finding]) -> None:
    assert resolve(resolve(given)) == resolve(given)


@given(findings, st.integers(0, 30), st.integers(1, 10))
def test_what_ranks_last_removes_nothing(given: list[Finding], start: int, length: int) -> None:
    last = finding(start, start + length, 0.0)
    assert [one for one in resolve([*given, last]) if one is not last] == resolve(given)
