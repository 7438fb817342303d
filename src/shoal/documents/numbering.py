"""The numbers of clauses: which characters are one, and under which number of which a clause stands.

Contracts number by 4, 4.2, 4.2.1; by (a), (iv), (1), a); by A, A1; by Article IV, Section 3, § 4. A dotted number says
all by itself; the others count under what stands above them: (a) after 4.2 is 4.2(a), and (i) after that 4.2(a)(i).
"""

import re
from typing import NamedTuple

_WORDS = r"Article|Section|Clause|Chapter|Part|Schedule|Annex|Appendix|Exhibit|Title"
_ROMAN = r"[IVXLC]{1,7}"
_MARK = re.compile(
    rf"""(?:
      (?P<word>{_WORDS}|{_WORDS.upper()})[ \t\u00a0]+(?P<of>\d{{1,3}}(?:\.\d{{1,3}})*|{_ROMAN}|[A-Z])
      (?![\w(])[.:)]?(?=\s|\Z)
    | (?:
      (?P<sign>§§?)[ \t\u00a0]*(?P<par>\d{{1,3}}[a-z]?(?:\.\d{{1,3}})*)(?!\w)[.:)]?
    | (?P<dotted>\d{{1,3}}(?:\.\d{{1,3}}){{1,5}})(?!\w)[.:)]?
    | (?P<single>\d{{1,3}})[.:)]
    | \((?P<paren>\d{{1,3}}|[a-z]{{1,2}}|[A-Z]|[ivxlc]{{1,7}}|{_ROMAN})\)
    | (?P<half>[a-z]|[ivxl]{{1,5}})\)
    | (?P<mixed>[A-Z]\d{{1,3}}(?:\.\d{{1,3}})*)(?!\w)[.:)]?
    | (?P<letter>{_ROMAN}|[A-Z])[.)]
    | (?P<bullet>[-*•‣◦▪●·\u2013\u2014])
    )(?=\s))""",
    re.VERBOSE,
)
_BARE = re.compile(r"(?P<single>\d{1,2})(?=[ \t\u00a0])")  # "3 Definitions": a number only before a heading
_VALUES = {"i": 1, "v": 5, "x": 10, "l": 50, "c": 100}


class Mark(NamedTuple):
    """A number or bullet at the start of a text.

    Attributes:
        end: how many characters it takes, the white space behind it included.
        style: "word", "dotted", "single", "paren", "mixed", "letter" or "bullet".
        label: as it is written in a section: "4.2", "(a)", "Article IV", "A1"; empty for a bullet.
    """

    end: int
    style: str
    label: str


def find_mark(text: str, start: int = 0, *, bare: bool = False) -> Mark | None:
    """Find the number or bullet with which a text begins.

    Args:
        text: in which.
        start: of the line in it.
        bare: whether a number with nothing behind it counts ("3 Definitions"): in headings.
    """
    found = _MARK.match(text, start) or (_BARE.match(text, start) if bare else None)
    if found is None:
        return None
    end = found.end()
    groups = found.groupdict()
    between = " \t\u00a0-\u2013\u2014:" if groups.get("word") or groups.get("sign") else " \t\u00a0"
    while end < len(text) and text[end] in between:
        end += 1
    if groups.get("word") and "." in groups["of"]:  # "Section 4.2" says no more than "4.2"
        return Mark(end - start, "dotted", groups["of"])
    if groups.get("word"):
        return Mark(end - start, "word", f"{groups['word'].capitalize()} {groups['of']}")
    if groups.get("sign"):
        return Mark(end - start, "word", f"§ {groups['par']}")
    for name in ("dotted", "single", "mixed", "letter"):
        if groups.get(name):
            return Mark(end - start, name, groups[name])
    label = groups.get("paren") or groups.get("half")
    return Mark(end - start, "paren", f"({label})") if label else Mark(end - start, "bullet", "")


class Numbering:
    """Follows the numbers of a document from top to bottom and says under which section each one stands."""

    def __init__(self) -> None:
        self._above = ""  # Article IV, § 4, Part II: what the numbers after it need not repeat
        self._number = ""  # the last number that says all by itself
        self._listed = False  # whether it was given by a list, whose next item then stands beside it and not under it
        self._inner: list[tuple[str, int, str]] = []  # kind, value and label of what is counted under it

    @property
    def section(self) -> str:
        """The number that what comes next stands under."""
        return (self._number or self._above) + "".join(label for _, _, label in self._inner)

    def take(self, mark: Mark, *, depth: int | None = None, heading: bool = False) -> str:
        """Go on to a number; returns the section it opens.

        Args:
            mark: as found.
            depth: of the list whose item it numbers, from 0, where the format says so.
            heading: whether it numbers a heading: those begin anew whatever stood above.
        """
        if mark.style == "word":
            self._above = mark.label
            self._begin("")
        elif mark.style in ("dotted", "mixed"):
            self._begin(mark.label)
        elif mark.style in ("single", "letter"):
            self._single(mark.label, depth, heading=heading)
        elif mark.style == "paren":
            self._count(mark.label, depth)
        return self.section

    def unnumbered(self) -> None:
        """Go on to a heading without a number: what was counted above it ends there."""
        self._above = ""
        self._begin("")

    def _begin(self, number: str, *, listed: bool = False) -> None:
        self._number, self._listed, self._inner = number, listed, []

    def _single(self, label: str, depth: int | None, *, heading: bool) -> None:
        """Read 3. or B.: a section of its own, or an item counted under the section above."""
        if heading:
            self._above = ""
        if depth is None:
            apart = heading or self._follows(label) or not (self._above or "." in self._number)
        else:
            apart = depth == 0 and (self._listed or not self.section)
        if apart:
            self._begin(label, listed=depth is not None)
            return
        dotted = label.isdigit() and (not self._inner or self._inner[0][2].startswith("."))
        self._count(f".{label}" if dotted else f"({label})", depth)

    def _follows(self, label: str) -> bool:
        """Whether a number is the next after the first part of the last one."""
        first = self._number.partition(".")[0]
        if label.isdigit() and first.isdigit():
            return int(label) == int(first) + 1
        return len(label) == 1 == len(first) and ord(label) == ord(first) + 1

    def _count(self, label: str, depth: int | None) -> None:
        inside = label.strip("().")
        kinds = _readings(inside)
        if depth is not None:
            del self._inner[depth:]
            self._inner.append((*kinds[0], label))
            return
        for level in range(len(self._inner) - 1, -1, -1):  # the next of a count that is under way
            for kind, value in kinds:
                if (kind, value - 1) == self._inner[level][:2]:
                    self._inner[level:] = [(kind, value, label)]
                    return
        firsts = [each for each in kinds if each[1] == 1]
        taken = [kind for kind, _, _ in self._inner]
        kind, value = firsts[0] if firsts else next((each for each in kinds if each[0] in taken), kinds[0])
        if kind in taken:  # a count that begins again, or jumps
            del self._inner[taken.index(kind) :]
        self._inner.append((kind, value, label))


def _readings(label: str) -> list[tuple[str, int]]:
    """List what a label may count: (i) is the first of the Roman numbers, or the ninth letter."""
    if label.isdigit():
        return [("digit", int(label))]
    lower, case = label.lower(), "upper" if label.isupper() else "lower"
    found: list[tuple[str, int]] = []
    roman = _roman(lower)
    if roman:
        found.append((f"{case} roman", roman))
    if len(set(lower)) == 1:  # a, b, ... z, aa, bb
        found.append((f"{case} letter", ord(lower[0]) - 96 + 26 * (len(lower) - 1)))
    return found or [(f"{case} word", 0)]


def _roman(label: str) -> int:
    """Value of a Roman number; 0 for what is none."""
    total = 0
    for one, following in zip(label, [*label[1:], ""], strict=True):
        if one not in _VALUES:
            return 0
        value = _VALUES[one]
        total += -value if _VALUES.get(following, 0) > value else value
    return total if to_roman(total) == label else 0


def to_roman(number: int) -> str:
    """Write a number from 1 to 3,999 in Roman letters, lower case."""
    written = ""
    for value, letters in (
        *((1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l")),
        *((40, "xl"), (10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i")),
    ):
        while number >= value:
            written += letters
            number -= value
    return written


def to_letters(number: int) -> str:
    """Write a number from 1 as a, b, ... z, aa, bb, lower case."""
    return chr(97 + (number - 1) % 26) * ((number - 1) // 26 + 1)
