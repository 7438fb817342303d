"""What is asked of a specialist: a closed vocabulary of tasks, told apart by `kind`."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

MAX_LABELS = 10_000

TaskKind = Literal["classification", "multilabel", "tagging", "summarization", "extraction"]


class _Task(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


def _distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) != len(names):
        raise ValueError("labels must be distinct")
    return names


class Classification(_Task):
    """Exactly one label of a closed set for each text.

    Attributes:
        labels: the closed answer set, sorted; the column order of every logits matrix.
        never: labels whose predictions are never kept, always escalated.
        out_of_scope: the label of texts that belong to none of the others; kept answers of it have a promise of their
            own. None: there is no such label.
    """

    kind: Literal["classification"] = "classification"
    labels: tuple[str, ...] = Field(min_length=2, max_length=MAX_LABELS)
    never: tuple[str, ...] = ()
    out_of_scope: str | None = None

    _check_labels = field_validator("labels")(_distinct)

    @model_validator(mode="after")
    def _known(self) -> Self:
        if self.out_of_scope is not None and self.out_of_scope not in self.labels:
            raise ValueError("out_of_scope must be one of the labels")
        return self


class MultiLabel(_Task):
    """Any number of labels of a closed set for each text, none included.

    Attributes:
        labels: the closed answer set, sorted; the column order of every logits matrix.
    """

    kind: Literal["multilabel"] = "multilabel"
    labels: tuple[str, ...] = Field(min_length=1, max_length=MAX_LABELS)

    _check_labels = field_validator("labels")(_distinct)


class Tagging(_Task):
    """Spans of a text, each of one type of a closed set.

    Attributes:
        types: the closed set, sorted.
    """

    kind: Literal["tagging"] = "tagging"
    types: tuple[str, ...] = Field(min_length=1, max_length=MAX_LABELS)

    _check_types = field_validator("types")(_distinct)


class Budget(_Task):
    """How long a summary may be; exactly one of the three.

    Attributes:
        sentences: of them, or turns, at most.
        words: at most, separated by white space.
        tokens: at most, as an encoder's tokenizer counts.
    """

    sentences: int | None = Field(default=None, ge=1)
    words: int | None = Field(default=None, ge=1)
    tokens: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(each is not None for each in (self.sentences, self.words, self.tokens)) != 1:
            raise ValueError("a budget is given in sentences, in words or in tokens: in one of the three")
        return self

    def counted(self, unit: Literal["sentence", "turn"]) -> tuple[str, int]:
        """Tell what is counted where such units are quoted, and how many there may be: ("turns", 2)."""
        name, most = next(iter(self.model_dump(exclude_none=True).items()))
        return f"{unit}s" if name == "sentences" else name, most


class Summarization(_Task):
    """The sentences (or turns of a dialogue) of a text that say most of it, quoted.

    Attributes:
        unit: what is quoted.
        budget: how long a summary may be.
    """

    kind: Literal["summarization"] = "summarization"
    unit: Literal["sentence", "turn"] = "sentence"
    budget: Budget = Budget(sentences=3)


class Slot(_Task):
    """One field of a record.

    Attributes:
        name: its key.
        type: "choice" (one of `choices`), "choices" (any number of them), "flag" (true or false), "number" or "integer"
            (one that stands in the text) or "span" (characters that stand in the text).
        choices: the closed set of a choice.
        required: whether the record is worth nothing without it.
        nullable: whether the text may say nothing of it; the value is null then.
        description: what it means, in a person's words.
    """

    name: str = Field(min_length=1)
    type: Literal["choice", "choices", "flag", "number", "integer", "span"]
    choices: tuple[str, ...] = ()
    required: bool = True
    nullable: bool = False
    description: str = ""

    _check_choices = field_validator("choices")(_distinct)

    @property
    def quoted(self) -> bool:
        """Whether its value is found in the text, not among `choices`."""
        return self.type in ("number", "integer", "span")


class Extraction(_Task):
    """A record of several fields for each text; `tasks.record` reads it from a JSON schema.

    Attributes:
        slots: its fields, in the order of the record.
    """

    kind: Literal["extraction"] = "extraction"
    slots: tuple[Slot, ...] = Field(min_length=1)

    @field_validator("slots")
    @classmethod
    def _names(cls, slots: tuple[Slot, ...]) -> tuple[Slot, ...]:
        _distinct(tuple(slot.name for slot in slots))
        return slots


Task = Annotated[
    Classification | MultiLabel | Tagging | Summarization | Extraction,
    Field(discriminator="kind", description="What is asked of a specialist, told apart by `kind`."),
]
