"""`shoal llm serve`: a larger model on this machine, for trying everything out without network."""

import signal
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from shoal.cli.project import cache_folder

_STOPPING = {signal.SIGINT, signal.SIGTERM}


def register(app: typer.Typer) -> None:
    """Add `llm serve`."""
    group = typer.Typer(
        help="A larger model on this machine.", no_args_is_help=True, epilog="Example: shoal llm serve --port 8081"
    )

    @group.callback()
    def _group() -> None:  # pyright: ignore[reportUnusedFunction]
        """Run a larger model on this machine."""

    @group.command()
    def serve(  # pyright: ignore[reportUnusedFunction]
        port: Annotated[int, typer.Option(help="Port on loopback; 0 takes a free one.", min=0, max=65535)] = 8081,
        threads: Annotated[int, typer.Option(help="CPU threads; no more than are idle.", min=1)] = 1,
        cache: Annotated[Path | None, typer.Option(help="Folder for the model file (0.25 GB).")] = None,
    ) -> None:
        """Serve Gemma 3 270M (a base model; Gemma's terms apply) by llama.cpp, OpenAI-compatible, until Ctrl-C.

        Example: shoal llm serve --port 8081
        """
        from shoal.llm.local import MODEL, LocalLLM

        def stop(_signal: int, _frame: object) -> None:
            raise KeyboardInterrupt

        signal.signal(signal.SIGTERM, stop)
        console = Console(highlight=False)
        try:
            with LocalLLM(cache or cache_folder(), port=port, threads=threads) as local:
                # Interrupted while it prints, rich would print the line again with the next one.
                signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPING)
                console.print(f"{MODEL} at {local.base_url} (Ctrl-C stops it)")
                signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPPING)
                signal.pause()
        except KeyboardInterrupt:
            console.print("stopped")

    app.add_typer(group, name="llm")
