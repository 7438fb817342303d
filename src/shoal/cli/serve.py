"""`shoal serve`: the gateway, for model folders or for a whole project."""

import errno
import gc
import ipaddress
import logging
import signal
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from shoal.cli import blas
from shoal.cli.endpoint import endpoint_of
from shoal.cli.project import PROJECT, read_rows
from shoal.errors import EnvironmentProblem, InputError

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from shoal.config import LLMConfig, Project, SpecialistConfig
    from shoal.documents import Document
    from shoal.gateway import LLM, Desk, Plan
    from shoal.llm import ExampleIndex
    from shoal.review import Review
    from shoal.serving import Resident

_BACKLOG = 2048
_DRAIN_S = 10
_FOLDERS = typer.Argument(help="Model folders, served under their names; none serves the project.")
_KEEP_ALIVE_S = 75  # longer than the idle time of common load balancers and clients, which then close first


def register(app: typer.Typer) -> None:
    """Add `serve`."""

    @app.command()
    def serve(  # pyright: ignore[reportUnusedFunction]
        folders: Annotated[list[Path] | None, _FOLDERS] = None,
        project: Annotated[Path, PROJECT] = Path("shoal.toml"),
        host: Annotated[str | None, typer.Option(help="Address to listen on; 127.0.0.1 if not given.")] = None,
        port: Annotated[
            int | None, typer.Option(help="0 takes a free one; 8000 if not given.", min=0, max=65535)
        ] = None,
    ) -> None:
        """Serve specialists, and larger models for their doubts, behind one OpenAI-compatible address.

        Example: shoal serve      or: shoal serve models/intent --port 8080
        """
        blas.one_thread()
        from shoal.gateway import create_app

        logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
        logging.getLogger("shoal").setLevel(logging.INFO)
        console = Console(highlight=False, soft_wrap=True)
        desk, (default_host, default_port) = _of_folders(folders) if folders else _of_project(project, console)
        application = create_app(desk, drain_s=_DRAIN_S)
        listener = _listen(host or default_host, default_port if port is None else port)
        _say(console, desk, listener)
        try:
            _run(application, listener)
        finally:
            console.print("stopped")


def _of_folders(folders: list[Path]) -> "tuple[Desk, tuple[str, int]]":
    from shoal.gateway import Desk
    from shoal.serving import Engine

    engine = Engine()
    for folder in folders:
        engine.add_folder(folder)
    return Desk(engine, review_page=_review_page), ("127.0.0.1", 8000)


def _of_project(path: Path, console: Console) -> "tuple[Desk, tuple[str, int]]":
    from shoal import config
    from shoal.gateway import Desk
    from shoal.ledger import Ledger
    from shoal.meter import EnergyMeter
    from shoal.registry import Registry
    from shoal.serving import Engine, Limits

    if not path.is_file():
        raise InputError(f"there is no project at {path}. Give model folders (shoal serve models/intent) or --project.")
    project = config.load(path)
    serve = project.serve
    if serve.max_inputs > serve.queue_items:
        raise InputError(
            f"{path}: [serve] max_inputs is {serve.max_inputs} and queue_items {serve.queue_items}: a request of the "
            "full size could never be taken. Raise queue_items or lower max_inputs."
        )
    llms = {name: _llm(name, llm) for name, llm in project.llms.items()}
    engine = Engine(limits=Limits(queue_items=serve.queue_items))
    engine.follow(Registry(project.registry))
    if not len(engine) and not llms:
        raise InputError(f"{path}: nothing to serve: no specialist has a champion, no LLM is named. Run `shoal train`.")
    desk = Desk(
        engine=engine,
        llms=llms,
        plans={name: _plan(name, project, llms, console) for name in project.specialists},
        ledger=Ledger(project.ledger.url, text=project.ledger.text),
        energy=EnergyMeter(watts_per_core=project.energy.watts_per_core),
        max_body_bytes=serve.max_body_bytes,
        max_inputs=serve.max_inputs,
        review_page=_review_page,
    )
    return desk, (serve.host, serve.port)


def _llm(name: str, config: "LLMConfig") -> "LLM":
    from shoal.gateway import LLM
    from shoal.meter import Price

    endpoint = endpoint_of(name, config)
    return LLM(endpoint, Price(config.price.input, config.price.output) if config.price else None)


def _plan(name: str, project: "Project", llms: "Mapping[str, LLM]", console: Console) -> "Plan":
    from shoal.gateway import Plan, default_llm
    from shoal.llm import Labelling
    from shoal.routing import route_of

    config = project.specialists[name]
    route = route_of(name, config, project.llms)
    if route.barred is not None:
        why = "; nothing here can redact yet" if config.egress == "redact" else ""
        console.print(
            f"[yellow]warning:[/] the doubts of {name} wait for a person: its egress is {config.egress!r} and the LLM "
            f"{route.llm!r} is external{why}"
        )
    asked = route.llm is not None and route.barred is None
    labelling = Labelling(
        labels=(),  # those of the version that serves
        descriptions=config.descriptions,
        instructions=config.instructions,
        examples=_examples(config) if asked else None,
        style=project.llms[route.llm].style if route.llm else "chat",
    )
    instead = llms[route.llm] if route.llm else default_llm(llms)
    return Plan(route, labelling, instead=instead, severities=config.severities)


def _review_page(document: "Document", review: "Review") -> str:
    from shoal.report import review_html

    return review_html(document, review)


def _examples(config: "SpecialistConfig") -> "ExampleIndex | None":
    """Index the rows that the specialist learns from, to be shown to the larger model; never those it is tested on."""
    from shoal import data
    from shoal.llm import ExampleIndex

    rows = read_rows(config)
    if rows is None:
        return None
    train = data.split(rows, seed=config.seed, drop_leaks=True).part("train")
    return ExampleIndex(zip(train.texts, train.targets, strict=True))


def _listen(host: str, port: int) -> socket.socket:
    """Take the port, so that whoever has it already is noticed before anything else is said."""
    listener: socket.socket | None = None
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
        return listener
    except OSError as error:
        if listener is not None:
            listener.close()
        if error.errno == errno.EADDRINUSE:
            reason = "is in use. Stop the program that has it, or take another: --port N (0 takes a free one)"
        else:
            reason = f"cannot be opened: {error.strerror or error}"
        raise EnvironmentProblem(f"port {port} on {host} {reason}.") from error


def _say(console: Console, desk: "Desk", listener: socket.socket) -> None:
    host, port = listener.getsockname()[:2]
    base = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    if not ipaddress.ip_address(host).is_loopback:
        console.print(
            f"[yellow]warning:[/] {host} can be reached from the network, and there is no authentication yet: whoever "
            "reaches it can ask the specialists and spend on the LLMs. Put it behind a proxy that checks callers."
        )
    console.print(f"serving on {base}/v1  (documentation {base}/docs, health {base}/health, metrics {base}/metrics)")
    for resident in desk.engine:
        route = desk.plan(resident.name).route
        doubts = {"review": "wait for review", "none": "stay unanswered"}[route.fallback]
        if route.llm and route.barred is None:
            doubts = f"go to {route.llm}"
        console.print(f"  shoal/{escape(resident.name)} {resident.version}: {_asked(resident)}; doubts {doubts}")
        if not resident.certified:
            console.print(
                f"  [yellow]warning:[/] {escape(resident.name)} keeps nothing: no certificate. Every text is a doubt; "
                f"its report says why, `gate = {{ certified = true }}` keeps such versions from being served."
            )
    served = {resident.name for resident in desk.engine}
    for name in (name for name in desk.plans if name not in served):
        console.print(
            f"  [yellow]not served yet:[/] {escape(name)} has no champion; make one: shoal train {escape(name)}"
        )
    for name, llm in desk.llms.items():
        console.print(f"  {escape(llm.endpoint.model)}: passed through to {name}")


def _run(app: "ASGIApp", listener: socket.socket) -> None:
    import uvicorn

    from shoal.cli.connection import JoiningProtocol

    def leave(_signal: int, _frame: object) -> None:
        raise SystemExit(0)

    # The server drains on these two and then raises them again: the second time they shall end the process quietly.
    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGINT, leave)
    # What is loaded stays: the collector need not look at it again and again while requests wait.
    gc.collect()
    gc.freeze()
    config = uvicorn.Config(
        app,
        http=JoiningProtocol,
        loop="uvloop",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # nobody looks at the client's address
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=_DRAIN_S,
        backlog=_BACKLOG,
    )
    uvicorn.Server(config).run(sockets=[listener])


def _asked(resident: "Resident") -> str:
    """Say in a few words what is asked of a specialist."""
    task = resident.specialist.task
    if task.kind == "classification":
        return f"{len(task.labels)} labels"
    if task.kind == "multilabel":
        return f"any of {len(task.labels)} labels"
    return task.kind
