"""Asking a larger model for spans of a text, or for a summary; nothing is taken that the text does not hold.

A span is found again by its very words, so that its offsets are exact. A summary may say things in its own words, but
each number in it, and each word with a capital inside a sentence, must stand in the text.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from shoal.errors import InputError, LLMError
from shoal.llm.classify import Labelled, Labelling, Spent, answer_schema, asked, listed
from shoal.llm.client import Endpoint
from shoal.tasks import Budget, Span

_TEXT_CHARS = 24_000
_NUMBER = re.compile(r"\d[\d.,:/-]*\d|\d")
_NAME = re.compile(r"(?<![.!?:\n] )(?<!^)\b[^\W\d_a-z][\w'\u2019-]+", re.MULTILINE)  # a capital inside a sentence

Messages = list[dict[str, str]]


class _Quoted(msgspec.Struct):
    text: str
    type: str


class _Spans(msgspec.Struct):
    spans: list[_Quoted]


async def spans(endpoint: Endpoint, text: str, labelling: Labelling, spent: Spent | None = None) -> Labelled:
    """Have the spans of a text named, by their words; asked once more when the answer does not hold.

    Args:
        endpoint: who is asked.
        text: where they stand.
        labelling: `labels` are the types.
        spent: is added to with every answer.

    Returns:
        The spans as JSON (`tasks.Spans.said`).

    Raises:
        LLMError: neither answer named spans that stand in the text; or as in `Endpoint.chat`.
    """
    system = (
        f"{labelling.instructions or 'Find all spans of these types in the text.'}\n"
        'Answer with a JSON object such as {"spans": [{"text": "...", "type": "'
        f'{labelling.labels[0]}"}}]}}: each text copied letter by letter, in the order of the text, types as they are '
        f"written here:\n{listed(labelling)}"
    )
    return await twice(
        endpoint,
        [{"role": "system", "content": system}, {"role": "user", "content": f"Text: {text[:_TEXT_CHARS]}"}],
        lambda said: _held(read_spans(said, text, labelling.labels), "no spans that stand in the text"),
        spent,
        _spans_schema(labelling.labels),
    )


async def summary(
    endpoint: Endpoint,
    text: str,
    labelling: Labelling,
    spent: Spent | None = None,
    *,
    budget: Budget,
    query: str | None = None,
) -> Labelled:
    """Have a text summarised; asked once more when a number or a name of the summary is not in the text.

    Args:
        endpoint: who is asked.
        text: what is to be summarised.
        labelling: for its instructions.
        spent: is added to with every answer.
        budget: how long the summary may be; asked for, not enforced.
        query: what it is to be about; None or blank: everything.

    Raises:
        LLMError: both answers held something that the text does not; or as in `Endpoint.chat`.
    """
    length = next(f"{count} {unit}" for unit, count in budget.model_dump().items() if count is not None)
    system = (
        f"{labelling.instructions or 'Summarise the text.'}\nAt most {length}. Only what the text says; numbers and "
        "names exactly as they stand there. Answer with the summary alone."
    )
    told = text[:_TEXT_CHARS]
    if query and query.strip():
        system += " It is to be about the query that stands before the text, and about nothing else."
        told = f"Query: {query.strip()}\n\nText: {told}"
    return await twice(
        endpoint,
        [{"role": "system", "content": system}, {"role": "user", "content": told}],
        lambda said: _held(read_summary(said, text), "no summary that keeps to the numbers and names of the text"),
        spent,
        None,
    )


def read_spans(said: str, text: str, types: Sequence[str]) -> str | None:
    """Find quoted spans in the text, each behind the one before; None when one is not there or of no known type."""
    try:
        named = msgspec.json.decode(said.strip(), type=_Spans).spans
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):  # whatever it wrote may be answered
        return None
    found: list[Span] = []
    at = 0
    for one in named:
        start = text.find(one.text, at) if one.text.strip() else -1
        if start < 0 or one.type not in types:
            return None
        at = start + len(one.text)
        found.append(Span(start, at, one.type, one.text))
    return msgspec.json.encode(found).decode()


def read_summary(said: str, text: str) -> str | None:
    """Take a summary whose numbers and names all stand in the text; None otherwise."""
    summary, source = said.strip(), text.casefold()
    wanted = _NUMBER.findall(summary) + _NAME.findall(summary)
    return summary if summary and all(each.casefold() in source for each in wanted) else None


async def twice(
    endpoint: Endpoint,
    messages: Messages,
    taken: Callable[[str], str],
    spent: Spent | None,
    schema: dict[str, Any] | None,
) -> Labelled:
    """Ask in chat, and once more when the answer cannot be taken, saying why.

    Args:
        endpoint: who is asked.
        messages: the question.
        taken: makes the answer of what was said; its `InputError` says what that holds instead.
        spent: is added to with every answer.
        schema: the `response_format`; None asks for plain text.

    Raises:
        LLMError: neither answer could be taken; or as in `Endpoint.chat`.
    """
    spent = spent or Spent()
    said = lacking = ""
    for _ in range(2):
        again = [
            {"role": "assistant", "content": said[:500]},
            {"role": "user", "content": f"That holds {lacking}. Answer again, as was asked."},
        ]
        answer = await asked(endpoint, [*messages, *again] if said else messages, schema)
        spent.add(answer)
        said = answer.text
        try:
            return Labelled(taken(said), spent.usage, spent.ms)
        except InputError as error:
            lacking = error.message
    raise LLMError(f"LLM {endpoint.name!r} gave {lacking}, twice; the second time {said[:80]!r}.")


def _held(found: str | None, lacking: str) -> str:
    if found is None:
        raise InputError(lacking)
    return found


def _spans_schema(types: Sequence[str]) -> dict[str, Any]:
    one = {
        "type": "object",
        "properties": {"text": {"type": "string"}, "type": {"type": "string", "enum": list(types)}},
        "required": ["text", "type"],
        "additionalProperties": False,
    }
    return answer_schema("spans", {"type": "array", "items": one})
