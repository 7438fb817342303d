"""`shoal data` and `shoal new` as a person meets them: exit codes, messages, files."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner, Result

from shoal import config
from shoal import data as shoal_data
from shoal.cli import data, new
from shoal.data.catalogue import SOURCES
from shoal.data.corrections import row_id
from shoal.errors import ConfigError, DataError, EnvironmentProblem, InputError, NotFoundError, ShoalError
from shoal.models import load
from shoal.registry import Registry

GOLDEN = Path(__file__).parents[1] / "data" / "artifact_v1"


def run(*arguments: str | Path) -> Result:
    app = typer.Typer()
    data.register(app)
    new.register(app)
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "100", "SHOAL_DATA": ""})


def refused(error: type[ShoalError], *arguments: str | Path) -> str:
    result = run(*arguments)
    assert isinstance(result.exception, error)
    return str(result.exception)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    assert run("new", tmp_path / "bike-shop").exit_code == 0
    return tmp_path / "bike-shop"


def test_new_makes_a_project_that_loads_and_has_clean_data(project: Path) -> None:
    loaded = config.load(project)
    assert loaded.name == "bike-shop" and list(loaded.specialists) == ["intent"]
    assert (project / ".gitignore").read_text().endswith(".shoal/\n")
    rows = shoal_data.split(shoal_data.read(project / "data" / "intent.csv"))
    report = shoal_data.check(rows)
    assert report.problems == () and report.rows == 96 and report.near_duplicates == 0
    assert min(report.splits.values()) > 5 and set(report.labels.values()) == {24}


def test_new_settings_that_are_commented_out_are_right_too(project: Path) -> None:
    text = (project / "shoal.toml").read_text()
    commented = [line for line in text.splitlines() if line.startswith("# ") and (" = " in line or line[2] == "[")]
    assert len(commented) >= 9
    opened = "\n".join(line[2:] if line in commented and "Take the" not in line else line for line in text.splitlines())
    (project / "shoal.toml").write_text(opened)
    loaded = config.load(project)
    assert loaded.llms["large"].price is not None and loaded.specialists["intent"].gate.accuracy == 0.9
    assert set(loaded.specialists["intent"].never) <= {"return_or_refund"}


def test_new_overwrites_nothing(project: Path, tmp_path: Path) -> None:
    before = (project / "shoal.toml").read_bytes()
    assert "is not empty, and nothing is overwritten" in refused(InputError, "new", project)
    assert (project / "shoal.toml").read_bytes() == before
    (tmp_path / "file").touch()
    assert "is a file; choose another name" in refused(InputError, "new", tmp_path / "file")
    (tmp_path / "empty").mkdir()
    assert run("new", tmp_path / "empty").exit_code == 0


def test_new_takes_any_folder_name(tmp_path: Path) -> None:
    name = 'Größe "42"'
    assert run("new", tmp_path / name).exit_code == 0
    assert config.load(tmp_path / name).name == name


def test_check_of_a_project_and_of_files(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    for arguments in ((), ("data/intent.csv",)):
        result = run("data", "check", *arguments)
        assert result.exit_code == 0
        assert "96 rows, 4 labels" in result.output and "no problems" in result.output


def test_check_tells_problems_and_blocks_on_errors(tmp_path: Path) -> None:
    file = tmp_path / "r.csv"
    file.write_text('text,label\n"see [bold] here",a\n"See [bold] here",b\nother thing,a\nyet more,b\nno label,\n')
    result = run("data", "check", file)
    assert result.exit_code == 2
    assert "empty_label" in result.output and f"{file.name}:6" in result.output
    found = json.loads(run("data", "check", file, "--json").output)[str(file)]
    assert found["ok"] is False and found["rows"] == 5
    assert [problem["code"] for problem in found["problems"]] == ["empty_label", "contradictory_labels", "duplicates"]
    assert found["problems"][1]["origins"] == [f"{file}:2 = {file}:3"]
    assert "no column 'lable'; did you mean 'label'?" in refused(DataError, "data", "check", file, "--label", "lable")


def test_check_of_a_project_refuses_labels_that_its_data_does_not_have(project: Path) -> None:
    toml = project / "shoal.toml"
    toml.write_text(toml.read_text() + 'never = ["refund"]\ndescriptions = { order_status = "x", repairs = "y" }\n')
    told = refused(InputError, "data", "check", "--project", toml)
    assert "specialists.intent.never: 'refund' is not a label of its data" in told
    assert "specialists.intent.descriptions: 'repairs' is not a label" in told and "order_status'" not in told
    toml.write_text("[project]\nname = 'x'\n")
    assert "has no [specialists.NAME]" in refused(InputError, "data", "check", "--project", toml)
    toml.unlink()
    refused(ConfigError, "data", "check", "--project", toml)


def test_get_lists_and_refuses_unknown_names(tmp_path: Path) -> None:
    assert {one["name"] for one in json.loads(run("data", "get", "list", "--json").output)} == {
        one.name for one in SOURCES
    }
    assert all(one.name in run("data", "get", "list").output for one in SOURCES)
    assert "did you mean 'clinc150'?" in refused(NotFoundError, "data", "get", "clinc15", "--to", tmp_path)


def test_get_copies_from_the_folder_that_the_environment_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = typer.Typer()
    data.register(app)
    arguments = ["data", "get", "banking77", "--to", str(tmp_path / "here")]
    result = CliRunner().invoke(app, arguments, env={"SHOAL_DATA": str(tmp_path / "shared")})
    assert isinstance(result.exception, DataError)
    assert f"{tmp_path}/shared/banking77/train.csv: there is no such file" in str(result.exception)


def suspects_model(folder: Path) -> Path:
    """The golden model with a report of three doubtful rows of the project's data."""
    texts = {"a parcel that never came": "order_status", "=can I get it": "return_or_refund", "yesterday": "product"}
    found = [
        {"text": t, "label": label, "suggested": "delivery", "score": 0.1, "origin": "x:1", "id": row_id(t)}
        for t, label in texts.items()
    ]
    replace(load(GOLDEN), name="intent", report={"suspicious": found}).save(folder)
    return folder


def test_suspects_are_written_once_and_decisions_are_applied(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    model = suspects_model(tmp_path / "model")
    registry = Registry(config.load(project).registry)
    registry.promote("intent", registry.publish("intent", model).version)
    said = json.loads(run("data", "suspects", "intent", "--json").output)
    assert said == {"rows": 3, "decided": 0, "file": "intent_suspects.csv"}
    file = project / "intent_suspects.csv"
    before = file.read_bytes()
    assert "is there already and may hold a person's work" in refused(InputError, "data", "suspects", model)
    assert file.read_bytes() == before

    rows = shoal_data.read(project / "data" / "intent.csv").rows
    data_before = (project / "data" / "intent.csv").read_bytes()
    other = next(row.label for row in rows if row.label != rows[0].label)
    line = f"{row_id(rows[0].text)},d,first,{rows[0].label},{other},0.1,suggested\n"
    file.write_bytes(before.replace(b"0.1000,\n", b"0.1000,keep\n", 1))
    (project / "mine.csv").write_text("id,origin,text,label,suggested,score,decision\n" + line)
    toml = project / "shoal.toml"
    text = toml.read_text()
    toml.write_text(text.replace("data =", 'corrections = ["mine.csv"]\ndata =', 1))
    counts = json.loads(run("data", "check", "--json").stdout)["intent"]["labels"]
    assert counts[rows[0].label] == 23 and counts[other] == 25
    assert "1 labels changed" in run("data", "check").stderr
    assert (project / "data" / "intent.csv").read_bytes() == data_before

    toml.write_text(text.replace("data =", 'corrections = ["intent_suspects.csv"]\ndata =', 1))
    said = json.loads(run("data", "suspects", "intent", "--out", "next.csv", "--json").output)
    assert said == {"rows": 2, "decided": 1, "file": "next.csv"}
    assert "no row has this text any more" in refused(DataError, "data", "check")


def test_texts_to_label_next_are_written_once_and_can_be_trained_on(
    project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def vectors(texts: list[str], *_: object) -> np.ndarray:
        return np.array([[text.count(chr(97 + n)) + 1 for n in range(26)] for text in texts], float)

    monkeypatch.setattr("shoal.training.acquisition._vectors", vectors)  # asked in tests/integration
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(project)
    own = shoal_data.read(project / "data" / "intent.csv").rows[:40]
    (project / "texts.jsonl").write_text("\n".join(json.dumps({"text": f"{row.text}, =2, ok?"}) for row in own))
    said = json.loads(run("data", "next", "texts.jsonl", "--count", "20", "--json").output)
    assert said == {"rows": 20, "why": {"typical": 15, "random": 5}, "file": "next.csv"}
    before = (project / "next.csv").read_bytes()
    assert before.startswith(b"\xef\xbb\xbftext,label,suggested,confidence,why\n")
    assert "is there already" in refused(InputError, "data", "next", "texts.jsonl")
    (project / "next.csv").write_bytes(before.replace(b",,,,", b",yes,,,"))
    rows = shoal_data.read(project / "next.csv").rows
    assert len(rows) == 20 and {row.label for row in rows} == {"yes"} and all(", =2, ok?" in row.text for row in rows)

    model = suspects_model(tmp_path / "model")
    registry = Registry(config.load(project).registry)
    registry.promote("intent", registry.publish("intent", model).version)
    (project / "mixed.csv").write_text("text\n" + "\n".join(f'"{row.text}"' for row in own) + "\nbread\ncake\n")
    asked = ("data", "next", "mixed.csv", "--specialist", "intent", "--out", "more.csv", "--json")
    assert json.loads(run(*asked).output)["rows"] == 2  # the others are rows of the specialist
    suggested = {row.text: row.label for row in shoal_data.read(project / "more.csv", label="suggested").rows}
    assert suggested.keys() == {"bread", "cake"} and set(suggested.values()) <= set(load(GOLDEN).task.labels)


def test_suspects_of_models_that_noted_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "train it again" in refused(InputError, "data", "suspects", GOLDEN)
    replace(load(GOLDEN), report={}).save(tmp_path / "clean")
    assert "no label looks wrong; nothing was written" in run("data", "suspects", tmp_path / "clean").output
    model = suspects_model(tmp_path / "model")
    refused(EnvironmentProblem, "data", "suspects", model, "--out", "no/such/folder.csv")
    assert not list(tmp_path.glob("*.csv"))


@pytest.mark.parametrize("command", [("new",), ("data",), ("data", "check"), ("data", "suspects"), ("data", "get")])
def test_help_fits_a_screen_and_shows_an_example(command: tuple[str, ...]) -> None:
    shown = run(*command, "--help").output
    assert shown.count("\n") <= 40
    assert "Example: shoal" in shown or command == ("data",)
