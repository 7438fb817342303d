"""Progress of long work: bars on a terminal, silence when the output is piped."""

from collections.abc import Generator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn


class Bars:
    """Shows each stage of a training as one bar; callable as `progress(stage, done, total)`."""

    def __init__(self, progress: Progress, title: str) -> None:
        self._progress = progress
        self._title = title
        self._stages: dict[str, TaskID] = {}

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Move the bar of `stage` to `done` of `total`."""
        if stage not in self._stages:
            self._stages[stage] = self._progress.add_task(f"[bold]{self._title}[/]  {stage}", total=total)
        self._progress.update(self._stages[stage], completed=done, total=total)


@contextmanager
def progress_bars(title: str) -> Generator[Bars]:
    """Bars on standard error while the block runs; nothing is shown when standard error is not a terminal."""
    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield Bars(progress, title)
