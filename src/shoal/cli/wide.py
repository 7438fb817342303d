"""Where tables are printed: as wide as the terminal, and as wide as they need when the output is piped."""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

# What reads a pipe has no edge; the 80 columns that rich assumes then would break texts over many lines.
_PIPED_COLUMNS = 10_000


def wide_console() -> "Console":
    """Return a console on standard output; the environment's COLUMNS is respected."""
    from rich.console import Console

    console = Console()
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _PIPED_COLUMNS
    return console
