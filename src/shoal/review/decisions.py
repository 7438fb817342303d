"""PURE: from predictions to findings and doubts. No model, clock, disk or network: the same input, the same review."""

import re
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import msgspec

from shoal.documents import Document, Segment
from shoal.errors import InputError
from shoal.review.findings import SEVERITIES, Doubt, Finding, Place, Review, Severity, Tally
from shoal.tasks import Classification, Label, Labels, MultiLabel, Prediction, Task

NOTHING = frozenset({"none", "nothing", "clear", "fair", "ok", "other", "no finding", "no_finding"})
DOUBT = 0.1
_MAJORITY = 0.5
_UNSEEN = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")


@dataclass(frozen=True, slots=True)
class Policy:
    """How predictions become findings.

    Attributes:
        severities: of labels; a label that is not named is "medium".
        nothing: labels of a classification that are no finding.
        doubt: probability of a finding from which a passage that is neither flagged nor cleared is to be looked at.
    """

    severities: Mapping[str, Severity] = field(default_factory=dict[str, Severity])
    nothing: frozenset[str] = NOTHING
    doubt: float = DOUBT

    def severity(self, label: str) -> Severity:
        """Severity of a label."""
        return self.severities.get(label, "medium")


Verdict = Literal["certified", "uncertain", "doubt"]


class Opinion(NamedTuple):
    """What a prediction says of one label."""

    label: str
    probability: float
    verdict: Verdict


class _Key(NamedTuple):
    words: str
    label: str


def check(task: Task, policy: Policy) -> None:
    """Refuse a task whose answers are no labels, and severities of labels that it does not have.

    Raises:
        InputError: says what is there and what is wanted.
    """
    if not isinstance(task, Classification | MultiLabel):
        raise InputError(f"a review needs a specialist for classification or multilabel; this one is for {task.kind}.")
    unknown = sorted(set(policy.severities) - set(task.labels))
    if unknown:
        raise InputError(f"severities: {unknown[0]!r} is no label of the specialist; it has {', '.join(task.labels)}.")
    wrong = next((each for each in policy.severities.items() if each[1] not in SEVERITIES), None)
    if wrong is not None:
        raise InputError(f"severities: {wrong[0]} = {wrong[1]!r}; allowed are {', '.join(SEVERITIES)}.")
    if not 0 <= policy.doubt <= 1:
        raise InputError(f"doubt is {policy.doubt}; it is a probability, from 0 to 1.")


def nothing_of(task: Task, named: Set[str] | None = None) -> frozenset[str]:
    """Tell which labels of a classification are no finding: those named, or its out-of-scope label and "none" or alike.

    Raises:
        InputError: a named label is none of the task's.
    """
    if not isinstance(task, Classification):
        return frozenset()
    if named is not None:
        unknown = sorted(named - set(task.labels))
        if unknown:
            raise InputError(f"{unknown[0]!r} is no label of the specialist; it has {', '.join(task.labels)}.")
        return frozenset(named)
    return frozenset(each for each in task.labels if each.lower() in NOTHING or each == task.out_of_scope)


def readable(text: str) -> str:
    """Give a passage as a model should read it: on one line, without characters that nobody sees."""
    return " ".join(_UNSEEN.sub("", text).split())


def is_blank(text: str) -> bool:
    """Whether there is no letter or digit to judge."""
    return not any(each.isalnum() for each in text)


def opinions(prediction: Prediction, policy: Policy) -> list[Opinion]:
    """Read findings and doubts out of a prediction; an empty list means that the passage is clear.

    Several labels: what is flagged is a finding, certified where the flag is kept; what is not flagged and not cleared
    is a doubt from `policy.doubt` on. One label: it is a finding, certified if the answer is kept. What is not kept
    and has no majority is a doubt in both. Where the one label is of `policy.nothing` the passage is clear, unless the
    answer is not kept and something else is as likely as `policy.doubt`.
    """
    if isinstance(prediction, Labels):
        found = [flag for flag in prediction.flags if flag.flagged]
        open_ = [flag for flag in prediction.flags if not flag.flagged and not flag.kept]
        return [
            *(Opinion(flag.label, flag.probability, _verdict(flag.probability, kept=flag.kept)) for flag in found),
            *(Opinion(flag.label, flag.probability, "doubt") for flag in open_ if flag.probability >= policy.doubt),
        ]
    if not isinstance(prediction, Label):
        raise InputError("a review needs a specialist for classification or multilabel.")
    if prediction.label not in policy.nothing:
        verdict = _verdict(prediction.confidence, kept=prediction.accepted)
        return [Opinion(prediction.label, prediction.confidence, verdict)]
    others = [score for score in prediction.top if score.label not in policy.nothing]
    nothing = sum(score.probability for score in prediction.top if score.label in policy.nothing)
    if prediction.accepted or not others or 1 - nothing < policy.doubt:
        return []
    return [Opinion(others[0].label, others[0].probability, "doubt")]


def _verdict(probability: float, *, kept: bool) -> Verdict:
    """Say how sure an answer is that something was found."""
    if kept:
        return "certified"
    return "uncertain" if probability >= _MAJORITY else "doubt"


def decide(
    document: Document,
    predictions: Sequence[Prediction | None],
    *,
    task: Task,
    policy: Policy | None = None,
    specialist: str = "",
    version: str | None = None,
) -> Review:
    """Turn predictions into a review; the same words with the same label are one finding with several places.

    Args:
        document: what was judged.
        predictions: of each segment in order [n]; None for one that is blank and was not asked about.
        task: of the specialist.
        policy: how predictions are read; the default one otherwise.
        specialist: name of the model.
        version: its version.

    Raises:
        InputError: the task is none of labels, or a severity is of a label that it does not have.
    """
    policy = policy or Policy(nothing=nothing_of(task))
    check(task, policy)
    findings: dict[_Key, Finding] = {}
    doubts: dict[_Key, Doubt] = {}
    states: list[str] = []
    for segment, prediction in zip(document.segments, predictions, strict=True):
        said = [] if prediction is None else opinions(prediction, policy)
        for opinion in said:
            key = _Key(readable(segment.text).casefold(), opinion.label)
            if opinion.verdict == "doubt":
                _note_doubt(doubts, key, segment, opinion, policy, prediction.reason if prediction else "")
            else:
                _note_finding(findings, key, segment, opinion, policy)
        states.append(_state(prediction, said))
    assert isinstance(task, Classification | MultiLabel)
    return Review(
        document=document.name,
        specialist=specialist,
        version=version,
        labels=tuple(label for label in task.labels if label not in policy.nothing),
        pages=document.pages,
        tally=Tally(len(states), *(states.count(each) for each in ("found", "doubtful", "cleared", "clear", "blank"))),
        findings=ordered(findings.values()),
        doubts=tuple(sorted(doubts.values(), key=lambda one: (-one.probability, one.place.start))),
    )


def settle(review: Review, answers: Mapping[int, bool], *, by: str) -> Review:
    """Take up what a person or a larger model says of doubts: those that it confirms become findings, the others go.

    Args:
        review: with doubts.
        answers: index of a doubt -> whether the passage has its label; doubts that are not in it stay.
        by: who says so.
    """
    confirmed = [
        Finding(
            label=doubt.label,
            severity=doubt.severity,
            confidence=doubt.probability,
            certified=False,
            quote=doubt.quote,
            place=doubt.place,
            again=doubt.again,
            by=by,
        )
        for index, doubt in enumerate(review.doubts)
        if answers.get(index)
    ]
    left = tuple(doubt for index, doubt in enumerate(review.doubts) if index not in answers)
    findings = ordered([*review.findings, *confirmed])
    return msgspec.structs.replace(review, findings=findings, doubts=left, tally=_recounted(review, findings, left))


def ordered(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Sort findings: the severest first, then in the order of the text."""
    return tuple(sorted(findings, key=lambda one: (SEVERITIES.index(one.severity), one.place.start, one.label)))


def _recounted(review: Review, findings: Sequence[Finding], doubts: Sequence[Doubt]) -> Tally:
    """Count passages again: of those that were in doubt, some have a finding now and some are clear."""
    found = {place.start for each in findings for place in (each.place, *each.again)}
    doubtful = {place.start for each in doubts for place in (each.place, *each.again)} - found
    tally = review.tally
    clear = tally.clear + tally.found + tally.doubtful - len(found) - len(doubtful)
    return msgspec.structs.replace(tally, found=len(found), doubtful=len(doubtful), clear=clear)


def _note_finding(findings: dict[_Key, Finding], key: _Key, segment: Segment, opinion: Opinion, policy: Policy) -> None:
    place = _place(segment)
    if key in findings:
        findings[key] = msgspec.structs.replace(findings[key], again=(*findings[key].again, place))
        return
    findings[key] = Finding(
        label=opinion.label,
        severity=policy.severity(opinion.label),
        confidence=opinion.probability,
        certified=opinion.verdict == "certified",
        quote=segment.text,
        place=place,
    )


def _note_doubt(
    doubts: dict[_Key, Doubt], key: _Key, segment: Segment, opinion: Opinion, policy: Policy, reason: str
) -> None:
    place = _place(segment)
    if key in doubts:
        doubts[key] = msgspec.structs.replace(doubts[key], again=(*doubts[key].again, place))
        return
    doubts[key] = Doubt(
        label=opinion.label,
        severity=policy.severity(opinion.label),
        probability=opinion.probability,
        reason=reason,
        quote=segment.text,
        place=place,
    )


def _state(prediction: Prediction | None, said: Sequence[Opinion]) -> str:
    if prediction is None:
        return "blank"
    if any(opinion.verdict != "doubt" for opinion in said):
        return "found"
    if said:
        return "doubtful"
    return "cleared" if prediction.accepted else "clear"


def _place(segment: Segment) -> Place:
    return Place(segment.start, segment.end, segment.section, segment.heading, segment.page)
