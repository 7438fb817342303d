"""The evaluation report for people: HTML, Markdown, model card."""

import re
from html.parser import HTMLParser

import msgspec
import numpy as np
import pytest

from shoal.behaviour import BehaviourResult, Failure
from shoal.calibration import certify
from shoal.evaluation import (
    Accepted,
    ConfusedPair,
    Confusion,
    CurvePoint,
    Data,
    LabelRow,
    Metrics,
    Mistake,
    OutOfScope,
    Report,
    SliceResult,
    Speed,
    SuspiciousLabel,
    TierShare,
    Training,
)
from shoal.gate import Rule, Verdict
from shoal.metrics import Bin, Estimate
from shoal.report import evaluation_html, evaluation_markdown, model_card

EVIL = '<script>alert("x")</script>'


def estimate(value: float) -> Estimate:
    return Estimate(value, value * 0.9, value * 1.1)


def report(**changes) -> Report:
    confidence = np.full(1000, 0.9)
    whole = Report(
        name="intent",
        version="v3",
        labels=["refund", "card_lost"],
        never=["card_lost"],
        data=Data({"train": 900, "test": 100}, 100, 2, "ab" * 32),
        metrics=Metrics(*(estimate(v) for v in (0.9, 0.88, 0.02, 0.03, 0.15, 0.31))),
        accepted=Accepted(80, 2, estimate(0.8), estimate(0.025), estimate(0.01), {"certified": 80, "never_label": 20}),
        certificate=certify(confidence, np.arange(1000) >= 20, grid=np.array([0.9])),
        tiers=[TierShare("static", 60, 60, 0.98), TierShare("encoder", 40, 20, 0.95)],
        per_label=[LabelRow("refund", 0.9, 0.8, 0.85, 60, 0.9), LabelRow("card_lost", 0.5, 0.6, 0.55, 40, 0.0)],
        confusion=Confusion([[50, 10], [5, 35]], [ConfusedPair("refund", "card_lost", 10)]),
        reliability=[Bin(0.5, 0.8, 0.7, 0.65, 50), Bin(0.8, 1.0, 0.95, 0.97, 50)],
        curve=[CurvePoint(0.2, 0.0), CurvePoint(0.8, 0.025), CurvePoint(1.0, 0.1)],
        mistakes=[Mistake("where is my money", "refund", "card_lost", 0.97, True, "data.csv:7")],
        suspicious=[SuspiciousLabel("lost it", "refund", "card_lost", 0.02, "data.csv:9")],
        out_of_scope=OutOfScope(50, 0.97, 0.11, estimate(0.04)),
        size_bytes=23_400_000,
        speed=Speed(1.9, 3.4, 500, 1088.0, 256, 2),
        training=Training(64.0, 1900.0, "CPU time"),
    )
    return msgspec.structs.replace(whole, **changes)


class Page(HTMLParser):
    """Checks nesting and gathers text, tags and addresses."""

    VOID = frozenset({"meta", "link", "br", "hr", "img", "input", "wbr"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.text = ""
        self.feed(html)
        assert self.open == [], f"left open: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [value for name, value in attrs if name in ("src", "href", "xlink:href") and value]
        if tag not in self.VOID:
            self.open.append(tag)
            self.text += " "

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        self.text += " "
        assert self.open, f"closed without opening: {tag}"
        assert self.open.pop() == tag, f"badly nested: {tag}"

    def handle_data(self, data):
        self.text += data


def test_the_page_is_well_formed_and_loads_nothing():
    html = evaluation_html(report())
    page = Page(html)
    assert page.addresses == []
    assert "script" not in page.tags
    assert "url(" not in html
    assert "@import" not in html
    assert "prefers-color-scheme: dark" in html
    assert page.tags.count("svg") == 3


def test_the_page_shows_what_was_measured():
    text = " ".join(Page(evaluation_html(report())).text.split())
    for words in (
        "intent v3",
        "Promise: at most 5% of kept answers disagree with the reference, with 95% confidence.",
        "1,000 calibration rows 1,000 are kept",
        "90% accuracy 81.0 to 99.0%",
        "2.5% of the kept wrong",
        "out-of-scope AUROC (50 texts), % 97.0",
        "where is my money refund card_lost 97.0% yes",
        "lost it refund card_lost 2.0% data.csv:9",
        "encoder 40 20 95%",
        "a label that is never kept 20 20%",
        "23.4 MB",
        "1.90 / 3.40 ms over 500 calls",
        "1.9 kJ (CPU time)",
        "train 900, test 100",
    ):
        assert words in text, words
    assert text.index("card_lost (never kept)") < text.index("refund 85.0")  # weakest first


def test_texts_and_labels_cannot_become_markup():
    evil = report(
        name=EVIL,
        labels=[EVIL, "b"],
        per_label=[LabelRow(EVIL, 0.9, 0.8, 0.85, 60, 0.9)],
        confusion=Confusion([[5, 1], [0, 4]], [ConfusedPair(EVIL, EVIL, 1)]),
        mistakes=[Mistake(EVIL, EVIL, EVIL, 0.9, True)],
        suspicious=[SuspiciousLabel(EVIL, EVIL, EVIL, 0.1, EVIL)],
    )
    html = evaluation_html(evil)
    assert "<script" not in html
    assert "script" not in Page(html).tags
    for markdown in (evaluation_markdown(evil), model_card(evil)):
        assert "<script" not in markdown


def test_no_certificate_is_said_plainly():
    refused = certify(np.full(40, 0.9), np.ones(40, dtype=bool))
    nothing = Accepted(0, 0, Estimate(0, 0, 0.03), None, None, {"not_certified": 100})
    text = Page(evaluation_html(report(certificate=refused, accepted=nothing))).text
    assert "No certificate that at most 5% of kept answers disagree with the reference: no answer is kept." in text
    assert "only 40 of 40 calibration rows can be kept" in text
    bare = report(certificate=None, accepted=nothing, out_of_scope=None, suspicious=[], mistakes=[], curve=[])
    text = Page(evaluation_html(bare)).text
    assert "Not calibrated: nothing is promised" in text
    assert "Training labels that look wrong" not in text
    assert "Not calibrated" in evaluation_markdown(bare)


def test_many_labels_without_matrix_and_a_perfect_model_render():
    many = report(confusion=Confusion(None, []), version=None, reliability=[], training=Training(None, None, None))
    page = Page(evaluation_html(many))
    assert page.tags.count("svg") == 2
    assert "No test row was answered wrongly." in page.text


@pytest.mark.parametrize("labels", [2, 40, 100])
def test_confusion_maps_of_all_sizes_stay_inside_their_frame(labels):
    matrix = np.diag(np.full(labels, 9))
    matrix[0, -1] = 3
    names = [f"a_rather_long_label_name_number_{n}" for n in range(labels)]
    html = evaluation_html(report(labels=names, confusion=Confusion(matrix.tolist(), [])))
    Page(html)
    svg = html[html.index('aria-label="Confusion matrix"') - 200 :]
    width = float(re.search(r'viewBox="0 0 ([\d.]+)', svg)[1])
    right = max(
        float(x) + float(w)
        for x, w in re.findall(r'<rect class="(?:right|wrong)" x="([\d.]+)".*? width="([\d.]+)"', svg)
    )
    assert right <= width


def test_the_verdict_is_on_the_page_and_in_the_markdown():
    verdict = Verdict(False, [Rule("accuracy", 0.9, 0.95, False, "accuracy is 90%; at least 95% is asked")])
    assert "Gate: failed" in " ".join(Page(evaluation_html(report(), verdict)).text.split())
    markdown = evaluation_markdown(report(), verdict)
    assert "**Gate failed**" in markdown
    assert "| ❌ | accuracy | accuracy is 90%; at least 95% is asked |" in markdown
    assert "Gate" not in evaluation_markdown(report())


def test_suspicious_labels_are_in_the_markdown_the_first_ten_of_them():
    one = evaluation_markdown(report())
    assert "| lost it | refund | card\\_lost | 2.0% | data.csv:9 |" in one
    assert "more in the JSON report" not in one
    found = [SuspiciousLabel("a long text\nof two lines " * 20, "a", "b", 0.1, f"data.csv:{n}") for n in range(12)]
    many = evaluation_markdown(report(suspicious=found))
    assert many.count("data.csv:") == 10
    assert "And 2 more in the JSON report." in many
    assert max(map(len, many.splitlines())) < 400
    assert "look wrong" not in evaluation_markdown(report(suspicious=[]))


def test_markdown_is_short_and_its_tables_are_whole():
    markdown = evaluation_markdown(report(labels=["a|b", "c"], per_label=[LabelRow("a|b", 1, 1, 1, 9, 1)]))
    assert len(markdown.splitlines()) < 60
    assert "a\\|b" in markdown
    for block in markdown.split("\n\n"):
        if block.startswith("|"):
            columns = {len(re.findall(r"(?<!\\)\|", line)) for line in block.strip().splitlines()}
            assert len(columns) == 1, block


def test_the_model_card_tells_use_promise_limits_and_data():
    card = model_card(report())
    assert card.startswith("---\nlibrary_name: shoal\n")
    for words in (
        "# intent",
        "refund, card\\_lost",
        "Never kept: card\\_lost.",
        'shoal.load("intent")',
        "void after drift",
    ):
        assert words in card, words
    assert "abababababababab" in card


def closer() -> Report:
    sliced = [
        SliceResult(EVIL, "sms", 40, 20, estimate(0.5), 10, 4, estimate(0.25), estimate(0.4)),
        SliceResult(EVIL, "web", 60, 54, estimate(0.9), 30, 0, estimate(0.5), None),
        SliceResult("gender", "women", 0, 0, estimate(0.0), 0, 0, estimate(0.0), None),
    ]
    failure = Failure(f"good {EVIL}", "bad | text", "refund", "card_lost")
    tests = [
        BehaviourResult("bias", "swap", "invariance", "who", 100, 100, estimate(1.0), 0.9, True, []),
        BehaviourResult("bias", "typos", "invariance", "slips", 100, 40, estimate(0.4), 0.9, True, [failure] * 4),
        BehaviourResult("bias", "origin", "invariance", "", 0, 0, None, 0.9, True, []),
    ]
    return report(slices=sliced, behaviour=tests)


def test_the_page_shows_slices_and_behaviour():
    page = Page(evaluation_html(closer()))
    assert "script" not in page.tags
    text = " ".join(page.text.split())
    assert "Slices, weakest first" in text
    assert text.index("= sms") < text.index("= web") < text.index("gender = women")
    assert "sms is right 40.0 points less often than web" in text
    assert text.index("bias: typos") < text.index("bias: swap")
    assert "no test row to ask it of" in text
    assert text.count(f"good {EVIL}") == 4
    plain = " ".join(Page(evaluation_html(report())).text.split())
    assert "Slices, weakest first" not in plain and "Behaviour" not in plain


def test_the_markdown_shows_slices_and_behaviour():
    text = evaluation_markdown(closer())
    assert "<script" not in text
    assert "| slice | rows | right, % | 95% interval | kept, % | wrong of kept, % |" in text
    assert "| bias: typos | invariance | 100 | 40.0 | 36.0 to 44.0 | 90 | fails |" in text
    assert text.count("bad \\| text") == 2
    assert "behavioural test" not in evaluation_markdown(report())
