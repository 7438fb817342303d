"""The tables of bench/results/peers.json: one a data set, the best figure of each column in bold, then who is ahead."""

import textwrap
from collections.abc import Callable, Sequence
from typing import Any

Row = dict[str, Any]
NAMES = {
    "banking77-5": "Banking77, 5 rows a label",
    "banking77-10": "Banking77, 10 rows a label",
    "banking77-20": "Banking77, 20 rows a label",
    "banking77": "Banking77, all rows",
    "clinc150": "CLINC150 in scope, all rows",
}


def value(row: Row, key: str) -> float | None:
    """A figure, or the middle of an estimate."""
    found = row.get(key)
    return found["value"] if isinstance(found, dict) else found


def figure(row: Row, key: str) -> str:
    found = value(row, key)
    if found is None:
        return "-"
    return f"{found:,.0f}" if abs(found) >= 100 else f"{found:.3g}"


def accuracy(row: Row, key: str) -> str:
    found = row[key]
    return f"{100 * found['value']:.2f} ({100 * found['low']:.1f} to {100 * found['high']:.1f})"


def against(row: Row, key: str) -> str:
    if key not in row:
        return "-"
    found = row[key]
    return f"{100 * found['value']:+.2f} ({100 * found['low']:+.1f} to {100 * found['high']:+.1f})"


def kept(row: Row, key: str) -> str:
    if key not in row:
        return "-"
    wrong = f", {100 * row['kept_wrong']:.1f} of them wrong" if row.get("kept_wrong") is not None else ""
    return f"{100 * row[key]:.1f}{wrong}"


Shown = Callable[[Row, str], str]
# Head, key, how it is written, and whether the largest (+1) or smallest (-1) is best; 0 where there is no best.
COLUMNS: tuple[tuple[str, str, Shown, int], ...] = (
    ("accuracy, %", "accuracy", accuracy, 1),
    ("against shoal auto, points", "against_auto", against, 0),
    ("kept at 5 %, %", "kept", kept, 0),
    ("training, s", "training_seconds", figure, -1),
    ("texts/s", "docs_per_second", figure, 1),
    ("one text, p50 ms", "p50_ms", figure, -1),
    ("p99 ms", "p99_ms", figure, -1),
    ("memory, MB", "memory_mb", figure, -1),
    ("while training, MB", "training_memory_mb", figure, -1),
    ("model, MB", "disk_mb", figure, -1),
    ("install, MB", "serving_install_mb", figure, -1),
    ("to train, MB", "install_mb", figure, -1),
    ("import, s", "import_seconds", figure, -1),
)


def peers(results: list[Row]) -> list[str]:
    """Every data set's table, who is ahead of shoal, what did not run, and what each peer was given."""
    lines: list[str] = []
    for name in dict.fromkeys(row["data"] for row in results):
        rows = [row for row in results if row["data"] == name]
        samples = max(row.get("seeds", 0) for row in rows)
        seeds = f"{samples} {'sample' if samples == 1 else 'samples'}" if "-" in name else "one training"
        lines += [f"**{NAMES.get(name, name)}** ({rows[0]['rows']:,} rows; {seeds})", ""]
        lines += [*_table([row for row in rows if "failed" not in row]), "", _ahead(rows), ""]
        lines += [f"- {row['system']}: {row['failed']}" for row in rows if "failed" in row]
        lines += [""] if any("failed" in row for row in rows) else []
    notes = {row["system"]: row["note"] for row in results if row["note"]}
    for system, note in notes.items():
        lines += textwrap.wrap(f"- {system}: {note}.", 128, subsequent_indent="  ")
    loads = [load for row in results for load in row.get("load_average", [])]
    return [*lines, "", f"Load average of the machine: {min(loads)} to {max(loads)}."] if loads else lines


def _table(rows: Sequence[Row]) -> list[str]:
    head = ("system", *(column[0] for column in COLUMNS))
    names = [f"{row['system']}: {row['answers']}" if "answers" in row else row["system"] for row in rows]
    cells = [[name, *(shown(row, key) for _, key, shown, _ in COLUMNS)] for name, row in zip(names, rows, strict=True)]
    for place, (_, key, _, sign) in enumerate(COLUMNS, start=1):
        figures = [value(row, key) for row in rows]
        known = [each for each in figures if each is not None]
        for line, each in zip(cells, figures, strict=True):
            if sign and each is not None and sign * each == max(sign * one for one in known):
                line[place] = f"**{line[place]}**"
    return ["| " + " | ".join(line) + " |" for line in (head, ["---"] * len(head), *cells)]


def _ahead(rows: Sequence[Row]) -> str:
    """Whose accuracy is above that of shoal auto by more than chance, and whose not below it by more than chance."""
    others = [row for row in rows if "against_auto" in row and not row["system"].startswith("shoal ")]
    if not others:
        return "No peer was measured on the rows of shoal auto."
    ahead = [row["system"] for row in others if row["against_auto"]["low"] > 0]
    level = [row["system"] for row in others if row["against_auto"]["low"] <= 0 <= row["against_auto"]["high"]]
    told = f"More accurate than shoal auto, beyond chance: {', '.join(ahead) or 'no peer'}"
    return told + (f"; no difference established: {', '.join(level)}." if level else ".")
