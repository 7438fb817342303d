"""How many threads numpy's matrix products take: one, where models answer."""

import os


def one_thread() -> None:
    """Ask for one thread, unless the user has asked for a number; must come before numpy is loaded.

    The products of a batch are small. Split over threads that then wait for each other, spinning, they took 1.5 to 100
    times as long on two cores that had anything else to do; groups of texts side by side use the cores better.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
