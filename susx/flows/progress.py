"""Progress on the terminal (rich) and, where a Prefect server is used, as an artifact of the run."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as RichProgress

from susx.activity import Advance, doing
from susx.flows.connection import shared_server_url
from susx.pipeline.run_record import StageRecord
from susx.pipeline.stage import Stage

__all__ = ["Progress", "bar"]

_PAUSE = 5.0
"""Least seconds between two updates of a progress artifact: each is a request to the server."""


class Progress:
    """What is being done: one bar per stage in a terminal, one line per stage as it ends elsewhere.

    Attributes:
        console: where it is shown; None shows nothing.
        stages: names of the stages of the build in order, so that people see how much is left.
    """

    def __init__(self, console: Console | None = None, stages: Sequence[str] = ()) -> None:
        self.console = console
        self.stages = list(stages)

    def __reduce__(self) -> tuple[type[Progress], tuple[()]]:
        """Stay behind when a flow is sent to workers: a console holds locks, and theirs is not this one."""
        return Progress, ()

    def say(self, text: str) -> None:
        """Print a line beside the bars."""
        if self.console is not None:
            self.console.print(text, style="yellow", markup=False, soft_wrap=True)

    @contextlib.contextmanager
    def doing(self, text: str) -> Iterator[None]:
        """Show what is being done outside of all stages."""
        if self.console is None or not self.console.is_terminal:
            with doing(text):
                yield
        else:
            with doing(text, shown=True), self.console.status(text):
                yield

    @contextlib.contextmanager
    def stage(self, stage: Stage, total: int, *, cached: bool = False) -> Iterator[Advance]:
        """Show progress of ``total`` jobs of a stage; call the given function with the number of jobs done."""
        with contextlib.ExitStack() as stack:
            terminal = self.console is not None and self.console.is_terminal
            shown = [stack.enter_context(doing(self._place(stage) + stage.title, total, shown=terminal))]
            if self.console is not None and self.console.is_terminal:
                shown.append(stack.enter_context(bar(self.console, self._place(stage) + stage.title, total)))
            if not cached and (stage.device or stage.network):
                shown.append(stack.enter_context(_artifact(stage, total)))

            def advance(done: int) -> None:
                for show in shown:
                    show(done)

            yield advance

    def ended(self, stage: Stage, record: StageRecord) -> None:
        """Say what a stage did, where no bar was seen."""
        if self.console is not None and not self.console.is_terminal:
            counts = ", ".join(f"{n} {word}" for word in ("computed", "cached") if (n := record.count(word)))
            text = f"{self._place(stage)}{stage.title}: {counts or 'failed'}, {record.seconds:.1f} s"
            self.console.print(text, markup=False, soft_wrap=True)

    def _place(self, stage: Stage) -> str:
        if stage.name not in self.stages:
            return ""
        return f"[{self.stages.index(stage.name) + 1}/{len(self.stages)}] "


@contextlib.contextmanager
def bar(console: Console, title: str, total: int) -> Iterator[Advance]:
    """Show a bar in a terminal; call the given function with the number of things done."""
    columns = (
        SpinnerColumn(), TextColumn("{task.description:<34}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    )  # fmt: skip
    seen = console.is_terminal
    with (
        doing(title, total, shown=seen) as tell,
        RichProgress(*columns, console=console, transient=True) as bars,
    ):
        bar = bars.add_task(escape(title), total=total)

        def advance(done: int) -> None:
            tell(done)
            bars.advance(bar, done)

        yield advance


@contextlib.contextmanager
def _artifact(stage: Stage, total: int) -> Iterator[Advance]:
    """Publish a progress artifact. Nobody can look at a temporary server's, so there is none there."""
    from prefect.artifacts import create_progress_artifact, update_progress_artifact

    if shared_server_url() is None:
        yield lambda done: None
        return
    artifact: Any = create_progress_artifact(
        0.0, key=f"susx-progress-{stage.name}", description=stage.title, _sync=True  # type: ignore[call-arg]
    )  # fmt: skip
    finished, last = 0, time.monotonic()

    def advance(done: int) -> None:
        nonlocal finished, last
        finished += done
        if finished >= total or time.monotonic() - last >= _PAUSE:
            last = time.monotonic()
            update_progress_artifact(artifact, 100.0 * finished / total, _sync=True)  # type: ignore[call-arg]

    yield advance
