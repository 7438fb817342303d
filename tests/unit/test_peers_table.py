"""The table of peers shows a peer that wins, one that did not run, and one that cannot be told apart."""

import sys
from pathlib import Path
from typing import Any

import pytest

BENCH = Path(__file__).parents[2] / "bench"


def row(system: str, accuracy: float, against: tuple[float, float] | None, seconds: float) -> dict[str, Any]:
    made: dict[str, Any] = {"data": "banking77", "system": system, "rows": 10_003, "note": "", "seeds": 1}
    made["accuracy"] = {"value": accuracy, "low": accuracy - 0.01, "high": accuracy + 0.01}
    if against is not None:
        made["against_auto"] = {"value": sum(against) / 2, "low": against[0], "high": against[1]}
    return {**made, "training_seconds": seconds, "docs_per_second": {"value": 1e5, "low": 9e4, "high": 1.1e5}}


def test_a_peer_that_wins_is_bold_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCH))
    monkeypatch.delitem(sys.modules, "peers_table", raising=False)
    from peers_table import peers  # pyright: ignore[reportMissingImports]

    failed = {"data": "banking77", "system": "slow", "rows": 10_003, "note": "", "failed": "not done after 60 minutes"}
    lines = peers(
        [
            row("shoal auto", 0.94, None, 200),
            row("better", 0.95, (0.004, 0.016), 900),
            row("level", 0.937, (-0.008, 0.002), 1),
            row("worse", 0.9, (-0.05, -0.03), 2),
            failed,
        ]
    )
    text = "\n".join(lines)
    assert "| better | **95.00 (94.0 to 96.0)** | +1.00 (+0.4 to +1.6) |" in text
    assert "| **1** |" in text and "**94.00" not in text
    assert "More accurate than shoal auto, beyond chance: better; no difference established: level." in text
    assert "- slow: not done after 60 minutes" in text
