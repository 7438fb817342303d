"""The ledger: an append-only record of every request, and the list of texts that wait for a person.

Answers first, records second: `Ledger.append` puts a row on a bounded queue and returns; one thread writes. SQLite by
default, PostgreSQL by URL.
"""

from shoal.ledger.inference import Inference, ReviewItem, new_id
from shoal.ledger.store import Ledger, LedgerHealth
from shoal.ledger.summary import EnergyReading, Group, Latency, RouteTokens, Summary

__all__ = [
    "EnergyReading",
    "Group",
    "Inference",
    "Latency",
    "Ledger",
    "LedgerHealth",
    "ReviewItem",
    "RouteTokens",
    "Summary",
    "new_id",
]
