"""What stands in shoal.toml: every table and key, its type, what is allowed, its default.

The sentence behind "must be" lives in the type, so that whoever breaks the rule reads that sentence. How the file is
read and how mistakes are told is in `load`.
"""

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr, ValidationInfo
from pydantic_core import PydanticCustomError

from shoal.tasks import MAX_LABELS

RULE = "rule"  # type of the errors whose message reads on after "must be"
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
SPLIT_FILES = ("train", "dev", "calibration", "test")


def _rule(allowed: str, holds: Callable[[Any], bool]) -> BeforeValidator:
    """Make a validator that says what is allowed."""

    def check(value: Any) -> Any:
        if not holds(value):
            raise PydanticCustomError(RULE, "{allowed}", {"allowed": allowed})
        return value

    return BeforeValidator(check)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf")


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


Probability = Annotated[float, _rule("a number above 0 and below 1", lambda v: _number(v) and 0 < v < 1)]
Share = Annotated[float, _rule("a number from 0 to 1", lambda v: _number(v) and 0 <= v <= 1)]
Positive = Annotated[float, _rule("a number above 0", lambda v: _number(v) and v > 0)]
NotNegative = Annotated[float, _rule("a number of at least 0", lambda v: _number(v) and v >= 0)]
Count = Annotated[int, _rule("a whole number of at least 1", lambda v: _whole(v) and v >= 1)]
CountOrZero = Annotated[int, _rule("a whole number of at least 0", lambda v: _whole(v) and v >= 0)]
Port = Annotated[int, _rule("a port: a whole number from 0 to 65535", lambda v: _whole(v) and 0 <= v <= 65_535)]
Text = Annotated[str, _rule("a string that is not empty", lambda v: isinstance(v, str) and bool(v.strip()))]
Name = Annotated[
    str,
    _rule(
        "a name: up to 64 small letters, digits, '-' and '_', beginning with a letter or digit",
        lambda v: isinstance(v, str) and NAME.fullmatch(v) is not None,
    ),
]
Variable = Annotated[
    str,
    _rule(
        "the name of an environment variable such as OPENAI_API_KEY (never the key itself)",
        lambda v: isinstance(v, str) and re.fullmatch(r"[A-Z_][A-Z0-9_]{0,99}", v) is not None,
    ),
]
Url = Annotated[
    str,
    _rule(
        "an address such as http://127.0.0.1:8081/v1",
        lambda v: isinstance(v, str) and re.fullmatch(r"https?://[^\s/?#]+[^\s?#]*", v) is not None,
    ),
]


def _root(context: Any) -> Path:
    return cast(dict[str, Path], context or {}).get("root", Path())


def _path(value: Any, info: ValidationInfo) -> Path:
    """Make a path of a string; relative to the folder of shoal.toml."""
    if not isinstance(value, str) or not value.strip():
        raise PydanticCustomError(RULE, "{allowed}", {"allowed": "a path"})
    return _root(info.context) / Path(value).expanduser()


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


def _labels(value: Any) -> Any:
    """Take a closed set of labels: white space around them dropped, as it is in rows."""
    if not isinstance(value, list):
        return value  # pydantic's to refuse
    given = [each.strip() if isinstance(each, str) else each for each in cast(list[Any], value)]
    if not 2 <= len(given) <= MAX_LABELS:
        raise PydanticCustomError(RULE, "{allowed}", {"allowed": f"an array of 2 to {MAX_LABELS:,} labels"})
    twice = next((label for label, count in Counter(map(str, given)).items() if count > 1), None)
    if twice is not None:
        raise PydanticCustomError(
            RULE, "{allowed}", {"allowed": f"an array of different labels; {twice!r} is repeated"}
        )
    return given


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


class _Table(BaseModel):
    """A table of shoal.toml: unknown keys are mistakes, values are never bent into another type."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ProjectConfig(_Table):
    """`[project]`.

    Attributes:
        name: what the project is called.
        registry: folder of the trained versions.
    """

    name: Text = Field(examples=['name = "helpdesk"'])
    registry: ProjectPath = Field(default=cast(Path, ".shoal/registry"), validate_default=True)


class PriceConfig(_Table):
    """`price` of an LLM, in USD per million tokens."""

    input: NotNegative = Field(examples=["price = { input = 2.50, output = 10.00 }"])
    output: NotNegative = Field(examples=["price = { input = 2.50, output = 10.00 }"])


class LLMConfig(_Table):
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


class GuaranteeConfig(_Table):
    """`guarantee`: kept answers disagree with the reference in at most `risk`, with probability `confidence`."""

    risk: Probability = 0.05
    confidence: Probability = 0.95


class GateConfig(_Table):
    """`gate`: what a new version must reach to be released; None asks for nothing.

    Attributes:
        accuracy: at least, on test.
        macro_f1: at least, on test.
        coverage: share of test texts inside the guarantee, at least.
        p99_ms: latency of one text, 99th percentile in milliseconds, at most.
        size_mb: megabytes of the model folder, at most.
        certified: whether it must have a certificate, without which it keeps nothing.
        max_regression: how much worse than the champion it may be, paired on the same rows.
    """

    accuracy: Share | None = None
    macro_f1: Share | None = None
    coverage: Share | None = None
    p99_ms: Positive | None = None
    size_mb: Positive | None = None
    certified: bool = False
    max_regression: Share = 0.005


class SpecialistConfig(_Table):
    """`[specialists.NAME]`: one narrow task, the data it is learnt from, what is promised and who gets the doubts.

    Attributes:
        task: "classification".
        data: one file, or a file for each split; relative to shoal.toml. None: nothing is labelled yet.
        labels: the closed set of labels; without labelled rows their names alone make the first version.
        unlabelled: file of texts without labels, from which a first version learns what the traffic looks like.
        corrections: lists of `shoal data suspects` whose decisions are applied to the rows, one after the other.
        text: column of the texts.
        label: column of the reference labels.
        split: column that assigns rows to splits.
        group: column whose values never straddle splits.
        time: column with the time of a row; the newest rows become calibration.
        backbone: "auto", "static", "encoder", "finetune", "tfidf", or a folder or hub name of an encoder.
        guarantee: the promise about kept answers.
        gate: what a version must reach to be released.
        escalate: who gets what is not kept: an LLM of this file, "review" (a person) or "none" (abstain).
        egress: what may leave for an external LLM: "allow" all, "redact" personal data, "never" anything.
        never: labels whose predictions are never kept.
        descriptions: what labels mean: for the LLM, and to learn from where rows are few or none.
        instructions: what the LLM is told about the task.
        budget_seconds: time that training may take.
        seed: of everything random in training.
    """

    task: Literal["classification"] = "classification"
    data: DataFiles | None = None
    labels: Labels = Field(default_factory=list[str])
    unlabelled: ProjectPath | None = None
    corrections: ProjectPaths = Field(default_factory=list[Path])
    text: Text = "text"
    label: Text = "label"
    split: Text | None = None
    group: Text | None = None
    time: Text | None = None
    backbone: Text = "auto"
    guarantee: GuaranteeConfig = GuaranteeConfig()
    gate: GateConfig = GateConfig()
    escalate: Text = "review"
    egress: Literal["allow", "redact", "never"] = "allow"
    never: list[Text] = Field(default_factory=list[str])
    descriptions: dict[str, Text] = Field(default_factory=dict[str, str])
    instructions: Text | None = None
    budget_seconds: Positive = 600.0
    seed: CountOrZero = 0


class ServeConfig(_Table):
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


class LedgerConfig(_Table):
    """`[ledger]`: the record of every request.

    Attributes:
        url: SQLAlchemy address of the database; a relative SQLite file starts at the folder of shoal.toml.
        text: what is kept of a text: in "full", as a "hash", or "none".
    """

    url: DatabaseUrl = Field(default="sqlite:///.shoal/ledger.db", validate_default=True)
    text: Literal["full", "hash", "none"] = "full"


class EnergyConfig(_Table):
    """`[energy]`: how CPU time becomes joules and money where the machine does not measure power.

    Attributes:
        watts_per_core: power of one busy core.
        price_per_kwh: USD.
    """

    watts_per_core: Positive = 4.26
    price_per_kwh: NotNegative = 0.25


class Project(_Table):
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
