"""Texts as callers give them, made ready for a model: checked, encodable, in chunks that bound memory."""

from collections.abc import Iterator, Sequence

from shoal.errors import InputError

_CHUNK_ROWS = 8192  # texts are scored in chunks of this many rows ...
_CHUNK_CELLS = 4_000_000  # ... or of this many rows x labels, whichever is fewer


def chunks(texts: Sequence[str], labels: int = 1) -> Iterator[list[str]]:
    """Cut texts into chunks for a model with so many labels.

    Raises:
        InputError: `texts` is not a list of strings.
    """
    if isinstance(texts, str):
        raise InputError("texts is one string; give a list of strings, such as ['where is my refund?'].")
    rows = max(1, min(_CHUNK_ROWS, _CHUNK_CELLS // labels))
    for start in range(0, len(texts), rows):
        chunk = list(texts[start : start + rows])
        for offset, text in enumerate(chunk):
            if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance] - callers are untyped
                raise InputError(f"texts[{start + offset}] is of type {type(text).__name__}; give strings only.")
        yield encodable(chunk)


def encodable(texts: list[str]) -> list[str]:
    """Replace lone surrogates, which JSON can carry and no tokenizer takes, by question marks."""
    try:
        "".join(texts).encode()
    except UnicodeEncodeError:
        return [text.encode(errors="replace").decode() for text in texts]
    return texts
