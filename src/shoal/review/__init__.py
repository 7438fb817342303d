"""Review of whole documents: a specialist's labels on every passage as findings and doubts, with exact quotes."""

from shoal.review.decisions import NOTHING, Policy, decide, settle
from shoal.review.findings import SEVERITIES, Doubt, Finding, Place, Review, Severity, Tally
from shoal.review.review import review

__all__ = [
    "NOTHING",
    "SEVERITIES",
    "Doubt",
    "Finding",
    "Place",
    "Policy",
    "Review",
    "Severity",
    "Tally",
    "decide",
    "review",
    "settle",
]
