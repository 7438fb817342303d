"""What a larger model is shown of a doubt: a base model the likeliest labels alone, any other all of them."""

from types import SimpleNamespace
from typing import Any

import pytest

from shoal.gateway import LLM, Desk, Plan
from shoal.llm import Completion, ExampleIndex, Labelling
from shoal.routing import LLMAnswer, Route
from shoal.serving import Engine
from shoal.tasks import Classification, Label, Score, Usage

LABELS = ("bill", "leak", "move", "outage", "refund")
ROWS = [(f"{label} message number {n}", label) for n in range(4) for label in LABELS]
RESIDENT: Any = SimpleNamespace(
    name="intent", version="v1", specialist=SimpleNamespace(task=Classification(labels=LABELS))
)


class Recorder:
    """Stands for an endpoint: keeps what it is asked, answers "refund"."""

    name = "large"
    takes_schema = True

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    async def complete(self, prompt: str, **options: Any) -> Completion:
        self.asked.append({"prompt": prompt, **options})
        return Completion(" refund", Usage(10, 1), False, 1.0)

    async def chat(self, messages: list[dict[str, str]], **options: Any) -> Completion:
        self.asked.append({"prompt": messages[0]["content"], **options})
        return Completion("refund", Usage(10, 1), False, 1.0)


def doubt(*likely: str, reason: Any = "below_threshold") -> Label:
    top = tuple(Score(label, 0.4 / (place + 1)) for place, label in enumerate(likely))
    return Label(label=likely[0], confidence=0.4, accepted=False, reason=reason, tier="tfidf", top=top)


async def asked(style: Any, said: Label) -> dict[str, Any]:
    endpoint: Any = Recorder()
    labelling = Labelling((), examples=ExampleIndex(ROWS), style=style)
    desk = Desk(Engine(), {"large": LLM(endpoint)}, {"intent": Plan(Route("intent", "large"), labelling)})
    answer = await desk.ask_llm("large", RESIDENT, "where is my money", said)
    assert isinstance(answer, LLMAnswer) and answer.said == "refund"
    return endpoint.asked[0]


async def test_a_base_model_chooses_among_the_likeliest_labels() -> None:
    question = await asked("completion", doubt("refund", "bill", "move", "leak", "outage"))
    shown = [line.removeprefix("Label: ") for line in question["prompt"].splitlines() if line.startswith("Label: ")]
    assert shown == ["move", "bill", "refund"]  # the likeliest comes last
    assert '"refund" | "bill" | "move"' in question["grammar"]


@pytest.mark.parametrize("style", ["completion", "chat"])
async def test_an_out_of_scope_text_may_be_anything(style: str) -> None:
    question = await asked(style, doubt("bill", "move", "leak", reason="out_of_scope"))
    assert all(label in str(question) for label in LABELS)


async def test_a_chat_model_sees_every_label() -> None:
    question = await asked("chat", doubt("refund", "bill", "move"))
    assert all(f"- {label}" in question["prompt"] for label in LABELS)


def test_examples_of_some_labels_take_turns_and_run_out_one_by_one() -> None:
    rows = [("a bill", "bill"), ("the bill is wrong", "bill"), ("a leak", "leak"), ("moving out", "move")]
    index = ExampleIndex(rows)
    view = index.among(["leak", "bill", "outage"])
    assert view.nearest("the bill is wrong", 9) == [rows[2], rows[1], rows[0]]
    assert view.nearest("the bill is wrong", 2) == [rows[2], rows[1]]
    assert len(index.nearest("the bill is wrong", 9)) == 4
