"""`shoal predict`: answers for texts from the shell, from a file, or from standard input."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shoal.cli import blas
from shoal.cli.project import PROJECT, open_specialist
from shoal.errors import EnvironmentProblem, InputError

if TYPE_CHECKING:
    from shoal.models import Model

_CHUNK = 8192


def register(app: typer.Typer) -> None:
    """Add `predict`."""

    @app.command()
    def predict(  # pyright: ignore[reportUnusedFunction]
        target: Annotated[str, typer.Argument(help="A model folder, or the name of a specialist of the project.")],
        texts: Annotated[list[str] | None, typer.Argument(help="Texts; none and no --input reads lines.")] = None,
        input_file: Annotated[
            Path | None, typer.Option("--input", help="CSV, JSON Lines or Parquet with a text column.")
        ] = None,
        output: Annotated[Path | None, typer.Option(help="JSON Lines to write; standard output if not given.")] = None,
        column: Annotated[str, typer.Option(help="Name of the text column of --input.")] = "text",
        project: Annotated[Path, PROJECT] = Path("shoal.toml"),
    ) -> None:
        """Label texts: one JSON object a line, in the order of the texts.

        Example: shoal predict intent "where is my refund?"
        """
        blas.one_thread()
        specialist = open_specialist(target, project)
        rows = _rows(texts or [], input_file, column)
        if output is None:
            for line in _answers(specialist, rows):
                sys.stdout.buffer.write(f"{line}\n".encode())  # JSON Lines are UTF-8, whatever the locale
            sys.stdout.buffer.flush()
            return
        _write(output, _answers(specialist, rows))


def _rows(texts: list[str], input_file: Path | None, column: str) -> list[str]:
    if input_file is not None:
        if texts:
            raise InputError("give texts or --input, not both.")
        from shoal import data

        return data.read(input_file, text=column, label=None).texts
    if texts:
        # What is not of the locale's encoding comes as lone surrogates, which no JSON can carry.
        return [text.encode(errors="surrogateescape").decode(errors="replace") for text in texts]
    if sys.stdin.isatty():
        raise InputError(
            'no texts: give some as arguments ("where is my refund?"), by --input FILE, or as lines of standard input.'
        )
    return list(_lines(sys.stdin.buffer))


def _lines(source: Iterable[bytes]) -> Iterator[str]:
    """Decode lines of UTF-8."""
    for number, line in enumerate(source, start=1):
        try:
            yield line.decode().rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise InputError(
                f"line {number} of standard input is not UTF-8 (byte {error.start + 1} of it is "
                f"{line[error.start]:#x}). Convert it, such as by: iconv -f LATIN1 -t UTF-8"
            ) from error


def _answers(specialist: "Model", texts: Sequence[str]) -> Iterator[str]:
    import msgspec

    for start in range(0, len(texts), _CHUNK):
        chunk = texts[start : start + _CHUNK]
        for text, prediction in zip(chunk, specialist.predict(chunk), strict=True):
            yield msgspec.json.encode({"text": text, **msgspec.to_builtins(prediction)}).decode()


def _write(output: Path, lines: Iterator[str]) -> None:
    """Write aside, then rename: a reader of `output` never sees half of it."""
    partial = output.with_name(f".{output.name}.partial")
    try:
        with partial.open("w", encoding="utf-8") as file:
            count = sum(file.write(line + "\n") > 0 for line in lines)
        partial.replace(output)
    except OSError as error:
        raise EnvironmentProblem(f"cannot write {output}: {error.strerror}.") from error
    finally:
        partial.unlink(missing_ok=True)
    print(f"{count:,} answers written to {output}", file=sys.stderr)
