"""What every training checks before it begins, and notes about where it ran."""

import importlib.metadata

from shoal.errors import InputError

_RECORDED = ("numpy", "onnxruntime", "scikit-learn", "tokenizers", "torch", "transformers")


def check_promise(risk: float | None, confidence: float) -> None:
    """Refuse what is no share.

    Raises:
        InputError: risk or confidence outside (0, 1).
    """
    for name, value, usual in (("risk", risk, "0.05"), ("confidence", confidence, "0.95")):
        if value is not None and not 0 < value < 1:
            raise InputError(f"{name} is {value}; it must lie between 0 and 1, both excluded. {usual} is usual.")


def libraries() -> dict[str, str]:
    """Versions of the libraries that a training depends on, for its provenance."""
    return {each: importlib.metadata.version(each) for each in _RECORDED}
