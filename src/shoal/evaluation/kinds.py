"""Measuring a model of any task, and reading its report back."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from shoal.behaviour import Suite
from shoal.data import Dataset, Terms
from shoal.errors import InputError
from shoal.evaluation.evaluate import evaluate
from shoal.evaluation.extraction import evaluate_records
from shoal.evaluation.multilabel import evaluate_labels
from shoal.evaluation.outcome import TaskReport
from shoal.evaluation.report import Report
from shoal.evaluation.summarization import evaluate as evaluate_summaries
from shoal.evaluation.tagging import evaluate_spans
from shoal.models import Model, Specialist

_MEASURES: dict[str, Callable[..., TaskReport]] = {
    "multilabel": evaluate_labels,
    "tagging": evaluate_spans,
    "summarization": evaluate_summaries,
    "extraction": evaluate_records,
}


def evaluate_any(
    model: Model,
    dataset: Dataset,
    *,
    seed: int = 0,
    terms: Terms | None = None,
    suites: Sequence[Suite] = (),
    timing_seconds: float = 2.0,
) -> Report | TaskReport:
    """Measure a model on its test rows, as its task is measured.

    Args:
        model: as it will be served.
        dataset: rows with reference answers of its task.
        seed: of the bootstrap.
        terms: groups of terms by which a classification's report looks closer.
        suites: behavioural tests of a classification.
        timing_seconds: how long latency and throughput are measured; 0 leaves them out.

    Raises:
        InputError: the rows do not fit the task; or suites or terms for a task that has none.
    """
    if isinstance(model, Specialist):
        return evaluate(model, dataset, seed=seed, terms=terms, suites=suites, timing_seconds=timing_seconds)
    if suites or terms:
        raise InputError(f"{model.name}: behavioural tests and slices are for classifications, not {model.task.kind}.")
    return _MEASURES[model.task.kind](model, dataset, seed=seed, timing_seconds=timing_seconds)


def read_report(values: Mapping[str, Any]) -> Report | TaskReport:
    """Read back a report of any task from plain values."""
    return TaskReport.from_dict(dict(values)) if "task" in values else Report.from_dict(dict(values))
