"""The main job on real input, from labelled rows to a report; `make demo` runs it.

In a copy of this folder, .demo/ beside the Makefile: `shoal train` makes, certifies and gates the three specialists,
`shoal llm serve` starts a small larger model on this machine, `shoal serve` puts both behind one OpenAI-compatible
address, and the held-back test messages are sent there by the official `openai` client. Every figure printed at the end
is counted here, from the answers and the gold labels.
"""

import contextlib
import csv
import json
import random
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from openai import APIError, OpenAI
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

import shoal
from shoal.calibration import Certificate
from shoal.metrics import clopper_pearson
from shoal.registry import Registry

EXAMPLE = Path(__file__).resolve().parent
ROOT = EXAMPLE.parents[1]
DEMO = ROOT / ".demo"
SHOAL = str(Path(sys.executable).with_name("shoal"))
SPECIALISTS = ("intent", "sentiment", "urgency")
CLIENTS = 4  # applications that ask at the same time
MOST_MESSAGES = 120  # of each specialist, so that the LLM, at half a second or more a doubt, is done in a minute or two
START_S = 60.0
WHO = {"accepted": "SLM, kept", "escalated": "LLM", "reviewed": "review", "abstained": "nobody"}

console = Console(highlight=False)


class Failed(Exception):
    """Something did not work; says what, and where to look."""


class Message(NamedTuple):
    """A held-back message and the label that its author gave it."""

    specialist: str
    text: str
    gold: str


class Answer(NamedTuple):
    """What came back for a message; the label is empty when it waits for a person."""

    message: Message
    decision: str
    label: str
    ms: float

    @property
    def right(self) -> bool:
        return self.label == self.message.gold


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # unwinds, so that the servers are stopped
    began = time.monotonic()
    try:
        llm_port = copy_example()
        with phase("1  Train, certify, gate and register three specialists"):
            run("train")
        with phase("2  Serve them, with a larger model on this machine for their doubts"):
            answers = serve_and_play(load_messages(), llm_port)
        with phase("3  The account, against the gold labels"):
            account(answers)
        with phase("4  What the ledger says: shoal report"):
            run("report", "--html", "report.html")
        with phase("5  What waits for a person: shoal review list"):
            run("review", "list", "--limit", "5")
    except (Failed, APIError) as problem:
        console.print(f"[red]The demo failed:[/] {problem}", markup=True)
        sys.exit(1)
    except KeyboardInterrupt:
        console.print("Stopped.")
        sys.exit(130)
    where_next(time.monotonic() - began)


@contextlib.contextmanager
def phase(title: str) -> Iterator[None]:
    console.rule(f"[bold]{title}", align="left")
    began = time.monotonic()
    yield
    console.print(f"[dim]{time.monotonic() - began:.0f} s[/]\n")


def copy_example() -> int:
    """Start afresh in .demo/; gives the LLM's port: that of shoal.toml or, where it is taken, a free one."""
    shutil.rmtree(DEMO, ignore_errors=True)
    shutil.copytree(EXAMPLE, DEMO, ignore=shutil.ignore_patterns(".shoal", "demo.py", "__pycache__"))
    settings = (DEMO / "shoal.toml").read_text(encoding="utf-8")
    wanted = port = urlsplit(tomllib.loads(settings)["llms"]["large"]["base_url"]).port
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", wanted)) == 0:  # somebody answers there
            with socket.socket() as other:
                other.bind(("127.0.0.1", 0))
                port = other.getsockname()[1]
    (DEMO / "shoal.toml").write_text(settings.replace(f":{wanted}/", f":{port}/"), encoding="utf-8")
    return port


def run(*arguments: str) -> None:
    """Run a `shoal` command in .demo/; what it prints is seen as it comes."""
    console.print(f"[dim]$ shoal {' '.join(arguments)}[/]")
    if status := subprocess.run([SHOAL, *arguments], cwd=DEMO).returncode:
        raise Failed(f"`shoal {' '.join(arguments)}` ended with exit code {status}; what it said is above.")


def read_json(*arguments: str) -> Any:
    done = subprocess.run([SHOAL, *arguments, "--json"], cwd=DEMO, stdout=subprocess.PIPE)
    if done.returncode:
        raise Failed(f"`shoal {' '.join(arguments)} --json` ended with exit code {done.returncode}.")
    return json.loads(done.stdout)


@contextlib.contextmanager
def server(*arguments: str) -> Iterator[str]:
    """Run a `shoal` command beside this one until the block ends, however it ends; gives the address it prints."""
    log = DEMO / f"{arguments[0]}.log"
    with log.open("wb") as output:
        process = subprocess.Popen([SHOAL, *arguments], cwd=DEMO, stdout=output, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + START_S
        while not (found := re.search(r"(http://\S+/v1)\b.*\n", said := log.read_text(encoding="utf-8"))):
            if process.poll() is not None or time.monotonic() > deadline:
                raise Failed(f"`shoal {' '.join(arguments)}` did not start: {said.strip() or 'it said nothing'}")
            time.sleep(0.1)
        try:
            yield found[1]
        except APIError:
            if process.poll() is None:
                raise  # somebody else's fault
        if process.poll() is not None:
            raise Failed(f"`shoal {' '.join(arguments)}` ended too early, with {process.returncode}; see {log}")
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def load_messages() -> list[Message]:
    """Read the held-back rows: of each specialist the same seeded sample every time, in mixed order."""
    draw = random.Random(0)
    messages: list[Message] = []
    for name in SPECIALISTS:
        with (DEMO / "data" / f"{name}_test.csv").open(newline="", encoding="utf-8") as file:
            rows = [Message(name, row["text"], row["label"]) for row in csv.DictReader(file)]
        messages += draw.sample(rows, min(MOST_MESSAGES, len(rows)))
        console.print(f"{name}: {min(MOST_MESSAGES, len(rows))} of {len(rows)} held-back messages")
    draw.shuffle(messages)
    return messages


def serve_and_play(messages: Sequence[Message], llm_port: int) -> list[Answer]:
    with (
        server("llm", "serve", "--port", str(llm_port), "--threads", "2") as llm,
        server("serve", "--port", "0") as gateway,
        OpenAI(base_url=gateway, api_key="none", max_retries=0, timeout=60) as client,
    ):
        console.print(f"larger model at {llm}, gateway at {gateway}")
        console.print(f"{CLIENTS} clients send {len(messages)} messages in mixed order")
        answers = play(client, messages)
        pass_through(client)
    return answers


def play(client: OpenAI, messages: Sequence[Message]) -> list[Answer]:
    with (
        Progress(console=console, transient=True, disable=not console.is_terminal) as progress,
        ThreadPoolExecutor(CLIENTS) as clients,
    ):
        asked = [clients.submit(ask, client, message) for message in messages]
        try:
            return [done.result() for done in progress.track(as_completed(asked), len(asked), description="answered")]
        finally:
            clients.shutdown(wait=False, cancel_futures=True)  # after a failure, nobody waits for the rest


def ask(client: OpenAI, message: Message) -> Answer:
    """One request as any application would make it; a header says who answered."""
    began = time.perf_counter()
    response = client.chat.completions.with_raw_response.create(
        model=f"shoal/{message.specialist}", messages=[{"role": "user", "content": message.text}]
    )
    ms = (time.perf_counter() - began) * 1000
    label = response.parse().choices[0].message.content or ""
    return Answer(message, response.headers["x-shoal-decision"], label, ms)


def pass_through(client: OpenAI) -> None:
    """Every other model name goes to its LLM as it came."""
    prompt = (
        "Question: What is the capital of Italy?\nAnswer: Rome\n\nQuestion: What is the capital of France?\nAnswer:"
    )
    answer = client.completions.create(model="gemma-3-270m", prompt=prompt, max_tokens=24, stop=["\n"], temperature=0)
    console.print(f"passed through to {answer.model}: {answer.choices[0].text.strip()!r}", markup=False)


def account(answers: Sequence[Answer]) -> None:
    """Say who answered, how often that was right, how fast and for how much; and whether the promises were kept."""
    spent = {route["route"]: route["cost_usd"] for route in read_json("report")["routes"]}
    registry = Registry(DEMO / ".shoal" / "registry")
    who_table = figures("answered by", "messages", "right", "SLM's guess", "p50 ms", "p95 ms", "spent")
    promises = figures("promise", "at most", "certified", "kept here, wrong", "95 % interval", "")
    for name in SPECIALISTS:
        specialist = shoal.load(registry.path(registry.resolve(name)))
        own = [answer for answer in answers if answer.message.specialist == name]
        who_table.add_row(f"[bold]{name}")
        for decision, who in WHO.items():
            part = [answer for answer in own if answer.decision == decision]
            if part:
                cost = spent[name] if decision == "escalated" else 0.0
                who_table.add_row(f"  {who}", *who_row(specialist, part, len(own), cost))
        kept = [answer for answer in own if answer.decision == "accepted"]
        promises.add_row(name, *promise_row(specialist.certificate, kept))
    console.print(who_table)
    console.print("[dim]The SLM's guess: how often its own label would have been right where it handed on instead.")
    console.print(
        "[dim]The LLM is a small base model in place of a large one; it shares the cores with all the rest.\n"
    )
    console.print(promises)


def who_row(specialist: shoal.Specialist, part: Sequence[Answer], of: int, cost: float) -> Iterator[str]:
    guesses = specialist.predict([answer.message.text for answer in part])
    guessed = sum(guess.label == answer.message.gold for guess, answer in zip(guesses, part, strict=True))
    decision, ms = part[0].decision, sorted(answer.ms for answer in part)
    yield f"{len(part)} ({len(part) / of:.0%})"
    yield share(sum(answer.right for answer in part), len(part)) if decision in ("accepted", "escalated") else "-"
    yield "" if decision == "accepted" else f"{guessed / len(part):.0%}"
    yield f"{statistics.median(ms):,.0f}"
    yield f"{ms[min(len(ms) - 1, int(0.95 * len(ms)))]:,.0f}"
    yield f"${cost:.2g}"


def promise_row(certificate: Certificate | None, kept: Sequence[Answer]) -> Iterator[str]:
    """Hold a certificate, made on calibration rows, against what was kept of the test messages."""
    if certificate is None or not certificate.certified or not kept:
        yield from ("", "", "", "", "[yellow]nothing kept[/]")
        return
    wrong = sum(not answer.right for answer in kept)
    low, high = clopper_pearson(wrong, len(kept))
    yield f"{certificate.risk:.0%}"
    yield f"{certificate.coverage:.0%} of {certificate.rows}"
    yield share(wrong, len(kept))
    yield f"{100 * low:.1f} to {high:.1%}"
    if wrong <= certificate.risk * len(kept):
        yield "[green]kept[/]"
    else:
        yield "[yellow]by chance?[/]" if low <= certificate.risk else "[red]broken[/]"


def figures(first: str, *numbers: str) -> Table:
    table = Table(first, box=None, pad_edge=False, header_style="dim")
    for column in numbers:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def share(part: int, whole: int) -> str:
    return f"{part / whole:.1%} ({part} of {whole})"


def where_next(seconds: float) -> None:
    console.rule("[bold]Where to look next", align="left")
    console.print(f"Done in {seconds:.0f} s. Everything is in {DEMO.relative_to(ROOT)}/:")
    console.print("  report.html                 the report")
    console.print("  .shoal/registry/intent/versions/v1/artifact/report.html   one specialist's evaluation")
    console.print("\nServe it yourself, the larger model in another terminal:")
    console.print("  make serve                  documentation at http://127.0.0.1:8000/docs")
    console.print("  .venv/bin/shoal llm serve")


if __name__ == "__main__":
    main()
