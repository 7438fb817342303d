"""A summary's query and budget stay with their text, however requests are put together to batches."""

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.serving import Batcher, Item, Limits, Question
from shoal.serving.question import predictor
from shoal.tasks import Budget, Quote, Summarization, Summary

POISON = "poison"
BUDGETS = [None, Budget(sentences=2), Budget(words=2), Budget(words=30)]
QUESTIONS = st.one_of(
    st.text(max_size=5),
    st.builds(Question, st.text(max_size=5), st.one_of(st.none(), st.text(max_size=5)), st.sampled_from(BUDGETS)),
)


class Echo:
    """Stands for a summarizer: quotes what it was asked."""

    task = Summarization()

    def __init__(self) -> None:
        self.budgets: list[Budget | None] = []

    def predict(self, texts: Sequence[str], queries: Sequence[str | None], budget: Budget | None) -> list[Summary]:
        self.budgets.append(budget)
        if POISON in texts:
            raise ValueError("a text that the model cannot bear")
        return [said(Question(text, query, budget)) for text, query in zip(texts, queries, strict=True)]


def said(item: Item) -> Summary:
    asked = Question(item) if isinstance(item, str) else item
    words = f"{asked.text!r} {asked.query!r} {asked.budget!r}"
    return Summary(
        quotes=(Quote(0, len(words), words, 1.0),), confidence=0.0, accepted=False, reason="not_certified", tier="echo"
    )


@given(st.lists(QUESTIONS, max_size=12))
def test_each_is_answered_as_it_asked_and_the_model_is_called_once_a_budget(items: list[Item]) -> None:
    echo: Any = Echo()
    assert predictor(echo)(items) == [said(item) for item in items]
    asked = {getattr(item, "budget", None) for item in items}
    assert len(echo.budgets) == len(asked) and set(echo.budgets) == asked


@given(st.lists(st.lists(QUESTIONS, min_size=1, max_size=6), min_size=1, max_size=6), st.integers(1, 5))
def test_requests_that_share_batches_get_their_own_answers(requests: list[list[Item]], size: int) -> None:
    async def ask() -> list[Any]:
        echo: Any = Echo()
        batcher = Batcher(predictor(echo), name="notes", limits=Limits(batch_items=size), brief=True)
        answered = await asyncio.gather(*(batcher.predict(items) for items in requests))
        await batcher.close()
        return [one.answers for one in answered]

    assert asyncio.run(ask()) == [[said(item) for item in items] for items in requests]


async def test_a_question_that_the_model_cannot_bear_fails_alone() -> None:
    echo: Any = Echo()
    batcher = Batcher(predictor(echo), name="notes", brief=True)
    items = [Question("a", "one"), Question(POISON, "two"), Question("b", "three", BUDGETS[1])]
    first, failed, third = (await batcher.predict(items)).answers
    assert (first, third) == (said(items[0]), said(items[2]))
    assert "notes" in str(failed)
    await batcher.close()


def test_the_query_counts_for_the_size_of_a_batch() -> None:
    assert len(Question("four", "and six")) == 11 and len(Question("four")) == 4


@pytest.mark.parametrize("items", [[], ["a", "b"]])
def test_other_tasks_are_asked_for_texts_alone(items: list[Item]) -> None:
    model: Any = SimpleNamespace(task=SimpleNamespace(kind="classification"), predict=list[str])
    assert predictor(model)(items) == items
