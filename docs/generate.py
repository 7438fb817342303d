"""Write docs/reference/cli.md: the help of every command, taken from the commands themselves.

With --check nothing is written; the exit code is 1 when the page differs from the commands.
"""

import argparse
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main

from shoal.cli import app

PAGE = Path(__file__).parent / "reference" / "cli.md"
WIDTH = 118
COLUMN = 29  # where the meaning of an option begins
HEAD = """# The command line

Generated from the commands by `python docs/generate.py`; `shoal COMMAND --help` shows the same. Every command
also takes `-h` and `--help`. Errors are one message on standard error and an exit code:

| code | meaning |
|---|---|
| 0 | done |
| 1 | the gate did not pass a version; a review found what `--fail-on` names |
| 2 | what was given cannot be used: arguments, shoal.toml, rows, a name, a model folder |
| 3 | the machine is in the way: disk, permissions, port, network, a missing extra |
"""


def main() -> None:
    """Write the page, or compare it with what would be written."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    page = "\n".join([HEAD, *pages(typer.main.get_command(app), ("shoal",))])
    if not parser.parse_args().check:
        PAGE.write_text(page, encoding="utf-8")
    elif PAGE.read_text(encoding="utf-8") != page:
        sys.exit(f"{PAGE.name} is not what the commands say; run: python docs/generate.py")


def pages(command: Any, path: tuple[str, ...]) -> Iterator[str]:
    """Yield one section for each command."""
    if hasattr(command, "commands"):
        for name, inner in command.commands.items():
            yield from pages(inner, (*path, name))
        return
    text = "\n\n".join(" ".join(part.split()) for part in (command.help or "").split("\n\n"))
    lines = [usage(command, path), "", *wrapped(text), ""]
    for kind in ("argument", "option"):
        for parameter in command.params:
            if parameter.param_type_name == kind and "--help" not in parameter.opts:
                lines += described(parameter)
    yield "\n".join([f"## {' '.join(path)}", "", "```text", *lines, "```", ""])


def usage(command: Any, path: tuple[str, ...]) -> str:
    """Write the call in one line."""
    arguments = [named(each) for each in command.params if each.param_type_name == "argument"]
    return " ".join([*path, *arguments, "[OPTIONS]"])


def named(parameter: Any) -> str:
    """Write an argument in capitals, an option with its value in capitals."""
    if parameter.param_type_name == "argument":
        name = (parameter.metavar or parameter.name or "").upper()
        many = "..." if parameter.nargs == -1 else ""
        return f"{name}{many}" if parameter.required else f"[{name}]{many}"
    flags = ", ".join([*parameter.opts, *parameter.secondary_opts])
    return flags if parameter.is_flag else f"{flags} {parameter.opts[0].lstrip('-').upper()}"


def described(parameter: Any) -> list[str]:
    """Write name, meaning and default, in two columns."""
    text = getattr(parameter, "help", None) or ""
    default = parameter.default
    if default is not None and not callable(default) and default is not False and str(default) != "":
        text += f" [{default}]"
    return textwrap.wrap(
        text, WIDTH, initial_indent=f"  {named(parameter):<{COLUMN - 4}}  ", subsequent_indent=" " * COLUMN
    )


def wrapped(text: str) -> list[str]:
    """Break paragraphs into lines of bounded width."""
    lines: list[str] = []
    for paragraph in text.split("\n\n"):
        lines += ["", *textwrap.wrap(paragraph, WIDTH, break_long_words=False)]
    return lines[1:]


if __name__ == "__main__":
    main()
