"""Rows with spans in, a trained, calibrated, certified and measured tagger out: each step returns a value."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray

from shoal import data as tables
from shoal.calibration import certify, certify_recall, fit_platt, fit_temperature, grid, log_odds
from shoal.data import Dataset, Source
from shoal.errors import DataError, EnvironmentProblem
from shoal.evaluation.tagging import evaluate_spans
from shoal.meter import EnergyMeter
from shoal.models import bio
from shoal.models.tagger import RuleUse, Tagger, calibrated
from shoal.models.tokens import TokenScorer
from shoal.privacy import DEFAULT_REGIONS, KINDS, Rules
from shoal.tasks import Span, Tagging
from shoal.training import requirements
from shoal.training.backbone import Backbone, require_extra, resolve
from shoal.training.body import Body, padded
from shoal.training.export import to_int8, to_onnx
from shoal.training.progress import Progress, silent
from shoal.training.tagging_choice import (
    holding,
    mapped,
    measured,
    micro_f1,
    span_chance,
    sure,
    thresholds,
    with_rules,
)
from shoal.training.tokens import Tuned, fit, passes_of

_PARITY_ROWS = 100
_LARGEST_DIFFERENCE = 1e-3  # of a hidden state's element, of size one; float32 rounding gives about 1e-6
_MARGIN = 0.005  # int8 may lose half a point of F1 at most
_TIMED_ROWS = 256
_HALF = 0.5

Spanned = Sequence[Sequence[Span]]
Floats = NDArray[np.floating]
Bools = NDArray[np.bool_]


def train(
    data: Source,
    *,
    name: str = "tagger",
    types: Sequence[str] = (),
    risk: float | None = 0.05,
    confidence: float = 0.95,
    budget_seconds: float = 600,
    seed: int = 0,
    backbone: str = "auto",
    rules: bool = True,
    regions: Sequence[str] = DEFAULT_REGIONS,
    progress: Progress | None = None,
    cache: Path | None = None,
) -> Tagger:
    """Tune an encoder on labelled spans, put rules beside it, export, calibrate, certify and measure.

    Args:
        data: rows with spans, or where they are; a path is read with the column "spans". Rows without a split get one.
        name: of the tagger.
        types: the closed set; empty takes those that the rows have.
        risk: for each type: of the texts that hold one, at most this share may have one missed. And of the whole
            answers that are accepted at most this share may be wrong. None asks for no promise.
        confidence: of each promise, over draws of the calibration rows; each holds by itself.
        budget_seconds: for tuning; export, calibration and evaluation come on top, usually some seconds.
        seed: of everything random.
        backbone: "auto" for the packaged encoder, a folder, or a hub name.
        rules: whether rules for structured identifiers are put beside the model where dev likes them; needs the 'pii'
            extra where a type of the task has a rule.
        regions: countries (ISO 3166) whose national phone numbers the rules know.
        progress: called as progress(stage, done, total).
        cache: not used: nothing of one tagger is of use to the next.

    Raises:
        InputError: an argument or the data cannot be used; DataError names the type.
        EnvironmentProblem: the 'train' or the 'pii' extra is missing, or the encoder cannot be had.
    """
    requirements.check_promise(risk, confidence)
    require_extra()
    dataset = prepared(data, types, seed, certified=risk is not None)
    began = time.monotonic()
    with EnergyMeter() as meter:
        learnt = learn(
            name,
            dataset,
            backbone,
            risk=risk,
            rules=rules,
            regions=regions,
            budget_seconds=budget_seconds,
            seed=seed,
            progress=progress or silent,
        )
        tagger = learnt.tagger
        if risk is not None:
            tagger = _certified(learnt, _spanned(dataset.part("calibration")), risk, 1 - confidence)
    tagger = replace(
        tagger,
        provenance={
            "recipe": {"backbone": backbone, "final": "tagger"},
            **learnt.details,
            **requirements.notes(dataset, seed=seed, budget_seconds=budget_seconds, began=began, meter=meter),
        },
    )
    return replace(tagger, report=evaluate_spans(tagger, dataset, seed=seed).as_dict())


class Learnt(NamedTuple):
    """A tagger that promises nothing yet.

    Attributes:
        tagger: calibrated, with thresholds.
        scores: what `tagging_choice.sure` says of the dev texts [n].
        right: whether their whole answers are right [n].
        details: provenance: the encoder, and how it was tuned.
    """

    tagger: Tagger
    scores: Floats
    right: Bools
    details: dict[str, Any]


def learn(
    name: str,
    dataset: Dataset,
    backbone: str,
    *,
    risk: float | None,
    rules: bool,
    regions: Sequence[str],
    budget_seconds: float,
    seed: int,
    progress: Progress,
) -> Learnt:
    """Train without a promise: on the train rows of a split data set; its dev rows choose.

    Args:
        name: of the tagger.
        dataset: its labels are the types.
        backbone: as in `train`.
        risk: that will be promised: thresholds are chosen for it.
        rules: whether rules for structured identifiers are put beside the model where dev likes them.
        regions: countries whose national phone numbers the rules know.
        budget_seconds: for tuning.
        seed: of everything random.
        progress: called as progress(stage, done, total).

    Raises:
        DataError: a type cannot be learnt or measured; names it.
        EnvironmentProblem: the 'pii' extra is missing, or the encoder cannot be had.
    """
    task = Tagging(types=dataset.labels)
    kinds = mapped(KINDS, task.types) if rules else {}
    _check(dataset, kinds)
    encoder = resolve(backbone)
    train_rows, dev = _spanned(dataset.part("train")), _spanned(dataset.part("dev"))
    finder = Rules(list(kinds), regions) if kinds else None  # before the long part: the extra may be missing
    passes = passes_of(encoder, *train_rows, task.types)
    tuned = fit(encoder, passes, len(task.types), seed=seed, budget_seconds=budget_seconds, progress=progress)
    tagger, exported = _exported(name, task, encoder, tuned, dev)
    uses = [] if finder is None else _measured(finder, kinds, train_rows, dev)
    tagger, told = with_rules(replace(tagger, regions=tuple(regions)), uses, *dev)
    tagger, scores, right = _fitted(tagger, dev, risk)
    details = {
        "encoder": {"name": encoder.name, "sha256": encoder.sha256},
        "tagger": {**tuned.details, **exported, "rules": told, "passes": len(passes.ids)},
    }
    return Learnt(tagger, scores, right, details)


def prepared(data: Source, types: Sequence[str], seed: int, *, certified: bool) -> Dataset:
    """Read, check and split; rows that would leak from training into later parts are left out.

    Raises:
        DataError: rows without spans of this task, or with a type that is not one of `types`.
    """
    dataset = data if isinstance(data, Dataset) else tables.read(data, label="spans", task="tagging")
    if not all(isinstance(row.target, tuple) for row in dataset.rows):
        raise DataError("the rows carry no spans; read them with task='tagging', from a column of lists of spans")
    if types:
        unknown = sorted(set(dataset.labels) - set(types))
        if unknown:
            raise DataError(f"type {unknown[0]!r} of the rows is not one of the {len(types)} types given")
        dataset = Dataset.of(dataset.rows, types)
    if not dataset.labels:
        raise DataError("no row has a span; a tagger needs rows that have some, and rows that have none")
    tables.check(dataset).raise_on_errors()
    return tables.split(dataset, seed=seed, drop_leaks=True, calibrate=certified)


def _check(dataset: Dataset, kinds: dict[str, str]) -> None:
    """Refuse what cannot be learnt or measured."""
    taught = dataset.part("train").counts()
    for name in dataset.labels:
        if not taught[name] and name not in kinds.values():
            raise DataError(
                f"type {name!r} has no span in the train rows ({dataset.counts()[name]} in all rows), and there is no "
                "rule for it: give train rows that hold one, or leave the type out."
            )
    for part in ("train", "dev", "test"):
        if not sum(dataset.part(part).counts().values()):
            raise DataError(
                f"the {part} rows ({len(dataset.part(part))}) hold no span; a tagger needs some in train, dev and test."
            )


def _spanned(part: Dataset) -> tuple[list[str], list[tuple[Span, ...]]]:
    """Texts and their reference spans."""
    return part.texts, [cast("tuple[Span, ...]", row.target or ()) for row in part.rows]


def _measured(
    finder: Rules, kinds: dict[str, str], train_rows: tuple[list[str], Spanned], dev: tuple[list[str], Spanned]
) -> list[RuleUse]:
    return measured(finder, kinds, [*train_rows[0], *dev[0]], [*train_rows[1], *dev[1]])


def _exported(
    name: str, task: Tagging, backbone: Backbone, tuned: Tuned, dev: tuple[list[str], Spanned]
) -> tuple[Tagger, dict[str, Any]]:
    """Export, compare with torch, calibrate, and take int8 where dev says that it is as good and the clock faster."""
    graph = to_onnx(tuned.body)
    exact, small = (_served(backbone, each, tuned) for each in (graph, to_int8(graph)))
    parity = _parity(tuned.body, exact, dev[0])
    taggers = [_calibrated(name, task, scorer, dev) for scorer in (exact, small)]
    f1 = [micro_f1(dev[1], [answer.spans for answer in tagger.predict(dev[0])], task.types) for tagger in taggers]
    faster = _seconds(exact, dev[0]) / _seconds(small, dev[0])
    faults = [
        fault
        for fault, true in (
            ("it is not faster here", faster <= 1),
            ("it loses more than half a point of F1 on dev", f1[1] < f1[0] - _MARGIN),
        )
        if true
    ]
    found: dict[str, Any] = {
        "parity": parity,
        "export": {
            "precision": "fp32" if faults else "int8",
            **({"int8_refused": "; ".join(faults)} if faults else {}),
            "f1_difference": round(f1[1] - f1[0], 4),
            "speedup": round(faster, 2),
        },
    }
    return taggers[0 if faults else 1], found


def _served(backbone: Backbone, graph: bytes, tuned: Tuned) -> TokenScorer:
    return TokenScorer(
        backbone.tokenizer_json, graph, tuned.weight, tuned.bias, tuned.written, max_tokens=backbone.max_tokens
    )


def _parity(body: Body, scorer: TokenScorer, texts: Sequence[str]) -> dict[str, float]:
    """Compare the exported float32 encoder with the torch one on at most 100 texts.

    Raises:
        EnvironmentProblem: they differ: torch and onnxruntime of these versions do not fit each other.
    """
    sample = list(texts[:_PARITY_ROWS])
    difference = 0.0
    with torch.inference_mode():
        for ids, exported in scorer.hidden(sample):
            difference = max(difference, float(np.abs(exported - body(*padded([ids]))[0].numpy()).max()))
    if difference > _LARGEST_DIFFERENCE:
        raise EnvironmentProblem(
            f"the exported model differs from the trained one (hidden states by {difference:.2g}): onnxruntime does "
            f"not compute what torch {torch.__version__} exported. Install the versions of shoal's constraints.txt."
        )
    return {"largest_difference": difference, "rows": len(sample)}


def _calibrated(name: str, task: Tagging, scorer: TokenScorer, dev: tuple[list[str], Spanned]) -> Tagger:
    """Fit the temperature on the units of the dev texts, and what the chance of a span means."""
    number = {kind: index for index, kind in enumerate(task.types)}
    read = scorer.read(dev[0])
    wanted = [
        bio.encode([(span.start, span.end, number[span.type]) for span in reference], each.starts, each.ends)
        for each, reference in zip(read, dev[1], strict=True)
    ]
    temperature = fit_temperature(np.concatenate([each.logits for each in read]), np.concatenate(wanted))
    plain = Tagger(name=name, task=task, scorer=scorer, temperature=temperature, thresholds=(_HALF,) * len(task.types))
    return replace(plain, chance=span_chance(plain, *dev))


def _fitted(tagger: Tagger, dev: tuple[list[str], Spanned], risk: float | None) -> tuple[Tagger, Floats, Bools]:
    """Choose thresholds and fit the confidence in whole answers; with what `sure` says of the dev texts."""
    tagged = tagger.tag(dev[0])
    tagger = replace(tagger, thresholds=thresholds(tagger.task.types, tagged, dev[1], risk))
    scores, right = sure(tagger, tagged, dev[1])
    return replace(tagger, whole=fit_platt(log_odds(scores), right)), scores, right


def _certified(learnt: Learnt, calibration: tuple[list[str], Spanned], risk: float, delta: float) -> Tagger:
    """Test every type at the threshold that dev chose, and whole answers, on rows that chose nothing.

    One threshold a type, so that what is answered, and with it the promise about whole answers, does not depend on
    these rows; where a lower one would pass, the promise could be had by asking for a smaller risk.
    """
    tagger, dev_scores, dev_right = learnt.tagger, learnt.scores, learnt.right
    texts, references = calibration
    tagged = tagger.tag(texts)
    promises = {
        name: certify_recall(
            holding(tagged, references, name),
            np.array([threshold]),
            risk=risk,
            delta=delta,
            what=f"calibration texts that hold {name}",
            fault="have one missed",
        )
        for name, threshold in zip(tagger.task.types, tagger.thresholds, strict=True)
    }
    scores, right = sure(tagger, tagged, references)
    full = np.array([bool(text.strip()) for text in texts], dtype=bool)
    levels = grid(calibrated(tagger.whole, dev_scores.tolist()), dev_right, rows=len(texts), risk=risk, delta=delta)
    whole = certify(calibrated(tagger.whole, scores.tolist()), right, full, risk=risk, delta=delta, grid=levels)
    return replace(tagger, promises=promises, certificate=whole, threshold=whole.threshold)


def _seconds(scorer: TokenScorer, texts: Sequence[str]) -> float:
    """Time it three times and take the best."""
    timed = list(texts[:_TIMED_ROWS])
    taken: list[float] = []
    for _ in range(3):
        started = time.perf_counter()
        scorer.read(timed)
        taken.append(time.perf_counter() - started)
    return min(taken)
