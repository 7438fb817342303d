"""The commands that answer ask for one BLAS thread before numpy is loaded, unless the user has asked for a number."""

import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize("command", [["predict", "nowhere", "text"], ["serve", "nowhere"]])
@pytest.mark.parametrize("asked", [None, "2"])
def test_one_thread_is_asked_for_before_numpy_is_loaded(command: list[str], asked: str | None) -> None:
    program = f"""
import os, sys
from shoal.cli import app
assert "numpy" not in sys.modules
try:
    app({command!r}, standalone_mode=False)
except Exception as error:
    assert "nowhere" in str(error), error
assert os.environ["OPENBLAS_NUM_THREADS"] == {asked or "1"!r}
"""
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    environment |= {"OPENBLAS_NUM_THREADS": asked} if asked else {}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
