"""Slices and behavioural tests as rows of tables, for Markdown and HTML alike."""

from shoal.evaluation import Report, gaps
from shoal.report.figures import percent, span

SLICES_HEAD = ("slice", "rows", "right, %", "95% interval", "kept, %", "wrong of kept, %")
TESTS_HEAD = ("behavioural test", "kind", "cases", "passed, %", "95% interval", "asked, %", "")
FAILURES_HEAD = ("test", "text", "changed to", "wanted", "got")


def slice_rows(report: Report) -> list[tuple[str, ...]]:
    """One row a slice, those of one kind together, weakest first; slices without test rows last."""
    kinds = list(dict.fromkeys(one.by for one in report.slices))
    ordered = sorted(report.slices, key=lambda one: (kinds.index(one.by), one.rows == 0, one.accuracy.value))
    return [
        (one.name, "0", "", "", "", "")
        if not one.rows
        else (
            one.name,
            f"{one.rows:,}",
            f"{100 * one.accuracy.value:.1f}",
            span(one.accuracy),
            f"{100 * one.coverage.value:.1f}",
            f"{100 * one.risk.value:.1f} ({span(one.risk)})" if one.risk else "",
        )
        for one in ordered
    ]


def gap_notes(report: Report) -> list[str]:
    """Say for each kind of slices how far the best and the worst are apart, and whether chance would do that."""
    notes: list[str] = []
    pairs = list(gaps(report.slices))
    for by in dict.fromkeys(pair.worse.by for pair in pairs):
        widest = max((pair for pair in pairs if pair.worse.by == by), key=lambda pair: pair.difference)
        notes.append(
            f"{by}: {widest.worse.value} is right {100 * widest.difference:.1f} points less often than "
            f"{widest.better.value} (by chance alone in {percent(widest.p_value)} of cases, this pair by itself)."
        )
    return notes


def behaviour_rows(report: Report) -> list[tuple[str, ...]]:
    """One row a test, those that do not hold first."""
    ordered = sorted(report.behaviour, key=lambda one: one.holds)
    return [
        (
            f"{one.suite}: {one.name}",
            one.kind,
            f"{one.cases:,}",
            f"{100 * one.rate.value:.1f}" if one.rate else "",
            span(one.rate) if one.rate else "",
            f"{100 * one.required:.3g}",
            ("holds" if one.holds else "fails") if one.rate else "no test row to ask it of",
        )
        for one in ordered
    ]


def failure_rows(report: Report, each: int) -> list[tuple[str, ...]]:
    """Up to `each` failed cases of every test that does not hold."""
    return [
        (one.name, failure.text, failure.changed, failure.wanted, failure.got)
        for one in report.behaviour
        if not one.holds
        for failure in one.failures[:each]
    ]
