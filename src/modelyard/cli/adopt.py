"""`modelyard adopt`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .edge import emit
from .permitting import takes

if TYPE_CHECKING:
    from modelyard.operations.adopting import Adopted

_PATH = click.Path(path_type=Path)


@takes(None)
@click.command("adopt")
@click.option(
    "--model",
    required=True,
    metavar="FILE|URI",
    help="Model file or folder, models:/… or runs:/…: a pickle runs code, so trust its author.",
)
@click.option("--data", type=_PATH, required=True, help="Rows like those it was trained on, with the truth.")
@click.option("--target", required=True, metavar="COLUMN", help="Column with the truth.")
@click.option("--name", help="Name of the model; its file's by default.")
@click.option("--into", type=_PATH, default=Path(), help="Folder of the new project; here by default.")
@click.option("--task", help="binary, multiclass or regression; as the model shows it.")
@click.option("--columns", metavar="A,B,C", help="What the model reads, in its order, where it does not name them.")
@click.option("--classes", metavar="A,B,C", help="Names of the classes, in the order of the scores.")
@click.option("--tolerance", type=float, default=1e-6, show_default=True, help="Scores may differ so much, relatively.")
@click.option("--allow-python", is_flag=True, help="Where nothing faster is faithful, keep the pickle or code itself.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(*, columns: str | None, as_json: bool, **given: Any) -> None:
    """Turn an existing model and data into a project: schema, signature, profile, monitors, and version 1 to serve."""
    from dataclasses import asdict  # noqa: PLC0415 - `--help` must not pay for it

    from modelyard.operations.adopting import Wanted, adopt_told  # noqa: PLC0415 - as above

    named = tuple(each.strip() for each in columns.split(",")) if columns else ()
    adopted = adopt_told(Wanted(columns=named, **given), lambda sentence: click.echo(f"… {sentence}", err=True))

    def show(_: object) -> None:
        _said(adopted)

    emit(asdict(adopted), as_json=as_json, show=show)


def _said(adopted: "Adopted") -> None:
    for line in adopted.sentences:
        click.echo(line)
