"""`shoal review FILE` as typed: formats, exit codes, and a sentence for what cannot be done."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from shoal.cli import main
from shoal.registry import Registry

GOLDEN = Path(__file__).parents[1] / "data" / "artifact_v1"
LETTER = """\
# A letter

1. I'd like to order a birthday cake with strawberries.

2. When do you open on sundays?

3. The bread was stale and the man at the counter was rude.

4. X y z.
"""


class Ended(NamedTuple):
    code: int
    output: str
    error: str


Shoal = Callable[..., Ended]


@pytest.fixture
def shoal(monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path) -> Shoal:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")
    (tmp_path / "letter.md").write_text(LETTER)

    def shoal(*arguments: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["shoal", "review", *map(str, arguments)])
        code: object = 0
        try:
            main()
        except SystemExit as ended:
            code = ended.code
        said = capfdbinary.readouterr()
        assert isinstance(code, int | None)
        return Ended(code or 0, said.out.decode(), said.err.decode())

    return shoal


@pytest.fixture
def project(tmp_path: Path) -> Path:
    registry = Registry(tmp_path / ".shoal" / "registry")
    registry.promote("bakery", registry.publish("bakery", GOLDEN).version)
    (tmp_path / "data.csv").write_text("text,label\n")
    path = tmp_path / "shoal.toml"
    path.write_text('[project]\nname = "shown"\n[specialists.bakery]\ndata = "data.csv"\n')
    return path


def test_a_document_is_reviewed(shoal: Shoal) -> None:
    ended = shoal("letter.md", "--specialist", GOLDEN, "--format", "json", "--nothing", "hours")
    assert (ended.code, ended.error) == (0, "")
    found = json.loads(ended.output)
    assert (found["schema"], found["document"], found["labels"]) == (1, "letter.md", ["complaint", "order"])
    assert {(one["label"], one["place"]["section"]) for one in found["findings"]} >= {("order", "1")}
    assert [one["quote"] for one in found["doubts"]] == ["X y z."]
    assert all(one["quote"] in LETTER for one in found["findings"])
    assert shoal("file", "letter.md", "--specialist", GOLDEN).output.startswith("## Review of letter.md\n")


def test_severities_decide_the_exit_code(shoal: Shoal) -> None:
    asked = ("letter.md", "--specialist", GOLDEN, "--nothing", "hours", "--nothing", "complaint")
    assert shoal(*asked, "--fail-on", "high").code == 0
    ended = shoal(*asked, "--fail-on", "high", "--severity", "order=high")
    assert ended.code == 1 and "severity high or above" in ended.error and ended.output.startswith("## Review")
    assert shoal(*asked, "--fail-on", "low").code == 1


@pytest.mark.parametrize(("name", "begins"), [("r.html", "<!doctype html>"), ("r.md", "## Review"), ("r.json", "{")])
def test_the_suffix_says_what_is_written(shoal: Shoal, tmp_path: Path, name: str, begins: str) -> None:
    ended = shoal("letter.md", "--specialist", GOLDEN, "--out", name)
    assert (ended.code, ended.output) == (0, "") and f"Written to {name}." in ended.error
    assert (tmp_path / name).read_text(encoding="utf-8").lstrip().startswith(begins)
    assert not list(tmp_path.glob(".r*"))


def test_the_projects_only_specialist_needs_no_name(shoal: Shoal, project: Path) -> None:
    assert "read by bakery v1" in shoal("letter.md").output
    assert "read by bakery" in shoal("letter.md", "--specialist", "bakery@v1").output
    plain = project.read_text()
    project.write_text(plain + 'severities = { order = "high" }\n')
    assert "| high | order |" in shoal("letter.md").output
    assert "| low | order |" in shoal("letter.md", "--severity", "order=low").output
    project.write_text(plain + '[specialists.other]\ndata = "data.csv"\n')
    ended = shoal("letter.md")
    assert ended.code == 2 and "2 specialists that could review: bakery, other. Name one" in ended.error


def test_doubts_go_to_a_larger_model_if_they_may(shoal: Shoal, project: Path) -> None:
    ended = shoal("letter.md", "--escalate")
    assert ended.code == 2 and "has escalate = 'review'" in ended.error
    plain = project.read_text()
    llm = '[llms.large]\nbase_url = "http://127.0.0.1:9/v1"\nmodel = "m"\nretries = 0\n'
    project.write_text(f'{plain}escalate = "large"\negress = "redact"\n{llm}')
    ended = shoal("letter.md", "--escalate")
    assert ended.code == 2 and "has egress = 'redact', and the LLM 'large' is external" in ended.error
    project.write_text(f'{plain}escalate = "large"\n{llm}')
    ended = shoal("letter.md", "--escalate", "--nothing", "hours", "--format", "json")
    doubts = json.loads(ended.output)["doubts"]
    assert ended.code == 0 and doubts
    assert f"asked about {len(doubts)} doubts: 0 confirmed, 0 cleared" in ended.error
    assert f"warning: {len(doubts)} of them got no answer and stay doubts" in ended.error


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["none.pdf", "--specialist", GOLDEN], 2, "there is no file none.pdf"),
        (["letter.md"], 2, "no --specialist is given, and there is no project"),
        (["letter.md", "--specialist", "terms"], 2, "'terms' is not a model folder"),
        (["letter.md", "--specialist", GOLDEN, "--out", "r.pdf"], 2, "names no format"),
        (["letter.md", "--specialist", GOLDEN, "--out", "none/r.html"], 3, "cannot write none/r.html"),
        (["letter.md", "--specialist", GOLDEN, "--severity", "order"], 2, "write LABEL=high"),
        (["letter.md", "--specialist", GOLDEN, "--severity", "oder=high"], 2, "'oder' is no label"),
        (["letter.md", "--specialist", GOLDEN, "--nothing", "oder"], 2, "'oder' is no label"),
        (["letter.md", "--specialist", GOLDEN, "--escalate"], 2, "has no table in shoal.toml"),
    ],
)
def test_what_cannot_be_done_is_said(shoal: Shoal, arguments: list[str], code: int, said: str) -> None:
    ended = shoal(*arguments)
    assert (ended.code, ended.output) == (code, "")
    assert ended.error.startswith("error: ") and said in ended.error and ended.error.count("\n") == 1
