"""`modelyard demo --compare`: the same year never retrained, retrained monthly, and by the loop."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import plotly.graph_objects as go
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from modelyard.core import Failed, atomic_write
from modelyard.drawing import render

from .records import Compared, Lived, Month, Summary
from .report import styled
from .run import DemoOptions, run_demo

_FROM = "2013-05"
_COLOURS = {"never": "#9b9b9b", "monthly": "#3f88c5", "loop": "#0b6e4f"}


def compare_demo(options: DemoOptions) -> Compared:
    """Live the year by the loop and by the calendar, in folders of the workspace; `compare.json` and `compare.html`
    stand beside them afterwards. The model that is never retrained rides along in both.
    """
    alone = replace(options, keep_serving=False)
    loop = run_demo(replace(alone, workspace=options.workspace / "loop"))
    monthly = run_demo(replace(alone, workspace=options.workspace / "monthly", monthly=True))
    compared = compared_of(loop, monthly)
    atomic_write(options.workspace / "compare.json", msgspec.json.format(msgspec.json.encode(compared), indent=2))
    write_comparison(compared, options.workspace / "compare.html")
    show_comparison(compared, Console(stderr=options.quiet))
    return compared


def compared_of(loop: Summary, monthly: Summary) -> Compared:
    """Both years beside each other, and beside them the model that was never retrained."""
    never = _lived(loop, lambda month: month.auc_static, cycles=0, promoted=0)
    return Compared(
        loop.seed,
        loop.share,
        never,
        _lived(monthly, lambda month: month.auc_loop, cycles=monthly.cycles, promoted=monthly.promoted),
        _lived(loop, lambda month: month.auc_loop, cycles=loop.cycles, promoted=loop.promoted),
    )


def _lived(summary: Summary, of: Callable[[Month], float | None], *, cycles: int, promoted: int) -> Lived:
    months = {name: of(month) for name, month in summary.months.items()}
    counted = [each for name, each in months.items() if name >= _FROM and each is not None]
    if not counted:
        raise Failed("No month has an AUC: too few flights were replayed.", remedy="Replay more: --full.")
    return Lived(cycles, promoted, sum(counted) / len(counted), months)


def write_comparison(compared: Compared, target: Path) -> Path:
    """Write the report as one file that needs no network."""
    figure = go.Figure()
    for name, lived in _ways(compared).items():
        line = {"color": _COLOURS[name], "width": 3}
        values = list(lived.months.values())
        figure.add_scatter(x=list(lived.months), y=values, name=name, mode="lines+markers", line=line)
    picture = styled(figure, "AUC of logged answers by month").to_html(
        full_html=False, include_plotlyjs=True, config={"displayModeBar": False}
    )
    facts = {"compared": compared, "ways": _ways(compared), "picture": picture}
    target.write_text(render("modelyard.demo", "compare.html.j2", facts), encoding="utf-8")
    return target


def show_comparison(compared: Compared, console: Console) -> None:
    """The table on the screen."""
    table = Table(title="One year, three ways of retraining", title_style="bold", box=SIMPLE_HEAD)
    for heading in ("retrained", "trainings", "promoted", "mean AUC", "against never"):
        table.add_column(heading, justify="left" if heading == "retrained" else "right")
    for name, each in _ways(compared).items():
        gain = f"{each.auc - compared.never.auc:+.4f}"
        table.add_row(name, str(each.cycles), str(each.promoted), f"{each.auc:.4f}", gain)
    console.print(table)


def _ways(compared: Compared) -> dict[str, Lived]:
    return {"never": compared.never, "monthly": compared.monthly, "loop": compared.loop}
