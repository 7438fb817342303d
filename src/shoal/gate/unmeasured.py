"""A first version that no labelled row has measured."""

from collections.abc import Sequence
from typing import Protocol

from shoal.behaviour import BehaviourResult
from shoal.gate.behaviour import behaviour_rules
from shoal.gate.verdict import Rule, Rules, TaskRules, Verdict, plain, threshold


class _AllRules(Rules, TaskRules, Protocol):
    """Whatever any task is asked."""


def check_unmeasured(
    rules: _AllRules, *, size_bytes: int, over_measured: bool, behaviour: Sequence[BehaviourResult] = ()
) -> Verdict:
    """Hold a version that no labelled row has measured against the rules: what was not measured does not pass.

    It keeps nothing, so that it harms nothing where nothing serves yet: where no more is asked, it passes.

    Args:
        rules: the limits.
        size_bytes: of its models.
        over_measured: whether it would take the place of a champion that labelled rows have measured.
        behaviour: what became of behavioural tests, which need no labelled rows.
    """
    asked = {
        "accuracy": rules.accuracy,
        "macro_f1": rules.macro_f1,
        "coverage": rules.coverage,
        "p99_ms": rules.p99_ms,
        "certified": 1.0 if rules.certified else None,
        "slice_accuracy": rules.slice_accuracy,
        "slice_gap": rules.slice_gap,
        "part_recall": rules.part_recall,
        **rules.figures,
    }
    why = "there are no labelled rows to measure it on. Add rows, or take this rule out until there are some"
    reasons = [
        Rule(name, None, limit, False, f"{name} is asked, and {why}")
        for name, limit in asked.items()
        if limit is not None
    ]
    if rules.size_mb is not None:
        reasons.append(threshold("size_mb", size_bytes / 1e6, rules.size_mb, "most", plain, ""))
    reasons += behaviour_rules(behaviour)
    against = (
        "the champion has learnt from labelled rows; what has learnt from none does not take its place"
        if over_measured
        else "no champion has learnt from labelled rows yet, so there is nothing to be worse than"
    )
    reasons.append(Rule("max_regression", None, rules.max_regression, not over_measured, against))
    return Verdict(all(rule.passed for rule in reasons), reasons)
