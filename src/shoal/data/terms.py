"""Terms as whole words in texts: groups of people or things that a report tells apart and a test exchanges."""

import re
from collections.abc import Mapping, Sequence

Terms = Mapping[str, Mapping[str, Sequence[str]]]  # what is told apart ("gender") -> group ("women") -> its terms


def whole_words(terms: Sequence[str]) -> re.Pattern[str]:
    """Match any of the terms as whole words, in any case; of two that begin alike the longer."""
    ordered = sorted(terms, key=len, reverse=True)
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, ordered))})(?!\w)", re.IGNORECASE)
