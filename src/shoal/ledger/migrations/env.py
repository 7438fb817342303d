"""Run by Alembic inside `shoal.ledger.database.migrate`, on the connection (and in the transaction) that it passes."""

from alembic import context

from shoal.ledger.tables import VERSION_TABLE, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
