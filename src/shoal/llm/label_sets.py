"""Asking a larger model which labels of a closed set a text has: a set of them, none included, or an error."""

import json
from collections.abc import Sequence

import msgspec

from shoal.errors import LLMError
from shoal.llm.classify import Labelled, Labelling, Spent, answer_schema, asked, completed, listed, plain
from shoal.llm.client import Completion, Endpoint

_TEXT_CHARS = 12_000
_NONE = "none"


class _Wrapped(msgspec.Struct):
    """The object that the JSON schema asks for."""

    labels: list[str]


async def label_set(endpoint: Endpoint, text: str, labelling: Labelling, spent: Spent | None = None) -> Labelled:
    """Have the labels of a text named; asked once more when the answer holds something else.

    Args:
        endpoint: who is asked.
        text: what is to be labelled.
        labelling: what is told about the task.
        spent: is added to with every answer, so that a caller knows what was paid when this ends in an error.

    Returns:
        The labels as a JSON list, in the order of the task (`tasks.Labels.said`).

    Raises:
        LLMError: neither answer was a set of labels; or as in `Endpoint.chat`.
    """
    spent = spent or Spent()
    said = ""
    for _ in range(2):
        answer = await _ask(endpoint, text, labelling, said)
        spent.add(answer)
        said = answer.text
        labels = read_label_set(said, labelling.labels)
        if labels is not None:
            return Labelled(msgspec.json.encode(labels).decode(), spent.usage, spent.ms)
    raise LLMError(
        f"LLM {endpoint.name!r} named no set of labels twice, the second time {said[:80]!r}; "
        f"allowed are the {len(labelling.labels)} labels of the task, or none of them."
    )


def read_label_set(said: str, labels: Sequence[str]) -> tuple[str, ...] | None:
    """Find the labels that were meant, in the order of the task; None when something else was said.

    Taken are {"labels": [...]}, a JSON list, or names with commas, semicolons or line breaks between them; "none" and
    an empty list are the empty set.
    """
    text = said.strip()
    named: Sequence[str] | None = None
    for shape in (_Wrapped, list[str]):
        try:
            value = msgspec.json.decode(text, type=shape)
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):  # whatever it wrote may be answered
            continue
        named = value.labels if isinstance(value, _Wrapped) else value
        break
    if named is None:
        if not text:
            return None
        named = [part for line in text.splitlines() for piece in line.split(",") for part in piece.split(";")]
    known = {plain(label): label for label in labels}
    wanted = [plain(name) for name in named if plain(name)]
    if wanted == [_NONE] and _NONE not in known:
        return ()
    if any(name not in known for name in wanted):
        return None
    return tuple(label for label in labels if plain(label) in wanted)


async def _ask(endpoint: Endpoint, text: str, labelling: Labelling, rejected: str) -> Completion:
    if labelling.style == "completion":
        return await _continued(endpoint, text, labelling)
    messages = [
        {
            "role": "system",
            "content": f"{labelling.instructions or 'Say which of these labels the text has.'}\n"
            "It may have none of them, one, or several. Answer with a JSON object such as "
            f'{{"labels": [{json.dumps(labelling.labels[0], ensure_ascii=False)}]}} or {{"labels": []}}, labels as '
            f"they are written here:\n{listed(labelling)}",
        },
        {"role": "user", "content": f"Text: {text[:_TEXT_CHARS]}"},
    ]
    if rejected:
        messages += [
            {"role": "assistant", "content": rejected[:200]},
            {"role": "user", "content": "That is not a set of these labels. Answer with the JSON object only."},
        ]
    labels = {"type": "array", "items": {"type": "string", "enum": list(labelling.labels)}}
    return await asked(endpoint, messages, answer_schema("labels", labels))


async def _continued(endpoint: Endpoint, text: str, labelling: Labelling) -> Completion:
    """Have a base model go on behind "Labels:"."""
    head = labelling.instructions or "Texts and those of these labels that they have, or none."
    prompt = f"{head}\n{listed(labelling)}\n\nText: {' '.join(text.split())[:_TEXT_CHARS]}\nLabels:"
    one = " | ".join(json.dumps(label, ensure_ascii=False) for label in labelling.labels)
    grammar = f'root ::= " "? ("{_NONE}" | label (", " label)*)\nlabel ::= {one}'
    longest = sum(len(label.encode()) + 2 for label in labelling.labels)
    return await completed(endpoint, prompt, grammar, max_tokens=min(longest, 200), stop=["\n"], temperature=0)
