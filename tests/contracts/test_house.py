"""The house rules that a linter does not know."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import shoal

ROOT = Path(__file__).parents[2]
MODULES = sorted((ROOT / "src" / "shoal").rglob("*.py"))
HEAVY = {
    *("torch", "transformers", "sklearn", "onnxruntime", "tokenizers", "model2vec", "scipy"),
    *("aiohttp", "httpx", "starlette", "uvicorn", "sqlalchemy"),
}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT / "src")))
def test_modules_and_functions_stay_small(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert source.count("\n") <= 500
    functions = [
        node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    assert not [f"{node.name} has {_lines(node)} lines" for node in functions if _lines(node) > 60]


def _lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of code from the name to the end: what a docstring explains does not count against it."""
    explained = len((ast.get_docstring(function, clean=False) or "").splitlines())
    assert function.end_lineno is not None
    return function.end_lineno - function.lineno + 1 - explained


def test_no_drawer_without_a_name() -> None:
    drawers = {"utils", "util", "helpers", "helper", "common", "misc", "core"}
    assert not [path for path in MODULES if path.stem in drawers or path.parent.name in drawers]


def test_public_names_are_sorted_and_exist() -> None:
    assert shoal.__all__ == sorted(shoal.__all__)
    for name in shoal.__all__:
        assert getattr(shoal, name) is not None


def test_unknown_attribute_says_what_there_is() -> None:
    with pytest.raises(AttributeError, match=r"no attribute 'trian'; it has Dataset"):
        _ = shoal.trian


def _imported_by(statement: str) -> set[str]:
    program = f"import sys; {statement}; print(' '.join(m for m in {HEAVY!r} if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_import_shoal_loads_nothing_heavy() -> None:
    assert _imported_by("import shoal") == set()


def test_importing_models_loads_no_engine_and_no_torch() -> None:
    assert _imported_by("import shoal.models") & {"torch", "transformers", "sklearn", "onnxruntime", "scipy"} == set()


def test_loading_the_command_line_loads_no_torch() -> None:
    assert _imported_by("import shoal.cli") & {"torch", "transformers", "sklearn", "onnxruntime", "scipy"} == set()


def test_a_review_loads_no_database_and_no_http_client() -> None:
    assert (
        _imported_by("import shoal.review, shoal.report") & {"sqlalchemy", "aiohttp", "torch", "onnxruntime"} == set()
    )


def test_only_the_command_line_reads_the_environment() -> None:
    readers = [
        path
        for path in MODULES
        if "cli" not in path.relative_to(ROOT / "src" / "shoal").parts
        and any(word in path.read_text(encoding="utf-8") for word in ("os.environ", "os.getenv"))
    ]
    assert not readers


def test_import_takes_less_than_three_tenths_of_a_second() -> None:
    # CPU time of the process, so that a busy neighbour cannot fail it; the best of three.
    program = "import time; start = time.process_time(); import shoal; print(time.process_time() - start)"
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
    command = [sys.executable, "-c", program]
    runs = [subprocess.run(command, capture_output=True, text=True, check=True, env=environment) for _ in range(3)]
    assert min(float(run.stdout) for run in runs) < 0.3
