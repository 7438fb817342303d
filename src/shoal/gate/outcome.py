"""Hold the report of a task other than classification against the rules, and its rows against the champion's."""

from statistics import NormalDist

import numpy as np

from shoal.errors import InputError
from shoal.evaluation import TaskReport
from shoal.gate.champion import FALSE_STOPS
from shoal.gate.check import limits
from shoal.gate.verdict import Rule, TaskRules, Verdict, percent, points, span, threshold


def check_task(report: TaskReport, rules: TaskRules, champion: TaskReport | None = None) -> Verdict:
    """Hold a report against the rules.

    Args:
        report: of the version that wants to be released.
        rules: the limits.
        champion: report of the version that serves now, measured on the same rows.

    Raises:
        InputError: a rule asks for a figure that the report does not have.
    """
    reasons: list[Rule] = []
    for name, limit in rules.figures.items():
        if name not in report.metrics:
            raise InputError(f"gate.figures asks for {name!r}; the report has {', '.join(report.metrics)}.")
        found = report.metrics[name]
        reasons.append(threshold(name, found.value, limit, "least", percent, span(found)))
    if rules.part_recall is not None:
        reasons.append(_part_recall(report, rules.part_recall))
    reasons += limits(report, report.rows_kept, rules)
    reasons.append(_against(report, champion, rules.max_regression))
    return Verdict(all(rule.passed for rule in reasons), reasons)


def _part_recall(report: TaskReport, limit: float) -> Rule:
    known = [(part.recall.value, part.name) for part in report.parts if part.recall is not None]
    if not known:
        return Rule("part_recall", None, limit, False, "part_recall: the test rows hold none of the labels or types")
    value, name = min(known)
    return threshold("part_recall", value, limit, "least", percent, f" for {name!r}, the lowest of {len(known)}")


def _against(report: TaskReport, champion: TaskReport | None, margin: float) -> Rule:
    """Compare row by row; stopped when shown to be worse, and by more than the margin.

    The mean of paired differences is taken as normal.
    """
    name = "max_regression"
    if champion is None:
        return Rule(name, None, margin, True, "there is no champion that it could be worse than")
    before = dict(zip(champion.row_keys, champion.row_scores, strict=True))
    pairs = [
        (before[key], score) for key, score in zip(report.row_keys, report.row_scores, strict=True) if key in before
    ]
    if len(pairs) < 2:
        return Rule(name, None, margin, False, f"the champion was measured on {len(pairs)} of these rows")
    gained = np.array([after - earlier for earlier, after in pairs])
    mean, error = float(gained.mean()), float(gained.std(ddof=1) / np.sqrt(len(gained)))
    highest = mean + NormalDist().inv_cdf(1 - FALSE_STOPS) * error
    stopped = highest < 0 and mean < -margin
    remark = (
        f"shown to be worse, and by more than the {100 * margin:.3g} points allowed"
        if stopped
        else "not shown to be worse by more than is allowed"
    )
    told = f"{points(mean)} points against the champion on {len(pairs):,} rows, at most {points(highest)}: {remark}"
    return Rule(name, mean, -margin, not stopped, told)
