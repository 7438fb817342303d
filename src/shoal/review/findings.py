"""What a review says: findings with their quotes, and what a person or a larger model is to look at."""

from typing import Literal

import msgspec

Severity = Literal["high", "medium", "low"]
SEVERITIES: tuple[Severity, ...] = ("high", "medium", "low")
SCHEMA = 1


class Place(msgspec.Struct, frozen=True):
    """Where a text stands: its characters (code points) in the document's text, its section, heading and page."""

    start: int
    end: int
    section: str = ""
    heading: str = ""
    page: int | None = None


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One label on one passage.

    Attributes:
        label: what was found.
        severity: of the label, as the specialist's table says.
        confidence: calibrated probability that the passage has the label.
        certified: whether the answer is inside the specialist's guarantee.
        quote: the passage, verbatim.
        place: where it stands.
        again: where else the same words stand.
        by: who says so: "specialist", or the name of whoever settled a doubt.
    """

    label: str
    severity: Severity
    confidence: float
    certified: bool
    quote: str
    place: Place
    again: tuple[Place, ...] = ()
    by: str = "specialist"


class Doubt(msgspec.Struct, frozen=True, kw_only=True):
    """A passage that the specialist can neither clear nor accuse.

    Attributes:
        label: what it most likely has, if anything.
        severity: of that label.
        probability: calibrated, that it has it.
        reason: why the specialist's answer is not kept.
        quote: the passage, verbatim.
        place: where it stands.
        again: where else the same words stand.
    """

    label: str
    severity: Severity
    probability: float
    reason: str
    quote: str
    place: Place
    again: tuple[Place, ...] = ()


class Tally(msgspec.Struct, frozen=True):
    """Passages of the document by what became of them; they add up to `passages`.

    Attributes:
        passages: all of them.
        found: with a finding at least.
        doubtful: without a finding, but with a doubt.
        cleared: without either, and the specialist's answer is inside its guarantee.
        clear: without either, and outside it.
        blank: without a letter or digit: not judged.
    """

    passages: int
    found: int
    doubtful: int
    cleared: int
    clear: int
    blank: int


class Review(msgspec.Struct, frozen=True, kw_only=True):
    """A whole document, judged.

    Attributes:
        schema: number of this form.
        document: name of the file.
        specialist: name of the model ...
        version: ... and its version in the registry, if it has one.
        labels: what it looks for.
        pages: of the document; None where its format knows none.
        tally: how many passages there are, and what became of them.
        findings: the severest first, then in the order of the text.
        doubts: the likeliest first.
    """

    schema: int = SCHEMA
    document: str
    specialist: str
    version: str | None = None
    labels: tuple[str, ...]
    pages: int | None = None
    tally: Tally
    findings: tuple[Finding, ...]
    doubts: tuple[Doubt, ...]

    def worst(self) -> Severity | None:
        """Return the highest severity among the findings; None without any."""
        found = {finding.severity for finding in self.findings}
        return next((each for each in SEVERITIES if each in found), None)
