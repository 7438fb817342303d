"""What one input of a request asks: a text alone, or a text with what its summary is to be about and its length."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

from shoal.models import Model
from shoal.tasks import Budget, Prediction, Summarization, Summary


@dataclass(frozen=True, slots=True)
class Question:
    """A text that is to be summarised in another way than the task's own; it is as long as all that is read of it.

    Attributes:
        text: what is summarised.
        query: what the summary is to be about; None or blank: everything.
        budget: how long it may be; None: the task's.
    """

    text: str
    query: str | None = None
    budget: Budget | None = None

    def __len__(self) -> int:
        return len(self.text) + len(self.query or "")


Item = str | Question


def text_of(item: Item) -> str:
    """Return the text that is asked about."""
    return item if isinstance(item, str) else item.text


def predictor(model: Model) -> Callable[[list[Item]], Sequence[Prediction]]:
    """Return how a model answers a batch; one that summarises is asked once for each budget in it."""
    if not isinstance(model.task, Summarization):
        return cast("Callable[[list[Item]], Sequence[Prediction]]", model.predict)
    from shoal.models.summarizer import Summarizer

    summarizer = cast("Summarizer", model)
    return lambda items: _summaries(summarizer.predict, items)


def _summaries(
    predict: Callable[[list[str], list[str | None], Budget | None], list[Summary]], items: Sequence[Item]
) -> list[Summary]:
    asked = [Question(item) if isinstance(item, str) else item for item in items]
    places: dict[Budget | None, list[int]] = {}
    for place, one in enumerate(asked):
        places.setdefault(one.budget, []).append(place)
    found: dict[int, Summary] = {}
    for budget, own in places.items():
        answers = predict([asked[place].text for place in own], [asked[place].query for place in own], budget)
        found.update(zip(own, answers, strict=True))
    return [found[place] for place in range(len(asked))]
