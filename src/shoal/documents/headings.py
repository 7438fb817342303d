"""Which lines are headings where a format does not say so: plain text, PDF, bold paragraphs of any other."""

from shoal.documents.numbering import Mark

_MOST_CHARS = 100
_MOST_WORDS = 12
_ENDS = (".", ";", ",", ":", "?", "!", ")", '"', "”")
_SHORT = {
    "a",
    "an",
    "and",
    "as",
    "at",
    "by",
    "for",
    "from",
    "if",
    "in",
    "of",
    "on",
    "or",
    "the",
    "to",
    "with",
    "your",
    "our",
}


def is_heading(line: str, mark: Mark | None, *, first: bool = False) -> bool:
    """Tell whether a line that stands by itself is a heading.

    It is one when it is short, does not end like a sentence, and is numbered as a section is ("3.", "B.",
    "Article IV"), or written in capitals, or has capitals where titles have them.

    Args:
        line: without white space around it.
        mark: its number, if it has one.
        first: whether it is the first line of the document, which is a title if it can be one.
    """
    title = line[mark.end :] if mark else line
    factor = 2 if first else 1  # titles are longer
    if len(line) > factor * _MOST_CHARS or "\n" in line:
        return False
    if mark is not None and mark.style in ("paren", "bullet"):
        return False
    words = title.split()
    if not words:
        return mark is not None and mark.style == "word"
    if len(words) > factor * _MOST_WORDS or not any(each.isalpha() for each in title):
        return False
    if title.endswith(_ENDS):
        # "7. Notices." and "Article 7: Notices." are headings, "4.2 Weights go back on the rack." is none.
        numbered = mark is not None and mark.style in ("single", "word", "letter")
        return numbered and title.endswith(".") and len(words) <= 5 and _is_titled(words)
    if is_capitals(title) or (mark is not None and mark.style in ("single", "word", "letter")):
        return title[0].isupper() or not title[0].isalpha()
    return first or _is_titled(words)


def is_capitals(text: str) -> bool:
    """Whether a text of at least two letters has no small ones, and has capital ones."""
    return text.isupper() and sum(each.isalpha() for each in text) > 1


def heading_level(mark: Mark | None, title: str, above: int) -> int:
    """Depth, from 1, of a heading that only its line shows to be one.

    Args:
        mark: its number, if it has one.
        title: what follows the number.
        above: level of the last heading with a number; one without stands under it unless it is in capitals.
    """
    if mark is not None:
        return 1 + mark.label.count(".") if mark.style in ("dotted", "mixed") else 1
    return 1 if is_capitals(title) else above + 1


def _is_titled(words: list[str]) -> bool:
    """Whether every word but the short ones begins with a capital: "Limits of Our Liability"."""
    weighty = [word for word in words if word.lower() not in _SHORT and any(each.isalpha() for each in word)]
    begun = [next(each for each in word if each.isalpha()) for word in weighty]
    return bool(begun) and words[0][0] not in "a" and all(each.isupper() for each in begun)
