"""What is appended comes back, adds up, and never holds up whoever appends."""

import math
import re
import sqlite3
import statistics
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from shoal.errors import EnvironmentProblem, InputError, NotFoundError
from shoal.ledger import Inference, Ledger, new_id
from shoal.ledger import writer as writer_module
from shoal.ledger.database import open_engine
from shoal.ledger.tables import SCHEMA, VERSION_TABLE, metadata


def url_of(path: Path) -> str:
    return f"sqlite:///{path}"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "ledger.db"


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    with Ledger(url_of(path)) as ledger:
        yield ledger


def row(**values: Any) -> Inference:
    return Inference(**{"route": "intent", "specialist": "intent", "outcome": "accepted", **values})


def test_a_row_comes_back_as_it_went_in(ledger: Ledger) -> None:
    sent = row(
        version="v3", reason="certified", tier="encoder", label="réfund", confidence=0.93, text="wo ist mein Geld? 💶",
        llm="large", input_tokens=120, output_tokens=7, cost_usd=0.0004, baseline_cost_usd=0.0005, latency_ms=4.25,
        llm_ms=1.5, energy_j=0.02, energy_method="cpu_time", status=200, stream=True,
    )  # fmt: skip
    assert ledger.append(sent)
    assert ledger.flush()
    [found] = ledger.rows()
    assert found.text_hash == ledger.text_hash("wo ist mein Geld? 💶")
    assert found == Inference(**{**{f: getattr(sent, f) for f in sent.__struct_fields__}, "text_hash": found.text_hash})


def test_ids_sort_by_time_and_are_distinct() -> None:
    first = new_id()
    time.sleep(0.002)
    assert first < new_id()
    assert len({new_id() for _ in range(1000)}) == 1000


def test_rows_are_filtered_and_newest_first(ledger: Ledger) -> None:
    for second in range(10):
        ledger.append(row(time=float(second), outcome="accepted" if second % 2 else "escalated"))
    ledger.append(row(time=5.5, specialist="tone"))
    ledger.flush()
    assert [r.time for r in ledger.rows(since=3, until=7, specialist="intent")] == [6, 5, 4, 3]
    assert [r.time for r in ledger.rows(outcome="escalated", limit=2)] == [8, 6]


@pytest.mark.parametrize(
    ("policy", "text", "hashed"), [("full", "secret", True), ("hash", None, True), ("none", None, False)]
)
def test_text_policy(path: Path, policy: Any, text: str | None, hashed: bool) -> None:
    with Ledger(url_of(path), text=policy) as ledger:
        ledger.append(row(text="secret", outcome="reviewed"))
        ledger.flush()
        [found] = ledger.rows()
        assert found.text == text
        assert (found.text_hash == ledger.text_hash("secret")) is hashed
        assert ledger.review_queue()[0].text == text
    kept = b"".join(file.read_bytes() for file in path.parent.iterdir())
    assert (b"secret" in kept) is (policy == "full")


def test_the_hash_is_the_ledgers_own(path: Path, tmp_path: Path) -> None:
    with Ledger(url_of(path)) as ledger, Ledger(url_of(tmp_path / "other.db")) as other:
        hashed = ledger.text_hash("yes")
        assert hashed != other.text_hash("yes")
    with Ledger(url_of(path)) as again:
        assert again.text_hash("yes") == hashed


def test_text_that_no_database_holds_is_mended(ledger: Ledger) -> None:
    ledger.append(row(text="a\0b\ud800c", error="x\0", label="\ud800"))
    ledger.flush()
    [found] = ledger.rows()
    assert found.text == "a\N{REPLACEMENT CHARACTER}b?c"
    assert found.error == "x\N{REPLACEMENT CHARACTER}"
    assert found.label == "?"


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"confidence": 1.5}, r"\$\.confidence"),
        ({"confidence": math.nan}, r"\$\.confidence"),
        ({"outcome": "lost"}, "lost"),
        ({"status": 42}, r"\$\.status"),
        ({"latency_ms": -1.0}, r"\$\.latency_ms"),
        ({"input_tokens": "many"}, r"\$\.input_tokens"),
        ({"reason": "\ud800"}, "surrogates"),
    ],
)
def test_one_bad_row_is_lost_alone(ledger: Ledger, bad: dict[str, Any], message: str) -> None:
    for _ in range(5):
        ledger.append(row())
    ledger.append(row(**bad))
    for _ in range(5):
        ledger.append(row())
    assert ledger.flush()
    health = ledger.health()
    assert (health.written, health.rejected, health.ok) == (10, 1, True)
    assert health.last_error is not None
    assert re.search(message, health.last_error)
    assert len(ledger.rows()) == 10


def test_a_known_id_is_not_written_twice(ledger: Ledger) -> None:
    same = row(outcome="reviewed")
    ledger.append(same)
    ledger.flush()
    ledger.append(same)
    ledger.flush()
    assert len(ledger.rows()) == 1
    assert len(ledger.review_queue()) == 1
    assert (ledger.health().rejected, ledger.health().errors) == (0, 0)


def test_review_list(ledger: Ledger) -> None:
    old, new = (
        row(time=1.0, outcome="reviewed", text="hm", label="a", confidence=0.4, reason="below_threshold"),
        row(time=2.0, outcome="reviewed"),
    )
    for item in (new, row(), old):
        ledger.append(item)
    ledger.flush()
    waiting = ledger.review_queue()
    assert [item.id for item in waiting] == [old.id, new.id]
    assert (waiting[0].text, waiting[0].predicted, waiting[0].confidence) == ("hm", "a", 0.4)
    assert ledger.summary().waiting == 2
    done = ledger.resolve_review(old.id, "b")
    assert done.label == "b"
    assert done.resolved == pytest.approx(time.time(), abs=5)
    assert [item.id for item in ledger.review_queue()] == [new.id]
    assert ledger.resolve_review(old.id, "c").label == "c"
    assert ledger.resolve_review(new.id[:-4], "d").id == new.id


def test_review_ids_that_are_not_there(ledger: Ledger) -> None:
    for id in ("aa1", "aa2", "aa"):
        ledger.append(row(id=id, outcome="reviewed"))
    ledger.flush()
    with pytest.raises(NotFoundError, match="no review item has the id 'zz'"):
        ledger.resolve_review("zz", "x")
    with pytest.raises(NotFoundError, match="no review item has the id '%'"):
        ledger.resolve_review("%", "x")
    with pytest.raises(NotFoundError, match="several review items begin with 'a'"):
        ledger.resolve_review("a", "x")
    assert ledger.resolve_review("aa", "x").id == "aa"
    with pytest.raises(InputError, match="label is empty"):
        ledger.resolve_review("aa", " ")


def test_empty_summary(ledger: Ledger) -> None:
    found = ledger.summary()
    assert (found.requests, found.groups, found.latencies, found.waiting, found.first) == (0, (), (), 0, None)


def test_summary_adds_up_exactly(ledger: Ledger) -> None:
    latencies = [float(n) for n in range(1, 101)]
    for n in latencies:
        ledger.append(
            row(time=n, tier="encoder", latency_ms=n, baseline_cost_usd=0.5, energy_j=0.25, energy_method="rapl")
        )
    for n in range(4):
        ledger.append(
            row(time=200.0 + n, tier="encoder", outcome="escalated", llm="large", input_tokens=100, output_tokens=n,
                cost_usd=0.125, latency_ms=50.0 + n, llm_ms=40.0 + n)
        )  # fmt: skip
    ledger.append(row(time=300.0, route="large", specialist=None, outcome="passed_through", llm="large", cost_usd=1.0))
    ledger.flush()
    found = ledger.summary()
    assert (found.requests, found.first, found.last) == (105, 1.0, 300.0)
    kept, escalated, passed = found.groups
    assert (kept.outcome, kept.requests, kept.tier) == ("accepted", 100, "encoder")
    assert (kept.p50_ms, kept.p95_ms, kept.p99_ms) == (50.0, 95.0, 99.0)
    assert statistics.median_low(latencies) == kept.p50_ms
    assert (kept.baseline_cost_usd, kept.energy_j, kept.llm_calls) == (50.0, 25.0, 0)
    assert (escalated.requests, escalated.llm_calls, escalated.input_tokens, escalated.output_tokens) == (4, 4, 400, 6)
    assert (escalated.cost_usd, escalated.p50_ms, escalated.p99_ms) == (0.5, 51.0, 53.0)
    assert (passed.specialist, passed.cost_usd) == (None, 1.0)
    assert {at.of: at.p50_ms for at in found.latencies} == {"encoder": 50.0, "escalated": 51.0, "passed_through": 0.0}
    assert found.served is not None
    assert found.llm_call is not None
    assert (found.served.requests, found.served.p50_ms, found.served.p95_ms) == (104, 51.0, 95.0)
    assert (found.llm_call.requests, found.llm_call.p50_ms, found.llm_call.p99_ms) == (4, 41.0, 43.0)
    [calls] = found.llm_calls
    assert (calls.route, calls.calls, calls.cost_usd, calls.input_tokens, calls.output_tokens) == (
        "intent",
        4,
        0.5,
        400,
        6,
    )
    [energy] = found.energy
    assert (energy.method, energy.requests, energy.energy_j) == ("rapl", 100, 25.0)
    assert ledger.summary(since=200, until=300).requests == 4


def test_appending_from_many_threads_loses_nothing(ledger: Ledger) -> None:
    def work() -> None:
        for _ in range(250):
            assert ledger.append(row())

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ledger.flush()
    assert ledger.summary().requests == 2000


def test_close_drains(path: Path) -> None:
    ledger = Ledger(url_of(path))
    for _ in range(5000):
        ledger.append(row())
    ledger.close()
    assert ledger.health().written == 5000
    assert not ledger.append(row())
    assert ledger.health().dropped == 1


def test_rows_are_committed_soon_without_a_flush(ledger: Ledger) -> None:
    ledger.append(row())
    deadline = time.monotonic() + 5
    while not ledger.rows() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert len(ledger.rows()) == 1


def test_a_locked_database_costs_rows_but_never_time(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shoal.ledger.database.BUSY_TIMEOUT_S", 0.05)
    with Ledger(url_of(path), capacity=10) as ledger:
        blocker = sqlite3.connect(path, isolation_level=None)
        blocker.execute("BEGIN IMMEDIATE")
        ledger.append(row())
        deadline = time.monotonic() + 5
        while not ledger.health().errors and time.monotonic() < deadline:
            time.sleep(0.02)
        started = time.perf_counter()
        kept = [ledger.append(row()) for _ in range(50)]
        assert time.perf_counter() - started < 0.1
        assert kept == [True] * 10 + [False] * 40
        health = ledger.health()
        assert (health.ok, health.dropped, health.queued) == (False, 40, 11)
        assert health.last_error == "database is locked"
        assert not ledger.flush(timeout=0.05)
        blocker.execute("ROLLBACK")
        blocker.close()
        assert ledger.flush(timeout=10)
        assert ledger.health().ok
        assert ledger.health().written == 11
        assert ledger.summary().requests == 11


def test_closing_gives_up_in_time_when_the_database_stays_locked(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shoal.ledger.database.BUSY_TIMEOUT_S", 0.05)
    ledger = Ledger(url_of(path))
    blocker = sqlite3.connect(path, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    ledger.append(row())
    started = time.monotonic()
    ledger.close(timeout=0.3)
    assert time.monotonic() - started < 2
    blocker.close()
    assert (ledger.health().dropped, ledger.health().queued) == (1, 0)


def test_a_full_disk_is_counted_and_outlived(path: Path) -> None:
    with Ledger(url_of(path)) as ledger:
        ledger.append(row())
        ledger.flush()
        # SQLite's own limit on the file answers as a full disk does.
        with ledger._engine.connect() as connection:  # pyright: ignore[reportPrivateUsage]
            connection.exec_driver_sql("PRAGMA max_page_count = 1")
        ledger.append(row(text="x" * 100_000))
        deadline = time.monotonic() + 5
        while ledger.health().ok and time.monotonic() < deadline:
            time.sleep(0.02)
        assert ledger.health().last_error == "database or disk is full"
        with ledger._engine.connect() as connection:  # pyright: ignore[reportPrivateUsage]
            connection.exec_driver_sql("PRAGMA max_page_count = 1000000")
        assert ledger.flush(timeout=10)
        assert (ledger.health().ok, ledger.health().written) == (True, 2)


def test_large_texts_cannot_fill_the_memory(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "QUEUED_CHARACTERS", 1000)
    monkeypatch.setattr(writer_module, "GATHER_S", 0.5)
    with Ledger(url_of(path)) as ledger:
        assert [ledger.append(row(text="x" * 400)) for _ in range(4)] == [True, True, False, False]
        assert ledger.flush()
        assert ledger.append(row(text="x" * 400))


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("sqlite://", "keeps nothing"),
        ("sqlite:///:memory:", "keeps nothing"),
        ("mysql://u:p@h/d", "names the database 'mysql'; allowed are sqlite"),
        ("ledger.db", "is not a database URL; allowed are sqlite"),
        ("oracel://x", "is not a database URL"),
    ],
)
def test_urls_that_cannot_be_ledgers(url: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Ledger(url)


def test_a_missing_driver_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "psycopg", None)
    with pytest.raises(EnvironmentProblem, match=r"pip install psycopg") as caught:
        Ledger("postgresql+psycopg://user:hidden@127.0.0.1/d")
    assert "hidden" not in str(caught.value)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.write_text("not a database, but long enough to be taken for one " * 50)
    with pytest.raises(EnvironmentProblem, match=r"ledger\.db cannot be opened: file is not a database"):
        Ledger(url_of(path))


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EnvironmentProblem, match=r"folder of the ledger .* cannot be made"):
        Ledger(url_of(tmp_path / "file" / "sub" / "ledger.db"))


def test_migrations_lead_to_the_tables_in_the_code(path: Path) -> None:
    engine = open_engine(url_of(path))
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        assert compare_metadata(context, metadata) == []
    engine.dispose()
    config = Config()
    config.set_main_option("script_location", "shoal.ledger:migrations")
    assert ScriptDirectory.from_config(config).get_heads() == [SCHEMA]


def test_a_ledger_of_a_newer_shoal_still_takes_rows(path: Path) -> None:
    Ledger(url_of(path)).close()
    with sqlite3.connect(path) as connection:
        connection.execute(f"UPDATE {VERSION_TABLE} SET version_num = '0999'")
        connection.execute("ALTER TABLE inference ADD COLUMN mood TEXT")
    connection.close()
    with Ledger(url_of(path)) as ledger:
        ledger.append(row())
        assert ledger.flush()
        assert len(ledger.rows()) == 1


def test_text_is_in_no_error_message(ledger: Ledger) -> None:
    ledger.append(row(text="secret words", reason="\ud800"))
    ledger.flush()
    assert "secret" not in str(ledger.health().last_error)
