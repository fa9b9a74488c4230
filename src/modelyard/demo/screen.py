"""What a person sees while the year passes: one live line, and each event as it happens."""

import time
from datetime import datetime
from types import TracebackType

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from .records import Event, Month, Summary

_STYLES = {
    "retraining": "cyan",
    "registered": "cyan",
    "canary": "yellow",
    "promoted": "bold green",
    "rolled_back": "bold red",
    "rejected": "magenta",
    "alert": "red",
    "resolved": "green",
}


class Screen:
    """The terminal. Talk goes to stderr; on a dumb terminal or in a file it is plain lines."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._progress = Progress(
            TextColumn("[bold]{task.fields[date]}"),
            BarColumn(bar_width=28),
            TextColumn("{task.fields[rate]:>5.0f} req/s"),
            TextColumn("live [bold]{task.fields[live]}[/]"),
            TextColumn("{task.fields[canary]}"),
            TextColumn("alerts [red]{task.fields[alerts]}[/]"),
            TextColumn("retrained {task.fields[retrained]}"),
            TimeElapsedColumn(),
            console=self._console,
        )
        self._task = self._progress.add_task(
            "year", total=1.0, date="", rate=0.0, live="-", canary="", alerts=0, retrained=0
        )
        self._mark = (time.monotonic(), 0)
        self._rate = 0.0

    def __enter__(self) -> "Screen":
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def say(self, text: str) -> None:
        """A line of talk."""
        self._console.print(text, highlight=False)

    def event(self, event: Event) -> None:
        """Something happened."""
        line = Text(f"{event.at[:16].replace('T', ' ')}  ", style="dim")
        line.append(f"{event.kind.replace('_', ' '):<12}", style=_STYLES.get(event.kind, ""))
        line.append(f" {event.detail}", style="default")
        self._console.print(line, highlight=False, soft_wrap=True)

    def advance(
        self, at: datetime, share: float, *, sent: int, live: str, canary: float, alerts: int, retrained: int
    ) -> None:
        """Show where the year is; `share` of it has passed and `sent` requests were answered."""
        now = time.monotonic()
        since, before = self._mark
        if now - since >= 0.5:
            self._rate = (sent - before) / (now - since)
            self._mark = (now, sent)
        self._progress.update(
            self._task,
            completed=share,
            date=at.strftime("%d %b %Y"),
            rate=self._rate,
            live=live,
            canary=f"canary [yellow]{canary:.0%}[/]" if canary else "",
            alerts=alerts,
            retrained=retrained,
        )


def show_summary(summary: Summary, console: Console) -> None:
    """The table by month, in 80 columns, and what it adds up to."""
    table = Table(
        title="Nine months, answered by the running server", title_style="bold", box=SIMPLE_HEAD, padding=(0, 1, 0, 0)
    )
    table.add_column("month")
    for heading in ("flights", "late", "AUC v1", "AUC loop", "gain"):
        table.add_column(heading, justify="right")
    table.add_column("live")
    for heading in ("drift", "alerts"):
        table.add_column(heading, justify="right")
    for name, month in summary.months.items():
        table.add_row(
            name, f"{month.n:,}", f"{month.base_rate:.3f}", _number(month.auc_static), _number(month.auc_loop),
            _gain(month), "→".join(month.versions), _drift(month), str(month.alerts),
        )  # fmt: skip
    console.print(table)
    console.print(
        "[dim]late: share of late flights · v1: never retrained · drift: features that failed[/]",
        highlight=False,
    )
    console.print(
        f"{summary.requests_sent:,} requests, {summary.requests_failed} failed, "
        f"{summary.predictions_logged:,} logged · "
        f"{summary.labels_joined:,} of {summary.labels_posted:,} truths joined\n"
        f"skew: {summary.skew_verdict}, {summary.skew_differing:,} of {summary.skew_compared:,} served otherwise than "
        f"training would see\n"
        f"retrained {summary.retrained}, promoted {summary.promoted}, rolled back {summary.rolled_back} · "
        f"p50 {summary.serve_p50_ms:.1f} ms, p99 {summary.serve_p99_ms:.1f} ms · {summary.wall_s:.0f} s",
        highlight=False,
    )


def _gain(month: Month) -> str:
    if month.auc_loop is None or month.auc_static is None:
        return "-"
    gain = month.auc_loop - month.auc_static
    return f"[{'green' if gain > 0 else 'red'}]{gain:+.3f}[/]"


def _drift(month: Month) -> str:
    return f"{month.drift_verdict} {count}" if (count := len(month.drifted_features)) else month.drift_verdict


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
