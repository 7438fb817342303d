"""The tables as they are after the last migration. Times are seconds since 1970 UTC, costs US dollars, energies joules.

Migrations only add (tables, or columns that may be null or have a default), so that an older shoal can go on reading
and writing a ledger that a newer one has migrated.
"""

from sqlalchemy import BigInteger, Boolean, Column, Double, Index, Integer, MetaData, String, Table, Text

SCHEMA = "0001"
VERSION_TABLE = "ledger_version"

metadata = MetaData()

inference = Table(
    "inference",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("time", Double, nullable=False),
    Column("route", String(200), nullable=False),
    Column("specialist", String(200)),
    Column("version", String(200)),
    Column("outcome", String(32), nullable=False),
    Column("reason", String(200)),
    Column("tier", String(200)),
    Column("label", Text),
    Column("confidence", Double),
    Column("text", Text),
    Column("text_hash", String(64)),
    Column("llm", String(200)),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("cost_usd", Double, nullable=False),
    Column("baseline_cost_usd", Double, nullable=False),
    Column("latency_ms", Double, nullable=False),
    Column("llm_ms", Double, nullable=False),
    Column("energy_j", Double, nullable=False),
    Column("energy_method", String(32)),
    Column("status", Integer, nullable=False),
    Column("error", Text),
    Column("stream", Boolean, nullable=False),
    Index("inference_time", "time"),
    Index("inference_specialist_time", "specialist", "time"),
    Index("inference_outcome_time", "outcome", "time"),
)

review = Table(
    "review",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("specialist", String(200)),
    Column("version", String(200)),
    Column("text", Text),
    Column("predicted", Text),
    Column("confidence", Double),
    Column("reason", String(200)),
    Column("created", Double, nullable=False),
    Column("resolved", Double),
    Column("label", Text),
    Index("review_resolved_created", "resolved", "created"),
)

setting = Table(
    "ledger_setting",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("value", Text, nullable=False),
)
