"""From predictions to findings and doubts, and to what people read of them."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoal.documents import parse
from shoal.errors import InputError, LLMTimeout, OverloadedError
from shoal.llm import Completion, Endpoint
from shoal.models import Model
from shoal.report import review_html, review_markdown, review_summary
from shoal.review import Review, decide, review, settle
from shoal.review.second_opinion import second_opinion
from shoal.tasks import Classification, Flag, Label, Labels, MultiLabel, Prediction, Score, Tagging, Task, Usage

TASK = MultiLabel(labels=("arbitration", "change", "licence"))
ONE = Classification(labels=("arbitration", "change", "none"))
EVIL = '<script>alert("x")</script>'

TERMS = f"""TERMS

1. Changes

1.1 We may change prices. {EVIL}

1.2 You have ten days.

1.3 * * *

2. Courts

2.1 Arbitration and change.

2.2 Perhaps a licence.

2.3 We may change prices. {EVIL}
"""


@dataclass
class Words:
    """Answers by the words of a text; keeps what is sure."""

    task: Task
    sure: float = 0.9
    name: str = "terms"
    version: str = "v2"
    asked: tuple[str, ...] = ()

    def chance(self, text: str, label: str) -> float:
        if label not in text.lower():
            return 0.01
        return 0.3 if "perhaps" in text.lower() else 0.95 if label != "arbitration" else 0.7

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        self.asked += tuple(texts)
        return [self.one(text) for text in texts]

    def one(self, text: str) -> Prediction:
        labels = [label for label in self.task.labels if label != "none"]
        chances = {label: self.chance(text, label) for label in labels}
        if isinstance(self.task, MultiLabel):
            flags = [
                Flag(label, chance, chance > 0.5, chance > self.sure or chance < 0.1)
                for label, chance in sorted(chances.items(), key=lambda pair: -pair[1])
                if chance > 0.05
            ]
            kept = all(flag.kept for flag in flags)
            return Labels(
                labels=tuple(flag.label for flag in flags if flag.flagged),
                flags=tuple(flags),
                confidence=0.9,
                accepted=kept,
                reason="certified" if kept else "below_threshold",
                tier="encoder",
            )
        best = max(chances, key=lambda label: chances[label])
        chance = chances[best]
        top = [Score(best, chance), Score("none", 1 - chance)]
        top.sort(key=lambda score: -score.probability)
        kept = top[0].probability > self.sure
        return Label(
            label=top[0].label,
            top=tuple(top),
            confidence=top[0].probability,
            accepted=kept,
            reason="certified" if kept else "below_threshold",
            tier="encoder",
        )


def judged(task: Task = TASK, text: str = TERMS, **options: Any) -> Review:
    return review(parse("terms.txt", text), cast(Model, Words(task)), **options)


def test_several_labels() -> None:
    found = judged(severities={"arbitration": "high", "licence": "low"})
    assert [
        (one.label, one.severity, one.certified, one.place.section, [place.section for place in one.again])
        for one in found.findings
    ] == [
        ("arbitration", "high", False, "2.1", []),
        ("change", "medium", True, "1.1", ["2.3"]),
        ("change", "medium", True, "2.1", []),
    ]
    assert [(one.label, one.severity, one.probability, one.place.section) for one in found.doubts] == [
        ("licence", "low", 0.3, "2.2")
    ]
    assert msgspec.structs.astuple(found.tally) == (6, 3, 1, 1, 0, 1)
    assert found.worst() == "high" and (found.specialist, found.version) == ("terms", "v2")


def test_one_label() -> None:
    found = judged(ONE, TERMS.replace("licence", "change"))
    assert [(one.label, one.certified, one.place.section) for one in found.findings] == [
        ("change", True, "1.1"),
        ("change", True, "2.1"),
    ]
    assert [(one.label, one.place.section) for one in found.doubts] == [("change", "2.2")]
    assert found.labels == ("arbitration", "change")
    assert not judged(ONE, TERMS.replace("licence", "change"), doubt=0.31).doubts
    everything = judged(ONE, nothing=set())
    assert {one.label for one in everything.findings} == {"change", "none"} and everything.worst() == "medium"


def test_a_flag_without_a_majority_is_a_doubt() -> None:
    def said(probability: float, kept: bool) -> list[str]:
        flag = Flag("change", probability, True, kept)
        answer = Labels(labels=("change",), flags=(flag,), confidence=0.5, accepted=kept, reason="certified", tier="x")
        found = decide(parse("a.txt", "One thing."), [answer], task=TASK)
        return ["certified" if one.certified else "uncertain" for one in found.findings] + ["doubt"] * len(found.doubts)

    assert said(0.3, True) == ["certified"]
    assert said(0.5, False) == ["uncertain"]
    assert said(0.3, False) == said(0.05, False) == ["doubt"]


def test_every_text_is_asked_about_once_and_as_it_is_seen() -> None:
    model = Words(TASK)
    document = parse("a.txt", "We\u200b may\n  change.\n\nWe may change.\n\n* * *")
    found = review(document, cast(Model, model))
    assert model.asked == ("We may change.",)
    assert [(one.quote, len(one.again)) for one in found.findings] == [("We\u200b may\n  change.", 1)]


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(["1.1 We may change it.\n\n", "Perhaps a licence. ", "x\u202e ", "\r\n\r\n", "A. B\n"]))
)
def test_quotes_are_verbatim_and_passages_add_up(parts: list[str]) -> None:
    document = parse("any.txt", "".join(parts))
    found = review(document, cast(Model, Words(TASK)))
    for one in (*found.findings, *found.doubts):
        assert document.text[one.place.start : one.place.end] == one.quote
    tally = found.tally
    assert tally.passages == len(document.segments)
    assert tally.passages == tally.found + tally.doubtful + tally.cleared + tally.clear + tally.blank
    Page(review_html(document, found))


def test_what_others_say_of_doubts() -> None:
    open_ = judged()
    yes = settle(open_, {0: True}, by="gpt-4o")
    assert [(one.label, one.by, one.certified) for one in yes.findings if one.by != "specialist"] == [
        ("licence", "gpt-4o", False)
    ]
    assert not yes.doubts and (yes.tally.found, yes.tally.doubtful, yes.tally.clear) == (4, 0, 0)
    no = settle(open_, {0: False}, by="a person")
    assert no.findings == open_.findings and not no.doubts
    assert (no.tally.found, no.tally.doubtful, no.tally.clear) == (3, 0, 1)
    assert settle(open_, {}, by="nobody") == open_
    assert "confirmed by gpt-4o" in review_markdown(yes)


class Scripted(Endpoint):
    """An endpoint whose answers are given; an exception among them is raised. No network is reached."""

    def __init__(self, *answers: str | Exception) -> None:
        super().__init__("large", "http://127.0.0.1:1/v1", "m")
        self.answers = list(answers)
        self.asked: list[str] = []

    async def _completion(self, path: str, request: dict[str, Any]) -> Completion:
        self.asked.append(json.dumps(request))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return Completion(answer, Usage(100, 1), False, 25.0)


async def test_a_larger_model_is_asked_about_each_doubt() -> None:
    open_ = judged(text=TERMS + "\n2.4 Perhaps a change.\n\n2.5 Perhaps arbitration.")
    assert len(open_.doubts) == 3
    endpoint = Scripted("Yes.", '{"label": "no"}', LLMTimeout("too slow"))
    said = await second_opinion(open_, endpoint, descriptions={"change": "they may alter terms"})
    assert (said.answers, [one.message for one in said.problems]) == ({0: True, 1: False}, ["too slow"])
    assert said.usage == Usage(200, 2)
    assert ["kind: licence?" in endpoint.asked[0], "Perhaps a licence." in endpoint.asked[0]] == [True, True]
    assert "change (they may alter terms)?" in endpoint.asked[1]
    settled = settle(open_, said.answers, by="large")
    assert [(one.label, one.by) for one in settled.findings if one.by == "large"] == [("licence", "large")]
    assert [doubt.label for doubt in settled.doubts] == ["arbitration"]


class Slow(Scripted):
    """An endpoint that counts how many calls are under way at once."""

    under_way = most = 0

    async def _completion(self, path: str, request: dict[str, Any]) -> Completion:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await asyncio.sleep(0)
        self.under_way -= 1
        return await super()._completion(path, request)


async def test_no_more_doubts_are_asked_about_at_once_than_the_endpoint_takes_and_a_busy_one_leaves_them() -> None:
    open_ = judged(text=TERMS + "\n2.4 Perhaps a change.\n\n2.5 Perhaps arbitration.")
    endpoint = Slow("yes", OverloadedError("busy"), "no")
    endpoint.max_concurrency = 2
    said = await second_opinion(open_, endpoint)
    assert endpoint.most == 2
    assert (said.answers, [one.message for one in said.problems]) == ({0: True, 2: False}, ["busy"])


def test_what_cannot_be_reviewed() -> None:
    with pytest.raises(InputError, match="this one is for tagging"):
        judged(cast(Task, Tagging(types=("EMAIL",))))
    with pytest.raises(InputError, match="'arbitrtion' is no label of the specialist; it has arbitration, change"):
        judged(severities={"arbitrtion": "high"})
    with pytest.raises(InputError, match="'nil' is no label"):
        judged(ONE, nothing={"nil"})
    with pytest.raises(InputError, match="allowed are high, medium, low"):
        judged(severities={"change": "severe"})
    with pytest.raises(InputError, match="from 0 to 1"):
        judged(doubt=3)
    with pytest.raises(InputError, match="classification or multilabel"):
        decide(parse("a.txt", "one\n\ntwo"), [cast(Prediction, SimpleNamespace())] * 2, task=TASK)


def test_json_has_a_schema_number_and_comes_back_as_it_was() -> None:
    found = judged()
    content = msgspec.json.encode(found)
    assert json.loads(content)["schema"] == 1
    assert msgspec.json.decode(content, type=Review) == found


class Page(HTMLParser):
    """Checks nesting, that addresses inside the page lead somewhere, and gathers the marked text."""

    VOID = frozenset({"meta", "link", "br", "hr", "img", "input", "wbr"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.targets: list[str] = []
        self.marked: list[str] = []
        self.feed(html)
        assert not self.open
        assert len(set(self.ids)) == len(self.ids)
        assert set(self.targets) <= set(self.ids)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)
        for name, value in attrs:
            assert name not in ("src", "onclick") and "http" not in (value or "")
            if name == "id":
                self.ids.append(value or "")
            if name == "href":
                self.targets.append((value or "").removeprefix("#"))
            if name == "aria-describedby":
                self.targets += (value or "").split()
        if tag == "mark":
            self.marked.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "mark":
            self.marked[-1] += data


def test_the_page_marks_the_exact_words_and_runs_nothing() -> None:
    document = parse("terms.txt", TERMS)
    found = review(document, cast(Model, Words(TASK)), severities={"arbitration": "high"})
    page = Page(review_html(document, found))
    assert "script" not in page.tags
    key = 6  # marks that only explain the styles
    assert page.marked[key:] == [
        f"We may change prices. {EVIL}",
        "Arbitration and change.",
        "Perhaps a licence.",
        f"We may change prices. {EVIL}",
    ]
    html = review_html(document, found)
    assert "3 findings: 1 high, 2 medium. 1 passage to look at." in html
    assert html.count('class="certified medium"') >= 2 and 'class="uncertain high"' in html and "2.1" in html


def test_the_markdown_says_where_everything_is() -> None:
    text = review_markdown(judged(severities={"arbitration": "high"}))
    assert "| high | arbitration | 2.1 · Courts | 70%, outside the guarantee | Arbitration and change. |" in text
    assert (
        "1.1 · Changes (and 1 more place)" in text
        and "| medium | licence | 2.2 · Courts | 30% | Perhaps a licence. |" in text
    )
    assert "<script>" not in text


def test_nothing_found_is_said() -> None:
    found = judged(text="Only this.\n\nAnd that.")
    assert review_summary(found) == "No findings." and found.worst() is None
    assert "No findings." in review_html(parse("a.txt", "Only this.\n\nAnd that."), found)
