"""Finding values in a text: where a number or some words stand, by exact characters. Pure.

Numbers are read in digits, with separators of thousands as they are written in many countries; not in words.
"""

import re

# Groups of three digits first; a letter may follow (30GB), none may come before (F4GG52).
_GROUPED = r"\d{1,3}(?:[ ,.'\u2019\u00a0\u202f]\d{3})+(?:[.,]\d{1,2})?(?!\d)"
_NUMBER = re.compile(rf"(?<![\w.,])(?:[-\u2212+](?=\d))?(?:{_GROUPED}|\d+(?:[.,]\d+)?)(?!\d)")


def numbers(text: str) -> list[tuple[int, int, float]]:
    """Every number of a text in digits: start, end, and what it most likely is."""
    return [(match.start(), match.end(), _readings(match[0])[0]) for match in _NUMBER.finditer(text)]


def number_places(value: float, text: str) -> list[tuple[int, int]]:
    """Where a number stands in a text, however it is written; also where it is only one of two ways to read it."""
    return [
        match.span()
        for match in _NUMBER.finditer(text)
        if any(abs(reading) == abs(value) for reading in _readings(match[0]))
    ]


def text_places(words: str, text: str) -> list[tuple[int, int]]:
    """Where some words stand in a text, not within other words; white space may differ, and case where it must."""
    pattern = r"\s+".join(re.escape(word) for word in words.split())
    if not pattern:
        return []
    whole = rf"(?<!\w){pattern}(?!\w)"
    exact = [match.span() for match in re.finditer(whole, text)]
    return exact or [match.span() for match in re.finditer(whole, text, re.IGNORECASE)]


def _readings(written: str) -> tuple[float, ...]:
    """Read a number, the likeliest way first: "1.250" is one and a quarter before it is a thousand and more."""
    plain = re.sub(r"[ '\u2019\u00a0\u202f]", "", written).replace("\u2212", "-")
    signs = re.findall(r"[.,]", plain)
    if not signs:
        return (float(plain),)
    last = signs[-1]
    if len(set(signs)) == 2:  # both: the last one is the decimal sign
        other = "," if last == "." else "."
        return (float(plain.replace(other, "").replace(last, ".")),)
    joined, decimal = float(plain.replace(last, "")), plain.replace(last, ".")
    if len(signs) > 1:
        return (joined,)
    if len(plain.rsplit(last, 1)[1]) != 3:
        return (float(decimal),)
    return (joined, float(decimal)) if last == "," else (float(decimal), joined)
