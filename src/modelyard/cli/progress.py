"""How a run goes, on stderr: lines that change on a terminal, plain ones elsewhere."""

from collections.abc import Mapping
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
    callback = command.callback

    def show(**values: Any) -> Any:
        from modelyard.operations import features  # noqa: PLC0415 - `--help` must not pay for it

        assert callback is not None  # noqa: S101 - a derived command has one
        console = Console(stderr=True, highlight=False)
        status = console.status("reading the sources")
        with status, features.watching(lambda rows: status.update(f"{rows:,} rows done")):
            return callback(**values)

    command.callback = show
    return command


def streamed(command: click.Command) -> click.Command:
    """The command, with what has come through a stream, and what waits in it, shown on a terminal."""
    callback = command.callback

    def show(**values: Any) -> Any:
        from modelyard.operations import feature_streams  # noqa: PLC0415 - `--help` must not pay for it

        assert callback is not None  # noqa: S101 - a derived command has one
        status = Console(stderr=True, highlight=False).status("waiting for messages")

        def tell(done: "StreamPushed") -> None:
            refused = f", {done.refused:,} dead letters" if done.refused else ""
            status.update(f"{done.rows:,} rows{refused}, {done.waiting:,} messages behind")

        with status, feature_streams.watching(tell):
            return callback(**values)

    command.callback = show
    return command


def scored(command: click.Command) -> click.Command:
    """The command, with the rows that are done, rows a second and the time that is left shown on a terminal."""
    callback = command.callback

    def show(**values: Any) -> Any:
        from modelyard.operations import scoring  # noqa: PLC0415 - `--help` must not pay for it

        assert callback is not None  # noqa: S101 - a derived command has one
        status = Console(stderr=True, highlight=False).status("looking at the input")

        def tell(done: "Scored") -> None:
            status.update(_how_far(done))

        with status, scoring.watching(tell):
            return callback(**values)

    command.callback = show
    return command


def answered(command: click.Command) -> click.Command:
    """The command, with the messages that are answered, and those that wait, shown on a terminal."""
    callback = command.callback

    def show(**values: Any) -> Any:
        from modelyard.operations import scoring_streams  # noqa: PLC0415 - `--help` must not pay for it

        assert callback is not None  # noqa: S101 - a derived command has one
        status = Console(stderr=True, highlight=False).status("waiting for messages")

        def tell(done: "StreamScored") -> None:
            refused = f", {done.refused:,} dead letters" if done.refused else ""
            status.update(f"{done.answered:,} answered{refused}, {done.waiting:,} messages behind")

        with status, scoring_streams.watching(tell):
            return callback(**values)

    command.callback = show
    return command


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
