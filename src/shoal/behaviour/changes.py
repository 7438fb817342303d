"""Changes of a text that a person would read past, or that turn its meaning: pure functions of a text and a seed.

Each gives the changed text, or None where there is nothing to change. The kinds are those of CheckList (Ribeiro et al.
2020); negation goes by auxiliary verbs alone, so it changes few texts and those rightly.
"""

import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from shoal.data import whole_words

Change = Callable[[str, random.Random], str | None]

_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_WORDS_A_TYPO = 8  # one typo in so many words, and at least one
_LETTERS = re.compile(r"[^\W\d_]{4,}")  # shorter words are left alone: a typo there makes another word too easily
_AUXILIARY = (
    *("am", "is", "are", "was", "were", "can", "could", "will", "would", "should", "must"),
    *("has", "have", "had", "do", "does", "did"),
)
_NEGATED = re.compile(r"n't\b|\b(?:not|never|no|none|nobody|nothing|cannot|hardly|neither|nor)\b", re.IGNORECASE)
_CURLY = "\u2019"  # the apostrophe of word processors
_SHORT = {f"{word} not": f"{word}n't" for word in _AUXILIARY if word not in ("am", "can", "will", "must")} | {
    "cannot": "can't",
    "will not": "won't",
    "i am": "i'm",
    "i have": "i've",
    "i will": "i'll",
    "i would": "i'd",
    "it is": "it's",
    "that is": "that's",
    "there is": "there's",
    "what is": "what's",
    "where is": "where's",
    "you are": "you're",
    "we are": "we're",
    "they are": "they're",
    "let us": "let's",
}
_LONG = {short: long for long, short in _SHORT.items()}


def typos(text: str, random_: random.Random) -> str | None:
    """Slip on one word in eight, at least on one: a neighbouring key, two letters swapped, or one left out."""
    return _slipped(text, random_, (_neighbour, _swapped, _dropped))


def neighbour_key(text: str, random_: random.Random) -> str | None:
    """Hit the key beside the right one."""
    return _slipped(text, random_, (_neighbour,))


def swapped_letters(text: str, random_: random.Random) -> str | None:
    """Swap two letters that follow each other."""
    return _slipped(text, random_, (_swapped,))


def dropped_letter(text: str, random_: random.Random) -> str | None:
    """Leave a letter out."""
    return _slipped(text, random_, (_dropped,))


def upper(text: str, _: random.Random) -> str | None:
    """Write all in capitals."""
    return _if_other(text, text.upper())


def lower(text: str, _: random.Random) -> str | None:
    """Write all in small letters."""
    return _if_other(text, text.lower())


def punctuation(text: str, _: random.Random) -> str | None:
    """Leave out the marks between words and at the end; a text without any gets a full stop."""
    bare = re.sub(r"(?<=\w)[.,;:!?]+(?=\s|$)", "", text).rstrip()
    return _if_other(text, f"{text.rstrip()}." if bare == text.rstrip() and bare else bare)


def contractions(text: str, _: random.Random) -> str | None:
    """Write "do not" for "don't", and where nothing is contracted the other way round."""
    straight = text.replace(_CURLY, "'")
    return _replaced(straight, _LONG) or _replaced(straight, _SHORT)


def spaces(text: str, random_: random.Random) -> str | None:
    """Double some of the spaces, and put white space around the text."""
    if not text.strip():
        return None
    doubled = re.sub(r" +", lambda found: found[0] * (2 if random_.random() < 0.3 else 1), text)
    return f" {doubled}\n"


def negation(text: str, _: random.Random) -> str | None:
    """Put "not" behind the first auxiliary verb; a text that negates already is left alone."""
    if _NEGATED.search(text.replace(_CURLY, "'")):
        return None
    changed, count = re.subn(rf"\b({'|'.join(_AUXILIARY)})\b(?=\s+\w)", r"\1 not", text, count=1, flags=re.IGNORECASE)
    return changed if count else None


def joined(first: str, then: str) -> str:
    """Put one text behind another, with a full stop between them where the first ends without a mark."""
    bare = first.rstrip()
    return f"{bare}{'' if bare.endswith(('.', '!', '?', ':', ',', ';')) else '.'} {then}"


def replaced(text: str, words: Mapping[str, str]) -> str | None:
    """Put other words for some; None where the text holds none of them."""
    return _replaced(text, words)


def swaps(text: str, groups: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Give the text as it would read of each other group: the n-th term of one stands for the n-th of another.

    Nothing where the text holds no term, or terms of two groups: then it is unclear who is meant.
    """
    place = {term.lower(): (group, at) for group, terms in groups.items() for at, term in enumerate(terms)}
    pattern = whole_words(list(place))
    found = {place[hit.group().lower()][0] for hit in pattern.finditer(text)}
    if len(found) != 1:
        return
    (own,) = found
    for group, terms in groups.items():
        if group != own:
            yield _exchanged(text, pattern, dict(zip(groups[own], terms, strict=True)))


def _exchanged(text: str, pattern: re.Pattern[str], others: Mapping[str, str]) -> str:
    """Put other terms in, in the case of the text, with "a" or "an" before them as it has to be."""
    listed = {term.lower(): term for term in others}

    def put(found: re.Match[str]) -> str:
        article, term = found["article"], found["term"]
        known = listed[term.lower()]
        other = others[known]
        if term != known:
            other = other.lower() if term.islower() else _in_case_of(term, other)
        if article is None:
            return other
        right = "an" if other[0].lower() in "aeiou" else "a"
        return f"{right.capitalize() if article[0].isupper() else right} {other}"

    return re.sub(rf"(?:(?<!\w)(?P<article>an?)\s)?(?P<term>{pattern.pattern})", put, text, flags=re.IGNORECASE)


def _in_case_of(like: str, word: str) -> str:
    if len(like) > 1 and like.isupper():
        return word.upper()
    return word[0].upper() + word[1:] if like[0].isupper() else word


def _replaced(text: str, words: Mapping[str, str]) -> str | None:
    small = {word.lower(): other for word, other in words.items()}
    changed = whole_words(list(words)).sub(lambda found: _in_case_of(found.group(), small[found.group().lower()]), text)
    return _if_other(text, changed)


def _slipped(text: str, random_: random.Random, slips: Sequence[Callable[[str, random.Random], str]]) -> str | None:
    words = list(_LETTERS.finditer(text))
    if not words:
        return None
    count = max(1, len(words) // _WORDS_A_TYPO)
    for found in sorted(random_.sample(words, count), key=lambda found: -found.start()):
        word = random_.choice(slips)(found.group(), random_)
        text = text[: found.start()] + word + text[found.end() :]
    return text


def _neighbour(word: str, random_: random.Random) -> str:
    at = random_.randrange(len(word))
    row = next((keys for keys in _ROWS if word[at].lower() in keys), None)
    if row is None:  # no letter of this keyboard
        return _dropped(word, random_)
    key = row.index(word[at].lower())
    beside = [row[near] for near in (key - 1, key + 1) if 0 <= near < len(row)]
    return word[:at] + _in_case_of(word[at], random_.choice(beside)) + word[at + 1 :]


def _swapped(word: str, random_: random.Random) -> str:
    places = [at for at in range(len(word) - 1) if word[at] != word[at + 1]]
    if not places:
        return _dropped(word, random_)
    at = random_.choice(places)
    return word[:at] + word[at + 1] + word[at] + word[at + 2 :]


def _dropped(word: str, random_: random.Random) -> str:
    at = random_.randrange(1, len(word))
    return word[:at] + word[at + 1 :]


def _if_other(text: str, changed: str) -> str | None:
    return changed if changed != text else None


NAMED: dict[str, Change] = {
    function.__name__: function
    for function in (
        *(typos, neighbour_key, swapped_letters, dropped_letter),
        *(upper, lower, punctuation, contractions, spaces, negation),
    )
}
