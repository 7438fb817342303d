"""`shoal review`: a contract, a policy, terms of service: read whole, judged passage by passage."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from shoal.cli import blas
from shoal.cli.project import PROJECT, open_specialist
from shoal.cli.report import review_label, review_list
from shoal.errors import EnvironmentProblem, InputError, NotFoundError

if TYPE_CHECKING:
    from shoal.config import Project, SpecialistConfig
    from shoal.documents import Document
    from shoal.review import Review, Severity

Format = Literal["json", "markdown", "html"]
FailOn = Literal["high", "medium", "low"]

_SUFFIXES: dict[str, Format] = {".json": "json", ".md": "markdown", ".markdown": "markdown", ".html": "html"}
_SPECIALIST = "A model folder, or a specialist of the project (name, name@v2); the only one if not given."
_FORMAT = "What is written; by the suffix of --out if not given, else markdown."
_ESCALATE = "Ask the LLM that `escalate` of the specialist's table names about the doubts."
_NOTHING = "A label of a classification that is no finding; none, other and the out-of-scope label if not given."


class _Group(TyperGroup):
    """Takes what is none of its commands for a document: `shoal review terms.pdf` is `shoal review file terms.pdf`."""

    default = "file"

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the command in where it is left out."""
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = [self.default, *args]
        return super().parse_args(ctx, args)


def register(app: typer.Typer) -> None:
    """Add `review`: of a document, and the list of what waits for a person."""
    group = typer.Typer(
        cls=_Group,
        no_args_is_help=True,
        help="A document's findings; what waits for a person.",
        epilog="Example: shoal review terms.pdf --out review.html      or: shoal review list --limit 5",
    )
    group.command("file")(review_file)
    group.command("list")(review_list)
    group.command("label")(review_label)
    app.add_typer(group, name="review")


def review_file(
    file: Annotated[Path, typer.Argument(help="Text, Markdown, HTML, PDF or DOCX.", show_default=False)],
    specialist: Annotated[str | None, typer.Option(help=_SPECIALIST)] = None,
    form: Annotated[Format | None, typer.Option("--format", help=_FORMAT)] = None,
    out: Annotated[Path | None, typer.Option(help="File to write; standard output if not given.")] = None,
    fail_on: Annotated[FailOn | None, typer.Option(help="Exit code 1 on findings as severe as that.")] = None,
    severity: Annotated[list[str] | None, typer.Option(help="LABEL=high, medium or low.")] = None,
    nothing: Annotated[list[str] | None, typer.Option(help=_NOTHING)] = None,
    escalate: Annotated[bool, typer.Option("--escalate", help=_ESCALATE)] = False,
    sentences: Annotated[bool, typer.Option("--sentences", help="Judge every sentence by itself.")] = False,
    project: Annotated[Path, PROJECT] = Path("shoal.toml"),
) -> None:
    """Review a document: findings with their exact words, and what is to be looked at. `file` may be left out.

    Example: shoal review terms.pdf --out review.html --fail-on high
    """
    import msgspec

    from shoal import documents
    from shoal.review import review

    blas.one_thread()
    chosen = _format(form, out)
    document = documents.read(file, longest=0 if sentences else documents.LONGEST)
    target, table = _specialist(specialist, project)
    asked = _route(target, table, project) if escalate else None
    found = review(
        document,
        open_specialist(target, project),
        severities={**(table.severities if table else {}), **_severities(severity or [])},
        nothing=set(nothing) if nothing else None,
    )
    found = msgspec.structs.replace(found, version=_version(target, project))
    if asked is not None and table is not None and found.doubts:
        found = _settled(found, asked, project, table)
    _write(_rendered(document, found, chosen), out, found)
    if fail_on is not None and _as_severe(found, fail_on):
        print(f"{file}: findings of severity {fail_on} or above; see the review.", file=sys.stderr)
        raise typer.Exit(1)


def _format(form: Format | None, out: Path | None) -> Format:
    if form is not None or out is None:
        return form or "markdown"
    if out.suffix.lower() not in _SUFFIXES:
        raise InputError(f"--out {out}: its suffix names no format; end it in .html, .md or .json, or give --format.")
    return _SUFFIXES[out.suffix.lower()]


def _specialist(target: str | None, path: Path) -> "tuple[str, SpecialistConfig | None]":
    """Find who judges, and its table in shoal.toml if it has one."""
    from shoal import config

    if target is not None and (Path(target).is_dir() or not path.is_file()):
        return target, None  # what is neither is told when it is opened
    if not path.is_file():
        raise NotFoundError(
            f"no --specialist is given, and there is no project at {path}. Name a model folder, or call from the "
            "project's folder."
        )
    project = config.load(path)
    name = target.partition("@")[0] if target is not None else _only(project, path)
    return target or name, project.specialists.get(name)


def _version(target: str, path: Path) -> str | None:
    """Tell which version of the registry answered; None for a model folder."""
    from shoal import config
    from shoal.registry import Registry

    if Path(target).is_dir():
        return None
    name, _, reference = target.partition("@")
    return Registry(config.load(path).registry).resolve(name, reference or "champion").version


def _only(project: "Project", path: Path) -> str:
    """Name the one specialist whose answers are labels."""
    names = [name for name, one in project.specialists.items() if one.task in ("classification", "multilabel")]
    if len(names) != 1:
        raise InputError(
            f"{path} has {len(names)} specialists that could review{': ' if names else ''}{', '.join(names)}. "
            "Name one by --specialist."
        )
    return names[0]


def _route(target: str, table: "SpecialistConfig | None", path: Path) -> str:
    """Name the LLM that is asked about doubts, if it may be.

    Raises:
        InputError: the specialist escalates to none, or its texts may not leave.
    """
    from shoal import config
    from shoal.routing import route_of

    if table is None:
        raise InputError(f"--escalate: {target} has no table in {path} that would name an LLM by `escalate`.")
    route = route_of(target, table, config.load(path).llms)
    if route.llm is None:
        raise InputError(f"--escalate: {target} has escalate = {table.escalate!r} in {path}; name an LLM there.")
    if route.barred is not None:
        raise InputError(
            f"--escalate: {target} has egress = {table.egress!r}, and the LLM {route.llm!r} is external: nothing is "
            "sent to it."
        )
    return route.llm


def _settled(review: "Review", name: str, path: Path, table: "SpecialistConfig") -> "Review":
    """Ask the larger model about all doubts; says on standard error what came of it."""
    import asyncio

    from shoal import config
    from shoal.cli.endpoint import endpoint_of
    from shoal.review import settle
    from shoal.review.second_opinion import SecondOpinion, second_opinion

    llm = config.load(path).llms[name]
    endpoint = endpoint_of(name, llm)

    async def ask() -> SecondOpinion:
        try:
            return await second_opinion(review, endpoint, descriptions=table.descriptions, style=llm.style)
        finally:
            await endpoint.close()

    said = asyncio.run(ask())
    confirmed = sum(said.answers.values())
    print(
        f"{name} was asked about {len(review.doubts):,} doubts: {confirmed:,} confirmed, "
        f"{len(said.answers) - confirmed:,} cleared; {said.usage.input_tokens:,} tokens in, "
        f"{said.usage.output_tokens:,} out.",
        file=sys.stderr,
    )
    if said.problems:
        print(
            f"warning: {len(said.problems):,} of them got no answer and stay doubts: {said.problems[0].message}",
            file=sys.stderr,
        )
    return settle(review, said.answers, by=name)


def _severities(given: list[str]) -> "dict[str, Severity]":
    found: dict[str, Any] = {}
    for one in given:
        label, sign, value = one.rpartition("=")
        if not sign or value not in ("high", "medium", "low"):
            raise InputError(f"--severity {one!r}: write LABEL=high, LABEL=medium or LABEL=low.")
        found[label] = value
    return found


def _rendered(document: "Document", review: "Review", form: Format) -> str:
    if form == "json":
        import msgspec

        return msgspec.json.format(msgspec.json.encode(review), indent=1).decode() + "\n"
    from shoal.report import review_html, review_markdown

    return review_html(document, review) if form == "html" else review_markdown(review)


def _write(text: str, out: Path | None, review: "Review") -> None:
    from shoal.report import review_summary

    # What was read may hold half a surrogate pair, which no file can.
    content = text.encode(errors="replace")
    if out is None:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return
    partial = out.with_name(f".{out.name}.partial")
    try:
        partial.write_bytes(content)
        partial.replace(out)
    except OSError as error:
        raise EnvironmentProblem(f"cannot write {out}: {error.strerror or error}.") from error
    finally:
        partial.unlink(missing_ok=True)
    print(f"{review_summary(review)} Written to {out}.", file=sys.stderr)


def _as_severe(review: "Review", least: FailOn) -> bool:
    from shoal.review import SEVERITIES

    worst = review.worst()
    return worst is not None and SEVERITIES.index(worst) <= SEVERITIES.index(least)
