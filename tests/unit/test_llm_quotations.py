"""What a larger model says of spans and summaries is taken only where the text holds it."""

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import pytest

from shoal.errors import LLMError
from shoal.llm import Labelling, read_spans, read_summary, spans, summary
from shoal.llm.client import Completion
from shoal.tasks import Budget, Usage

TEXT = "Agent: Thanks, Zoë. Is 020 7946 0123 right?\nZoë: Yes, and zoe@example.com 😀 for Monday at 9:30."


def endpoint(*answers: str) -> Any:
    """An endpoint that gives these answers in turn, and remembers what it was asked."""
    asked: list[Any] = []

    async def chat(messages: Any, **_: Any) -> Completion:
        asked.append(messages)
        return Completion(text=answers[len(asked) - 1], usage=Usage(10, 2), ms=1.0, estimated=False)

    return SimpleNamespace(name="large", takes_schema=True, chat=chat, asked=asked)


def quoted(*parts: tuple[str, str]) -> str:
    return json.dumps({"spans": [{"text": text, "type": kind} for text, kind in parts]})


def test_spans_get_the_offsets_of_their_words() -> None:
    said = quoted(("Zoë", "PERSON"), ("020 7946 0123", "PHONE"), ("Zoë", "PERSON"), ("zoe@example.com", "EMAIL"))
    found = json.loads(read_spans(said, TEXT, ("PERSON", "PHONE", "EMAIL")) or "")
    assert [TEXT[one["start"] : one["end"]] for one in found] == ["Zoë", "020 7946 0123", "Zoë", "zoe@example.com"]
    assert found[0]["start"] < found[2]["start"]


@pytest.mark.parametrize(
    "said",
    [quoted(("Zoe", "PERSON")), quoted(("Zoë", "ANIMAL")), quoted((" ", "PERSON")), "Zoë is a person", "[]", ""],
)
def test_spans_that_do_not_stand_in_the_text_are_refused(said: str) -> None:
    assert read_spans(said, TEXT, ("PERSON",)) is None


@pytest.mark.parametrize(
    ("said", "taken"),
    [
        ("Zoë confirmed 020 7946 0123 for Monday at 9:30.", True),
        ("The customer confirmed her number.", True),
        ("Zoë confirmed 020 7946 0124.", False),
        ("The agent thanked Klara.", False),
        ("  ", False),
    ],
)
def test_a_summary_keeps_to_numbers_and_names(said: str, taken: bool) -> None:
    assert (read_summary(said, TEXT) is not None) is taken


def test_asked_once_more_then_given_up() -> None:
    told = Labelling(("PERSON",))
    one = endpoint("nonsense", quoted(("Zoë", "PERSON")))
    found = asyncio.run(spans(one, TEXT, told))
    assert json.loads(found.label)[0]["text"] == "Zoë" and found.usage == Usage(20, 4)
    assert len(one.asked) == 2 and "stand in the text" in one.asked[1][-1]["content"]
    with pytest.raises(LLMError, match="gave no summary that keeps to the numbers and names of the text, twice"):
        asyncio.run(summary(endpoint("Call 555.", "Call 555."), TEXT, told, budget=Budget(sentences=1)))
    asked = endpoint("Zoë confirmed.")
    assert asyncio.run(summary(asked, TEXT, told, budget=Budget(words=9))).label == "Zoë confirmed."
    assert "At most 9 words" in asked.asked[0][0]["content"]


def test_a_summary_is_asked_for_with_its_query() -> None:
    asked = endpoint("Zoë confirmed.", "Zoë confirmed.")
    asyncio.run(summary(asked, TEXT, Labelling(()), budget=Budget(words=9), query=" Is the number right? "))
    asyncio.run(summary(asked, TEXT, Labelling(()), budget=Budget(words=9), query=" "))
    (system, user), (plain_system, plain_user) = asked.asked
    assert user["content"] == f"Query: Is the number right?\n\nText: {TEXT}"
    assert "about the query that stands before the text" in system["content"]
    assert plain_user["content"] == TEXT and "query" not in plain_system["content"]
