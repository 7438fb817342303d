"""Behavioural tests: each suite is a rule, which holds when as many cases of each test pass as it asks."""

from collections.abc import Sequence

from shoal.behaviour import BehaviourResult
from shoal.gate.verdict import Rule, percent, span

_NAMED = 3  # tests that fail, told in the sentence


def behaviour_rules(results: Sequence[BehaviourResult]) -> list[Rule]:
    """Hold each suite's tests against the share of cases that they ask for."""
    suites = dict.fromkeys(result.suite for result in results)
    return [_suite(suite, [result for result in results if result.suite == suite]) for suite in suites]


def _suite(suite: str, results: Sequence[BehaviourResult]) -> Rule:
    asked = [result for result in results if result.cases]
    failed = [result for result in asked if not result.holds]
    held = len(asked) - len(failed)
    parts = [f"{suite}: {held} of {len(asked)} behavioural tests hold"]
    worst = sorted(failed, key=lambda result: result.rate.value - result.required if result.rate else 0.0)
    parts += [_told(result) for result in worst[:_NAMED]]
    if len(failed) > _NAMED:
        parts.append(f"{len(failed) - _NAMED} more are in the report")
    if without := [result.name for result in results if not result.cases]:
        parts.append(f"no test row to ask {', '.join(without)} of")
    return Rule("behaviour", held / len(asked) if asked else None, 1.0, not failed, "; ".join(parts))


def _told(result: BehaviourResult) -> str:
    assert result.rate is not None
    return (
        f"{result.name} passes {percent(result.rate.value)}{span(result.rate)} of {result.cases:,} cases, "
        f"at least {percent(result.required)} is asked"
    )
