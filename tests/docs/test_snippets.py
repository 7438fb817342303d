"""What the documentation shows is run: Python blocks are executed, shell blocks name real commands and options."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main

import shoal
from shoal.cli import app

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs" / "guide").glob("*.md"))]
FENCE = re.compile(r"^```(\w+)(?:[^\n]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[tuple[str, str]]:
    return [
        (f"{page.name}-{number}", code)
        for page in PAGES
        for number, (kind, code) in enumerate(FENCE.findall(page.read_text(encoding="utf-8")), 1)
        if kind == language
    ]


PYTHON = [(name, code) for name, code in blocks("python") if "base_url" not in code]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the pages speak of: the example's data, and a specialist trained on it."""
    folder = tmp_path_factory.mktemp("project")
    shutil.copytree(ROOT / "examples" / "helpdesk" / "data", folder / "data")
    shoal.train(folder / "data" / "intent.csv", backbone="tfidf").save(folder / "models" / "intent")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("code", [code for _, code in PYTHON], ids=[name for name, _ in PYTHON])
def test_python_blocks_run(code: str, folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


def shell_lines() -> list[tuple[str, str]]:
    lines = []
    for name, code in [*blocks("console"), *blocks("sh")]:
        for line in code.splitlines():
            command = line.removeprefix("$ ")
            lines += [(name, part.strip()) for part in command.split("&&") if part.strip().startswith("shoal ")]
    return lines


@pytest.mark.parametrize(("page", "line"), shell_lines())
def test_shell_lines_name_real_commands(page: str, line: str) -> None:
    words = shlex.split(line, comments=True)[1:]
    command = typer.main.get_command(app)
    while words and hasattr(command, "commands"):
        if words[0].startswith("-"):
            break
        if words[0] not in command.commands and hasattr(command, "default"):
            command = command.commands[command.default]  # `shoal review terms.pdf`
            break
        assert words[0] in command.commands, f"{page}: {line!r}: no command {words[0]!r}"
        command = command.commands[words.pop(0)]
    known = {option for parameter in command.params for option in parameter.opts} | {"--help", "-h"}
    unknown = [word for word in words if word.startswith("--") and word.split("=")[0] not in known]
    assert not unknown, f"{page}: {line!r}: no option {unknown}"
