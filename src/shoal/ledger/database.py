"""Opening the ledger's database: the driver's settings, and the migrations."""

import time
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, select, text
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError, SQLAlchemyError

from shoal.errors import EnvironmentProblem, InputError
from shoal.ledger.tables import SCHEMA, VERSION_TABLE, setting

BUSY_TIMEOUT_S = 5.0
_DIALECTS = ("sqlite", "postgresql")
# Any constant: processes that migrate the same PostgreSQL database at once wait for each other on it.
_MIGRATION_LOCK = 0x5340414C


def open_engine(url: str) -> Engine:
    """Connect to the ledger at `url` and bring its tables up to date.

    Args:
        url: "sqlite:///path/to/ledger.db" or "postgresql+psycopg://user:password@host/database".

    Raises:
        InputError: the URL is not one of the two kinds, or keeps nothing.
        EnvironmentProblem: the driver is missing, or the database cannot be opened or written.
    """
    parsed = _parse(url)
    shown = parsed.render_as_string(hide_password=True)
    try:
        if parsed.get_backend_name() == "sqlite":
            engine = _open_sqlite(parsed)
        else:
            engine = create_engine(parsed, pool_pre_ping=True)
    except ModuleNotFoundError as error:
        raise EnvironmentProblem(
            f"the ledger at {shown} needs the Python package {error.name!r}, which is not installed. "
            f"Install it: pip install {error.name}"
        ) from error
    try:
        _migrate_patiently(engine)
    except (SQLAlchemyError, OSError) as error:
        engine.dispose()
        raise EnvironmentProblem(
            f"the ledger at {shown} cannot be opened: {reason(error)}. Check that the path or server is there and "
            "writable, and that no other program holds it locked."
        ) from error
    return engine


def _parse(url: str) -> URL:
    allowed = "allowed are sqlite:///PATH and postgresql+psycopg://USER:PASSWORD@HOST/DATABASE"
    try:
        parsed = make_url(url)
        backend = parsed.get_backend_name()
        parsed.get_dialect()
    except (ArgumentError, NoSuchModuleError) as error:
        raise InputError(f"the ledger's URL {url!r} is not a database URL; {allowed}") from error
    if backend not in _DIALECTS:
        raise InputError(f"the ledger's URL names the database {backend!r}; {allowed}")
    if backend == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise InputError(f"the ledger's URL {url!r} keeps nothing: it names no file; {allowed}")
    return parsed


def _open_sqlite(url: URL) -> Engine:
    path = Path(str(url.database))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EnvironmentProblem(f"the folder of the ledger {path} cannot be made: {error.strerror}") from error
    engine = create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_S, "check_same_thread": False})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: object) -> None:
    # The driver must not open transactions by itself: it would leave DDL outside of them (see `_begin_sqlite`).
    connection.isolation_level = None
    # Readers and the one writer do not wait for each other. NORMAL: a power cut may lose the last commits, never the
    # database; a killed process loses nothing that was committed.
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")


def _begin_sqlite(connection: Connection) -> None:
    immediate = connection.get_execution_options().get("immediate", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


def _migrate_patiently(engine: Engine) -> None:
    # Two processes that switch a new file to WAL at once get "locked" without the busy timeout's patience.
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            migrate(engine)
            return
        except OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def migrate(engine: Engine) -> None:
    """Bring the tables up to date; a no-op when they are. Safe when several processes do it at once.

    A ledger that a newer shoal has migrated is left as it is: migrations only add.
    """
    with engine.connect() as connection:
        if (revision(connection) or "") >= SCHEMA:
            return
    # Imported here: most openings find the tables up to date.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "shoal.ledger:migrations")
    with engine.connect().execution_options(immediate=True) as connection, connection.begin():
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
        if (revision(connection) or "") < SCHEMA:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")


def revision(connection: Connection) -> str | None:
    """Return the migration that the tables are at; None for an empty database."""
    if not connection.dialect.has_table(connection, VERSION_TABLE):
        return None
    return connection.scalar(text(f"SELECT version_num FROM {VERSION_TABLE}"))  # noqa: S608 (a constant)


def text_salt(engine: Engine) -> bytes:
    """Return the ledger's own random salt, made when its tables were."""
    with engine.connect() as connection:
        return bytes.fromhex(
            connection.execute(select(setting.c.value).where(setting.c.key == "text_salt")).scalar_one()
        )


def reason(error: BaseException) -> str:
    """Return the driver's own sentence, without SQLAlchemy's statement and parameters (which hold texts)."""
    return str(getattr(error, "orig", None) or error).strip().splitlines()[0].rstrip(".")
