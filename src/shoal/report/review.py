"""A review for people: Markdown for a mail or a pull request, and one HTML page with findings marked in the text."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from shoal.documents import Block, Document
from shoal.report.evaluation_text import safe
from shoal.report.figures import percent
from shoal.report.page import render
from shoal.review import SEVERITIES, Doubt, Finding, Place, Review, Severity

_QUOTED = 240  # characters of a quote in a list; the whole one stands in the text
_HEADED = 60  # characters of a heading there
_STATES = {
    "certified": "inside the guarantee",
    "uncertain": "outside the guarantee",
    "doubt": "to look at",
}

_RANKS = {severity: rank for rank, severity in enumerate(SEVERITIES)}

State = Literal["certified", "uncertain", "doubt"]


class Note(NamedTuple):
    """A finding or doubt beside the text.

    Attributes:
        number: counted from 1 through findings, then doubts.
        anchor: where it is marked in the text first.
        state: how sure it is.
        severity: of its label.
        label: in words.
        chance: "97%".
        said: how sure it is, in words.
        where: "4.2 · Fees, page 3".
        quote: the passage, cut if it is long.
        again: how many further places there are.
    """

    number: int
    anchor: str
    state: State
    severity: Severity
    label: str
    chance: str
    said: str
    where: str
    quote: str
    again: int


class Category(NamedTuple):
    """A label with how many passages were found with it, inside the guarantee and outside, and how many may have it."""

    label: str
    severity: Severity
    certified: int
    uncertain: int
    doubtful: int


class Part(NamedTuple):
    """Characters of a block: marked, if there are notes on them."""

    text: str
    notes: Sequence[Note] = ()
    anchors: Sequence[str] = ()
    style: str = ""


class Line(NamedTuple):
    """A block of the text with the notes beside it."""

    kind: str
    level: int
    number: str
    parts: Sequence[Part]
    notes: Sequence[Note]
    page: int | None


def review_html(document: Document, review: Review) -> str:
    """Draw a review as one page that loads nothing: summary, lists, and the text with everything marked in it.

    Args:
        document: that was reviewed.
        review: of that document.
    """
    notes = _notes(review)
    findings, doubts = notes[: len(review.findings)], notes[len(review.findings) :]
    return render(
        "review.html.j2",
        review=review,
        title=document.name,
        subtitle=_subtitle(review),
        verdict=review_summary(review),
        worst=review.worst(),
        cards=_cards(review),
        categories=_categories(review),
        findings=findings,
        doubts=doubts,
        lines=list(_lines(document, _marked(review, notes))),
        footnotes=FOOTNOTES,
    )


FOOTNOTES = (
    "Certified findings are inside the specialist's guarantee: the share of wrong ones among them is bounded, as its "
    "evaluation report says. Uncertain findings are outside of it; passages to look at could be either.",
    "A review marks passages for a person; it is no legal advice. Percentages are calibrated probabilities.",
)


def review_markdown(review: Review) -> str:
    """Write a review for a mail or a pull request: what was found, where, and what is to be looked at."""
    parts = [f"## Review of {safe(review.document)}", f"{_subtitle(review)}.", f"**{review_summary(review)}**"]
    if review.findings:
        head = ("severity", "finding", "where", "sure", "passage")
        parts.append(_table(head, [_row(note) for note in _notes(review)[: len(review.findings)]]))
    if review.doubts:
        head = ("if so", "perhaps", "where", "chance", "passage to look at")
        parts.append(_table(head, [_row(note) for note in _notes(review)[len(review.findings) :]]))
    parts += FOOTNOTES
    return "\n\n".join(parts) + "\n"


def review_summary(review: Review) -> str:
    """Say in a sentence or two what a review found."""
    counts = Counter(finding.severity for finding in review.findings)
    shown = ", ".join(f"{counts[each]} {each}" for each in SEVERITIES if counts[each])
    said = f"{_counted(len(review.findings), 'finding')}: {shown}." if review.findings else "No findings."
    if review.doubts:
        said += f" {_counted(review.tally.doubtful, 'passage')} to look at."
    return said


def _subtitle(review: Review) -> str:
    by = f"{review.specialist}{f' {review.version}' if review.version else ''}"
    on = f" on {_counted(review.pages, 'page')}" if review.pages else ""
    looked = f", looking for {_counted(len(review.labels), 'kind')} of clauses"
    return f"{_counted(review.tally.passages, 'passage')}{on}, read by {by}{looked}"


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _row(note: Note) -> tuple[str, ...]:
    sure = note.chance if note.state == "doubt" else f"{note.chance}, {note.said}"
    again = f" (and {_counted(note.again, 'more place')})" if note.again else ""
    return note.severity, note.label, f"{note.where}{again}", sure, note.quote


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *(tuple(safe(cell) for cell in row) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _notes(review: Review) -> list[Note]:
    return [
        *(_note(number, one) for number, one in enumerate(review.findings, start=1)),
        *(_note(number, one) for number, one in enumerate(review.doubts, start=len(review.findings) + 1)),
    ]


def _note(number: int, one: Finding | Doubt) -> Note:
    state = _state(one)
    said = _STATES[state]
    if isinstance(one, Finding) and one.by != "specialist":
        said = f"confirmed by {one.by}"
    quote = " ".join(one.quote.split())
    return Note(
        number,
        f"p{one.place.start}",
        state,
        one.severity,
        worded(one.label),
        percent(round(one.probability if isinstance(one, Doubt) else one.confidence, 2)),
        said,
        _where(one.place),
        quote if len(quote) <= _QUOTED else f"{quote[: _QUOTED - 1]}…",
        len(one.again),
    )


def worded(label: str) -> str:
    """Write a label as words."""
    return label.replace("_", " ")


def _where(place: Place) -> str:
    heading = place.heading if len(place.heading) <= _HEADED else f"{place.heading[: _HEADED - 1]}…"
    named = " · ".join(each for each in (place.section, heading) if each)
    paged = f"page {place.page}" if place.page else ""
    return ", ".join(each for each in (named, paged) if each) or "beginning"


def _cards(review: Review) -> list[tuple[str, str, str, str]]:
    """Style, number, what, and a further word of each card."""
    counts = Counter(finding.severity for finding in review.findings)
    certified = Counter(finding.severity for finding in review.findings if finding.certified)
    tally = review.tally
    cards = [
        (each, f"{counts[each]:,}", each, f"{certified[each]:,} certified" if counts[each] else "none found")
        for each in SEVERITIES
    ]
    clear = tally.cleared + tally.clear
    return [
        *cards,
        ("doubt", f"{tally.doubtful:,}", "to look at", "could be either"),
        ("clear", f"{clear:,}", "clear", f"{tally.cleared:,} certified"),
    ]


def _categories(review: Review) -> list[Category]:
    """Count by label, of those that have anything; the severest first."""
    counts: dict[str, Counter[State]] = {}
    severities: dict[str, Severity] = {}
    for one in (*review.findings, *review.doubts):
        severities[one.label] = one.severity
        counts.setdefault(one.label, Counter())[_state(one)] += 1 + len(one.again)
    found = [
        Category(worded(label), severities[label], seen["certified"], seen["uncertain"], seen["doubt"])
        for label, seen in counts.items()
    ]
    return sorted(found, key=lambda row: (_RANKS[row.severity], -row.certified - row.uncertain, row.label))


def _state(one: Finding | Doubt) -> State:
    return "doubt" if isinstance(one, Doubt) else "certified" if one.certified else "uncertain"


def _marked(review: Review, notes: Sequence[Note]) -> dict[int, list[Note]]:
    """Give notes by the character where their passages begin."""
    marked: dict[int, list[Note]] = {}
    for one, note in zip((*review.findings, *review.doubts), notes, strict=True):
        for place in (one.place, *one.again):
            marked.setdefault(place.start, []).append(note)
    return marked


def _lines(document: Document, marked: dict[int, list[Note]]) -> Iterator[Line]:
    """Go through the text block by block."""
    segments = iter(document.segments)
    segment = next(segments, None)
    page = None
    for block in document.blocks:
        parts: list[Part] = []
        position = block.body
        while segment is not None and segment.start < block.end:
            if segment.start > position:
                parts.append(Part(document.text[position : segment.start]))
            parts.append(_part(segment.text, marked.get(segment.start, []), segment.start))
            position = segment.end
            segment = next(segments, None)
        if position < block.end:
            parts.append(Part(document.text[position : block.end]))
        notes = list(dict.fromkeys(note for part in parts for note in part.notes))
        number = document.text[block.start : block.body].strip()
        turned = block.page if block.page != page else None
        page = block.page
        yield Line(_kind(block), block.level, number, parts, notes, turned)


def _kind(block: Block) -> str:
    return f"h{min(block.level + 1, 6)}" if block.kind == "heading" else block.kind


def _part(text: str, notes: Sequence[Note], start: int) -> Part:
    """Mark a passage in the style of the surest and severest of its notes."""
    if not notes:
        return Part(text)
    first = min(notes, key=lambda note: note.number)
    return Part(text, notes, (f"p{start}",), f"{first.state} {first.severity}")
