"""`modelyard guard`."""

import sys
from pathlib import Path
from typing import Any

import click

from .edge import EXIT_FAILED, EXIT_INCONCLUSIVE, emit
from .permitting import takes
from .show import fields, table

_FILE = click.Path(path_type=Path)
_SET = click.option("--set", "set_file", type=_FILE, metavar="FILE", help="Guard set; else personal data and secrets.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")

command = click.Group("guard", help="Guards on texts to and from language models: check, show.")


@takes(None)
@command.command("check")
@click.argument("text", default="-", metavar="[TEXT|-]")
@_SET
@click.option("--on", "side", type=click.Choice(["input", "output"]), help="Only the guards that look at this side.")
@click.option("--chunk", "chunks", type=_FILE, multiple=True, help="File that an answer is to rest on. Repeatable.")
@click.option("--embedder", type=_FILE, metavar="FOLDER", help="Bundle that a guard of injections names.")
@click.option("--classifier", type=_FILE, metavar="FOLDER", help="The other one: what judges its vectors.")
@_JSON
def check(
    text: str,
    set_file: Path | None,
    side: Any,
    chunks: tuple[Path, ...],
    embedder: Path | None,
    classifier: Path | None,
    *,
    as_json: bool,
) -> None:
    """Check a text, or what stands on standard input: 0 nothing found, 1 something, 2 unusable, 6 a guard failed."""
    from modelyard.operations import guarding  # noqa: PLC0415 - `--help` must not pay for it

    given = sys.stdin.buffer.read().decode(errors="replace") if text == "-" else text
    if (embedder is None) != (classifier is None):
        raise click.UsageError("--embedder and --classifier go together.")
    bundles = None if embedder is None or classifier is None else (embedder, classifier)
    result = guarding.check_text(given, set_file=set_file, side=side, chunks=chunks, bundles=bundles)
    emit(result, as_json=as_json, show=_show)
    if result["verdict"] != "pass":
        raise click.exceptions.Exit(EXIT_FAILED if result["verdict"] == "fail" else EXIT_INCONCLUSIVE)


def _show(result: dict[str, Any]) -> None:
    """What may leave on stdout; beside it, on stderr, what was found."""
    click.echo(result["text"], nl=not result["text"].endswith("\n"))
    for each in result["findings"]:
        place = f"{each['start']}-{each['end']}"
        click.echo(f"{each['action']}: {each['kind']} ({each['guard']}) at {place}", err=True)
    for each in result["failed"]:
        click.echo(f"The guard '{each}' failed.", err=True)
    refused = ", refused" if result["refused"] else ""
    click.echo(f"{result['verdict']}{refused}", err=True)


@takes(None)
@command.command("show")
@_SET
@_JSON
def show(set_file: Path | None, *, as_json: bool) -> None:
    """Show a guard set with its defaults, its digest, and how many characters of a stream each guard may hold back."""
    from modelyard.operations import guarding  # noqa: PLC0415 - as above

    emit(guarding.describe_set(set_file), as_json=as_json, show=_show_set)


def _show_set(result: dict[str, Any]) -> None:
    table("guard", "action", "on", "holds_back")(
        [{**each, "holds_back": each["holds_back"] or "all"} for each in result["guards"]]
    )
    click.echo()
    fields({"set": result["set"], "fail closed": "yes" if result["fail_closed"] else "no"})
