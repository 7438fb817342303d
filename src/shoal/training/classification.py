"""Rows of one label each to a specialist: trained, calibrated, certified, measured; no step reaches back."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from shoal import data as tables
from shoal.behaviour import Suite
from shoal.calibration import certify, certify_both, grid
from shoal.data import Answers, Dataset, Source, Terms
from shoal.errors import DataError, InputError
from shoal.evaluation import evaluate, teacher_facts
from shoal.meter import EnergyMeter
from shoal.models import Specialist
from shoal.tasks import Classification
from shoal.training import requirements
from shoal.training.backbone import RECIPES, Backbone, require_extra, resolve
from shoal.training.progress import Progress, silent

if TYPE_CHECKING:
    from shoal.training.choice import Candidate, Evidence, First
    from shoal.training.label_errors import Doubts
    from shoal.training.ladder import Climb
    from shoal.training.noise import Taken


_MOST_ROWS = 200_000  # train rows that are used: what they teach grows slowly, memory and time do not


def train(
    data: Source | Answers,
    backbone: str | Sequence[str] = "auto",
    risk: float | None = 0.05,
    confidence: float = 0.95,
    budget_seconds: float = 600,
    seed: int = 0,
    *,
    name: str = "specialist",
    never: Sequence[str] = (),
    out_of_scope: str | None = None,
    descriptions: Mapping[str, str] | None = None,
    unlabelled: str | Path | Sequence[str] = (),
    terms: Terms | None = None,
    suites: Sequence[Suite] = (),
    progress: Progress | None = None,
    cache: Path | None = None,
) -> Specialist:
    """Train a specialist, export it, calibrate and certify what was exported, and measure it on its test rows.

    Nothing is written but the cache, and that atomically: a kill at any moment leaves nothing half-done. The same
    data, seed and machine give the same specialist as long as the budget does not cut a rung short.

    Args:
        data: a path (CSV, JSON Lines, Parquet), a list of {"text", "label"[, "split"]} rows, a `Dataset`, or `Answers`
            of a larger model: learnt with their noise in mind, and certified against people's labels as well.
        backbone: "auto" tries everything and keeps the smallest that is as good as the best; "tfidf", "static",
            "encoder" (frozen) and "finetune" ask for one method; a folder or a hub name is another encoder for "auto";
            a list of encoders ("auto" is the packaged one) has each probed on the data, and the best one climbs.
        risk: of the answers that are kept at most this share may disagree with the reference ... None asks for no
            promise: no rows are set aside to certify it, all of them train, and no answer is kept.
        confidence: ... with this confidence over draws of the calibration rows.
        budget_seconds: for training all rungs; export, calibration and evaluation come on top, usually some seconds.
        seed: of everything random.
        name: of the specialist.
        never: labels whose answers are never kept.
        out_of_scope: the label of rows that belong to none of the others. Kept answers of it then have a promise of
            their own, as strict as that about the others: of texts answered so, at most `risk` belong somewhere.
        descriptions: what labels mean, in a few words; with few rows they help to learn what belongs to a label.
        unlabelled: texts as they come in, a list or a file with a column "text": a head on the frozen encoder guesses
            their labels, and methods that predict held-out rows better with these guesses learn from them.
        terms: groups of terms on whose texts the report looks closer; see `shoal.evaluation.evaluate`.
        suites: behavioural tests for the report (`shoal.behaviour.load`).
        progress: called as progress(stage, done, total).
        cache: folder for what a later training can use again; None keeps nothing.

    Raises:
        InputError: an argument or the data cannot be used; DataError names the rows.
        EnvironmentProblem: the 'train' extra is missing, or the encoder cannot be had.
    """
    requirements.check_promise(risk, confidence)
    require_extra()
    from shoal.training.choice import evidence, outside_evidence
    from shoal.training.ladder import plan

    began = time.monotonic()
    with EnergyMeter() as meter:
        dataset = _prepared(data, seed, certified=risk is not None)
        labels = _task(dataset, never, out_of_scope, suites)
        # Two promises that are to hold together each get half of the chance of failure (Bonferroni).
        delta = (1 - confidence) / (2 if out_of_scope else 1)
        options = (backbone, risk, delta, budget_seconds, seed, progress or silent, cache)
        climb = _climb(dataset, labels, descriptions or {}, *options)
        recipe = backbone if isinstance(backbone, str) else "auto"
        taken, doubts = _taken(climb, dataset, plan(recipe)) if isinstance(data, Answers) else (None, None)
        guessed = _guessed(climb, dataset, unlabelled, plan(recipe))
        climb.run(plan(recipe), settle=recipe not in RECIPES[1:])
        meter.lap()  # counters of energy wrap around, so a long training is read in between
        final, first, found = _right_sized(climb, required="finetune" if recipe == "finetune" else None)
        suspicious = (doubts or _doubts(climb)).listed(dataset.part("train").rows, dataset.labels)
    provenance: dict[str, Any] = {
        "recipe": {"backbone": recipe, "final": final.name, "first": first.candidate.name if first else None},
        "encoder": {"name": climb.backbone.name, "sha256": climb.backbone.sha256, "probed": climb.probed},
        "ladder": {"rungs": climb.log(), "skipped": climb.skipped, **found},
        **_if_there(unlabelled=guessed, treatment=taken and taken.treatment),
        **requirements.notes(dataset, seed=seed, budget_seconds=budget_seconds, began=began, meter=meter),
    }
    specialist = Specialist(name=name, task=labels, tiers=_tiers(final, first), provenance=provenance)
    if risk is not None:
        dev, outside = evidence(final, first, climb.judging), outside_evidence(final, climb.judging)
        specialist = _certified(specialist, risk, delta, dev, outside, dataset.part("calibration"), taken is not None)
    report = evaluate(specialist, dataset, seed=seed, suspicious=suspicious, terms=terms, suites=suites)
    if isinstance(data, Answers) and taken is not None:
        report = msgspec.structs.replace(report, teacher=teacher_facts(specialist, dataset, data, taken.found))
    return replace(specialist, report=report.as_dict())


def _if_there(**values: Any) -> dict[str, Any]:
    """Give those of the values that are not None."""
    return {name: value for name, value in values.items() if value is not None}


def _prepared(data: Source | Answers, seed: int, *, certified: bool) -> Dataset:
    """Read, check and split; rows that would leak from training into later parts are left out."""
    dataset = data.dataset if isinstance(data, Answers) else tables.read(data)
    tables.check(dataset).raise_on_errors()
    dataset = tables.split(dataset, seed=seed, drop_leaks=True, calibrate=certified)
    dataset = tables.thin(dataset, _MOST_ROWS, seed=seed)
    learnt = {row.label for row in dataset.part("train").rows}
    if len(learnt) < 2:
        raise DataError(
            f"{len(dataset.part('train'))} rows are left to train on, of {len(learnt)} labels; at least two labels are "
            "needed. Rows that repeat a dev, calibration or test row, almost or exactly, are left out: give others."
        )
    for part in ("dev", "test"):
        if len(dataset.part(part)) == 0:
            raise DataError(
                f"{len(dataset)} rows over {len(dataset.labels)} labels leave none for {part}: give at least 5 "
                f"different texts a label, or rows with split = {part!r}."
            )
    return dataset


def _task(dataset: Dataset, never: Sequence[str], out_of_scope: str | None, suites: Sequence[Suite]) -> Classification:
    unknown = sorted(set(never) - set(dataset.labels))
    if unknown:
        raise InputError(f"never names {unknown[0]!r}, which is no label of the data: {', '.join(dataset.labels)}.")
    if out_of_scope is not None and out_of_scope not in dataset.labels:
        raise InputError(
            f"out_of_scope is {out_of_scope!r}, which is the label of no row; there are "
            f"{', '.join(dataset.labels[:20])}. Texts that belong to none of the labels need rows of that label."
        )
    for suite in suites:
        suite.check(dataset.labels)
    return Classification(labels=dataset.labels, never=tuple(never), out_of_scope=out_of_scope)


def _climb(
    dataset: Dataset,
    task: Classification,
    descriptions: Mapping[str, str],
    backbone: str | Sequence[str],
    risk: float | None,
    delta: float,
    budget_seconds: float,
    seed: int,
    progress: Progress,
    cache: Path | None,
) -> "Climb":
    """Make the ladder ready: training rows, dev rows, encoder."""
    from shoal.training import probe
    from shoal.training.heads import phrases
    from shoal.training.judging import Judging
    from shoal.training.ladder import Climb

    texts, targets = _numbered(dataset.part("train"))
    dev_texts, dev_targets = _numbered(dataset.part("dev"))
    judging = Judging(
        texts=dev_texts,
        targets=dev_targets,
        rows=len(dataset.part("calibration")),
        risk=risk,
        delta=delta,
        barred=np.isin(task.labels, [*task.never, *([task.out_of_scope] if task.out_of_scope else [])]),
        outside=task.labels.index(task.out_of_scope) if task.out_of_scope else None,
        seed=seed,
    )
    began, names = time.monotonic(), phrases(task.labels, descriptions)
    encoder, probed = probe.choose(
        _encoders(backbone), texts, targets, names, seed=seed, progress=progress, cache=cache
    )
    return Climb(
        backbone=encoder,
        probed=probed,
        began=began,
        texts=texts,
        targets=targets,
        names=names,
        judging=judging,
        seed=seed,
        budget_seconds=budget_seconds,
        cache=cache,
        progress=progress,
    )


def _encoders(backbone: str | Sequence[str]) -> list[Backbone]:
    """Find the encoder, or each of several."""
    if isinstance(backbone, str):
        return [resolve(backbone)]
    methods = [name for name in backbone if name in RECIPES[1:]]
    if not backbone or methods:
        what = f"{methods[0]!r} is a method" if methods else "the list is empty"
        raise InputError(f"backbone as a list names encoders to choose from, 'auto' for the packaged one; {what}.")
    return [resolve(name) for name in dict.fromkeys(backbone)]


def _numbered(part: Dataset) -> tuple[list[str], NDArray[np.intp]]:
    """Texts and label numbers."""
    number = {label: index for index, label in enumerate(part.labels)}
    return part.texts, np.array([number[label] for label in part.targets], dtype=np.intp)


def _taken(climb: "Climb", dataset: Dataset, rungs: Sequence[str]) -> "tuple[Taken, Doubts]":
    """Have the rungs learn from a larger model's answers as dev likes it best."""
    from shoal.training import noise

    return noise.apply(climb, dataset.part("train").rows, dataset.labels, rungs)


def _guessed(
    climb: "Climb", dataset: Dataset, unlabelled: str | Path | Sequence[str], rungs: Sequence[str]
) -> dict[str, Any] | None:
    """Have the rungs learn from texts without labels where that pays; None where there are no such texts."""
    from shoal.training import pseudo
    from shoal.training.texts import different

    texts = different(unlabelled, pseudo.most_texts(climb.labels), climb.seed)
    if not texts:
        return None
    return {"different": len(texts), **pseudo.apply(climb, tables.unseen(texts, dataset), rungs)}


def _doubts(climb: "Climb") -> "Doubts":
    """Training rows whose label looks wrong, by the best features that were computed anyway."""
    from shoal.training import label_errors, tfidf

    if climb.embedded is not None:
        features = climb.embedded.train
    else:
        features, _ = tfidf.features(climb.texts, climb.labels)
    return label_errors.find(features, climb.targets, climb.labels, seed=climb.seed)


def _right_sized(climb: "Climb", required: str | None) -> tuple["Candidate", "First | None", dict[str, Any]]:
    """Choose the final candidate, lift its rare labels, choose a tier ahead of it; and tell why."""
    from shoal.training.choice import candidates, choose_final, choose_first
    from shoal.training.imbalance import adjusted

    made = candidates(climb.rungs, climb.judging)
    final, tried = choose_final(made, required=required, few=climb.few)
    final, lifted = adjusted(final, np.bincount(climb.targets, minlength=climb.labels), climb.judging)
    first, why = choose_first(made, final, climb.judging)
    return final, first, {"candidates": tried, "rare": lifted, "first_tier": why}


def _tiers(final: "Candidate", first: "First | None") -> tuple[Any, ...]:
    """Build the cascade before certification: the last tier keeps nothing yet."""
    from shoal.training.choice import FIRST_SCOPE_LEVEL, SCOPE_LEVEL

    last = final.tier(None, SCOPE_LEVEL)
    return (last,) if first is None else (first.candidate.tier(first.threshold, FIRST_SCOPE_LEVEL), last)


def _certified(
    specialist: Specialist,
    risk: float,
    delta: float,
    dev: "Evidence",
    outside: "Evidence",
    calibration: Dataset,
    taught: bool,
) -> Specialist:
    """Test the whole policy on rows that chose nothing; without a certificate nothing is kept.

    Where a larger model `taught`, the rows that people judged are tested against the truth as well, if there are some.

    What the first tier keeps is fixed beforehand and kept at every threshold of the last one. The thresholds are
    chosen on what the dev rows said before any head learnt from them. Answers of the out-of-scope label are tested by
    themselves; where there is one, one tier answers alone (`choose_first`), so that no threshold decides under which of
    the two promises a text falls.
    """
    texts, targets = _numbered(calibration)
    judged = specialist.judge(texts)
    correct = judged.label == targets
    confidence = np.where(judged.accepted, np.inf, np.where(judged.eligible, judged.confidence, -np.inf))
    thresholds = grid(*dev, rows=len(texts), risk=risk, delta=delta)
    known = np.array([taught and row.truth is not None for row in calibration.rows], dtype=bool)
    truth = None
    if known.any():
        said = np.array(specialist.task.labels)[judged.label]
        true = said == np.array([row.truth or "" for row in calibration.rows])
        begin = float(grid(*dev, rows=int(known.sum()), risk=risk, delta=delta)[0])
        options: dict[str, Any] = {"risk": risk, "delta": delta, "grid": thresholds, "second_from": begin}
        certificate, truth = certify_both(confidence, correct, true, known, **options)
    else:
        certificate = certify(confidence, correct, risk=risk, delta=delta, grid=thresholds)
    last = replace(specialist.tiers[-1], threshold=certificate.threshold)
    tiers = specialist.tiers[:-1] if certificate.certified else ()
    other = None
    task = specialist.task
    if task.out_of_scope is not None and task.out_of_scope not in task.never:
        column = task.labels.index(task.out_of_scope)
        full = np.array([bool(text.strip()) for text in texts])
        answered = (judged.label == column) & full
        thresholds = grid(*outside, rows=len(texts), risk=risk, delta=delta)
        other = certify(judged.confidence, correct, answered, risk=risk, delta=delta, grid=thresholds)
        last = replace(last, outside_threshold=other.threshold)
    return replace(
        specialist,
        tiers=(*tiers, last),
        certificate=certificate,
        outside_certificate=other,
        truth_certificate=truth,
    )
