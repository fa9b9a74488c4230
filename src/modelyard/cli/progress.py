"""How a run goes, on stderr: lines that change on a terminal, plain ones elsewhere."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from modelyard.features import StreamPushed
    from modelyard.pipelines import PipelineRun, StepRecord
    from modelyard.scoring import Progress as Scored
    from modelyard.scoring import StreamScored

_COLOURS = {"done": "green", "failed": "red", "skipped": "dim", "cancelled": "yellow"}

Tell = Callable[[str], None]
"""Shows a line."""


def watched(command: click.Command) -> click.Command:
    """The command, with progress shown while it runs."""
    callback = command.callback

    def show(**values: Any) -> Any:
        from modelyard.operations import pipelines  # noqa: PLC0415 - `--help` must not pay for it

        assert callback is not None  # noqa: S101 - a derived command has one
        with pipelines.watching(Progress()):
            return callback(**values)

    command.callback = show
    return command


def counted(command: click.Command) -> click.Command:
    """The command, with the rows that are done shown on a terminal while a history is written."""

    def watching(tell: Tell) -> AbstractContextManager[None]:
        from modelyard.operations import features  # noqa: PLC0415 - `--help` must not pay for it

        return features.watching(lambda rows: tell(f"{rows:,} rows done"))

    return _with_status(command, "reading the sources", watching)


def streamed(command: click.Command) -> click.Command:
    """The command, with what has come through a stream, and what waits in it, shown on a terminal."""

    def watching(tell: Tell) -> AbstractContextManager[None]:
        from modelyard.operations import feature_streams  # noqa: PLC0415 - `--help` must not pay for it

        return feature_streams.watching(lambda done: tell(_how_much(f"{done.rows:,} rows", done)))

    return _with_status(command, "waiting for messages", watching)


def scored(command: click.Command) -> click.Command:
    """The command, with the rows that are done, rows a second and the time that is left shown on a terminal."""

    def watching(tell: Tell) -> AbstractContextManager[None]:
        from modelyard.operations import scoring  # noqa: PLC0415 - `--help` must not pay for it

        return scoring.watching(lambda done: tell(_how_far(done)))

    return _with_status(command, "looking at the input", watching)


def answered(command: click.Command) -> click.Command:
    """The command, with the messages that are answered, and those that wait, shown on a terminal."""

    def watching(tell: Tell) -> AbstractContextManager[None]:
        from modelyard.operations import scoring_streams  # noqa: PLC0415 - `--help` must not pay for it

        return scoring_streams.watching(lambda done: tell(_how_much(f"{done.answered:,} answered", done)))

    return _with_status(command, "waiting for messages", watching)


def verified(command: click.Command) -> click.Command:
    """The command, with the entries that are checked shown on a terminal."""

    def watching(tell: Tell) -> AbstractContextManager[None]:
        from modelyard.operations import audits  # noqa: PLC0415 - `--help` must not pay for it

        return audits.watching(lambda done, end: tell(f"{done:,} of {end:,} entries checked"))

    return _with_status(command, "reading the record", watching)


def _with_status(
    command: click.Command, first: str, watching: Callable[[Tell], AbstractContextManager[None]]
) -> click.Command:
    """The command, with a line on a terminal that begins with `first` and changes with what `watching` tells."""
    callback = command.callback

    def show(**values: Any) -> Any:
        assert callback is not None  # noqa: S101 - a derived command has one
        status = Console(stderr=True, highlight=False).status(first)
        with status, watching(status.update):
            return callback(**values)

    command.callback = show
    return command


def _how_much(taken: str, done: "StreamPushed | StreamScored") -> str:
    refused = f", {done.refused:,} dead letters" if done.refused else ""
    return f"{taken}{refused}, {done.left.waiting:,} messages behind"


def _how_far(done: "Scored") -> str:
    rows = done.rows + done.resumed
    share = f" of {done.expected:,} ({rows / done.expected:.0%})" if done.expected else ""
    left = "" if done.left_s is None else f", {done.left_s:,.0f} s left"
    return f"{rows:,} rows{share}, {done.rate:,.0f} rows/s{left}"


class Progress:
    """An observer of runs that tells a person: each step's state and seconds, and whether it came from the cache."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._live: Live | None = None
        self._running: dict[str, Spinner] = {}

    def run_started(self, run: "PipelineRun") -> None:
        """Say which run it is."""
        kept = f", {len(run.steps)} steps done before" if run.steps else ""
        self._console.print(f"Run {run.id} of {run.pipeline}{kept}")
        if self._console.is_terminal:
            self._live = Live(console=self._console, transient=True, refresh_per_second=8)
            self._live.start()

    def step_started(self, _run: "PipelineRun", step: "StepRecord") -> None:
        """Show that it runs."""
        again = f" (try {step.attempts})" if step.attempts > 1 else ""
        self._running[step.name] = Spinner("dots", Text(f"{step.name}{again}"))
        self._refresh()

    def step_ended(self, _run: "PipelineRun", step: "StepRecord") -> None:
        """Say how it ended."""
        self._running.pop(step.name, None)
        state = "cached" if step.cached else step.state
        line = Text.assemble((f"{state:<9}", _COLOURS.get(step.state, "")), f" {step.name}")
        if step.seconds:
            line.append(f"  {step.seconds:.2f} s", "dim")
        if step.detail:
            line.append(f"  {step.detail}")
        self._console.print(line, soft_wrap=True)
        self._refresh()

    def run_ended(self, run: "PipelineRun") -> None:
        """Say how to go on with what is not done."""
        if self._live is not None:
            self._live.stop()
        if run.state == "interrupted":
            self._console.print(f"Go on with it: modelyard pipeline resume {run.id}")

    def environment_for(self, _run: "PipelineRun", _step: "StepRecord") -> Mapping[str, str]:
        """It needs none."""
        return {}

    def _refresh(self) -> None:
        if self._live is None:
            return
        grid = Table.grid()
        for each in self._running.values():
            grid.add_row(each)
        self._live.update(grid)
