"""The command line: the only place that reads argv, the environment and shoal.toml.

Every command is a module here with a `register(app)`; heavy libraries are imported inside the commands, so that
`shoal --help` answers at once.
"""

import os
import sys
from typing import Annotated

import typer

from shoal import __version__
from shoal.cli import data, evaluate, llm, new, predict, registry, report, review, serve, train
from shoal.errors import ShoalError

app = typer.Typer(
    name="shoal",
    help="Turn the narrow, high-volume half of your LLM traffic into a network of small models that you own.",
    epilog="Start here:  shoal new helpdesk && cd helpdesk && shoal train && shoal serve",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"shoal {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Options that every command shares."""


for command in (new, data, train, evaluate, predict, registry, serve, report, review, llm):
    command.register(app)


def main() -> None:
    """Run the command line; errors become one readable message and an exit code (1 gate, 2 input, 3 environment)."""
    # Spinning OpenMP threads starve each other on small machines: 2-15 times slower with one busy neighbour.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        app()
    except ShoalError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # The reader of our output has gone (`| head`): stop quietly, without a second error while flushing.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
