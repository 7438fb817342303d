"""shoal: small specialised language models, certified, served on CPUs, with a larger model for the doubts.

The package imports nothing heavy: each public name loads its module on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shoal.data import Dataset
    from shoal.errors import ShoalError
    from shoal.models import Specialist, load
    from shoal.tasks import Prediction
    from shoal.training import from_names, train

__version__ = "0.1.0"

__all__ = ["Dataset", "Prediction", "ShoalError", "Specialist", "__version__", "from_names", "load", "train"]

_HOME = {
    "Dataset": "shoal.data",
    "Prediction": "shoal.tasks",
    "ShoalError": "shoal.errors",
    "Specialist": "shoal.models",
    "from_names": "shoal.training",
    "load": "shoal.models",
    "train": "shoal.training",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'shoal' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(_HOME[name]), name)
