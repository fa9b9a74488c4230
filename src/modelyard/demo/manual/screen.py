"""What a person sees at the end: the promises, and a few answers."""

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from .records import ManualSummary

_SHOWN = 3


def show_manual(summary: ManualSummary, console: Console) -> None:
    """The promises with their figures, and the first answers of each kind."""
    table = Table(title="Our pages, asked", title_style="bold", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for heading in ("promise", "kept", "found"):
        table.add_column(heading, overflow="fold")
    for each in summary.checks:
        table.add_row(Text(each.promise), "[green]yes[/]" if each.kept else "[bold red]no[/]", Text(each.found))
    console.print(table)
    for answerable in (True, False):
        for told in [each for each in summary.told if bool(each.pages) == answerable][:_SHOWN]:
            cited = f" [{', '.join(dict.fromkeys(told.cited))}]" if told.cited else ""
            console.print(f"{told.question}\n  here: {_short(told.grounded)}{cited}", highlight=False, markup=False)
            console.print(f"  bare: {_short(told.bare)}", highlight=False, markup=False)
    console.print(
        f"{summary.pages} pages, {summary.chunks} chunks · {summary.requests} requests · "
        f"{summary.input_tokens:,} tokens read, {summary.output_tokens:,} written · {summary.wall_s:.0f} s",
        highlight=False,
    )


def _short(text: str) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= 160 else plain[:159] + "…"
