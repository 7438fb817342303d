"""A tagger and labelled texts that it never saw -> a report: spans strict and partial, recall of every type."""

from collections.abc import Sequence
from typing import cast

import numpy as np

from shoal import metrics
from shoal.data import Dataset
from shoal.errors import InputError
from shoal.evaluation import speed
from shoal.evaluation.evaluate import count_rows, test_rows
from shoal.evaluation.outcome import Example, Mark, PartResult, TaskReport, row_key
from shoal.evaluation.report import Training
from shoal.metrics import Estimate
from shoal.metrics.spans import Counts, macro, micro, row_f1, span_counts
from shoal.models.tagger import Tagger
from shoal.tasks import Span, Spans

_WRONG, _RIGHT = 20, 5  # examples
_TEXT_CHARS = 600
_SHORT = 0.5  # share of the planned training below which the report says so


def evaluate_spans(tagger: Tagger, dataset: Dataset, *, seed: int = 0, timing_seconds: float = 2.0) -> TaskReport:
    """Measure a tagger on its test rows.

    Strict and partial are those of `metrics.spans`. A row's score is its strict F1.

    Args:
        tagger: as it will be served, after export and calibration.
        dataset: rows with reference spans. Where some belong to the split "test" only those are used, else all.
        seed: of the bootstrap.
        timing_seconds: how long latency and throughput are measured; 0 leaves them out.

    Raises:
        InputError: there are no rows; a row has a type that the tagger does not know.
    """
    test = test_rows(dataset)
    references = _references(test, tagger.task.types)
    answers = tagger.predict(test.texts)
    types = tagger.task.types
    spans = [answer.spans for answer in answers]
    strict, partial = (span_counts(references, spans, types, strict=each) for each in (True, False))
    rows = len(test)

    def interval(statistic: metrics.Statistic) -> Estimate:
        return metrics.bootstrap(statistic, rows, seed=seed)

    figures: dict[str, Estimate] = {}
    for counts, prefix in ((strict, ""), (partial, "partial_")):
        for figure in ("f1", "precision", "recall"):
            figures[f"{prefix}{figure}"] = interval(micro(counts, figure))
        for figure in ("f1", "recall"):
            figures[f"{prefix}macro_{figure}"] = interval(macro(counts, figure))
    right = np.array([_same(reference, answer) for reference, answer in zip(references, answers, strict=True)])
    figures["exact_match"] = interval(metrics.mean_of(right))
    accepted = np.array([answer.accepted for answer in answers])
    kept, errors = int(accepted.sum()), int((accepted & ~right).sum())
    scores = row_f1(strict)
    return TaskReport(
        task="tagging",
        name=tagger.name,
        version=tagger.version,
        headline="f1",
        data=count_rows(dataset, rows, len(types)),
        metrics=figures,
        rows_kept=Estimate(kept / rows, *metrics.wilson(kept, rows)),
        risk=Estimate(errors / kept, *metrics.clopper_pearson(errors, kept)) if kept else None,
        certificate=tagger.certificate,
        parts=_parts(tagger, strict, partial),
        examples=_examples(test, references, answers, scores.tolist()),
        row_scores=scores.tolist(),
        row_keys=[row_key(row) for row in test.rows],
        size_bytes=tagger.size_bytes,
        speed=speed.measure(tagger.predict, test.texts, timing_seconds),
        training=Training.of(tagger.provenance),
        notes=_notes(test, tagger, references, answers),
    )


def _references(test: Dataset, types: Sequence[str]) -> list[tuple[Span, ...]]:
    known = set(types)
    references = [cast("tuple[Span, ...]", row.target or ()) for row in test.rows]
    for row, reference in zip(test.rows, references, strict=True):
        for span in reference:
            if span.type not in known:
                raise InputError(
                    f"{row.origin or 'a test row'}: type {span.type!r} is not one of the {len(types)} types this "
                    f"tagger was trained on ({', '.join(types[:20])}). Correct the row, or train again with rows of "
                    "that type."
                )
    return references


def _same(reference: Sequence[Span], answer: Spans) -> bool:
    return {_place(span) for span in reference} == {_place(span) for span in answer.spans}


def _place(span: Span) -> tuple[int, int, str]:
    return span.start, span.end, span.type


def _parts(tagger: Tagger, strict: Counts, partial: Counts) -> list[PartResult]:
    parts: list[PartResult] = []
    for column, name in enumerate(tagger.task.types):
        hits, support, answered = strict[:, column].sum(axis=0).tolist()
        # A text misses the type where one of its spans has no partner, whatever its exact edges: as was promised.
        holds = partial[:, column, 1] > 0
        missed = int((partial[holds, column, 0] < partial[holds, column, 1]).sum())
        held = int(holds.sum())
        promise = tagger.promises.get(name)
        parts.append(
            PartResult(
                name=name,
                support=support,
                precision=_share(hits, answered),
                recall=_share(hits, support),
                f1=2 * hits / (support + answered) if support + answered else None,
                risk=_share(missed, held),
                promises={} if promise is None else {"recall": promise},
            )
        )
    return parts


def _share(count: int, rows: int) -> Estimate | None:
    return Estimate(count / rows, *metrics.wilson(count, rows)) if rows else None


def _examples(
    test: Dataset, references: Sequence[Sequence[Span]], answers: Sequence[Spans], scores: list[float]
) -> list[Example]:
    order = sorted(range(len(test)), key=lambda row: scores[row])
    wrong = [row for row in order if scores[row] < 1][:_WRONG]
    right = [row for row in order if scores[row] == 1 and references[row]][:_RIGHT]
    return [
        Example(
            text=test.rows[row].text[:_TEXT_CHARS],
            answer=_said(answers[row].spans, test.rows[row].text),
            reference=_said(references[row], test.rows[row].text),
            confidence=answers[row].confidence,
            accepted=answers[row].accepted,
            score=float(scores[row]),
            marks=_marks(references[row], answers[row].spans),
            origin=test.rows[row].origin,
        )
        for row in [*wrong, *right]
    ]


def _said(spans: Sequence[Span], text: str) -> str:
    return "; ".join(f"{span.type}: {text[span.start : span.end]}" for span in spans) or "nothing"


def _marks(reference: Sequence[Span], answered: Sequence[Span]) -> list[Mark]:
    """Answered spans, right or wrong, and those of the reference that no answer touches; none overlaps another."""
    known = {_place(span) for span in reference}
    marks = [Mark(*_place(span), "right" if _place(span) in known else "wrong") for span in answered]
    marks += [
        Mark(*_place(span), "missed")
        for span in reference
        if not any(other.start < span.end and span.start < other.end for other in answered)
    ]
    return sorted((mark for mark in marks if mark.end <= _TEXT_CHARS), key=lambda mark: mark.start)


def _notes(test: Dataset, tagger: Tagger, references: Sequence[Sequence[Span]], answers: Sequence[Spans]) -> list[str]:
    notes = ["Partial: the type is right and more than half of the characters that either holds are held by both."]
    if tagger.promises:
        certified = sum(promise.certified for promise in tagger.promises.values())
        notes.append(
            f"Recall is promised for {certified} of {len(tagger.promises)} types, each promise by itself; missed is a "
            "span without a partial partner. A part's risk is the share of test texts holding the type in which one "
            "was missed."
        )
    done = tagger.provenance.get("tagger", {}).get("steps_done", 1.0)
    if done < _SHORT:
        notes.append(f"The budget ended after {done:.0%} of the planned training: more seconds would teach it more.")
    if any(row.group is not None for row in test.rows):
        notes.append("Rows of one group are alike: intervals that take rows as independent are too narrow.")
    by_rule = sum(span.source == "rule" for answer in answers for span in answer.spans)
    total = sum(len(answer.spans) for answer in answers)
    notes.append(f"Rules found {by_rule} of the {total} answered spans; the reference has {sum(map(len, references))}.")
    return notes
