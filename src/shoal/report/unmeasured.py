"""What is said of a specialist that no labelled row has measured: made of the names of its labels alone."""

from collections.abc import Mapping
from typing import Any, cast

from shoal.gate import Verdict
from shoal.models import Specialist
from shoal.report.evaluation import percent
from shoal.report.evaluation_text import gate_table, label_list, safe

_WHY = (
    "It was made of the names of its labels, without a labelled row. Nothing about it has been measured, so nothing is "
    "promised and no answer is kept: every text goes on to a larger model or a person, with its guess beside it. The "
    "confidence of a guess is not calibrated."
)


def unmeasured_card(specialist: Specialist, verdict: Verdict | None = None) -> str:
    """Write the README.md and the report.md of a first version."""
    labels = specialist.task.labels
    parts = [
        "---\nlibrary_name: shoal\npipeline_tag: text-classification\n---",
        f"# {safe(specialist.name)}",
        f"Guesses which of {len(labels):,} labels a text has: {label_list(labels)}.",
        _WHY,
        rows_needed(specialist),
    ]
    return "\n\n".join([*parts, *(gate_table(verdict) if verdict else [])]) + "\n"


def rows_needed(specialist: Specialist) -> str:
    """Say in one or two sentences how many labelled rows a promise takes."""
    needs = cast("Mapping[str, Any]", specialist.provenance["needs"])
    return (
        f"A promise of at most {percent(needs['risk'])} wrong, with {percent(needs['confidence'])} confidence, takes "
        f"at least {needs['least']:,} labelled rows, if all that it keeps are right; with about {needs['usual']:,} it "
        "has a good chance. More, where only a part of the texts can be kept."
    )
