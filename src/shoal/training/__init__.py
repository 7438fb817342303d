"""Rows to specialists: the ladder of methods, right-sizing, export. torch and its company live here alone."""

from shoal.training.names import from_names
from shoal.training.progress import Progress
from shoal.training.train import train

__all__ = ["Progress", "from_names", "train"]
