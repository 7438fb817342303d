"""What a report says of the larger model that a specialist learnt from."""

from shoal.evaluation import Report
from shoal.report.figures import percent, span

_TAKEN = {
    "plain": "as they are",
    "soft": "each label by its share of the votes or its probability",
    "pruned": "without those that the others contradict",
    "soft, pruned": "each label by its share or probability, without those that the others contradict",
}


def teacher_lines(report: Report) -> list[str]:
    """Say in sentences what is known of the larger model that it learnt from; none where people labelled the rows."""
    teacher = report.teacher
    if teacher is None:
        return []
    lines = [f"Learnt from {teacher.answers:,} answers of a larger model, taken {_TAKEN[teacher.treatment]}."]
    if left_out := sum(teacher.unusable.values()):
        lines.append(f"{left_out:,} further answers are no label and were left out.")
    if own := teacher.self_agreement:
        lines.append(
            f"Asked again, the teacher agrees with itself in {percent(own.value)} ({span(own)}) of "
            f"{teacher.asked_again:,} rows: a specialist can hardly agree with it more."
        )
    if (right := teacher.teacher_accuracy) and (ours := teacher.specialist_accuracy):
        lines.append(
            f"By people's labels of {teacher.judged:,} rows the teacher is right in {percent(right.value)} "
            f"({span(right)}), the specialist in {percent(ours.value)} ({span(ours)})."
        )
    if truth := teacher.certificate:
        kept = "Promised against people's labels as well" if truth.certified else "No promise against people's labels"
        lines.append(f"{kept}: {truth.reason}.")
    else:
        lines.append("Nothing is promised against people's labels: no row for calibration has one.")
    return lines
