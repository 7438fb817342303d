"""What stands in shoal.toml: every table and key, its type, what is allowed, its default.

How a value is checked is in `values`; how the file is read and how mistakes are told is in `reading`.
"""

import re
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Literal, cast

from pydantic import BeforeValidator, Field, PrivateAttr, ValidationInfo
from pydantic_core import PydanticCustomError

from shoal.config.values import (
    RULE,
    Backbone,
    Columns,
    Count,
    CountOrZero,
    Name,
    NotNegative,
    Port,
    Positive,
    Probability,
    Share,
    Table,
    Text,
    Url,
    Variable,
    Words,
)
from shoal.tasks import MAX_LABELS, TaskKind

SUITES = ("bias", "sentiment")  # behavioural tests that come with shoal
SPLIT_FILES = ("train", "dev", "calibration", "test")


def _root(context: Any) -> Path:
    return cast(dict[str, Path], context or {}).get("root", Path())


def _path(value: Any, info: ValidationInfo) -> Path:
    """Make a path of a string; relative to the folder of shoal.toml."""
    if not isinstance(value, str) or not value.strip():
        raise PydanticCustomError(RULE, "{allowed}", {"allowed": "a path"})
    return _root(info.context) / Path(value).expanduser()


def _suite(value: Any, info: ValidationInfo) -> str:
    """Leave the name of a suite that comes with shoal; make a path of anything else."""
    return value if value in SUITES else str(_path(value, info))


def _named(value: Any) -> Any:
    """Let a suite be written as its name alone."""
    return {"suite": value} if isinstance(value, str) else value


def _data(value: Any, info: ValidationInfo) -> Any:
    if isinstance(value, str):
        return _path(value, info)
    files = cast(dict[object, object], value) if isinstance(value, dict) else {}
    if (
        "train" not in files
        or not set(files) <= set(SPLIT_FILES)
        or not all(isinstance(v, str) for v in files.values())
    ):
        allowed = (
            'a path, or a file for each split such as { train = "train.csv", test = "test.csv" }; train must be there'
        )
        raise PydanticCustomError(RULE, "{allowed}", {"allowed": f"{allowed}, dev, calibration and test may be"})
    return {split: _path(path, info) for split, path in files.items()}


def _paths(value: Any, info: ValidationInfo) -> list[Path]:
    """Make paths of strings."""
    if not isinstance(value, list):
        raise PydanticCustomError(RULE, "{allowed}", {"allowed": 'an array of paths such as ["data/suspects.csv"]'})
    return [_path(one, info) for one in cast(list[object], value)]


def _labels(value: Any, info: ValidationInfo) -> Any:
    """Take a closed set of labels: white space around them dropped, as it is in rows. `task` stands before them."""
    if not isinstance(value, list):
        return value  # pydantic's to refuse
    given = [each.strip() if isinstance(each, str) else each for each in cast(list[Any], value)]
    least = 2 if info.data.get("task", "classification") == "classification" else 1
    if not least <= len(given) <= MAX_LABELS:
        raise PydanticCustomError(RULE, "{allowed}", {"allowed": f"an array of {least} to {MAX_LABELS:,} labels"})
    twice = next((label for label, count in Counter(map(str, given)).items() if count > 1), None)
    if twice is not None:
        raise PydanticCustomError(
            RULE, "{allowed}", {"allowed": f"an array of different labels; {twice!r} is repeated"}
        )
    return given


def _region(value: Any) -> str:
    """Take a country code of two letters (ISO 3166)."""
    if not isinstance(value, str) or not re.fullmatch(r"[A-Z]{2}", value):
        raise PydanticCustomError(RULE, "{allowed}", {"allowed": "a country code of two capital letters, such as GB"})
    return value


def _database(value: Any, info: ValidationInfo) -> Any:
    """Let a relative SQLite file start at the folder of shoal.toml."""
    if not isinstance(value, str) or not re.fullmatch(r"(sqlite:///|postgresql(\+\w+)?://).+", value):
        allowed = "sqlite:///PATH or postgresql+psycopg://USER:PASSWORD@HOST/DATABASE"
        raise PydanticCustomError(RULE, "{allowed}", {"allowed": allowed})
    if not value.startswith("sqlite:///"):
        return value
    return f"sqlite:///{_path(value.removeprefix('sqlite:///'), info)}"


ProjectPath = Annotated[Path, BeforeValidator(_path)]
DatabaseUrl = Annotated[str, BeforeValidator(_database)]
ProjectPaths = Annotated[list[Path], BeforeValidator(_paths)]
DataFiles = Annotated[Path | dict[str, Path], BeforeValidator(_data)]
Labels = Annotated[list[Text], BeforeValidator(_labels)]
Region = Annotated[str, BeforeValidator(_region)]


class ProjectConfig(Table):
    """`[project]`.

    Attributes:
        name: what the project is called.
        registry: folder of the trained versions.
    """

    name: Text = Field(examples=['name = "helpdesk"'])
    registry: ProjectPath = Field(default=cast(Path, ".shoal/registry"), validate_default=True)


class PriceConfig(Table):
    """`price` of an LLM, in USD per million tokens."""

    input: NotNegative = Field(examples=["price = { input = 2.50, output = 10.00 }"])
    output: NotNegative = Field(examples=["price = { input = 2.50, output = 10.00 }"])


class LLMConfig(Table):
    """`[llms.NAME]`: an OpenAI-compatible endpoint.

    Attributes:
        base_url: address up to and including /v1.
        model: name of the model at the endpoint.
        api_key_env: name of the environment variable that holds the key.
        price: USD per million tokens; None counts its calls, not their cost.
        location: "external" or "on-premise"; what the egress rule looks at.
        timeout_s: seconds until a call is given up.
        retries: further attempts after a failed call.
        max_concurrency: calls under way at once.
        style: "chat" for models tuned to instructions, "completion" for base models, which continue a text.
    """

    base_url: Url = Field(examples=['base_url = "http://127.0.0.1:8081/v1"'])
    model: Text = Field(examples=['model = "gpt-4o"'])
    api_key_env: Variable | None = None
    price: PriceConfig | None = None
    location: Literal["external", "on-premise"] = "external"
    timeout_s: Positive = 30.0
    retries: CountOrZero = 2
    max_concurrency: Count = 16
    style: Literal["chat", "completion"] = "chat"


class TeacherConfig(Table):
    """`teacher`: the labels are a larger model's answers, and not all of them can be trusted.

    Attributes:
        votes: columns of further answers, of the same model or of others; one answer or a list in each.
        probabilities: column of objects label -> number: how probable the model finds each label.
        truth: column of what people say, where somebody looked.
    """

    votes: Columns = Field(default_factory=list[str])
    probabilities: Text | None = None
    truth: Text | None = None


class GuaranteeConfig(Table):
    """`guarantee`: kept answers disagree with the reference in at most `risk`, with probability `confidence`."""

    risk: Probability = 0.05
    confidence: Probability = 0.95


class GateConfig(Table):
    """`gate`: what a new version must reach to be released; None asks for nothing.

    Attributes:
        accuracy: at least, on test.
        macro_f1: at least, on test.
        coverage: share of test texts inside the guarantee, at least.
        p99_ms: latency of one text, 99th percentile in milliseconds, at most.
        size_mb: megabytes of the model folder, at most.
        certified: whether it must have a certificate, without which it keeps nothing.
        slice_accuracy: at least, in every slice of test.
        slice_gap: between two slices of one kind, at most.
        max_regression: how much worse than the champion it may be, paired on the same rows.
        max_slice_regression: the same on every slice.
        figures: for tasks other than classification: at least, by the name of a figure of the report ("macro_f1").
        part_recall: for them: recall of every label or type, at least.
    """

    accuracy: Share | None = None
    macro_f1: Share | None = None
    coverage: Share | None = None
    p99_ms: Positive | None = None
    size_mb: Positive | None = None
    certified: bool = False
    slice_accuracy: Share | None = None
    slice_gap: Share | None = None
    max_regression: Share = 0.005
    max_slice_regression: Share = 0.02
    figures: dict[Text, Share] = Field(default_factory=dict[str, float])
    part_recall: Share | None = None


class SlicesConfig(Table):
    """`slices`: where the report and the gate look closer.

    Attributes:
        columns: columns of the data with few values, such as a channel or a region.
        terms: groups of terms in texts, by what they tell apart: { gender = { women = ["she"], men = ["he"] } }.
    """

    columns: list[Text] = Field(default_factory=list[str])
    terms: dict[Text, dict[Text, Words]] = Field(default_factory=dict[str, dict[str, list[str]]])


class BehaviourConfig(Table):
    """An item of `behaviour`: tests of what a specialist does to texts of a certain kind.

    Attributes:
        suite: a TOML file with tests, or the name of a suite that comes with shoal.
        labels: which label of the specialist is meant by a label of the suite.
        pass_rates: test -> share of its cases that must pass, instead of what the suite asks.
        skip: tests to leave out.
    """

    suite: Annotated[str, BeforeValidator(_suite)] = Field(examples=['suite = "sentiment"'])
    labels: dict[Text, Text] = Field(default_factory=dict[str, str])
    pass_rates: dict[Text, Share] = Field(default_factory=dict[str, float])
    skip: list[Text] = Field(default_factory=list[str])


class SummaryConfig(Table):
    """`summary`: of a specialist that summarises.

    Attributes:
        unit: what is quoted.
        sentences: at most so many of them (or of turns). Where no length is given: as long as the references are.
        words: at most so many.
        tokens: at most so many, as an encoder counts.
        floor: kept summaries reach at least this share of the ROUGE within reach, but for `risk` of them.
    """

    unit: Literal["sentence", "turn"] = "sentence"
    sentences: Count | None = None
    words: Count | None = None
    tokens: Count | None = None
    floor: Probability = 0.5


class SpecialistConfig(Table):
    """`[specialists.NAME]`: one narrow task, the data it is learnt from, what is promised and who gets the doubts.

    Attributes:
        task: what is asked: "classification" (one label of a set), "multilabel" (any number of them), "tagging" (spans
            of several types), "summarization" (the sentences or turns that say most) or "extraction" (a record of
            several fields).
        data: one file, or a file for each split; relative to shoal.toml. None: nothing is labelled yet, or no summary
            is written.
        labels: the closed set of labels; without labelled rows their names alone make the first version.
        unlabelled: file of texts without labels, from which a first version learns what the traffic looks like, and
            later ones what a head on the frozen encoder makes of it; or without summaries, before one is written.
        teacher: the labels are a larger model's answers.
        corrections: lists of `shoal data suspects` whose decisions are applied to the rows, one after the other.
        text: column of the texts.
        label: column of the reference answers; None: "label", "labels", "spans", "summary" or "record", as the task has
            it.
        query: column with what a summary is to be about.
        split: column that assigns rows to splits.
        group: column whose values never straddle splits.
        time: column with the time of a row; the newest rows become calibration.
        backbone: "auto", "static", "encoder", "finetune", "tfidf", or a folder or hub name of an encoder; of a list of
            encoders the best is chosen.
        guarantee: the promise about kept answers.
        gate: what a version must reach to be released.
        slices: groups of rows on which it is measured and gated as well.
        behaviour: suites of behavioural tests; each is a rule of the gate.
        escalate: who gets what is not kept: an LLM of this file, "review" (a person) or "none" (abstain).
        egress: what may leave for an external LLM: "allow" all, "redact" personal data, "never" anything.
        never: labels whose predictions are never kept.
        out_of_scope: the label of rows that belong to none of the others; its kept answers get a promise of their own.
        descriptions: what labels mean: for the LLM, and to learn from where rows are few or none.
        instructions: what the LLM is told about the task.
        record: file with the JSON schema of the records that are filled.
        summary: how long a summary is, of what it is made, and what is promised about it.
        rules: whether personal data is looked for by rules as well, by a tagger or for the fields of a record.
        regions: countries whose national phone numbers its rules know.
        severities: how bad it is when a document review finds a label; "medium" where nothing is said.
        budget_seconds: time that training may take.
        seed: of everything random in training.
    """

    task: TaskKind = "classification"
    data: DataFiles | None = None
    labels: Labels = Field(default_factory=list[str])
    unlabelled: ProjectPath | None = None
    teacher: TeacherConfig | None = None
    corrections: ProjectPaths = Field(default_factory=list[Path])
    text: Text = "text"
    label: Text | None = None
    query: Text | None = None
    split: Text | None = None
    group: Text | None = None
    time: Text | None = None
    backbone: Backbone = "auto"
    guarantee: GuaranteeConfig = GuaranteeConfig()
    gate: GateConfig = GateConfig()
    slices: SlicesConfig = SlicesConfig()
    behaviour: list[Annotated[BehaviourConfig, BeforeValidator(_named)]] = Field(default_factory=list[BehaviourConfig])
    escalate: Text = "review"
    egress: Literal["allow", "redact", "never"] = "allow"
    never: list[Text] = Field(default_factory=list[str])
    out_of_scope: Text | None = None
    descriptions: dict[str, Text] = Field(default_factory=dict[str, str])
    instructions: Text | None = None
    record: ProjectPath | None = None
    summary: SummaryConfig = SummaryConfig()
    rules: bool = True
    regions: list[Region] = Field(default_factory=list[str])
    severities: dict[Text, Literal["high", "medium", "low"]] = Field(default_factory=dict[str, Any])
    budget_seconds: Positive = 600.0
    seed: CountOrZero = 0


class ServeConfig(Table):
    """`[serve]`: the gateway.

    Attributes:
        host: address to listen on; anything but loopback opens it to the network.
        port: 0 takes a free one.
        max_body_bytes: of one request.
        max_inputs: texts in one request.
        queue_items: texts waiting for a specialist before callers get 429.
    """

    host: Text = "127.0.0.1"
    port: Port = 8000
    max_body_bytes: Count = 2_000_000
    max_inputs: Count = 1024
    queue_items: Count = 4096


class LedgerConfig(Table):
    """`[ledger]`: the record of every request.

    Attributes:
        url: SQLAlchemy address of the database; a relative SQLite file starts at the folder of shoal.toml.
        text: what is kept of a text: in "full", as a "hash", or "none".
    """

    url: DatabaseUrl = Field(default="sqlite:///.shoal/ledger.db", validate_default=True)
    text: Literal["full", "hash", "none"] = "full"


class EnergyConfig(Table):
    """`[energy]`: how CPU time becomes joules and money where the machine does not measure power.

    Attributes:
        watts_per_core: power of one busy core.
        price_per_kwh: USD.
    """

    watts_per_core: Positive = 4.26
    price_per_kwh: NotNegative = 0.25


class Project(Table):
    """A whole shoal.toml, checked.

    Attributes:
        project: `[project]`.
        llms: `[llms.NAME]`.
        specialists: `[specialists.NAME]`.
        serve: `[serve]`.
        ledger: `[ledger]`.
        energy: `[energy]`.
    """

    project: ProjectConfig = Field(examples=['a table [project] with name = "helpdesk"'])
    llms: dict[Name, LLMConfig] = Field(default_factory=dict[str, LLMConfig])
    specialists: dict[Name, SpecialistConfig] = Field(default_factory=dict[str, SpecialistConfig])
    serve: ServeConfig = ServeConfig()
    ledger: LedgerConfig  # load adds the table when it is not there, so that its default path knows the folder
    energy: EnergyConfig = EnergyConfig()
    _root: Path = PrivateAttr(default=Path())

    def model_post_init(self, context: Any, /) -> None:
        """Remember the folder of the file."""
        self._root = _root(context)

    @property
    def name(self) -> str:
        """What the project is called."""
        return self.project.name

    @property
    def root(self) -> Path:
        """The folder of shoal.toml; relative paths in it start here."""
        return self._root

    @property
    def registry(self) -> Path:
        """The folder of the trained versions."""
        return self.project.registry
