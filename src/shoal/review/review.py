"""A whole document through a specialist: each passage once, findings and doubts out."""

from collections.abc import Mapping, Sequence, Set

from shoal.documents import Document
from shoal.models import Model
from shoal.review.decisions import DOUBT, Policy, check, decide, is_blank, nothing_of, readable
from shoal.review.findings import Review, Severity


def review(
    document: Document,
    model: Model,
    *,
    severities: Mapping[str, Severity] | None = None,
    nothing: Set[str] | None = None,
    doubt: float = DOUBT,
) -> Review:
    """Judge a document.

    Args:
        document: as `shoal.documents.read` gives it.
        model: a specialist for classification or multilabel.
        severities: of labels; a label that is not named is "medium".
        nothing: labels of a classification that are no finding; None takes its out-of-scope label and labels called
            "none", "nothing", "clear", "fair", "ok", "other" or "no finding".
        doubt: probability of a finding from which a passage that is neither flagged nor cleared is to be looked at.

    Raises:
        InputError: the specialist answers no labels, or a label is named that it does not have.
    """
    policy = Policy(severities=dict(severities or {}), nothing=nothing_of(model.task, nothing), doubt=doubt)
    check(model.task, policy)
    texts = passages(document)
    asked = questions(texts)
    answers = dict(zip(asked, model.predict(asked), strict=True))
    return decide(
        document,
        [answers.get(text) for text in texts],
        task=model.task,
        policy=policy,
        specialist=model.name,
        version=getattr(model, "version", None),
    )


def passages(document: Document) -> list[str]:
    """Give each segment as a model should read it; empty where there is nothing to judge."""
    return ["" if is_blank(segment.text) else readable(segment.text) for segment in document.segments]


def questions(passages: Sequence[str]) -> list[str]:
    """Give what a model is asked about: each passage once, in the order of the text."""
    return list(dict.fromkeys(text for text in passages if text))
