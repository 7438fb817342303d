"""`shoal predict`: answers for texts from the shell, from a file, or from standard input."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, cast

import typer

from shoal.cli import blas
from shoal.cli.project import PROJECT, open_specialist
from shoal.errors import EnvironmentProblem, InputError

if TYPE_CHECKING:
    from shoal.models import Model
    from shoal.models.summarizer import Summarizer
    from shoal.tasks import Budget, Prediction

_CHUNK = 8192
_QUERY = "Of a summary: what it is to be about; blank is everything."
_QUERY_COLUMN = "Column of --input with queries; the project's if not given."


class _Row(NamedTuple):
    """A text, and what its summary is to be about."""

    text: str
    query: str | None = None


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
        query: Annotated[str | None, typer.Option(help=_QUERY)] = None,
        query_column: Annotated[str | None, typer.Option(help=_QUERY_COLUMN)] = None,
        sentences: Annotated[int | None, typer.Option(help="Of a summary: at most so many, or turns.", min=1)] = None,
        words: Annotated[int | None, typer.Option(help="Of a summary: at most so many.", min=1)] = None,
        project: Annotated[Path, PROJECT] = Path("shoal.toml"),
    ) -> None:
        """Label texts: one JSON object a line, in the order of the texts.

        Example: shoal predict intent "where is my refund?"
        """
        blas.one_thread()
        specialist = open_specialist(target, project)
        given = {"query": query, "query-column": query_column, "sentences": sentences, "words": words}
        _check(specialist, target, given, from_file=input_file is not None)
        if query_column is None and query is None and specialist.task.kind == "summarization":
            query_column = _query_column(target, project)
        rows = _rows(texts or [], input_file, column, query_column)
        if query is not None:
            rows = [_Row(row.text, _clean(query)) for row in rows]
        lines = _answers(specialist, rows, _budget(sentences, words))
        if output is None:
            for line in lines:
                sys.stdout.buffer.write(f"{line}\n".encode())  # JSON Lines are UTF-8, whatever the locale
            sys.stdout.buffer.flush()
            return
        _write(output, lines)


def _check(specialist: "Model", target: str, given: dict[str, Any], *, from_file: bool) -> None:
    """Refuse what is of a summary where there is none, and what is said twice."""
    named = [name for name, value in given.items() if value is not None]
    if named and specialist.task.kind != "summarization":
        raise InputError(
            f"--{named[0]} is for the task 'summarization'; {target} has the task {specialist.task.kind!r}."
        )
    for one, other in (("query", "query-column"), ("sentences", "words")):
        if one in named and other in named:
            raise InputError(f"give --{one} or --{other}, not both.")
    if "query-column" in named and not from_file:
        raise InputError("--query-column goes with --input FILE; for other texts give --query.")


def _query_column(target: str, project: Path) -> str | None:
    """Name the column of queries that the project's table of the specialist knows."""
    if Path(target).is_dir():
        return None
    from shoal import config

    table = config.load(project).specialists.get(target.partition("@")[0])
    return table.query if table else None


def _budget(sentences: int | None, words: int | None) -> "Budget | None":
    from shoal.tasks import Budget

    return None if sentences is None and words is None else Budget(sentences=sentences, words=words)


def _clean(argument: str) -> str:
    """Replace what is not of the locale's encoding: it comes as lone surrogates, which no JSON can carry."""
    return argument.encode(errors="surrogateescape").decode(errors="replace")


def _rows(texts: list[str], input_file: Path | None, column: str, query_column: str | None) -> list[_Row]:
    if input_file is not None:
        if texts:
            raise InputError("give texts or --input, not both.")
        from shoal import data

        read = data.read(input_file, text=column, label=None, query=query_column)
        return [_Row(row.text, row.query) for row in read.rows]
    if texts:
        return [_Row(_clean(text)) for text in texts]
    if sys.stdin.isatty():
        raise InputError(
            'no texts: give some as arguments ("where is my refund?"), by --input FILE, or as lines of standard input.'
        )
    return [_Row(line) for line in _lines(sys.stdin.buffer)]


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


def _answers(specialist: "Model", rows: Sequence[_Row], budget: "Budget | None") -> Iterator[str]:
    import msgspec

    for start in range(0, len(rows), _CHUNK):
        chunk = rows[start : start + _CHUNK]
        for row, prediction in zip(chunk, _predicted(specialist, chunk, budget), strict=True):
            asked = {"text": row.text} if row.query is None else row._asdict()
            yield msgspec.json.encode({**asked, **msgspec.to_builtins(prediction)}).decode()


def _predicted(specialist: "Model", rows: Sequence[_Row], budget: "Budget | None") -> "Sequence[Prediction]":
    texts = [row.text for row in rows]
    if specialist.task.kind != "summarization":
        return specialist.predict(texts)
    summarizer = cast("Summarizer", specialist)
    return summarizer.predict(texts, [row.query for row in rows], budget)


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
