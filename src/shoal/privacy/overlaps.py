"""Which of several overlapping findings stand: a stated rule, pure.

Findings are ranked, and each is kept unless it overlaps one that is kept already. In order, these come first:

1. what a rule found and a checksum or registry confirmed (`checked`): chance hardly makes one;
2. the higher confidence;
3. the longer span;
4. a rule before the model, then the earlier start, then the type by name: so that the outcome is always the same.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable
from dataclasses import dataclass

from shoal.tasks import Span


@dataclass(frozen=True, slots=True)
class Finding:
    """A span that may be part of the answer.

    Attributes:
        span: with confidence and source.
        checked: whether a rule found it and a checksum or registry confirmed it.
    """

    span: Span
    checked: bool = False


def resolve(findings: Iterable[Finding]) -> list[Finding]:
    """Keep findings of which none overlaps another, by start.

    Adding a finding that ranks below all others never removes one that was kept.
    """
    kept: list[tuple[int, int]] = []  # by start; they do not overlap, so by end as well
    chosen: list[Finding] = []
    for finding in sorted(findings, key=_rank):
        span = finding.span
        at = bisect_left(kept, (span.start, span.start))
        if at < len(kept) and kept[at][0] < span.end:
            continue
        if at > 0 and kept[at - 1][1] > span.start:
            continue
        insort(kept, (span.start, span.end))
        chosen.append(finding)
    return sorted(chosen, key=lambda finding: finding.span.start)


def _rank(finding: Finding) -> tuple[bool, float, int, bool, int, str]:
    span = finding.span
    return not finding.checked, -span.confidence, span.start - span.end, span.source != "rule", span.start, span.type
