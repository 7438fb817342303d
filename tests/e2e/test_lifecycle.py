"""Versions change under traffic, processes are killed, files are damaged: the last sound champion serves."""

import contextlib
import signal
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow


class Traffic:
    """Asks without a pause until stopped; keeps every response, or what went wrong instead."""

    def __init__(self, gateway: Any) -> None:
        self.responses: list[Any] = []
        self.broken: list[OSError] = []
        self._gateway = gateway
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(2)]

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self.responses.append(self._gateway.predict("urgency", "there is a smell of gas in my kitchen"))
            except OSError as error:
                self.broken.append(error)
                return

    @property
    def versions(self) -> list[str]:
        return [response.headers["x-shoal-version"] for response in self.responses]

    def __enter__(self) -> "Traffic":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join(60)


@contextlib.contextmanager
def flipped(artifact: Path) -> Iterator[Path]:
    """Flip one bit of a model's largest file."""
    file = max((one for one in (artifact / "scorers").rglob("*") if one.is_file()), key=lambda one: one.stat().st_size)
    content = file.read_bytes()
    middle = len(content) // 2
    file.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
    yield file
    file.write_bytes(content)


def test_promote_and_rollback_swap_the_version_without_a_failed_request(
    make_project: Any, serve: Any, until: Callable[..., Any]
) -> None:
    project = make_project()
    with Traffic(serve()) as traffic:
        until(lambda: "v1" in traffic.versions, "an answer of v1")
        promoted = project.shoal("promote", "urgency", "v2")
        assert (promoted.returncode, promoted.stdout) == (0, "urgency: champion is v2 (was v1)\n")
        until(lambda: traffic.versions[-1] == "v2", "v2 to serve")
        rolled_back = project.shoal("rollback", "urgency")
        assert rolled_back.returncode == 0
        until(lambda: traffic.versions[-1] == "v1", "v1 to serve again")
    assert traffic.broken == []
    assert {response.status for response in traffic.responses} == {200}
    for response in traffic.responses:
        assert response.json["version"] == response.headers["x-shoal-version"]
        assert response.json["predictions"][0]["label"] == "emergency"
    changes = [one for one, before in zip(traffic.versions[1:], traffic.versions, strict=False) if one != before]
    assert {"v1", "v2"} == set(changes)


def test_a_damaged_version_cannot_be_promoted(make_project: Any, serve: Any) -> None:
    project = make_project()
    gateway = serve()
    with flipped(project.registry.path(project.registry.resolve("urgency", "v2"))) as file:
        refused = project.shoal("promote", "urgency", "v2")
    assert refused.returncode == 2
    assert str(file) in refused.stderr
    assert "Traceback" not in refused.stderr
    assert project.registry.resolve("urgency").version == "v1"
    assert gateway.predict("urgency", "gas!").headers["x-shoal-version"] == "v1"


def test_a_version_damaged_after_its_promotion_is_not_taken(
    make_project: Any, serve: Any, until: Callable[..., Any]
) -> None:
    project = make_project()
    gateway = serve()
    gateway.process.send_signal(signal.SIGSTOP)  # so that the file is damaged between promotion and loading
    assert project.shoal("promote", "urgency", "v2").returncode == 0
    with flipped(project.registry.path(project.registry.resolve("urgency", "v2"))) as file:
        gateway.process.send_signal(signal.SIGCONT)
        state = until(
            lambda: (found := gateway.get("/health").json)["status"] == "degraded" and found, "health to say so"
        )
        assert state["specialists"]["urgency"]["version"] == "v1"
        assert str(file) in state["specialists"]["urgency"]["update_error"]
        answer = gateway.predict("urgency", "gas!")
        assert (answer.status, answer.headers["x-shoal-version"]) == (200, "v1")
        assert str(file) in gateway.said()
    until(lambda: gateway.predict("urgency", "gas!").headers["x-shoal-version"] == "v2", "the repaired v2 to serve")
    assert gateway.get("/health").json["status"] == "ok"


@pytest.mark.parametrize("way", ["folder", "project"])
def test_a_damaged_model_is_not_served(make_project: Any, way: str) -> None:
    project = make_project()
    artifact = project.registry.path(project.registry.resolve("urgency"))
    arguments = [str(artifact)] if way == "folder" else []
    with flipped(artifact) as file:
        done = project.shoal("serve", *arguments, "--port", "0")
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert f"{file.relative_to(project.folder)} is damaged" in done.stderr
    assert "Traceback" not in done.stderr
    assert "serving on" not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["nowhere"], 2, "nowhere is not a model folder"),
        (["--project", "nowhere.toml"], 2, "there is no project at nowhere.toml"),
        (["--host", "203.0.113.7"], 3, "port 0 on 203.0.113.7 cannot be opened"),
    ],
)
def test_a_start_that_cannot_succeed_says_why(make_project: Any, arguments: list[str], code: int, said: str) -> None:
    done = make_project().shoal("serve", *arguments, "--port", "0")
    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_in_use_and_a_specialist_not_yet_trained(make_project: Any, serve: Any) -> None:
    project = make_project('[specialists.later]\ndata = "later.csv"\n')
    (project.folder / "later.csv").write_text("text,label\n")
    gateway = serve()
    assert "not served yet: later has no champion; make one: shoal train later" in gateway.said()
    second = project.shoal("serve", "--port", str(gateway.port))
    assert second.returncode == 3
    assert f"port {gateway.port} on 127.0.0.1 is in use" in second.stderr


def test_a_killed_server_loses_no_written_row_and_the_last_champion_serves_again(
    make_project: Any, serve: Any, until: Callable[..., Any]
) -> None:
    project = make_project()
    gateway = serve()
    project.registry.promote("urgency", "v2")
    with Traffic(gateway) as traffic:
        until(lambda: traffic.versions.count("v2") >= 20, "answers of v2")
        answered = {response.headers["x-request-id"] for response in list(traffic.responses)}
        until(lambda: answered <= {row.id for row in project.rows()}, "their rows")
        served = len(traffic.responses)
        until(lambda: len(traffic.responses) > served, "traffic that goes on")
        gateway.process.kill()
        until(lambda: traffic.broken, "the kill to be noticed by those who ask")
    with contextlib.closing(sqlite3.connect(project.folder / ".shoal" / "ledger.db")) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    kept = [row.id for row in project.rows()]
    assert answered <= set(kept)
    assert len(kept) == len(set(kept))
    again = serve()
    response = again.predict("urgency", "there is a smell of gas in my kitchen")
    assert (response.status, response.headers["x-shoal-version"]) == (200, "v2")
    assert project.row(response.headers["x-request-id"]).outcome == "accepted"
    assert answered <= {row.id for row in project.rows()}


def test_a_stopping_server_answers_what_it_has_accepted(
    make_project: Any, serve: Any, upstream: Any, until: Callable[..., Any]
) -> None:
    project = make_project(
        f'[llms.large]\nbase_url = "{upstream.base_url}"\nmodel = "held"\ntimeout_s = 60\n',
    )
    gateway = serve()
    got: list[Any] = []
    asking = threading.Thread(target=lambda: got.append(gateway.chat("held/drain")))
    asking.start()
    until(lambda: any(b"held/drain" in one for one in upstream.asked()), "the request to be under way")
    gateway.process.send_signal(signal.SIGTERM)
    until(lambda: refuses(gateway), "new connections to be refused")
    assert gateway.process.poll() is None
    upstream.ask("GET", "/release")
    asking.join(60)
    assert got[0].status == 200
    assert got[0].json["choices"][0]["message"]["content"] == "the answer"
    assert gateway.process.wait(60) == 0
    row = project.row(got[0].headers["x-request-id"])
    assert (row.outcome, row.status) == ("passed_through", 200)


def refuses(gateway: Any) -> bool:
    try:
        gateway.get("/health")
    except ConnectionError:
        return True
    return False


def test_what_a_stopping_server_cannot_finish_is_told_so(
    make_project: Any, serve: Any, upstream: Any, until: Callable[..., Any]
) -> None:
    project = make_project(
        f'[llms.large]\nbase_url = "{upstream.base_url}"\nmodel = "slow"\ntimeout_s = 60\n',
    )
    gateway = serve()
    got: list[Any] = []
    asking = threading.Thread(target=lambda: got.append(gateway.chat("slow/stopping")))
    asking.start()
    until(lambda: any(b"slow/stopping" in one for one in upstream.asked()), "the request to be under way")
    assert gateway.terminate() == 0
    asking.join(60)
    assert got[0].status == 503
    assert got[0].error["code"] == "stopping"
    row = project.row(got[0].headers["x-request-id"])
    assert (row.outcome, row.reason, row.status) == ("failed", "stopping", 503)
    assert "Traceback" not in gateway.said()


def test_a_second_interrupt_is_not_needed(serve: Any, trained: Path) -> None:
    gateway = serve(trained / "urgency")
    gateway.process.send_signal(signal.SIGINT)
    assert gateway.process.wait(60) == 0
    assert "Traceback" not in gateway.said()
    assert gateway.said().endswith("stopped\n")
