"""`modelyard run`."""

from pathlib import Path
from typing import Any

import click

from modelyard.core import InvalidInput, atomic_write
from modelyard.operations import tracked

from .derive import anywhere, asked
from .derive import command as derive
from .edge import emit
from .permitting import takes
from .show import fields, table

_PATH = click.Path(path_type=Path)
_SHOWN = 3
"""Metrics of a run in a list."""

_FIRST = ("auc", "accuracy", "f1", "rmse", "r2", "loss")
"""Metrics that are shown before others."""

_SLICE = "slice/"


def _show_list(found: list[dict[str, Any]]) -> None:
    rows = [
        {**each, "run": each["id"][:8], "began": each["started_at"][:16], "metrics": _few(each["metrics"])}
        for each in found
    ]
    table("run", "name", "experiment", "status", "began", "metrics")(rows)


def _few(metrics: dict[str, float]) -> dict[str, float]:
    """The telling ones among a run's own."""
    order = {name: place for place, name in enumerate(_FIRST)}
    own = sorted(_own(metrics).items(), key=lambda each: order.get(each[0], len(order)))
    return dict(own[:_SHOWN])


def _own(metrics: dict[str, Any]) -> dict[str, Any]:
    """Without those of slices."""
    return {name: value for name, value in metrics.items() if _SLICE not in name}


def _show_run(found: dict[str, Any]) -> None:
    metrics = _own(found["metrics"])
    parts = {"metric": metrics, "parameter": found["params"], "dataset": found["datasets"], "tag": found["tags"]}
    fields({name: each for name, each in found.items() if name not in ("metrics", "params", "datasets", "tags")})
    for name, of in parts.items():
        if of:
            click.echo()
            table(name, "value")([{name: key, "value": value} for key, value in of.items()])
    _say_slices(len(found["metrics"]) - len(metrics))


def _show_comparison(found: dict[str, Any]) -> None:
    labels, metrics = found["labels"], _own(found["metrics"])
    for name, of in (("metric", metrics), ("parameter", found["params"]), ("made with", found["facts"])):
        if of:
            table(name, *labels)([{name: key, **dict(zip(labels, values, strict=True))} for key, values in of.items()])
            click.echo()
    same = found["same_params"]
    click.echo(f"{same} parameter{' is' if same == 1 else 's are'} the same.")
    _say_slices(len(found["metrics"]) - len(metrics))


def _say_slices(count: int) -> None:
    if count:
        click.echo(f"{count} metric{'s' if count > 1 else ''} of slices: see --json.")


command = click.Group("run", help="Runs in MLflow: list, show, compare.")
command.add_command(derive(tracked.list_tracked, _show_list, outside=tracked.outside(tracked.listed)))
command.add_command(derive(tracked.show_tracked, _show_run, outside=tracked.outside(tracked.shown)))


@anywhere
@takes(tracked.compare_tracked.permission)
@command.command("compare", help=tracked.compare_tracked.summary)
@click.argument("runs", nargs=-1, required=True)
@click.option("--html", type=_PATH, metavar="FILE", help="Write a page with pictures, which opens offline.")
@click.option("--svg", type=_PATH, metavar="FILE", help="Write the picture alone.")
@click.option("--project", "project_folder", type=_PATH, help="Folder with modelyard.yaml, or the file.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def compare(
    runs: tuple[str, ...], *, html: Path | None, svg: Path | None, project_folder: Path | None, as_json: bool
) -> None:
    for path in (html, svg):
        if path is not None and not path.absolute().parent.is_dir():
            raise InvalidInput(f"There is no folder {path.parent}.", remedy="Make it first.")
    outside = tracked.outside(tracked.compared)
    found = asked(tracked.compare_tracked, tracked.TrackedSeveral(runs), project_folder, outside)
    for path, drawn in ((html, found.pop("html")), (svg, found.pop("svg"))):
        if path is not None:
            atomic_write(path, drawn.encode())
            click.echo(f"Wrote {path}.", err=True)
    emit(found, as_json=as_json, show=_show_comparison)
