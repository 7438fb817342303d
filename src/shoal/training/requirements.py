"""What every training checks before it begins, and notes about where it ran."""

import importlib.metadata
import time
from typing import Any

from shoal.calibration import floor_rows, rows_needed
from shoal.data import Dataset, rows_for_calibration
from shoal.errors import InputError
from shoal.meter import EnergyMeter

_RECORDED = ("numpy", "onnxruntime", "scikit-learn", "tokenizers", "torch", "transformers")


def check_promise(risk: float | None, confidence: float) -> None:
    """Refuse what is no share.

    Raises:
        InputError: risk or confidence outside (0, 1).
    """
    for name, value, usual in (("risk", risk, "0.05"), ("confidence", confidence, "0.95")):
        if value is not None and not 0 < value < 1:
            raise InputError(f"{name} is {value}; it must lie between 0 and 1, both excluded. {usual} is usual.")


def needs(risk: float, confidence: float) -> dict[str, float | int]:
    """How many labelled rows a promise takes, if all texts can be kept: at least, and for a chance of 80 %.

    The second is for half the allowed errors (`calibration.rows_needed`); a part of the rows goes to calibration.
    """
    usual = rows_needed(risk, 1 - confidence)
    assert usual is not None  # half the budget is far enough from the budget for every risk
    least = rows_for_calibration(floor_rows(risk, 1 - confidence))
    return {"risk": risk, "confidence": confidence, "least": least, "usual": rows_for_calibration(usual)}


def notes(dataset: Dataset, *, seed: int, budget_seconds: float, began: float, meter: EnergyMeter) -> dict[str, Any]:
    """Note what every training says of itself in its provenance.

    Args:
        dataset: that it learnt from, split.
        seed: of everything random.
        budget_seconds: that it was given.
        began: time.monotonic() at its beginning.
        meter: that was running meanwhile.
    """
    return {
        "data_hash": dataset.hash,
        "rows": dataset.split_counts(),
        "seed": seed,
        "budget_seconds": budget_seconds,
        "training_seconds": round(time.monotonic() - began, 2),
        "training_joules": round(meter.joules, 1),
        "energy_source": meter.description,
        "libraries": libraries(),
    }


def libraries() -> dict[str, str]:
    """Versions of the libraries that a training depends on, for its provenance."""
    return {each: importlib.metadata.version(each) for each in _RECORDED}
