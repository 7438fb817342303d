"""Texts that run together: every text once, no larger group than allowed, never dearer than plain groups of eight.

And that the engine under them reports to nobody.
"""

import os
import subprocess
import sys
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from shoal.models.encoder import _GROUP, _RUN_TOKENS, _groups


def cost(lengths: list[int], groups: list[tuple[int, int]]) -> int:
    return sum(_RUN_TOKENS + (end - start) * lengths[start] for start, end in groups)


@given(st.lists(st.integers(2, 256), min_size=1, max_size=60))
def test_groups_cover_all_texts_at_the_least_cost(lengths: list[int]) -> None:
    lengths.sort(reverse=True)
    groups = _groups(lengths)
    assert [row for start, end in groups for row in range(start, end)] == list(range(len(lengths)))
    assert max(end - start for start, end in groups) <= _GROUP
    plain = [(start, min(start + _GROUP, len(lengths))) for start in range(0, len(lengths), _GROUP)]
    assert cost(lengths, groups) <= cost(lengths, plain)
    assert cost(lengths, groups) <= cost(lengths, [(row, row + 1) for row in range(len(lengths))])


def test_like_lengths_run_together_and_a_long_text_alone() -> None:
    assert _groups([200, 10, 10, 9]) == [(0, 1), (1, 4)]
    assert _groups([12] * 20) == [(0, 4), (4, 12), (12, 20)]


def test_the_engine_keeps_no_record_for_its_maker(tmp_path: Path) -> None:
    program = "import shoal.models.encoder, onnxruntime; onnxruntime.SessionOptions()"
    kept = ("CI", "ORT_DISABLE_TELEMETRY", "ORT_RUNNING_UNIT_TESTS", "XDG_CACHE_HOME")  # each would silence it too
    environment = {name: value for name, value in os.environ.items() if name not in kept} | {"HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)
    assert not [path for path in tmp_path.rglob("*") if "onnxruntime" in path.name]
