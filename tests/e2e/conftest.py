"""Real `shoal serve` processes on free ports, real specialists, and an upstream that misbehaves on demand."""

import base64
import contextlib
import csv
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI

import shoal
from shoal.ledger import Inference, Ledger, ReviewItem
from shoal.registry import Registry

HERE = Path(__file__).parent
DATA = HERE.parents[1] / "examples" / "helpdesk" / "data"
SHOAL = str(Path(sys.executable).parent / "shoal")
BOUND_S = 60.0  # of every wait; reached only when something is broken

TRAINING = """
import sys, shoal
data, out = sys.argv[1:]
for name, file, risk, seed in [("urgency", "urgency", 0.2, 0), ("urgency-b", "urgency", 0.2, 1),
                               ("sentiment", "sentiment", 0.35, 0)]:
    shoal.train(f"{data}/{file}.csv", backbone="tfidf", risk=risk, seed=seed).save(f"{out}/{name}")
"""


def until(what: Callable[[], Any], why: str) -> Any:
    """Ask again and again until the answer is true."""
    deadline = time.monotonic() + BOUND_S
    while not (found := what()):
        assert time.monotonic() < deadline, f"waited {BOUND_S:g} s in vain for {why}"
        time.sleep(0.05)
    return found


@dataclass
class Response:
    """A response as it came over the wire."""

    status: int
    headers: dict[str, str]
    body: bytes
    cut: bool = False

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        assert set(self.json) == {"error"}, self.body
        assert set(self.json["error"]) == {"message", "type", "code", "param"}
        return self.json["error"]


def ask(
    port: int,
    method: str,
    path: str,
    body: bytes | Iterator[bytes] | None = None,
    headers: dict[str, str] | None = None,
) -> Response:
    """Send one request by the standard library, which changes nothing about it."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=BOUND_S)
    with contextlib.closing(connection):
        connection.request(method, path, body, {"content-type": "application/json", **(headers or {})})
        answer = connection.getresponse()
        got = {name.lower(): value for name, value in answer.getheaders()}
        assert len(got) == len(answer.getheaders()), f"a header is there twice: {answer.getheaders()}"
        try:
            return Response(answer.status, got, answer.read())
        except http.client.IncompleteRead as error:
            return Response(answer.status, got, error.partial, cut=True)


class Upstream:
    """The scripted upstream, in a process of its own."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "scripted_upstream.py")], stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())
        self.base_url = f"http://127.0.0.1:{self.port}/v1"

    def ask(self, method: str, path: str, body: bytes | None = None) -> Response:
        return ask(self.port, method, path, body)

    def seen(self) -> list[dict[str, Any]]:
        return self.ask("GET", "/seen").json

    def asked(self) -> list[bytes]:
        """Return the bodies of all requests so far."""
        return [base64.b64decode(one["body"]) for one in self.seen()]

    def close(self) -> None:
        self.process.kill()
        self.process.wait(BOUND_S)
        assert self.process.stdout is not None
        self.process.stdout.close()


@dataclass
class Gateway:
    """A running `shoal serve`."""

    process: subprocess.Popen[bytes]
    log: Path
    port: int = 0
    clients: list[OpenAI] = field(default_factory=list)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def said(self) -> str:
        return self.log.read_text()

    def get(self, path: str) -> Response:
        return ask(self.port, "GET", path)

    def post(self, path: str, body: Any, headers: dict[str, str] | None = None) -> Response:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return ask(self.port, "POST", path, raw, headers)

    def post_chunks(self, path: str, pieces: list[bytes]) -> Response:
        """Send a body whose length nobody says beforehand."""
        return ask(self.port, "POST", path, iter(pieces))

    def predict(self, name: str, inputs: Any, **fields: Any) -> Response:
        return self.post(f"/v1/specialists/{name}/predict", {"inputs": inputs, **fields})

    def chat(self, model: str, text: str = "hello", **fields: Any) -> Response:
        messages = [{"role": "user", "content": text}]
        return self.post("/v1/chat/completions", {"model": model, "messages": messages, **fields})

    def openai(self) -> OpenAI:
        client = OpenAI(base_url=self.base_url, api_key="none", max_retries=0, timeout=BOUND_S)
        self.clients.append(client)
        return client

    def wait_ready(self) -> "Gateway":
        def port() -> int:
            assert self.process.poll() is None, self.said()
            line = next((line for line in self.said().splitlines(True) if line.startswith("serving on http")), "")
            return int(line.split("/v1")[0].rpartition(":")[2]) if line.endswith("\n") else 0

        self.port = until(port, "the line that names the port")
        until(lambda: self.get("/health").status == 200, "a healthy server")
        return self

    def terminate(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(BOUND_S)

    def close(self) -> None:
        for client in self.clients:
            client.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
        self.process.wait(BOUND_S)


Serve = Callable[..., Gateway]


@contextlib.contextmanager
def serving(folder: Path) -> Generator[Serve]:
    """Start servers with these arguments in `folder`; all are ended with the block."""
    started: list[Gateway] = []

    def serve(*arguments: str | Path, cwd: Path = folder) -> Gateway:
        log = cwd / f"serve-{len(started)}.log"
        with log.open("wb") as output:
            command = [SHOAL, "serve", *map(str, arguments), "--port", "0"]
            process = subprocess.Popen(command, cwd=cwd, stdout=output, stderr=subprocess.STDOUT)
        started.append(Gateway(process, log))
        return started[-1].wait_ready()

    try:
        yield serve
    finally:
        for gateway in started:
            gateway.close()


class Project:
    """A folder with a shoal.toml and a registry."""

    def __init__(self, folder: Path, toml: str) -> None:
        self.folder = folder
        self.registry = Registry(folder / ".shoal" / "registry")
        (folder / "shoal.toml").write_text(toml)

    @property
    def ledger_url(self) -> str:
        return f"sqlite:///{self.folder / '.shoal' / 'ledger.db'}"

    def publish(self, name: str, artifact: Path, *, champion: bool = False) -> Path:
        version = self.registry.publish(name, artifact)
        if champion:
            self.registry.promote(name, version.version)
        return self.registry.path(version)

    def shoal(self, *arguments: str, bound_s: float = BOUND_S) -> subprocess.CompletedProcess[str]:
        return subprocess.run([SHOAL, *arguments], cwd=self.folder, capture_output=True, text=True, timeout=bound_s)

    def rows(self) -> list[Inference]:
        with Ledger(self.ledger_url) as ledger:
            return ledger.rows(limit=100_000)

    def row(self, id: str) -> Inference:
        """The row of one request, by the x-request-id of its response; rows are written a moment later."""
        return until(lambda: next((row for row in self.rows() if row.id == id), None), f"row {id}")

    def reviews(self) -> list[ReviewItem]:
        with Ledger(self.ledger_url) as ledger:
            return ledger.review_queue(limit=10_000)


@pytest.fixture(scope="session", name="until")
def until_fixture() -> Callable[[Callable[[], Any], str], Any]:
    return until


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders urgency, urgency-b (trained otherwise) and sentiment."""
    out = tmp_path_factory.mktemp("models")
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}  # its threads cost more than they gain on small matrices
    command = [sys.executable, "-c", TRAINING, str(DATA), str(out)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return out


@dataclass(frozen=True)
class Texts:
    """What the sentiment specialist is sure of, and what it doubts."""

    sure: list[str]
    doubtful: list[str]


@pytest.fixture(scope="session")
def texts(trained: Path) -> Texts:
    with (DATA / "sentiment_test.csv").open(newline="", encoding="utf-8") as rows:
        read = [row["text"] for row in csv.DictReader(rows)]
    predictions = shoal.load(trained / "sentiment").predict(read)
    sure = [text for text, prediction in zip(read, predictions, strict=True) if prediction.accepted]
    doubtful = [text for text, prediction in zip(read, predictions, strict=True) if not prediction.accepted]
    assert sure and doubtful
    return Texts(sure, doubtful)


@pytest.fixture(scope="session")
def upstream() -> Iterator[Upstream]:
    upstream = Upstream()
    yield upstream
    upstream.close()


def llm(name: str, base_url: str, model: str, timeout_s: float = BOUND_S) -> str:
    return (
        f'[llms.{name}]\nbase_url = "{base_url}"\nmodel = "{model}"\ntimeout_s = {timeout_s}\nretries = 1\n'
        "price = { input = 1.0, output = 2.0 }\n"
    )


def specialist(name: str, data: str, escalate: str) -> str:
    return f'[specialists.{name}]\ndata = "{data}"\nbackbone = "tfidf"\nescalate = "{escalate}"\n'


@dataclass
class Desk:
    """One server with a larger model for each fault, each reached by a specialist of its own."""

    project: Project
    gateway: Gateway
    upstream: Upstream


# The larger models that settle no doubt, and what they are told to be.
FAULTS = {
    "down": "fine/down",
    "late": "slow/2",
    "http-500": "error-500/2",
    "http-429": "error-429/2",
    "garbled": "garbage/2",
    "broken": "cut/2",
    "oversized": "huge/2",
    "nonsense": "label:purple",
}


@pytest.fixture(scope="session")
def closed_port() -> Iterator[int]:
    """A port that is taken, so that nobody else gets it, and that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@pytest.fixture(scope="session")
def desk(
    trained: Path, upstream: Upstream, closed_port: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("desk")
    head = (DATA / "sentiment.csv").read_text(encoding="utf-8").splitlines(True)[:60]
    (folder / "few.csv").write_text("".join(head), encoding="utf-8")
    parts = ['[project]\nname = "desk"\n', llm("default", upstream.base_url, "fine", timeout_s=2)]
    parts += [llm("positive", upstream.base_url, "label:positive"), specialist("sentiment", "few.csv", "positive")]
    parts += [specialist("urgency", str(DATA / "urgency.csv"), "review"), specialist("quiet", "few.csv", "none")]
    for name, model in FAULTS.items():
        base_url = f"http://127.0.0.1:{closed_port}/v1" if name == "down" else upstream.base_url
        parts += [llm(name, base_url, model, timeout_s=2 if name == "late" else BOUND_S)]
        parts += [specialist(f"with-{name}", "few.csv", name)]
    project = Project(folder, "\n".join(parts))
    project.publish("urgency", trained / "urgency", champion=True)
    for name in ["sentiment", "quiet", *(f"with-{name}" for name in FAULTS)]:
        project.publish(name, trained / "sentiment", champion=True)
    with serving(folder) as serve:
        yield Desk(project, serve(), upstream)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    with serving(tmp_path) as serve:
        yield serve


@pytest.fixture
def make_project(trained: Path, tmp_path: Path) -> Callable[..., Project]:
    """Make a project with the champion urgency v1, and v2 published beside it."""

    def make(*parts: str) -> Project:
        toml = '[project]\nname = "desk"\n' + specialist("urgency", str(DATA / "urgency.csv"), "review")
        project = Project(tmp_path, "\n".join([toml, *parts]))
        project.publish("urgency", trained / "urgency", champion=True)
        project.publish("urgency", trained / "urgency-b")
        return project

    return make
