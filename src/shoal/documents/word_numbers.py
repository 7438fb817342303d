"""The numbers that Word shows but does not write: counted from numbering.xml and styles.xml (ECMA-376, 17.9)."""
# python-docx gives elements of lxml, which carries no types:
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import re
from typing import Any, NamedTuple

from docx.oxml.ns import qn

from shoal.documents.numbering import to_letters, to_roman

_LEVELS = 9
_MOST_BASED = 20  # styles that are based on each other


class WordMark(NamedTuple):
    """What Word shows before a paragraph: its text, its level from 0, and whether it is a bullet."""

    text: str
    level: int
    bullet: bool


class _Level(NamedTuple):
    format: str
    pattern: str
    start: int


class Styles:
    """What paragraph styles say of headings and lists, those included that they are based on."""

    def __init__(self, root: Any) -> None:
        self._styles = {style.get(qn("w:styleId")): style for style in root.iter(qn("w:style"))}

    def heading(self, paragraph: Any) -> int:
        """Level of a heading, from 1; 0 for what is none."""
        for properties in self._properties(paragraph):
            level = properties.find(qn("w:outlineLvl"))
            if level is not None:
                value = int(level.get(qn("w:val"), "9"))
                return value + 1 if value < _LEVELS else 0
        return 1 if self._name(paragraph) == "title" else 0

    def numbered(self, paragraph: Any) -> tuple[str, int]:
        """Which list a paragraph belongs to, and its level there; "" and 0 for none."""
        number, level = None, None
        for properties in self._properties(paragraph):
            found = properties.find(qn("w:numPr"))
            if found is None:
                continue
            identity, depth = found.find(qn("w:numId")), found.find(qn("w:ilvl"))
            level = int(depth.get(qn("w:val"), "0")) if level is None and depth is not None else level
            if number is None and identity is not None:
                number = str(identity.get(qn("w:val"), ""))
        return ("", 0) if number in (None, "0") else (number, min(level or 0, _LEVELS - 1))

    def _properties(self, paragraph: Any) -> list[Any]:
        """Give the paragraph's own properties, then those of its style and of what that is based on."""
        own = paragraph.find(qn("w:pPr"))
        style = None if own is None else own.find(qn("w:pStyle"))
        found = [own]
        name = None if style is None else style.get(qn("w:val"))
        for _ in range(_MOST_BASED):
            if name not in self._styles:
                break
            found.append(self._styles[name].find(qn("w:pPr")))
            based = self._styles[name].find(qn("w:basedOn"))
            name = None if based is None else based.get(qn("w:val"))
        return [each for each in found if each is not None]

    def _name(self, paragraph: Any) -> str:
        style = paragraph.find(f"{qn('w:pPr')}/{qn('w:pStyle')}")
        found = None if style is None else self._styles.get(style.get(qn("w:val")))
        name = None if found is None else found.find(qn("w:name"))
        return "" if name is None else str(name.get(qn("w:val"), "")).lower()


class WordNumbers:
    """Counts the lists of a document from top to bottom."""

    def __init__(self, root: Any) -> None:
        self._lists: dict[str, tuple[str, dict[int, _Level]]] = {}
        self._counts: dict[str, list[int | None]] = {}
        if root is not None:
            self._read(root)

    def next(self, number: str, level: int) -> WordMark | None:
        """Go on to a paragraph of a list; None where there is none, or none that is shown."""
        if number not in self._lists:
            return None
        family, levels = self._lists[number]
        if level not in levels:
            return None
        counts = self._counts.setdefault(family, [None] * _LEVELS)
        current = counts[level]
        counts[level] = levels[level].start if current is None else current + 1
        for above in range(level):
            if counts[above] is None:
                counts[above] = levels[above].start if above in levels else 1
        counts[level + 1 :] = [None] * (_LEVELS - level - 1)
        if levels[level].format == "bullet":
            return WordMark("•", level, bullet=True)
        legal = "." in levels[level].pattern and levels[level].format == "decimal"

        def written(match: re.Match[str]) -> str:
            at = int(match[1]) - 1
            value = counts[at] or 0
            kind = levels[at].format if at in levels else "decimal"
            return _written(value, "decimal" if legal and kind != "upperRoman" else kind)

        text = re.sub(r"%([1-9])", written, levels[level].pattern).strip()
        return WordMark(text, level, bullet=False) if text else None

    def _read(self, root: Any) -> None:
        shapes = {
            shape.get(qn("w:abstractNumId")): {
                int(level.get(qn("w:ilvl"), "0")): _level(level) for level in shape.findall(qn("w:lvl"))
            }
            for shape in root.findall(qn("w:abstractNum"))
        }
        for each in root.findall(qn("w:num")):
            identity, shape = each.get(qn("w:numId")), each.find(qn("w:abstractNumId"))
            family = "" if shape is None else shape.get(qn("w:val"))
            levels = dict(shapes.get(family, {}))
            restarted = False
            for override in each.findall(qn("w:lvlOverride")):
                at, start = int(override.get(qn("w:ilvl"), "0")), override.find(qn("w:startOverride"))
                if start is not None and at in levels:
                    levels[at] = levels[at]._replace(start=int(start.get(qn("w:val"), "1")))
                    restarted = True
            # Lists of one shape go on counting across the document, unless one of them is told to begin anew.
            self._lists[identity] = (f"{family}/{identity}" if restarted else str(family), levels)


def _level(level: Any) -> _Level:
    def value(name: str, default: str) -> str:
        found = level.find(qn(name))
        return default if found is None else str(found.get(qn("w:val"), default))

    return _Level(value("w:numFmt", "decimal"), value("w:lvlText", ""), int(value("w:start", "1")))


def _written(number: int, kind: str) -> str:
    if number < 1 or kind == "none":
        return "" if kind == "none" else str(number)
    if kind in ("lowerLetter", "upperLetter"):
        written = to_letters(number)
    elif kind in ("lowerRoman", "upperRoman"):
        written = to_roman(number) if number < 4000 else str(number)
    else:
        return f"0{number}" if kind == "decimalZero" and number < 10 else str(number)
    return written.upper() if kind.startswith("upper") else written
