"""Assign every row to train, dev, calibration or test: by a hash of its text, so that the assignment stays.

A row's place depends on nothing but its own normalised text (or group) and the seed. Rows added, removed, reordered
or relabelled later leave it where it was: what once was held out has never been trained on, and versions trained
months apart are compared on the same test rows.
"""

import hashlib
import logging
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from shoal.data.dataset import SPLITS, Dataset, Row, Split, normalised
from shoal.data.leaks import drop_leaks as drop_leaking_rows
from shoal.data.moments import moments
from shoal.errors import DataError

Fractions = tuple[float, float, float, float]

# Shares of train, dev, calibration and test by the number of rows. A certificate needs a number of rows, not a share:
# about 390 accepted ones for a 5 % promise to have an 80 % chance, 650 for 3 %, 2,000 for 1 %. So few rows give a
# fifth to calibration and many give less. Shares of held-out parts only fall: growing past a step moves
# rows out of held-out parts, none from train into one.
_STEPS: tuple[tuple[float, Fractions], ...] = (
    (5_000, (0.55, 0.10, 0.20, 0.15)),
    (50_000, (0.75, 0.06, 0.10, 0.09)),
    (float("inf"), (0.90, 0.02, 0.04, 0.04)),
)
# Each held-out part draws by its own hash from what those before it left.
_CARVED: tuple[Split, ...] = ("test", "calibration", "dev")

_log = logging.getLogger(__name__)


def default_fractions(rows: int) -> Fractions:
    """Choose the shares of train, dev, calibration and test for a number of rows."""
    return next(fractions for below, fractions in _STEPS if rows < below)


def rows_for_calibration(wanted: int) -> int:
    """Find the fewest rows of which the usual shares give calibration so many, in expectation."""
    starts = [0, *(int(below) for below, _ in _STEPS[:-1])]
    needed = (
        max(math.ceil(wanted / shares[2] - 1e-9), start) for start, (_, shares) in zip(starts, _STEPS, strict=True)
    )
    return next(rows for rows, (below, _) in zip(needed, _STEPS, strict=True) if rows < below)


@dataclass(slots=True)
class _Unit:
    """Rows that stay together: one group, or one normalised text; `draws` has a number in [0, 1) for each part."""

    draws: dict[Split, float]
    indices: list[int]
    newest: float = 0.0
    split: Split = "train"


def split(
    dataset: Dataset,
    *,
    fractions: Fractions | None = None,
    seed: int = 0,
    drop_leaks: bool = False,
    calibrate: bool = True,
) -> Dataset:
    """Assign every row to a split.

    Splits that rows already have are kept. Parts that no row has yet are carved out of the rest (rows without a split,
    and train): stratified by hash of the normalised text, in expectation equally over labels; by group where rows have
    one; when rows have times, the newest rows become calibration. Of rows that a larger model labelled, those that
    people judged too become calibration as well, as long as they are fewer than half. Every label that is not only held
    out by the given splits keeps at least one row in train.

    Args:
        dataset: rows, with or without splits.
        fractions: shares of (train, dev, calibration, test), summing to 1; chosen by the number of rows when None.
            A part that is already there is left out of the sum.
        seed: another seed, another assignment.
        calibrate: False makes no calibration rows: what they would have been, or were given to be, is for train.
        drop_leaks: remove rows from train, dev and calibration that repeat a row of a later part (logged with a count).

    Returns:
        The same rows in the same order, each with a split.

    Raises:
        DataError: there is nothing to train on, or the fractions are not shares.
    """
    _check_fractions(fractions)
    if not calibrate:
        rows = (replace(row, split="train") if row.split == "calibration" else row for row in dataset.rows)
        dataset = replace(dataset, rows=tuple(rows))
    judged = _judged(dataset.rows) if calibrate else set[int]()
    pool = [index for index, row in enumerate(dataset.rows) if row.split in (None, "train") and index not in judged]
    if not pool:
        raise DataError("no rows to train on: every row is given to dev, calibration or test")
    shares = dict(zip(SPLITS, fractions or default_fractions(len(pool)), strict=True))
    if not calibrate:
        shares["calibration"] = 0.0
    given = {row.split for row in dataset.rows}
    units = _units(dataset.rows, pool, seed)
    left = 1.0
    for part in _CARVED:
        if part not in given and shares[part] > 0:
            _carve(units, part, share=shares[part] / left, by_time=part == "calibration")
        left -= shares[part]
    _keep_labels_in_train(dataset.rows, units)
    for part in _CARVED:
        if part not in given and shares[part] > 0:
            _fill_if_empty(dataset.rows, units, part)
    assigned = [replace(row, split="calibration") if index in judged else row for index, row in enumerate(dataset.rows)]
    for unit in units:
        for index in unit.indices:
            assigned[index] = replace(dataset.rows[index], split=unit.split)
    result = replace(dataset, rows=tuple(assigned))
    if drop_leaks:
        result, dropped = drop_leaking_rows(result)
        if dropped:
            _log.warning("dropped %d rows that repeat a row of a later split", len(dropped))
    return result


def _judged(rows: Sequence[Row]) -> set[int]:
    """Find the rows that people judged among many that a larger model labelled: they are for calibration, all of them.

    There each of them tells about both; elsewhere most of the few would tell nothing. Where at least half were judged,
    they are split like any others.
    """
    judged = {index for index, row in enumerate(rows) if row.truth is not None and row.split is None}
    if 2 * len(judged) >= len(rows):
        return set()
    others = {row.label for index, row in enumerate(rows) if index not in judged}
    return {index for index in judged if rows[index].label in others}  # a label must have a row to be learnt from


def _check_fractions(fractions: Fractions | None) -> None:
    if fractions is None:
        return
    if len(fractions) != 4 or min(fractions) < 0 or fractions[0] == 0 or abs(sum(fractions) - 1) > 1e-6:
        raise DataError(
            f"fractions: got {tuple(fractions)}, must be four shares (train, dev, calibration, test) "
            "that sum to 1, with some for train"
        )


def _units(rows: Sequence[Row], pool: Iterable[int], seed: int) -> list[_Unit]:
    times = moments(rows)
    timed = any(row.time is not None for row in rows)
    members: dict[str, list[int]] = defaultdict(list)
    for index in pool:
        row = rows[index]
        members[f"text {normalised(row.text)}" if row.group is None else f"group {row.group}"].append(index)
    return [
        _Unit(_draws(key, seed), indices, newest=max(times[index] for index in indices) if timed else float("nan"))
        for key, indices in members.items()
    ]


def _draws(key: str, seed: int) -> dict[Split, float]:
    """Draw three independent numbers in [0, 1) from a key: the same on every machine and in every release."""
    digest = hashlib.blake2b(key.encode(), digest_size=24, key=str(seed).encode()).digest()
    return {
        part: int.from_bytes(digest[8 * place : 8 * place + 8], "big") / 2**64 for place, part in enumerate(_CARVED)
    }


def _carve(units: list[_Unit], part: Split, *, share: float, by_time: bool) -> None:
    free = [unit for unit in units if unit.split == "train"]
    if not (by_time and free and free[0].newest == free[0].newest):  # NaN: no times
        for unit in free:
            if unit.draws[part] < share:
                unit.split = part
        return
    wanted = share * sum(len(unit.indices) for unit in free)
    taken, last = 0, float("inf")
    for unit in sorted(free, key=lambda unit: -unit.newest):
        if taken >= wanted and unit.newest < last:  # rows of one moment are not torn apart
            break
        unit.split = part
        taken, last = taken + len(unit.indices), unit.newest


def _keep_labels_in_train(rows: Sequence[Row], units: list[_Unit]) -> None:
    """Give back to train one unit of each label that would have no row there."""
    trained = {name for unit in units if unit.split == "train" for index in unit.indices for name in rows[index].names}
    for unit in sorted(units, key=lambda unit: unit.draws["test"]):
        labels = {name for index in unit.indices for name in rows[index].names}
        if not labels <= trained:
            unit.split = "train"
            trained |= labels


def _fill_if_empty(rows: Sequence[Row], units: list[_Unit], part: Split) -> None:
    """Move one unit from train to a part that few rows left empty, if train keeps a row of each label."""
    if any(unit.split == part for unit in units):
        return
    trained = Counter(
        name for unit in units if unit.split == "train" for index in unit.indices for name in rows[index].names
    )
    for unit in sorted(units, key=lambda unit: unit.draws[part]):
        taken = Counter(name for index in unit.indices for name in rows[index].names)
        if unit.split == "train" and all(count < trained[label] for label, count in taken.items()):
            unit.split = part
            return
