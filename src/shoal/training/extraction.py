"""Rows with records in, a model that fills such records out: trained, calibrated, certified jointly and measured.

Closed fields become labels of a multi-label model, quoted fields types of a tagger, taught by where their values stand
in the texts; both are trained by the modules of these tasks. What a field's chance means, and that of a whole record,
is fitted on rows that the parts had not seen.
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from shoal import data as tables
from shoal.calibration import certify, fit_platt, grid, log_odds
from shoal.data import Dataset, Row, Source
from shoal.errors import DataError, InputError
from shoal.evaluation.extraction import evaluate_records, references, right_fields
from shoal.meter import EnergyMeter
from shoal.models.extractor import Extractor, FieldPolicy, Option, Reading
from shoal.privacy import DEFAULT_REGIONS
from shoal.tasks import Extraction, Slot, Span, places, read_record, read_schema
from shoal.tasks.record import Schema, Value, Values
from shoal.training import multilabel, requirements, tagging
from shoal.training.backbone import require_extra
from shoal.training.progress import Progress, silent

Bools = NDArray[np.bool_]

_MOST_ABSENT = 0.5  # share of a field's values that may be missing from their texts


@dataclass(frozen=True, slots=True)
class _Learnt:
    """The two parts, and where the closed one was tested on rows that its heads had not seen."""

    closed: multilabel.Learnt | None
    quoted: tagging.Learnt | None
    options: tuple[Option, ...]
    details: dict[str, Any]


class _Seen(NamedTuple):
    """What is read from rows [n], and whether all counted fields of each are right [n]."""

    found: Reading
    right: Bools


def train(
    data: Source,
    *,
    schema: Schema | Extraction | None = None,
    name: str = "extractor",
    risk: float | None = 0.05,
    confidence: float = 0.95,
    backbone: str = "auto",
    budget_seconds: float = 600,
    seed: int = 0,
    rules: bool = True,
    regions: Sequence[str] = DEFAULT_REGIONS,
    progress: Progress | None = None,
    cache: Path | None = None,
) -> Extractor:
    """Train a model that fills records, on rows whose `target` is a record.

    Args:
        data: rows, or where they are; a path is read with the column "record".
        schema: JSON schema of the records (`tasks.read_schema` says what can be filled), such as a pydantic model's
            `model_json_schema()`.
        name: of the model.
        risk: of the records that are kept, at most this share may have a required field wrong ...
        confidence: ... with this confidence over draws of the calibration rows. None for `risk` promises nothing.
        backbone: "auto" for the packaged encoder, a folder, or a hub name; "tfidf" or "encoder" asks for one method of
            the closed fields.
        budget_seconds: for training; export, calibration and evaluation come on top.
        seed: of everything random.
        rules: whether rules for personal data help with quoted fields that are named like it, such as "email".
        regions: countries (ISO 3166) whose national phone numbers the rules know.
        progress: called as progress(stage, done, total).
        cache: folder for what a later training can use again; None keeps nothing.

    Raises:
        InputError: the schema, an argument or the data cannot be used; DataError names the field and the row.
        EnvironmentProblem: the 'train' or the 'pii' extra is missing, or the encoder cannot be had.
    """
    requirements.check_promise(risk, confidence)
    require_extra()
    if schema is None:
        raise InputError(
            'schema is missing: give the JSON schema of the records, such as {"type": "object", "properties": '
            '{"reason": {"enum": ["billing", "fault"]}}, "required": ["reason"]}.'
        )
    began = time.monotonic()
    with EnergyMeter() as meter:
        task = schema if isinstance(schema, Extraction) else read_schema(schema)
        dataset = prepared(data, task, seed, certified=risk is not None)
        told: dict[str, Any] = {"seed": seed, "progress": progress or silent}
        learnt = _learnt(name, task, dataset, backbone, began + budget_seconds, rules, regions, cache, told)
        extractor, seen = _assembled(name, task, learnt, dataset)
        if risk is not None:
            extractor = _certified(extractor, seen, dataset.part("calibration"), risk, 1 - confidence)
    extractor = replace(
        extractor,
        provenance={
            "recipe": {"backbone": backbone, "final": extractor.tier},
            **learnt.details,
            **requirements.notes(dataset, seed=seed, budget_seconds=budget_seconds, began=began, meter=meter),
        },
    )
    return replace(extractor, report=evaluate_records(extractor, dataset, seed=seed).as_dict())


def prepared(data: Source, task: Extraction, seed: int, *, certified: bool) -> Dataset:
    """Read, check every record against the task, and split.

    Raises:
        DataError: a record does not keep to the schema; a field has the same value in all rows, or values that do not
            stand in the texts; no rows to train or test on.
    """
    dataset = data if isinstance(data, Dataset) else tables.read(data, label="record", task="extraction")
    dataset = replace(dataset, rows=tuple(replace(row, target=_record(row, task)) for row in dataset.rows))
    for slot in task.slots:
        _check(slot, dataset.rows, "rows")
    tables.check(dataset).raise_on_errors()
    dataset = tables.split(dataset, seed=seed, drop_leaks=True, calibrate=certified)
    for part in ("train", "dev", "test"):
        if len(dataset.part(part)) == 0:
            raise DataError(f"{len(dataset)} rows leave none for {part}: give more, or rows with split = {part!r}.")
    for slot in task.slots:
        _check(slot, _fit(dataset), "train and dev rows")
    return dataset


def _record(row: Row, task: Extraction) -> Values:
    if not isinstance(row.target, Mapping):
        raise DataError(f"{row.origin or 'a row'}: carries no record; read the rows with task='extraction'.")
    try:
        return read_record(task, row.target)
    except InputError as error:
        raise DataError(f"{row.origin or 'a row'}: {error}") from None


def _fit(dataset: Dataset) -> tuple[Row, ...]:
    """Rows that the closed fields are learnt from."""
    return tuple(row for row in dataset.rows if row.split in ("train", "dev"))


def _check(slot: Slot, rows: Sequence[Row], which: str) -> None:
    """Refuse a field of which nothing can be learnt from these rows."""
    values = [(_value(row, slot), row) for row in rows]
    if not slot.quoted:
        if len({value for value, _ in values}) < 2:
            seen = f"there are no {which}" if not rows else f"it is {_shown(values[0][0])} in all {len(rows):,} {which}"
            raise DataError(
                f"field {slot.name!r}: {seen}; nothing can be learnt of it. Add rows with another value, or leave the "
                "field out of the schema."
            )
        return
    stated = [(value, row) for value, row in values if value is not None]
    lost = [(value, row) for value, row in stated if not places(slot, value, row.text)]
    if not stated or len(lost) > _MOST_ABSENT * len(stated):
        why = (
            f"{len(lost):,} of its {len(stated):,} values do not stand in their texts, such as {_shown(lost[0][0])} in "
            f"{lost[0][1].origin or 'a row'}"
            if stated
            else f"it is empty in all {len(rows):,} {which}"
        )
        raise DataError(
            f"field {slot.name!r} is to be quoted from the text, but {why}. Give values as the texts have them, list "
            "the possible ones as an enum, or leave the field out of the schema."
        )


def _learnt(
    name: str,
    task: Extraction,
    dataset: Dataset,
    backbone: str,
    deadline: float,
    rules: bool,
    regions: Sequence[str],
    cache: Path | None,
    told: dict[str, Any],
) -> _Learnt:
    """Train the two parts; the closed one takes seconds, the quoted one what is left."""
    fit = _fit(dataset)
    options = _options(task, fit)
    details: dict[str, Any] = {}
    closed = quoted = None
    if options:
        rows = (replace(row, target=_labels(row, task, options)) for row in fit)
        # Tuning an encoder for these too would take the time that the tagger needs.
        method = "auto" if backbone == "finetune" else backbone
        closed = multilabel.learn(name, Dataset.of(rows), method, deadline=deadline, cache=cache, **told)
        details |= closed.details
    slots = [slot for slot in task.slots if slot.quoted]
    if slots:
        spanned = Dataset.of(replace(row, target=_spans(row, slots)) for row in dataset.rows)
        quoted = tagging.learn(
            name,
            spanned,
            "auto" if backbone in ("tfidf", "encoder") else backbone,
            risk=None,
            rules=rules,
            regions=regions,
            budget_seconds=max(deadline - time.monotonic(), 1.0),
            **told,
        )
        details |= quoted.details
    return _Learnt(closed, quoted, options, details)


def _options(task: Extraction, rows: Sequence[Row]) -> tuple[Option, ...]:
    """List the values that the closed fields have in the rows; what is never seen is never answered."""
    found: list[Option] = []
    for slot in task.slots:
        seen = {_value(row, slot) for row in rows}
        values: list[str | bool | None] = []
        if slot.type == "choices":
            named = {choice for value in seen for choice in cast("tuple[str, ...]", value)}
            values = [choice for choice in slot.choices if choice in named]
        elif slot.type == "flag" and None not in seen:
            values = [True]
        elif not slot.quoted:
            values = [value for value in (*slot.choices, True, False, None) if value in seen]
        # As JSON no two values of any fields are written alike.
        found += [Option(slot.name, one, json.dumps([slot.name, one], ensure_ascii=False)) for one in values]
    return tuple(found)


def _labels(row: Row, task: Extraction, options: Sequence[Option]) -> tuple[str, ...]:
    several = {slot.name for slot in task.slots if slot.type == "choices"}
    record = cast("Values", row.target)
    return tuple(
        one.label
        for one in options
        if (
            one.value in cast("tuple[str, ...]", record[one.slot])
            if one.slot in several
            else record[one.slot] == one.value
        )
    )


def _spans(row: Row, slots: Sequence[Slot]) -> tuple[Span, ...]:
    """Mark every place where a field's value stands; where two fields meet, the longer, then the earlier one."""
    found = [
        Span(start, end, slot.name, row.text[start:end])
        for slot in slots
        if (value := _value(row, slot)) is not None
        for start, end in places(slot, value, row.text)
    ]
    kept: list[Span] = []
    for span in sorted(found, key=lambda one: (one.start - one.end, one.start)):
        if all(span.end <= other.start or other.end <= span.start for other in kept):
            kept.append(span)
    return tuple(sorted(kept, key=lambda one: one.start))


def _assembled(name: str, task: Extraction, learnt: _Learnt, dataset: Dataset) -> tuple[Extractor, _Seen]:
    """Fit what chances mean on the dev rows: the closed part's by heads that had not seen them."""
    plain = Extractor(
        name=name,
        task=task,
        closed=learnt.closed.specialist if learnt.closed else None,
        quoted=learnt.quoted.tagger if learnt.quoted else None,
        options=learnt.options,
        policies=(FieldPolicy(),) * len(task.slots),
    )
    held = np.array([row.split == "dev" for row in _fit(dataset)])
    dev = dataset.part("dev")
    probability = learnt.closed.probability[held] if learnt.closed else None
    tagged = learnt.quoted.tagger.tag(dev.texts) if learnt.quoted else None
    found = plain.reading(len(dev), probability, tagged)
    right = right_fields(task, found.fields, references(task, dev))
    policies = (
        FieldPolicy(*(fit_platt(log_odds(chance[rows]), hits[rows]) for rows in (~empty, empty)))
        for chance, empty, hits in zip(found.chance.T, found.empty.T, right.T, strict=True)
    )
    extractor = replace(plain, policies=tuple(policies))
    seen = _Seen(found, np.asarray(right[:, extractor.counted].all(axis=1)))
    return replace(extractor, whole=fit_platt(log_odds(extractor.certainty(found)), seen.right)), seen


def _certified(extractor: Extractor, dev: _Seen, calibration: Dataset, risk: float, delta: float) -> Extractor:
    """Test whole records on rows that chose nothing; where to begin is chosen on the dev rows."""
    options: dict[str, Any] = {"risk": risk, "delta": delta}
    found = extractor.read(calibration.texts)
    right = right_fields(extractor.task, found.fields, references(extractor.task, calibration))
    whole = np.asarray(right[:, extractor.counted].all(axis=1))
    full = np.array([bool(text.strip()) for text in calibration.texts], dtype=bool)
    levels = grid(extractor.confidence(dev.found), dev.right, rows=len(full), **options)
    certificate = certify(extractor.confidence(found), whole, full, grid=levels, **options)
    return replace(extractor, certificate=certificate, threshold=certificate.threshold)


def _value(row: Row, slot: Slot) -> Value:
    return cast("Values", row.target)[slot.name]


def _shown(value: Value) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return ", ".join(value) or "empty" if isinstance(value, tuple) else str(value)
