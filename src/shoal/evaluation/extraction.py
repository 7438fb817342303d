"""A model that fills records and rows that it never saw -> a report: fields right, whole records, each field."""

from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np
from numpy.typing import NDArray

from shoal import metrics
from shoal.data import Dataset
from shoal.errors import InputError
from shoal.evaluation import speed
from shoal.evaluation.evaluate import count_rows, shortened, test_rows
from shoal.evaluation.outcome import Example, Mark, PartResult, TaskReport, row_key
from shoal.evaluation.report import Training
from shoal.metrics import Estimate
from shoal.models.extractor import Extractor
from shoal.tasks import Extraction, Filled, Record, absent, places, read_record, same
from shoal.tasks.record import Value, Values

Bools = NDArray[np.bool_]

_WRONG, _RIGHT = 20, 5  # examples


def evaluate_records(
    extractor: Extractor, dataset: Dataset, *, seed: int = 0, timing_seconds: float = 2.0
) -> TaskReport:
    """Measure a model on its test rows. A row's score is the share of its fields that are right.

    Args:
        extractor: as it will be served, after export and calibration.
        dataset: rows with reference records. Where some belong to the split "test" only those are used, else all.
        seed: of the bootstrap.
        timing_seconds: how long latency and throughput are measured; 0 leaves them out.

    Raises:
        InputError: there are no rows; a row's record does not fit the task.
    """
    test = test_rows(dataset)
    task = extractor.task
    answers = extractor.predict(test.texts)
    records = references(task, test)
    right = right_fields(task, [answer.fields for answer in answers], records)
    whole = np.asarray(right[:, extractor.counted].all(axis=1))
    accepted = np.array([answer.accepted for answer in answers])
    kept, errors = int(accepted.sum()), int((accepted & ~whole).sum())
    scores = right.mean(axis=1)
    every = np.asarray(right.all(axis=1))
    figures = {"field_accuracy": scores, "record_accuracy": whole, "exact_match": every}
    return TaskReport(
        task="extraction",
        name=extractor.name,
        version=extractor.version,
        headline="field_accuracy",
        data=count_rows(dataset, len(test), len(task.slots)),
        metrics={
            name: metrics.bootstrap(metrics.mean_of(each), len(test), seed=seed) for name, each in figures.items()
        },
        baselines={"most frequent": {"field_accuracy": _most_frequent(task, records, seed)}},
        rows_kept=Estimate(kept / len(test), *metrics.wilson(kept, len(test))),
        risk=Estimate(errors / kept, *metrics.clopper_pearson(errors, kept)) if kept else None,
        certificate=extractor.certificate,
        parts=[
            _part([each.fields[at] for each in answers], [record[slot.name] for record in records], right[:, at])
            for at, slot in enumerate(task.slots)
        ],
        examples=_examples(test, task, answers, records, scores),
        row_scores=scores.round(6).tolist(),
        row_keys=[row_key(row) for row in test.rows],
        size_bytes=extractor.size_bytes,
        speed=speed.measure(extractor.predict, test.texts, timing_seconds),
        training=Training.of(extractor.provenance),
        notes=_notes(task, test, records),
    )


def right_fields(task: Extraction, fields: Sequence[Sequence[Filled]], records: Sequence[Values]) -> Bools:
    """Tell which fields of which rows are right [n, S], by the reference records of the rows."""
    found = np.zeros((len(records), len(task.slots)), np.bool_)
    for number, (given, record) in enumerate(zip(fields, records, strict=True)):
        for at, (one, slot) in enumerate(zip(given, task.slots, strict=True)):
            found[number, at] = same(slot, one.value, record[slot.name])
    return found


def references(task: Extraction, rows: Dataset) -> list[Values]:
    """Give the reference record of each row.

    Raises:
        InputError: a row's record does not fit the task.
    """
    found: list[Values] = []
    for row in rows.rows:
        if not isinstance(row.target, Mapping):
            raise InputError(f"{row.origin or 'a row'}: carries no record; read it with task='extraction'.")
        try:
            found.append(read_record(task, row.target))
        except InputError as error:
            raise InputError(f"{row.origin or 'a row'}: {error}") from None
    return found


def _most_frequent(task: Extraction, records: Sequence[Values], seed: int) -> Estimate:
    """Score whoever always gives each field's most frequent value of the test rows: no constant is better."""
    right = np.zeros((len(records), len(task.slots)), np.bool_)
    for at, slot in enumerate(task.slots):
        values = [record[slot.name] for record in records]
        usual = max(set(values), key=values.count)
        right[:, at] = [value == usual for value in values]
    return metrics.bootstrap(metrics.mean_of(right.mean(axis=1)), len(records), seed=seed)


def _part(answered: Sequence[Filled], wanted: Sequence[Value], right: Bools) -> PartResult:
    """Measure one field; precision and recall are about rows where the answer, or the reference, has a value."""
    has = np.array([_said(value) for value in wanted])
    says = np.array([_said(one.value) for one in answered])
    hits = int((right & has & says).sum())
    support, given = int(has.sum()), int(says.sum())
    return PartResult(
        name=answered[0].name,
        support=support,
        precision=_share(hits, given),
        recall=_share(hits, support),
        f1=2 * hits / (support + given) if support + given else None,
        risk=_share(int((~right).sum()), len(right)),
    )


def _said(value: Value) -> bool:
    return value is not None and value != ()


def _share(count: int, rows: int) -> Estimate | None:
    return Estimate(count / rows, *metrics.wilson(count, rows)) if rows else None


def _examples(
    test: Dataset,
    task: Extraction,
    answers: Sequence[Record],
    records: Sequence[Values],
    scores: NDArray[np.float64],
) -> list[Example]:
    order: list[int] = np.argsort(scores, kind="stable").tolist()
    wrong = [row for row in order if scores[row] < 1][:_WRONG]
    right = [row for row in order if scores[row] == 1][:_RIGHT]
    shown: list[Example] = []
    for row in [*wrong, *right]:
        text = shortened(test.rows[row].text)
        fields, record = answers[row].fields, records[row]
        off = [
            (one, slot)
            for one, slot in zip(fields, task.slots, strict=True)
            if not same(slot, one.value, record[slot.name])
        ]
        shown.append(
            Example(
                text=text,
                answer="; ".join(f"{one.name}: {_worded(one.value)}" for one, _ in off) or _in_words(fields),
                reference="; ".join(f"{slot.name}: {_worded(record[slot.name])}" for _, slot in off) or "the same",
                confidence=answers[row].confidence,
                accepted=answers[row].accepted,
                score=float(scores[row]),
                marks=_marks(task, fields, record, text),
                origin=test.rows[row].origin,
            )
        )
    return shown


def _marks(task: Extraction, fields: Sequence[Filled], record: Values, text: str) -> list[Mark]:
    """Quoted values, right or wrong, and what of the reference was missed; none overlaps another."""
    marks: list[Mark] = []
    for one, slot in zip(fields, task.slots, strict=True):
        hit = same(slot, one.value, record[slot.name])
        if one.start is not None and one.end is not None and one.end <= len(text):
            marks.append(Mark(one.start, one.end, one.name, "right" if hit else "wrong"))
        if slot.quoted and not hit and record[slot.name] is not None:
            marks += [Mark(start, end, one.name, "missed") for start, end in places(slot, record[slot.name], text)[:1]]
    marks.sort(key=lambda mark: (mark.start, mark.kind == "missed"))
    return [mark for at, mark in enumerate(marks) if all(mark.start >= other.end for other in marks[:at])]


def _in_words(fields: Sequence[Filled]) -> str:
    return "; ".join(f"{one.name}: {_worded(one.value)}" for one in fields)


def _worded(value: object) -> str:
    if value is None or isinstance(value, bool):
        return {None: "nothing", True: "true", False: "false"}[value]
    return ", ".join(cast("Sequence[str]", value)) or "none" if isinstance(value, tuple | list) else str(value)


def _notes(task: Extraction, test: Dataset, records: Sequence[Values]) -> list[str]:
    required = [slot.name for slot in task.slots if slot.required]
    notes = [
        f"A record is right when {', '.join(required)} are." if required else "A record is right when all fields are.",
        "Precision and recall of a field are about rows where the answer, or the reference, has a value.",
    ]
    lost = sum(bool(absent(task, record, row.text)) for record, row in zip(records, test.rows, strict=True))
    if lost:
        notes.append(f"In {lost:,} of {len(test):,} test rows a value to be quoted does not stand in the text.")
    return notes
