"""Review of whole documents: a specialist's labels on every passage as findings and doubts, with exact quotes."""

from shoal.review.decisions import NOTHING, Policy, decide, settle
from shoal.review.findings import SEVERITIES, Doubt, Finding, Place, Review, Severity, Tally
from shoal.review.review import review
from shoal.review.second_opinion import SecondOpinion, second_opinion

__all__ = [
    "NOTHING",
    "SEVERITIES",
    "Doubt",
    "Finding",
    "Place",
    "Policy",
    "Review",
    "SecondOpinion",
    "Severity",
    "Tally",
    "decide",
    "review",
    "second_opinion",
    "settle",
]
