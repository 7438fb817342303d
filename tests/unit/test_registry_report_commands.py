"""`shoal report`, `review`, `versions`, `promote` and `rollback` as typed."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer
from typer.testing import CliRunner, Result

from shoal.cli import registry as registry_commands
from shoal.cli import report as report_commands
from shoal.cli import review as review_commands
from shoal.errors import InputError, NotFoundError
from shoal.ledger import Inference, Ledger
from shoal.models import artifact
from shoal.registry import Registry
from shoal.tasks import Classification

app = typer.Typer()
registry_commands.register(app)
report_commands.register(app)
review_commands.register(app)


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "140"})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def project(tmp_path: Path) -> Path:
    path = tmp_path / "shoal.toml"
    path.write_text('[project]\nname = "helpdesk"\n')
    return path


@pytest.fixture
def filled(project: Path) -> Path:
    with Ledger(f"sqlite:///{project.parent / '.shoal' / 'ledger.db'}") as ledger:
        for n in range(30):
            ledger.append(
                Inference(route="intent", specialist="intent", outcome="accepted", tier="encoder", time=1_000_000.0 + n)
            )
        ledger.append(
            Inference(
                id="abc1", route="intent", specialist="intent", outcome="reviewed", text="[bold]hm?[/]", label="bill"
            )
        )
    return project


def test_what_is_piped_is_as_wide_as_it_needs(project: Path) -> None:
    text = "my bill is far too high " * 10
    with Ledger(f"sqlite:///{project.parent / '.shoal' / 'ledger.db'}") as ledger:
        ledger.append(
            Inference(id="long", route="intent", specialist="intent", outcome="reviewed", text=text, label="bill")
        )
        ledger.append(
            Inference(route="a-route-with-a-long-name-" * 4, llm="large", outcome="passed_through", text=None)
        )
    piped = CliRunner(env={"COLUMNS": None, "TERMINAL_WIDTH": None})
    (line,) = [
        line
        for line in piped.invoke(app, ["review", "list", "--project", str(project)]).output.splitlines()
        if line.startswith("long ")
    ]
    assert text.strip() in line
    report = piped.invoke(app, ["report", "--project", str(project)]).output
    assert "a-route-with-a-long-name-" * 4 in report
    assert max(map(len, report.splitlines())) < 400
    narrow = CliRunner().invoke(app, ["report", "--project", str(project)], env={"COLUMNS": "60"}).output
    assert max(map(len, narrow.splitlines())) <= 60


def test_an_empty_ledger_is_a_sentence_and_makes_no_file(project: Path) -> None:
    assert "No requests yet" in run("report", "--project", project).output
    assert json.loads(run("report", "--project", project, "--json").output)["requests"] == 0
    assert "Nothing waits for a person" in run("review", "list", "--project", project).output
    assert run("review", "list", "--project", project, "--json").output.strip() == "[]"
    with pytest.raises(NotFoundError, match="ledger is empty"):
        run("review", "label", "x", "y", "--project", project)
    assert not (project.parent / ".shoal").exists()


def test_report_of_a_project(filled: Path, tmp_path: Path) -> None:
    page = tmp_path / "out" / "report.html"
    text = run("report", "--project", filled, "--html", page).output
    assert "31 requests" in text
    assert f"Written to {page}" in text.replace("\n", "")
    assert "answered by specialists" in page.read_text()
    found = json.loads(run("report", "--project", filled, "--json", "--since", "24h").output)
    assert (found["requests"], found["shares"][0]["key"]) == (1, "reviewed")
    found = json.loads(run("report", "--project", filled, "--json", "--until", "2000-01-01").output)
    assert found["requests"] == 30


def test_report_of_a_ledger_by_file_and_url(filled: Path) -> None:
    path = filled.parent / ".shoal" / "ledger.db"
    for ledger in (path, f"sqlite:///{path}"):
        assert json.loads(run("report", "--ledger", ledger, "--json").output)["requests"] == 31
    with pytest.raises(NotFoundError, match=r"there is no ledger .*nothing\.db"):
        run("report", "--ledger", "nothing.db")


@pytest.mark.parametrize("since", ["yesterday", "24", "h", "2026-13-01", "-3h"])
def test_times_that_are_none(filled: Path, since: str) -> None:
    with pytest.raises(InputError, match=r"--since .* is not a time; give a duration \(30m"):
        run("report", "--project", filled, f"--since={since}")


def test_review(filled: Path) -> None:
    text = run("review", "list", "--project", filled).output
    assert "[bold]hm?[/]" in text
    assert "shoal review label abc1 LABEL" in text
    done = json.loads(run("review", "label", "abc", "refund", "--project", filled, "--json").output)
    assert (done["id"], done["label"], done["predicted"]) == ("abc1", "refund", "bill")
    assert "Nothing waits" in run("review", "list", "--project", filled).output
    with pytest.raises(NotFoundError, match="no review item"):
        run("review", "label", "zzz", "refund", "--project", filled)


def _publish(project: Path, *contents: str) -> Registry:
    registry = Registry(project.parent / ".shoal" / "registry")
    for content in contents:
        with artifact.writing(project.parent / content) as new:
            (new / "weights").write_text(content)
        registry.publish(
            "intent", project.parent / content, note=f"[{content}]", report={"accuracy": 0.93214, "rows": 5}
        )
    return registry


def test_versions_promote_rollback(project: Path) -> None:
    assert "No versions yet" in run("versions", "--project", project).output
    registry = _publish(project, "a", "b")
    assert run("promote", "intent", "v1", "--project", project).output == "intent: champion is v1\n"
    assert run("promote", "intent", "latest", "--project", project).output == "intent: champion is v2 (was v1)\n"
    text = run("versions", "--project", project).output
    assert "accuracy 0.9321, rows 5" in text
    assert "[b]" in text
    rows = json.loads(run("versions", "intent", "--project", project, "--json").output)
    assert [(row["version"], row["aliases"]) for row in rows] == [("v1", []), ("v2", ["champion"])]
    assert run("rollback", "intent", "--project", project).output == "intent: champion is v1 (was v2)\n"
    assert registry.resolve("intent").version == "v1"
    with pytest.raises(NotFoundError, match="no specialist 'intnet'"):
        run("versions", "intnet", "--project", project)


def test_a_label_that_the_specialist_does_not_know(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _publish(filled, "a").promote("intent", "v1")
    task = Classification(labels=("bill", "refund_status", "outage"))
    monkeypatch.setattr("shoal.models.load", lambda _folder: SimpleNamespace(task=task))
    with pytest.raises(
        InputError, match=r"'refund_satus' is not one of the 3 labels of 'intent'; near are refund_status"
    ):
        run("review", "label", "abc1", "refund_satus", "--project", filled)
    assert "abc1 is 'outage' now" in run("review", "label", "abc1", "outage", "--project", filled).output
    assert "is 'spam' now" in run("review", "label", "abc1", "spam", "--new", "--project", filled).output


@pytest.mark.parametrize(
    "command", ["report", "review", "review list", "review label", "versions", "promote", "rollback"]
)
def test_help_fits_a_screen_and_shows_an_example(command: str) -> None:
    result = CliRunner().invoke(app, [*command.split(), "--help"], env={"COLUMNS": "80", "TERMINAL_WIDTH": "80"})
    assert result.exit_code == 0
    assert result.output.count("\n") <= 40
    assert command == "review" or "Example: shoal" in result.output
