"""Tables for inferences, for the review list, and for the ledger's own settings."""

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the tables, and the salt under which texts are hashed."""
    op.create_table(
        "inference",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("time", sa.Double, nullable=False),
        sa.Column("route", sa.String(200), nullable=False),
        sa.Column("specialist", sa.String(200)),
        sa.Column("version", sa.String(200)),
        sa.Column("outcome", sa.String(32), nullable=False),
        sa.Column("reason", sa.String(200)),
        sa.Column("tier", sa.String(200)),
        sa.Column("label", sa.Text),
        sa.Column("confidence", sa.Double),
        sa.Column("text", sa.Text),
        sa.Column("text_hash", sa.String(64)),
        sa.Column("llm", sa.String(200)),
        sa.Column("input_tokens", sa.BigInteger, nullable=False),
        sa.Column("output_tokens", sa.BigInteger, nullable=False),
        sa.Column("cost_usd", sa.Double, nullable=False),
        sa.Column("baseline_cost_usd", sa.Double, nullable=False),
        sa.Column("latency_ms", sa.Double, nullable=False),
        sa.Column("llm_ms", sa.Double, nullable=False),
        sa.Column("energy_j", sa.Double, nullable=False),
        sa.Column("energy_method", sa.String(32)),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("error", sa.Text),
        sa.Column("stream", sa.Boolean, nullable=False),
        sa.Index("inference_time", "time"),
        sa.Index("inference_specialist_time", "specialist", "time"),
        sa.Index("inference_outcome_time", "outcome", "time"),
    )
    op.create_table(
        "review",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("specialist", sa.String(200)),
        sa.Column("version", sa.String(200)),
        sa.Column("text", sa.Text),
        sa.Column("predicted", sa.Text),
        sa.Column("confidence", sa.Double),
        sa.Column("reason", sa.String(200)),
        sa.Column("created", sa.Double, nullable=False),
        sa.Column("resolved", sa.Double),
        sa.Column("label", sa.Text),
        sa.Index("review_resolved_created", "resolved", "created"),
    )
    setting = op.create_table(
        "ledger_setting",
        sa.Column("key", sa.String(64), primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )
    op.bulk_insert(setting, [{"key": "text_salt", "value": secrets.token_hex(32)}])
