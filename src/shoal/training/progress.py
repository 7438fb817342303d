"""How long work tells how far it is."""

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called as progress(stage, done, total)."""


def silent(stage: str, done: int, total: int) -> None:
    """Tell nobody."""
