"""shoal.toml: what is right loads with its defaults, what is wrong is told all at once, line by line."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from shoal.config import Project, load
from shoal.config.load import FORMATS
from shoal.data.files import READERS
from shoal.errors import ConfigError

REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "config.md"

FULL = """
[project]
name = "helpdesk"

[llms.large]                       # any OpenAI-compatible endpoint
base_url = "http://127.0.0.1:8081/v1"
model = "gpt-4o"
api_key_env = "OPENAI_API_KEY"
price = { input = 2.50, output = 10.00 }
location = "external"

[specialists.intent]
task = "classification"
data = "data/intent.csv"
guarantee = { risk = 0.03, confidence = 0.95 }
gate = { accuracy = 0.90, p99_ms = 20, certified = true }
escalate = "large"
egress = "redact"

[specialists.tone]
data = { train = "data/intent.csv", test = "data/intent.csv" }
corrections = ["data/suspects.csv"]
never = ["angry"]
descriptions = { angry = "the writer is angry" }

[serve]
port = 0
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "intent.csv").write_text("text,label\na,b\n")
    (tmp_path / "data" / "suspects.csv").write_text("id,label,suggested,decision\n")
    return tmp_path


def mistakes(folder: Path, text: str | bytes) -> list[str]:
    file = folder / "shoal.toml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert str(caught.value) == "\n".join(caught.value.mistakes)
    return [mistake.removeprefix(str(file)) for mistake in caught.value.mistakes]


def test_a_full_file_loads(folder: Path) -> None:
    (folder / "shoal.toml").write_text(FULL)
    project = load(folder)
    assert (project.name, project.root, project.registry) == ("helpdesk", folder, folder / ".shoal" / "registry")
    intent, tone = project.specialists["intent"], project.specialists["tone"]
    assert intent.data == folder / "data" / "intent.csv"
    assert (intent.corrections, tone.corrections) == ([], [folder / "data" / "suspects.csv"])
    assert (intent.guarantee.risk, intent.gate.accuracy, intent.gate.p99_ms) == (0.03, 0.9, 20.0)
    assert intent.gate.certified and not tone.gate.certified
    assert (intent.escalate, intent.egress, intent.backbone, intent.budget_seconds) == ("large", "redact", "auto", 600)
    assert tone.data == {"train": folder / "data/intent.csv", "test": folder / "data/intent.csv"}
    assert (tone.escalate, tone.never, tone.guarantee.risk) == ("review", ["angry"], 0.05)
    large = project.llms["large"]
    assert large.price is not None and (large.price.input, large.price.output) == (2.5, 10.0)
    assert (large.timeout_s, large.retries, large.max_concurrency) == (30, 2, 16)
    assert (project.serve.host, project.serve.port) == ("127.0.0.1", 0)
    assert project.ledger.url == f"sqlite:///{folder}/.shoal/ledger.db"
    assert project.energy.watts_per_core > 0


def test_relative_paths_start_at_the_file_whatever_the_working_directory(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "shoal.toml").write_text(FULL + '[ledger]\nurl = "sqlite:///logs/a.db"\n')
    monkeypatch.chdir(folder)
    project = load()
    assert project.specialists["intent"].data == folder / "data" / "intent.csv"
    assert project.ledger.url == f"sqlite:///{folder}/logs/a.db"


def test_every_mistake_is_told_at_once_with_its_line(folder: Path) -> None:
    told = mistakes(
        folder,
        """[project]
nam = "x"
[llms.large]
base_url = "localhost:80"
model = ""
api_key_env = "sk-live-123456"
price = { input = -1, output = "10" }
location = "onpremise"
timeout_s = 0
[llms.none]
base_url = "http://h/v1"
model = "m"
[specialists.intent]
task = "clasification"
data = "data/intents.csv"
guarantee = { risk = 3, confidence = 1 }
gate = { accuracy = 1.9, p99 = 20 }
escalate = "larg"
egress = "redacted"
never = [
  "a",
  3,
]
[specialists."Big One"]
data = { train = "data/intent.csv", tset = "x.csv" }
text = "label"
escalate = "far"
egress = "never"
seed = true
[specialists.three]
descriptions = ["a"]
[serve]
port = 99999
[ledger]
url = "mysql://root:secret@h/db"
text = "ful"
[energi]
[llms.far]
base_url = "http://h/v1"
model = "m"
""",
    )
    expected = [
        ':1: project.name: is missing; for example name = "helpdesk"',
        ":2: project.nam: is not a known key (did you mean 'name'?); allowed are name, registry",
        ":4: llms.large.base_url: got 'localhost:80', must be an address such as http://127.0.0.1:8081/v1",
        ":5: llms.large.model: got '', must be a string that is not empty",
        ":6: llms.large.api_key_env: got a value not shown here, must be the name of an environment variable such as",
        ":7: llms.large.price.input: got -1, must be a number of at least 0",
        ":7: llms.large.price.output: got '10', must be a number of at least 0",
        ":8: llms.large.location: got 'onpremise', must be one of external, on-premise (did you mean 'on-premise'?)",
        ":9: llms.large.timeout_s: got 0, must be a number above 0",
        ":10: llms.none: 'none' already means something in `escalate`; choose another name",
        ":14: specialists.intent.task: got 'clasification', must be one of classification, multilabel, "
        "tagging, summarization, extraction (did you mean",
        f":15: specialists.intent.data: got 'data/intents.csv', but there is no file {folder}/data/intents.csv "
        "(did you mean 'intent.csv'?)",
        ":16: specialists.intent.guarantee.confidence: got 1, must be a number above 0 and below 1",
        ":16: specialists.intent.guarantee.risk: got 3, must be a number above 0 and below 1",
        ":17: specialists.intent.gate.accuracy: got 1.9, must be a number from 0 to 1",
        ":17: specialists.intent.gate.p99: is not a known key (did you mean 'p99_ms'?); allowed are accuracy,",
        ":18: specialists.intent.escalate: got 'larg', must be one of large, far, review, none (did you mean 'large'?)",
        ":19: specialists.intent.egress: got 'redacted', must be one of allow, redact, never (did you mean 'redact'?)",
        ":22: specialists.intent.never.1: got 3, must be a string that is not empty",
        ':24: specialists."Big One": must be a name: up to 64 small letters',
        ":25: specialists.\"Big One\".data: got {'train': 'data/intent.csv', 'tset': 'x.csv'}, must be a path, or",
        ":26: specialists.\"Big One\".text: got 'label', which is already the column of the labels",
        ":28: specialists.\"Big One\".egress: got 'never', but texts would escalate to the external LLM 'far'",
        ':29: specialists."Big One".seed: got True, must be a whole number of at least 0',
        ':30: specialists.three.data: is missing; for example data = "data/intent.csv"',
        ":31: specialists.three.descriptions: got ['a'], must be a table",
        ":33: serve.port: got 99999, must be a port: a whole number from 0 to 65535",
        ":35: ledger.url: got a value not shown here, must be sqlite:///PATH or postgresql+psycopg://",
        ":36: ledger.text: got 'ful', must be one of full, hash, none (did you mean 'full'?)",
        ":37: energi: is not a known key (did you mean 'energy'?); allowed are project, llms, specialists,",
    ]
    assert [seen[: len(start)] for seen, start in zip(told, expected, strict=False)] == expected
    assert len(told) == len(expected)
    assert "sk-live" not in "".join(told) and "secret" not in "".join(told)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[project\nname = 1", ":1:9: not valid TOML: Expected ']' at the end of a table declaration"),
        ("[project]\nname = ", ":2:8: not valid TOML: Invalid value"),
        ('[project]\nname = "open', ":2:13: not valid TOML: "),
        ("[project]\n[project]\n", ":2:9: not valid TOML: Cannot declare ('project',) twice"),
        ("n = " + "9" * 5000, ":1:5005: not valid TOML: Exceeds the limit"),
        ("n = " + "[" * 5000, ":1:5005: not valid TOML: "),
        (b'[project]\nname = "caf\xe9"\n', ":2:12: byte 0xE9 is not UTF-8"),
        ("", ':1: project: is missing; for example a table [project] with name = "helpdesk"'),
        ("project = 3", ":1: project: got 3, must be a table"),
        ('specialists = "x"\n[project]\nname = "x"', ":1: specialists: got 'x', must be a table"),
    ],
)
def test_files_that_are_no_project(folder: Path, text: str | bytes, message: str) -> None:
    (told,) = mistakes(folder, text)
    assert told.startswith(message)


def test_labels_stand_in_for_rows_that_are_not_there_yet(folder: Path) -> None:
    (folder / "data" / "texts.csv").write_text("text\nhello\n")
    file = folder / "shoal.toml"
    file.write_text(
        '[project]\nname = "x"\n[specialists.a]\nlabels = [" refund", "delivery"]\nunlabelled = "data/texts.csv"\n'
        'never = ["refund"]\ndescriptions = { delivery = "where is it?" }\n'
    )
    found = load(file).specialists["a"]
    assert found.data is None and found.labels == ["refund", "delivery"]
    assert found.unlabelled == folder / "data" / "texts.csv"


def test_summaries_need_no_rows_to_begin(folder: Path) -> None:
    (folder / "data" / "texts.csv").write_text("text\nhello\n")
    file = folder / "shoal.toml"
    table = '[project]\nname = "x"\n[specialists.a]\ntask = "summarization"\n'
    for more, unlabelled in (("", None), ('unlabelled = "data/texts.csv"\n', folder / "data" / "texts.csv")):
        file.write_text(table + more)
        found = load(file).specialists["a"]
        assert (found.data, found.unlabelled) == (None, unlabelled)
    (told,) = mistakes(folder, table.replace("summarization", "tagging"))
    assert "specialists.a.data: is missing" in told
    tagging = table.replace("summarization", "tagging") + 'labels = ["name"]\nunlabelled = "data/texts.csv"\n'
    (told,) = mistakes(folder, tagging)
    assert "specialists.a.unlabelled: is of a classification, and the task is 'tagging'" in told


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('labels = ["a"]', ":4: specialists.a.labels: got ['a'], must be an array of 2 to 10,000 labels"),
        (
            'labels = ["a", "a "]',
            ":4: specialists.a.labels: got ['a', 'a '], must be an array of different labels; 'a'",
        ),
        ('labels = ["a", " "]', ":4: specialists.a.labels.1: got '', must be a string that is not empty"),
        ("labels = 3", ":4: specialists.a.labels: got 3, must be an array"),
        ('labels = ["a", "b"]\nnever = ["c"]', ":5: specialists.a.never.0: 'c' is not one of `labels`"),
        (
            'labels = ["refund", "b"]\ndescriptions = { refnd = "x" }',
            ":5: specialists.a.descriptions.refnd: 'refnd' is not one of `labels` (did you mean 'refund'?)",
        ),
        (
            'labels = ["a", "b"]\nunlabelled = "data"',
            ":5: specialists.a.unlabelled: got 'data', must be a file of .csv",
        ),
        (f"labels = {[f'l{n}' for n in range(10_001)]}", ":4: specialists.a.labels: got ['l0', 'l1'"),
    ],
)
def test_labels_that_cannot_be_used(folder: Path, line: str, told: str) -> None:
    (found,) = mistakes(folder, f'[project]\nname = "x"\n[specialists.a]\n{line}\n')
    assert found.startswith(told)


CLOSER = """[project]
name = "x"
[specialists.a]
data = "data/intent.csv"
"""


def test_slices_and_behaviour(folder: Path) -> None:
    (folder / "own.toml").touch()
    (folder / "shoal.toml").write_text(
        CLOSER
        + """slices = { columns = ["channel"], terms = { gender = { women = ["she"], men = ["he"] } } }
gate = { slice_accuracy = 0.8, slice_gap = 0.1, max_slice_regression = 0.05 }
behaviour = ["own.toml", "bias", { suite = "sentiment", labels = { positive = "b" }, skip = ["typos"] }]
"""
    )
    found = load(folder).specialists["a"]
    assert found.slices.columns == ["channel"] and found.slices.terms["gender"]["men"] == ["he"]
    assert [one.suite for one in found.behaviour] == [str(folder / "own.toml"), "bias", "sentiment"]
    assert found.behaviour[2].labels == {"positive": "b"} and found.behaviour[2].skip == ["typos"]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('behaviour = "bias"', "behaviour: got 'bias', must be an array"),
        ('behaviour = ["bais"]', "behaviour.0: got 'bais', but there is no file "),
        (
            'behaviour = [{ suite = "bias", label = { a = "b" } }]',
            "behaviour.0.label: is not a known key (did you mean",
        ),
        ('behaviour = [{ labels = { a = "b" } }]', 'behaviour.0.suite: is missing; for example suite = "sentiment"'),
        (
            'behaviour = [{ suite = "bias", pass_rates = { a = 2 } }]',
            "behaviour.0.pass_rates.a: got 2, must be a number",
        ),
        ("behaviour = [3]", "behaviour.0: got 3, must be a table"),
        ("gate = { slice_gap = 0.1 }", "gate.slice_gap: asks about slices, and there are none; add slices ="),
        ('slices = ["channel"]', "slices: got ['channel'], must be a table"),
        ("slices = { terms = { gender = { women = [] } } }", "slices.terms.gender.women: got [], must be a list of at"),
    ],
)
def test_mistakes_in_slices_and_behaviour(folder: Path, line: str, told: str) -> None:
    found = mistakes(folder, CLOSER + line)
    assert found[0].startswith(f":5: specialists.a.{told}"), found


def test_a_missing_file_says_how_to_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"shoal.toml: there is no such file; `shoal new NAME` starts a project"):
        load(tmp_path / "shoal.toml")


def test_data_must_be_a_file_of_a_known_format(folder: Path) -> None:
    (folder / "data" / "rows.xlsx").touch()
    for data in ("data/rows.xlsx", "data"):
        (told,) = mistakes(folder, f'[project]\nname = "x"\n[specialists.a]\ndata = "{data}"')
        assert told.startswith(f":4: specialists.a.data: got '{data}', must be a file of .csv, .tsv, .jsonl")


def test_the_formats_are_those_that_can_be_read() -> None:
    assert set(FORMATS) == set(READERS)


values = st.recursive(
    st.one_of(st.integers(-5, 5), st.booleans(), st.sampled_from(["large", "review", "never", "data/intent.csv", ""])),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["train", "risk", "x"]), inner),
    max_leaves=4,
)
KEYS = [
    "slices",
    "behaviour",
    "task",
    "data",
    "labels",
    "unlabelled",
    "guarantee",
    "gate",
    "escalate",
    "egress",
    "never",
    "seed",
    "descriptions",
    "text",
    "odd",
]


@given(st.dictionaries(st.sampled_from(KEYS), values))
def test_whatever_the_values_only_config_errors_come_out(
    tmp_path_factory: pytest.TempPathFactory, table: dict[str, Any]
) -> None:
    folder = tmp_path_factory.mktemp("project")
    (folder / "data").mkdir()
    (folder / "data" / "intent.csv").touch()
    text = '[project]\nname = "x"\n[specialists.a]\n' + "".join(f"{key} = {_toml(v)}\n" for key, v in table.items())
    (folder / "shoal.toml").write_text(text)
    lines = {key: number for number, key in enumerate(table, start=4)}
    try:
        load(folder)
    except ConfigError as error:
        for mistake in error.mistakes:
            line, path, _ = mistake.removeprefix(f"{folder / 'shoal.toml'}:").split(": ", 2)
            key = path.removeprefix("specialists.a.").partition(".")[0]
            assert int(line) == lines.get(key, 3), mistake


def _toml(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case dict():
            return "{ " + ", ".join(f"{key} = {_toml(inner)}" for key, inner in value.items()) + " }"
        case list():
            return f"[{', '.join(map(_toml, value))}]"
        case str():
            return f'"{value}"'
        case _:
            return str(value)


def _keys(annotation: Any, prefix: str = "") -> Iterator[str]:
    if get_origin(annotation) is dict:
        if isinstance(inner := get_args(annotation)[1], type) and issubclass(inner, BaseModel):
            yield from _keys(inner, f"{prefix}NAME.")
        return
    inner = [part for kind in get_args(annotation) for part in get_args(kind)]  # of Annotated in a list
    for kind in (annotation, *get_args(annotation), *inner):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            for name, field in kind.model_fields.items():
                yield f"{prefix}{name}"
                yield from _keys(field.annotation, f"{prefix}{name}.")


def test_every_key_is_documented() -> None:
    page = REFERENCE.read_text(encoding="utf-8")
    keys = [key for key in _keys(Project) if "." in key]
    assert len(keys) > 40
    assert [key for key in keys if f"`{key}`" not in page] == []


@pytest.mark.parametrize(
    ("written", "schema", "told"),
    [
        ("", None, "record: is missing; name the file with the JSON schema"),
        ('record = "cal.json"', '{"properties": {"a": {"type": "boolean"}}}', "(did you mean 'call.json'?)"),
        ('record = "call.json"', "[]", "holds no JSON object; a JSON schema is one"),
        ('record = "call.json"', "{", "cannot be read as JSON"),
        ('record = "call.json"', '{"properties": {"a": {"type": "object"}}}', "field 'a' is of type 'object'"),
        ('record = "call.json"\nlabels = ["a"]\nnever = ["a"]', '{"properties": {"a": {"type": "boolean"}}}', "never"),
    ],
)
def test_a_record_needs_a_schema_that_can_be_filled(
    tmp_path: Path, written: str, schema: str | None, told: str
) -> None:
    (tmp_path / "calls.jsonl").touch()
    if schema is not None:
        (tmp_path / "call.json").write_text(schema)
    head = '[project]\nname = "x"\n[specialists.call]\ntask = "extraction"\ndata = "calls.jsonl"\n'
    (tmp_path / "shoal.toml").write_text(head + written)
    with pytest.raises(ConfigError) as error:
        load(tmp_path)
    assert told in str(error.value)


def test_a_record_is_of_an_extraction(tmp_path: Path) -> None:
    (tmp_path / "calls.jsonl").touch()
    (tmp_path / "call.json").write_text('{"properties": {"a": {"type": "boolean"}}}')
    head = '[project]\nname = "x"\n[specialists.call]\ndata = "calls.jsonl"\nrecord = "call.json"\n'
    (tmp_path / "shoal.toml").write_text(head + 'task = "extraction"\nrules = false\n')
    record = load(tmp_path).specialists["call"].record
    assert record == tmp_path / "call.json"
    (tmp_path / "shoal.toml").write_text(head + 'task = "tagging"\n')
    with pytest.raises(ConfigError, match="record: is of extraction, and the task is 'tagging'"):
        load(tmp_path)
