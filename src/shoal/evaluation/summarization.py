"""A summarizer and texts with reference summaries -> a report: ROUGE beside lead, centrality and the oracle."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shoal.data import Dataset, Row
from shoal.errors import InputError
from shoal.evaluation import speed
from shoal.evaluation.evaluate import count_rows
from shoal.evaluation.outcome import Example, Mark, TaskReport, row_key
from shoal.evaluation.report import Training
from shoal.metrics import Estimate, bootstrap, clopper_pearson, mean_of, wilson
from shoal.metrics.oracle import Reference
from shoal.metrics.rouge import of_words, reading
from shoal.models.passages import Passages
from shoal.models.salience import NAMES
from shoal.models.selection import in_turn
from shoal.models.summarizer import Draft, Summarizer

FIGURES = ("rouge1", "rouge2", "rougeL")
HEADLINE = "rouge1"
_CENTRAL = NAMES.index("central")
_WORST, _BEST = 10, 5
_TEXT_CHARS = 6_000
_BULK = 32  # whole documents a call: enough to fill groups of like length

Choice = Callable[["Passages", "NDArray[np.float64] | None"], list[int]]


class Judged(NamedTuple):
    """One summary against its reference.

    Attributes:
        f1: of ROUGE-1, ROUGE-2 and ROUGE-L [3].
        recall: of the same [3].
        oracle: F1 of what the reference itself would choose [3].
        share: of the oracle's ROUGE-1 F1 that the summary has, in [0, 1]; 0 where nothing was within reach.
    """

    f1: NDArray[np.float64]
    recall: NDArray[np.float64]
    oracle: NDArray[np.float64]
    share: float


def judge(draft: Draft, reference: str) -> Judged:
    """Compare a summary with its reference, and with what the oracle reaches under the same budget."""
    words, wanted = read_words(draft.passages, reference)
    overlap = compared(words, draft.chosen, wanted)
    best = Reference(words, wanted).greedy(draft.passages.costs, draft.passages.limit)
    oracle = compared(words, best, wanted)[0]
    share = min(1.0, float(overlap[0][0] / oracle[0])) if oracle[0] > 0 else 0.0
    return Judged(*overlap, oracle, share)


def read_words(passages: Passages, reference: str) -> tuple[list[list[str]], list[str]]:
    """Words of each unit and of a reference, in lower case, as ROUGE reads them."""
    words = reading(reference)
    pieces = (passages.quote(index) for index in range(len(passages.units)))
    return [words.findall(piece.lower()) for piece in pieces], words.findall(reference.lower())


def compared(
    words: Sequence[Sequence[str]], chosen: Sequence[int], wanted: Sequence[str]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give F1 and recall [3] of the chosen units, in the order of the text."""
    found = of_words([word for index in sorted(chosen) for word in words[index]], wanted)
    return np.array([each.f1 for each in found]), np.array([each.recall for each in found])


def chosen_f1(passages: Passages, chosen: Sequence[int], reference: str) -> NDArray[np.float64]:
    """Give ROUGE-1, ROUGE-2 and ROUGE-L F1 of any choice of units [3]."""
    words, wanted = read_words(passages, reference)
    return compared(words, chosen, wanted)[0]


def lead(passages: Passages) -> list[int]:
    """Choose the beginning of a text: what fits, in its order."""
    return in_turn(range(len(passages.units)), passages.costs, passages.limit)


def central(passages: Passages) -> list[int]:
    """Choose what is most like all the rest."""
    order = np.argsort(-passages.features[:, _CENTRAL], kind="stable")
    return in_turn(order.tolist(), passages.costs, passages.limit)


def evaluate(summarizer: Summarizer, dataset: Dataset, *, seed: int = 0, timing_seconds: float = 2.0) -> TaskReport:
    """Measure a summarizer on its test rows: ROUGE, what it keeps, speed.

    Args:
        summarizer: as it will be served.
        dataset: rows with reference summaries; rows without one, or without anything to quote, are left out. Where some
            belong to the split "test" only those are used, else all.
        seed: of the bootstrap.
        timing_seconds: how long latency and throughput are measured; 0 leaves them out.

    Raises:
        InputError: no row has both.
    """
    test = dataset.part("test") if any(row.split == "test" for row in dataset.rows) else dataset
    rows = [row for row in test.rows if row.text.strip() and isinstance(row.target, str) and row.target]
    if not rows:
        raise InputError("no test row has a text and a reference summary; give rows of split 'test' that have both.")
    texts, queries = [row.text for row in rows], [row.query for row in rows]
    drafts = list(summarizer.drafts(texts, queries))
    judged = [judge(draft, str(row.target)) for draft, row in zip(drafts, rows, strict=True)]
    answers = [summarizer.answer(draft) for draft in drafts]
    kept = np.array([answer.accepted for answer in answers])
    shares = np.array([each.share for each in judged])
    f1 = np.stack([each.f1 for each in judged])
    asked = dict(zip(texts, queries, strict=True))
    return TaskReport(
        task="summarization",
        name=summarizer.name,
        version=summarizer.version,
        headline=HEADLINE,
        data=count_rows(dataset, len(rows), 0),
        metrics={
            **_estimates(f1, seed),
            "rouge1_recall": _mean(np.array([each.recall[0] for each in judged]), seed),
            "share_of_oracle": _mean(shares, seed),
        },
        baselines=_baselines(drafts, rows, judged, seed),
        rows_kept=_share(kept),
        risk=_risk(shares[kept] < summarizer.floor) if kept.any() else None,
        certificate=summarizer.certificate,
        examples=_examples(rows, drafts, [answer.confidence for answer in answers], kept, judged),
        row_scores=f1[:, 0].tolist(),
        row_keys=[row_key(row) for row in rows],
        size_bytes=summarizer.size_bytes,
        speed=speed.measure(
            lambda some: summarizer.predict(some, [asked[text] for text in some]), texts, timing_seconds, bulk=_BULK
        ),
        training=Training.of(summarizer.provenance),
        notes=_notes(summarizer, len(test) - len(rows)),
    )


def _baselines(
    drafts: Sequence[Draft], rows: Sequence[Row], judged: Sequence[Judged], seed: int
) -> dict[str, dict[str, Estimate]]:
    """Measure simple rivals under the same budget, and what the reference itself would choose."""
    rivals = {"lead": lead, "central": central}
    found = {
        name: np.stack([chosen_f1(draft.passages, rival(draft.passages), str(row.target)) for draft, row in pairs])
        for pairs in [list(zip(drafts, rows, strict=True))]
        for name, rival in rivals.items()
    }
    found["oracle"] = np.stack([each.oracle for each in judged])
    return {name: _estimates(values, seed) for name, values in found.items()}


def _estimates(values: NDArray[np.float64], seed: int) -> dict[str, Estimate]:
    return {name: _mean(values[:, column], seed) for column, name in enumerate(FIGURES)}


def _mean(values: NDArray[np.float64], seed: int) -> Estimate:
    return bootstrap(mean_of(values), len(values), seed=seed)


def _share(found: NDArray[np.bool_]) -> Estimate:
    return Estimate(float(found.mean()), *wilson(int(found.sum()), len(found)))


def _risk(wrong: NDArray[np.bool_]) -> Estimate:
    return Estimate(float(wrong.mean()), *clopper_pearson(int(wrong.sum()), len(wrong)))


def _examples(
    rows: Sequence[Row],
    drafts: Sequence[Draft],
    confidences: Sequence[float],
    kept: NDArray[np.bool_],
    judged: Sequence[Judged],
) -> list[Example]:
    """Show the summaries with the smallest share of the oracle's ROUGE, then the best."""
    order: list[int] = np.argsort([each.share for each in judged], kind="stable").tolist()
    shown = dict.fromkeys([*order[:_WORST], *order[: -_BEST - 1 : -1]])
    return [_example(rows[at], drafts[at], confidences[at], bool(kept[at]), judged[at].share) for at in shown]


def _example(row: Row, draft: Draft, confidence: float, kept: bool, share: float) -> Example:
    quoted = [draft.passages.units[index] for index in draft.chosen]
    return Example(
        text=row.text[:_TEXT_CHARS],
        answer="\n".join(draft.passages.quote(index) for index in draft.chosen),
        reference=str(row.target) if row.query is None else f"{row.query}\n{row.target}",
        confidence=confidence,
        accepted=kept,
        score=share,
        marks=[
            Mark(unit.start, min(unit.end, _TEXT_CHARS), unit.speaker, "quoted")
            for unit in quoted
            if unit.start < _TEXT_CHARS
        ],
        origin=row.origin,
    )


def _notes(summarizer: Summarizer, left_out: int) -> list[str]:
    counted, most = summarizer.task.budget.counted(summarizer.task.unit)
    notes = [
        f"Budget: at most {most} {counted}; lead, central and oracle have the same. ROUGE is F1 without stemming.",
        f"A kept summary is wrong where it has less than {summarizer.floor:.0%} of the oracle's ROUGE-1.",
    ]
    if left_out:
        notes.append(f"{left_out} test rows without a text or a reference are left out.")
    return notes
