"""What is said of a version that no reference answer has measured: of names of labels alone, or of nothing at all."""

from collections.abc import Mapping
from typing import Any, cast

from shoal.gate import Verdict
from shoal.models import Model
from shoal.report.evaluation import percent
from shoal.report.evaluation_text import gate_table, label_list, safe
from shoal.tasks import Classification, Summarization

_WHY = (
    "It was made of the names of its labels, without a labelled row. Nothing about it has been measured, so nothing is "
    "promised and no answer is kept: every text goes on to a larger model or a person, with its guess beside it. The "
    "confidence of a guess is not calibrated."
)
_WHY_OF_SUMMARIES = (
    "Nothing was learnt: there was no reference summary. It quotes what is most like the rest of the text, early in it "
    "and near the query, where there is one. Nothing about it has been measured, so nothing is promised and no summary "
    "is kept: every text goes on to a larger model or a person, with its quotes beside it. The confidence is 0, which "
    "means unknown."
)


def unmeasured_card(model: Model, verdict: Verdict | None = None) -> str:
    """Write the README.md and the report.md of a first version."""
    task = model.task
    if isinstance(task, Summarization):
        tag, why = "summarization", _WHY_OF_SUMMARIES
        counted, most = task.budget.counted(task.unit)
        does = f"Quotes the {task.unit}s that say most of a text: at most {most:,} {counted}."
    else:
        assert isinstance(task, Classification)
        tag, why = "text-classification", _WHY
        does = f"Guesses which of {len(task.labels):,} labels a text has: {label_list(task.labels)}."
    parts = [
        f"---\nlibrary_name: shoal\npipeline_tag: {tag}\n---",
        f"# {safe(model.name)}",
        does,
        why,
        rows_needed(model),
    ]
    return "\n\n".join([*parts, *(gate_table(verdict) if verdict else [])]) + "\n"


def rows_needed(model: Model) -> str:
    """Say in a few sentences how many labelled rows, or reference summaries, a promise takes."""
    needs = cast("Mapping[str, Any]", model.provenance["needs"])
    summaries = isinstance(model.task, Summarization)
    rows = "reference summaries" if summaries else "labelled rows"
    meant = f" (summaries with less than {percent(needs['floor'])} of the ROUGE-1 within reach)" if summaries else ""
    said = (
        f"A promise of at most {percent(needs['risk'])} wrong{meant}, with {percent(needs['confidence'])} confidence, "
        f"takes at least {needs['least']:,} {rows}, if all that it keeps are right; with about {needs['usual']:,} it "
        "has a good chance. More, where only a part of the texts can be kept."
    )
    return f"{said} It learns what is worth quoting from {needs['learning']:,} in train and dev." if summaries else said
