"""The reference pages say what the code does: commands, error codes, metrics."""

import json
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import pytest
from prometheus_client.parser import text_string_to_metric_families

import shoal.gateway.exchange
import shoal.serving  # noqa: F401 - its errors are under ShoalError too
from shoal import behaviour, config
from shoal.calibration import thresholds
from shoal.errors import ShoalError
from shoal.gateway.telemetry import Telemetry
from shoal.ledger import Ledger
from shoal.serving import Engine
from shoal.tasks import Classification, Outcome, Reason, Usage

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"


@pytest.mark.parametrize("script", ["docs/generate.py", "bench/tables.py"])
def test_generated_pages_are_not_stale(script: str) -> None:
    done = subprocess.run([sys.executable, ROOT / script, "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def rows(page: str) -> list[list[str]]:
    """Cells of every table row, without the marks of code."""
    lines = [line for line in (REFERENCE / page).read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    return [[cell.strip().replace("`", "") for cell in line.strip("|").split("|")] for line in lines]


def errors(kind: type[ShoalError] = ShoalError) -> set[type[ShoalError]]:
    inner = {one for each in kind.__subclasses__() if each.__module__.startswith("shoal.") for one in errors(each)}
    return {kind, *inner}


def test_every_error_is_in_the_table_with_its_numbers() -> None:
    told = {row[0]: (int(row[2]), int(row[3])) for row in rows("errors.md") if len(row) == 6}
    assert told == {error.code: (error.http_status, error.exit_code) for error in errors()}
    named = {row[1] for row in rows("errors.md") if len(row) == 6}
    assert named <= {error.__name__ for error in errors()}


def test_every_reason_is_explained() -> None:
    told = {code.strip() for row in rows("errors.md") if len(row) == 2 for code in row[0].split(",")}
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py"))
    spoken = {*re.findall(r'Failure\("(\w+)"', source), *re.findall(r'problem(?:, status)? = \(+"(\w+)"', source)}
    barred = {"egress_never", "egress_redact"}
    assert {*get_args(Reason), *spoken, *barred} <= told
    assert "client_gone" in spoken and "upstream_status" in spoken
    assert told <= {*get_args(Reason), *spoken, *barred, *(error.code for error in errors())}


def exposed(tmp_path: Path) -> dict[str, tuple[str, set[str]]]:
    """Names at /metrics, each with its kind and labels."""
    task = Classification(labels=("bill", "refund"))
    specialist: Any = SimpleNamespace(task=task, predict=lambda texts: [], brief=True)
    engine = Engine()
    engine.add_specialist("intent", "v1", specialist)
    with Ledger(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        telemetry = Telemetry(engine, ledger)
        telemetry.request("/health", 200, 0.1)
        telemetry.decision("intent", "accepted")
        telemetry.llm("large", Usage(1, 1), 0.1)
        text = telemetry.render().decode()
    found: dict[str, tuple[str, set[str]]] = {}
    for family in text_string_to_metric_families(text):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        if not name.endswith("_created"):
            labels = {label for sample in family.samples for label in sample.labels} - {"le"}
            found[name] = (family.type, labels)
    return found


def test_every_metric_is_documented_with_kind_and_labels(tmp_path: Path) -> None:
    told = {
        row[0]: (row[1], {label.strip() for label in row[2].split(",") if label.strip()}) for row in rows("metrics.md")
    }
    assert told == exposed(tmp_path)


def test_every_decision_is_named() -> None:
    page = (REFERENCE / "metrics.md").read_text(encoding="utf-8")
    assert not [outcome for outcome in get_args(Outcome) if f"`{outcome}`" not in page]


def test_the_thresholds_are_as_good_as_their_module_says() -> None:
    measured = {
        one["grid"]: f"{100 * one['coverage']:.1f} %"
        for one in json.loads((ROOT / "bench" / "results" / "threshold_grid.json").read_text())["results"]
        if (one["data"], one["scorer"], one["alpha"], one["calibration_rows"])
        == ("banking77", "frozen-minilm", 0.03, 1000)
    }
    chosen, strict = measured["product: 40 points from the clearest pass"], measured["10 quantiles from the strict end"]
    said = " ".join((thresholds.__doc__ or "").split())
    assert f"this certified {chosen} of the traffic on average, ten quantiles from the strict end {strict}." in said


@pytest.mark.parametrize("page", sorted(ROOT.glob("docs/**/*.md")), ids=lambda path: str(path.relative_to(ROOT)))
def test_pages_are_readable_and_their_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    if page.name != "config.md":
        assert not [line for line in text.splitlines() if len(line) > 130 and not line.startswith("|")]
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
        assert "://" in target or (page.parent / target).exists(), f"{page.name}: {target}"


TOML = [
    pytest.param(code, id=f"{page.name}-{number}")
    for page in sorted(ROOT.glob("docs/guide/*.md"))
    for number, code in enumerate(re.findall(r"^```toml\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S))
]


@pytest.mark.parametrize("code", TOML)
def test_what_shoal_toml_is_shown_to_hold_is_allowed(code: str, tmp_path: Path) -> None:
    """Parts of a file: a project's name and a specialist's data are put beside them."""
    if code.startswith("# behaviour.toml"):
        (tmp_path / "behaviour.toml").write_text(code)
        assert behaviour.load(tmp_path / "behaviour.toml").tests
        return
    (tmp_path / "behaviour.toml").touch()
    (tmp_path / "data").mkdir()
    for name in ("intent", "train", "test", "suspects", "texts", "logs"):
        (tmp_path / "data" / f"{name}.csv").write_text("text,label\n")
    for name in ("clauses.jsonl", "calls.jsonl"):
        (tmp_path / "data" / name).touch()
    (tmp_path / "data" / "record.schema.json").write_text('{"properties": {"solved": {"type": "boolean"}}}')
    if "data =" not in code and "labels =" not in code:
        code = code.replace("[specialists.intent]", '[specialists.intent]\ndata = "data/intent.csv"')
    (tmp_path / "shoal.toml").write_text(f'[project]\nname = "shown"\n{code}')
    assert config.load(tmp_path / "shoal.toml").name == "shown"
