"""One door to all trainings: which module trains which task."""

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast, overload

from shoal.behaviour import Suite
from shoal.data import Answers, Source, Terms
from shoal.errors import InputError
from shoal.tasks import TaskKind
from shoal.training import requirements
from shoal.training.backbone import require_extra
from shoal.training.blas import one_thread
from shoal.training.progress import Progress

if TYPE_CHECKING:
    from shoal.models import Model, Specialist

_MODULE: dict[TaskKind, str] = {
    "classification": "shoal.training.classification",
    "multilabel": "shoal.training.multilabel",
    "tagging": "shoal.training.tagging",
    "summarization": "shoal.training.summarization",
    "extraction": "shoal.training.extraction",
}


@overload
def train(
    data: Source | Answers,
    task: Literal["classification"] = ...,
    backbone: str | Sequence[str] = ...,
    risk: float | None = ...,
    confidence: float = ...,
    budget_seconds: float = ...,
    seed: int = ...,
    *,
    name: str = ...,
    progress: Progress | None = ...,
    cache: Path | None = ...,
    never: Sequence[str] = ...,
    out_of_scope: str | None = ...,
    descriptions: Mapping[str, str] | None = ...,
    unlabelled: str | Path | Sequence[str] = ...,
    terms: Terms | None = ...,
    suites: Sequence[Suite] = ...,
) -> "Specialist": ...


@overload
def train(
    data: Source,
    task: TaskKind,
    backbone: str | Sequence[str] = ...,
    risk: float | None = ...,
    confidence: float = ...,
    budget_seconds: float = ...,
    seed: int = ...,
    *,
    name: str = ...,
    progress: Progress | None = ...,
    cache: Path | None = ...,
    **options: Any,
) -> "Model": ...


def train(
    data: Source | Answers,
    task: TaskKind = "classification",
    backbone: str | Sequence[str] = "auto",
    risk: float | None = 0.05,
    confidence: float = 0.95,
    budget_seconds: float = 600,
    seed: int = 0,
    *,
    name: str = "specialist",
    progress: Progress | None = None,
    cache: Path | None = None,
    **options: Any,
) -> "Model":
    """Train a specialist, export it, calibrate and certify what was exported, and measure it on its test rows.

    Nothing is written but the cache, and that atomically: a kill at any moment leaves nothing half-done. The same
    data, seed and machine give the same specialist as long as the budget does not cut anything short.

    Args:
        data: a path (CSV, JSON Lines, Parquet), a list of rows, a `Dataset`; for a classification also `Answers`
            of a larger model. Columns are "text" and the answer's: see `shoal.data.targets`.
        task: "classification" (one label of a set), "multilabel" (any number of them), "tagging" (spans of several
            types), "summarization" (the sentences or turns that say most) or "extraction" (records of several fields).
        backbone: "auto" tries what there is and keeps the smallest that is as good as the best; a method's name asks
            for one; a folder or a hub name is another encoder; a list of encoders has each probed (classification).
        risk: of the answers that are kept at most this share may disagree with the reference ... None promises
            nothing: no rows are set aside to certify it, all of them train, and no answer is kept.
        confidence: ... with this confidence over draws of the calibration rows.
        budget_seconds: for training; export, calibration and evaluation come on top, usually some seconds.
        seed: of everything random.
        name: of the specialist.
        progress: called as progress(stage, done, total).
        cache: folder for what a later training can use again; None keeps nothing.
        options: of the task: those of `train` in its module, such as `never` and `out_of_scope` for a classification
            (`shoal.training.classification`), `labels` (`shoal.training.multilabel`), `types` and `rules`
            (`shoal.training.tagging`), `unit` and `budget` (`shoal.training.summarization`, whose `untrained` makes a
            summarizer without any reference), `schema` (`shoal.training.extraction`).

    Raises:
        InputError: an argument or the data cannot be used; DataError names the rows.
        EnvironmentProblem: the 'train' extra is missing, or the encoder cannot be had.
    """
    if task not in _MODULE:
        raise InputError(f"task is {task!r}; this version of shoal trains {', '.join(_MODULE)}.")
    requirements.check_promise(risk, confidence)
    if not (budget_seconds > 0 and math.isfinite(budget_seconds)):
        raise InputError(f"budget_seconds is {budget_seconds}; it must be a number of seconds above 0, such as 600.")
    if task != "classification" and isinstance(data, Answers):
        raise InputError(f"a larger model's answers can be learnt by a classification only; task is {task!r}.")
    trainer = cast("Callable[..., Model]", import_module(_MODULE[task]).train)
    taken = inspect.signature(trainer).parameters
    unknown = [option for option in options if option not in taken]
    if unknown:
        raise InputError(f"task {task!r} does not take {unknown[0]!r}; it takes {', '.join(list(taken)[1:])}.")
    require_extra()
    with one_thread():
        return trainer(
            data,
            backbone=backbone,
            risk=risk,
            confidence=confidence,
            budget_seconds=budget_seconds,
            seed=seed,
            name=name,
            progress=progress,
            cache=cache,
            **options,
        )
