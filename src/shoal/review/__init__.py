"""Review of whole documents: a specialist's labels on every passage as findings and doubts, with exact quotes.

`shoal.review.second_opinion` asks a larger model about the doubts; it is not loaded here, as it brings an HTTP client.
"""

from shoal.review.decisions import NOTHING, Policy, check, decide, nothing_of, readable, settle
from shoal.review.findings import SEVERITIES, Doubt, Finding, Place, Review, Severity, Tally
from shoal.review.review import passages, questions, review

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
    "check",
    "decide",
    "nothing_of",
    "passages",
    "questions",
    "readable",
    "review",
    "settle",
]
