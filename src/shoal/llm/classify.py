"""Asking a larger model for a label: the answer is one of the label set, or an error; never anything else."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from shoal.errors import LLMError
from shoal.llm.client import Completion, Endpoint, Refused
from shoal.llm.examples import ExampleIndex
from shoal.tasks import Usage

_SHOWN_CHARS = 600  # of an example; the text itself is shown up to ...
_TEXT_CHARS = 12_000
_LISTED_LABELS = 300  # a base model gains little from a long list, and its context is short


@dataclass(frozen=True, slots=True)
class Labelling:
    """What the larger model is told about a task.

    Attributes:
        labels: the closed answer set.
        descriptions: what labels mean, for those that have a description.
        instructions: what a person would be told; None for a plain sentence.
        examples: labelled rows to show the nearest of; None shows none.
        shown: how many of them.
        style: "chat" for instruction-tuned models; "completion" for base models, which continue a text.
    """

    labels: tuple[str, ...]
    descriptions: Mapping[str, str] = field(default_factory=dict[str, str])
    instructions: str | None = None
    examples: ExampleIndex | None = None
    shown: int = 8
    style: Literal["chat", "completion"] = "chat"


@dataclass(frozen=True, slots=True)
class Labelled:
    """A label of the set, the tokens of all attempts, and their milliseconds."""

    label: str
    usage: Usage
    ms: float


@dataclass(slots=True)
class Spent:
    """What the answers to one question have taken so far; they are paid for whether one of them is a label or not."""

    usage: Usage = field(default_factory=Usage)
    ms: float = 0.0

    def add(self, answer: Completion) -> None:
        """Count an answer."""
        self.usage = Usage(
            self.usage.input_tokens + answer.usage.input_tokens, self.usage.output_tokens + answer.usage.output_tokens
        )
        self.ms += answer.ms


class _Wrapped(msgspec.Struct):
    """The object that the JSON schema asks for."""

    label: str


async def classify(endpoint: Endpoint, text: str, labelling: Labelling, spent: Spent | None = None) -> Labelled:
    """Have a text labelled.

    The answer is constrained where the endpoint can (JSON schema in chat, a grammar for completions), checked in any
    case, since servers answer 200 with free text when they do not understand a constraint, and asked for once more
    when it is not a label.

    Args:
        endpoint: who is asked.
        text: what is to be labelled.
        labelling: what is told about the task.
        spent: is added to with every answer, so that a caller knows what was paid when this ends in an error.

    Raises:
        LLMError: neither answer was a label; or as in `Endpoint.chat`.
    """
    ask = _ask_chat if labelling.style == "chat" else _ask_completion
    spent = spent or Spent()
    rejected: str | None = None
    for _ in range(2):
        answer = await ask(endpoint, text, labelling, rejected)
        spent.add(answer)
        label = read_label(answer.text, labelling.labels)
        if label is not None:
            return Labelled(label, spent.usage, spent.ms)
        rejected = answer.text
    raise LLMError(
        f"LLM {endpoint.name!r} gave no label twice, the second time {(rejected or '')[:80]!r}; "
        f"allowed are the {len(labelling.labels)} labels of the task."
    )


def read_label(said: str, labels: Sequence[str]) -> str | None:
    """Find the label that was meant: exact, inside {"label": ...}, or the only one but for case and punctuation."""
    text = said.strip()
    for shape in (_Wrapped, str):
        try:
            value = msgspec.json.decode(text, type=shape)
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):  # whatever it wrote may be answered
            continue
        text = value.label if isinstance(value, _Wrapped) else value
        break
    if text in labels:
        return text
    wanted = plain(text)
    matches = [label for label in labels if wanted and plain(label) == wanted]
    return matches[0] if len(matches) == 1 else None


def chat_messages(text: str, labelling: Labelling, rejected: str | None = None) -> list[dict[str, str]]:
    """Write the prompt for an instruction-tuned model; `rejected` is an answer of it that was no label."""
    examples = labelling.examples.nearest(text, labelling.shown) if labelling.examples else []
    shown = [f"Message: {_cut(example)}\nLabel: {label}" for example, label in reversed(examples)]
    system = (
        f"{labelling.instructions or 'Classify the message.'}\n"
        f"Answer with exactly one of these labels, as it is written here:\n{listed(labelling)}"
    )
    if shown:
        system += "\n\nMessages that people have labelled:\n\n" + "\n\n".join(shown)
    messages = [
        {"role": "system", "content": system},
        {"role": "user", "content": f"Message: {text[:_TEXT_CHARS]}"},
    ]
    if rejected is not None:
        messages += [
            {"role": "assistant", "content": rejected[:200]},
            {"role": "user", "content": "That is not one of the labels. Answer with one label from the list only."},
        ]
    return messages


def completion_prompt(text: str, labelling: Labelling) -> str:
    """Write the prompt for a base model: rows in one form, the nearest last, for it to continue."""
    examples = labelling.examples.nearest(text, labelling.shown) if labelling.examples else []
    head = labelling.instructions or "Messages and their labels."
    if len(labelling.labels) <= _LISTED_LABELS and len(examples) < len(labelling.labels):
        head += "\nLabels: " + ", ".join(_named(label, labelling.descriptions) for label in labelling.labels)
    rows = [f"Message: {_cut(example)}\nLabel: {label}" for example, label in reversed(examples)]
    return "\n\n".join([head, *rows, f"Message: {_cut(text, _TEXT_CHARS)}\nLabel:"])


def grammar(labels: Sequence[str]) -> str:
    """Write a GBNF grammar that lets exactly one of the labels through, after an optional space."""
    return 'root ::= " "? (' + " | ".join(json.dumps(label, ensure_ascii=False) for label in labels) + ")"


async def _ask_chat(endpoint: Endpoint, text: str, labelling: Labelling, rejected: str | None) -> Completion:
    messages = chat_messages(text, labelling, rejected)
    return await asked(endpoint, messages, answer_schema("label", {"type": "string", "enum": list(labelling.labels)}))


async def asked(endpoint: Endpoint, messages: list[dict[str, str]], schema: dict[str, Any] | None) -> Completion:
    """Ask in chat, by a JSON schema where the endpoint takes one; None asks for plain text."""
    if schema is not None and endpoint.takes_schema:
        try:
            return await endpoint.chat(messages, temperature=0, response_format=schema)
        except Refused as refused:
            if refused.status not in (400, 422):
                raise
    answer = await endpoint.chat(messages, temperature=0)
    if schema is not None:
        # It takes the question without a schema, so that was the trouble: from now on the check alone holds the line.
        endpoint.takes_schema = False
    return answer


def answer_schema(name: str, value: dict[str, Any]) -> dict[str, Any]:
    """Write the `response_format` of an object with one key and a value of this schema."""
    schema = {"type": "object", "properties": {name: value}, "required": [name], "additionalProperties": False}
    return strict(name, schema)


def strict(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Write the `response_format` of a schema that is kept to letter by letter."""
    return {"type": "json_schema", "json_schema": {"name": name, "strict": True, "schema": schema}}


async def _ask_completion(endpoint: Endpoint, text: str, labelling: Labelling, rejected: str | None) -> Completion:
    longest = max(len(label.encode()) for label in labelling.labels)
    options: dict[str, Any] = {"max_tokens": longest + 2, "stop": ["\n"], "temperature": 0 if rejected is None else 0.7}
    return await completed(endpoint, completion_prompt(text, labelling), grammar(labelling.labels), **options)


async def completed(endpoint: Endpoint, prompt: str, rules: str, **options: Any) -> Completion:
    """Have a base model continue a prompt by a grammar where the endpoint takes one, else freely."""
    if endpoint.takes_schema:
        try:
            return await endpoint.complete(prompt, grammar=rules, cache_prompt=False, **options)
        except Refused as refused:
            if refused.status not in (400, 422):
                raise
    answer = await endpoint.complete(prompt, **options)
    endpoint.takes_schema = False
    return answer


def listed(labelling: Labelling) -> str:
    """Write the labels with what they mean, a line each."""
    return "\n".join(f"- {_named(label, labelling.descriptions)}" for label in labelling.labels)


def _named(label: str, descriptions: Mapping[str, str]) -> str:
    return f"{label}: {descriptions[label]}" if label in descriptions else label


def _cut(text: str, characters: int = _SHOWN_CHARS) -> str:
    """One line of at most so many characters: a base model takes a line break for the end."""
    return " ".join(text.split())[:characters]


def plain(text: str) -> str:
    """Take off case and punctuation."""
    return "".join(character for character in text.casefold() if character.isalnum())
