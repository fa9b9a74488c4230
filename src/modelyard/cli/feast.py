"""`modelyard features import-feast`."""

from pathlib import Path
from typing import Any

import click

from .edge import emit
from .permitting import takes

_PATH = click.Path(path_type=Path)


@takes(None)
@click.command("import-feast")
@click.argument("repository", metavar="REPO", type=_PATH)
@click.option("--output", "-o", type=_PATH, help="Python file to write; without it the module is printed.")
@click.option("--python", type=_PATH, help="Interpreter that has Feast, which imports the repository; this one's.")
@click.option("--force", is_flag=True, help="Write over a file that exists.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(*, as_json: bool, **given: Any) -> None:
    """Turn the definitions of a Feast repository into definitions here, and say what could not be carried over."""
    from modelyard.operations.feast_import import WantedImport, import_feast  # noqa: PLC0415 - `--help` must not pay

    emit(import_feast(WantedImport(**given)), as_json=as_json, show=_show)


def _show(result: dict[str, Any]) -> None:
    """The module on stdout unless a file has it; the report on stdout too then, and on stderr otherwise."""
    is_written = result["output"] is not None
    if not is_written:
        click.echo(result["module"], nl=False)
    counts = ", ".join(f"{kind} {count}" for kind, count in result["counts"].items()) or "nothing"
    wrote = ", ".join([str(result["output"]), *result["files"]])
    click.echo(f"{'Wrote ' + wrote if is_written else 'Carried over'}: {counts}", err=not is_written)
    for each in result["report"]:
        click.echo(f"  {each['outcome']}: {each['kind']} '{each['name']}': {each['why']}", err=not is_written)
