"""A specialist that learnt from a larger model: how far that model can be trusted, and how right both are."""

from collections.abc import Sequence
from typing import Any

from shoal.data import Answers, Dataset
from shoal.evaluation.report import Teacher
from shoal.metrics import Estimate, wilson
from shoal.models import Specialist


def teacher_facts(
    specialist: Specialist, dataset: Dataset, answers: Answers, found: tuple[str, list[dict[str, Any]]]
) -> Teacher:
    """Put together what is known of the teacher.

    Args:
        specialist: as it will be served.
        dataset: the answers as they were split. Rows that people judged count where they trained nothing: in
            calibration and test.
        answers: as they were read.
        found: how training rows were taken; each treatment that was tried, with its rows and its log-loss on dev.
    """
    judged = [row for row in dataset.rows if row.truth is not None and row.split in ("calibration", "test")]
    said = specialist.predict([row.text for row in judged])
    again = [row for row in dataset.rows if row.votes]
    return Teacher(
        answers=len(answers.dataset),
        unusable=dict(answers.unusable),
        asked_again=len(again),
        self_agreement=_share([row.votes[0] == row.votes[1] for row in again]),
        judged=len(judged),
        teacher_accuracy=_share([row.label == row.truth for row in judged]),
        specialist_accuracy=_share([one.label == row.truth for one, row in zip(said, judged, strict=True)]),
        certificate=specialist.truth_certificate,
        treatment=found[0],
        tried=found[1],
    )


def _share(held: Sequence[bool]) -> Estimate | None:
    """Give a share with its Wilson 95 % interval; None of nothing."""
    return Estimate(sum(held) / len(held), *wilson(sum(held), len(held))) if held else None
