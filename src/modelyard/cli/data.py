"""`modelyard data`."""

from pathlib import Path
from typing import Any

import click

from modelyard.core import Failed
from modelyard.operations import datasets

from .derive import command as derive
from .edge import emit, exit_code, talk
from .show import fields, table

_FILE = click.Path(path_type=Path)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")

command = click.Group("data", help="Data: profile, version, split.")


@command.command("profile")
@click.argument("file", type=_FILE)
@click.option("--html", type=_FILE, metavar="OUT", help="Also write a page with pictures, which opens offline.")
@_JSON
def profile(file: Path, html: Path | None, *, as_json: bool) -> None:
    """Describe a file: types, missing values, distributions, repeated rows, associations, and what deserves a look."""
    emit(datasets.profile_file(file, html), as_json=as_json, show=_show_profile)


@command.command("split")
@click.argument("file", type=_FILE)
@click.option("--into", required=True, metavar="NAME=SHARE,…", help="The parts, such as train=0.8,test=0.2.")
@click.option("-o", "--output", type=_FILE, required=True, help="New folder for the parts, as Parquet.")
@click.option("--by", default="random", show_default=True, help="random, time:COLUMN, group:COLUMN or strata:COLUMN.")
@click.option("--key", metavar="COLUMN", help="Names the rows, so that their order does not matter: random, strata.")
@click.option("--seed", type=int, default=0, show_default=True, help="Another seed, another draw.")
@click.option("--label", metavar="COLUMN", help="Look for columns that alone tell this label of two classes.")
@click.option("--apart", "keys", multiple=True, metavar="COLUMN", help="No value may stand in two parts. Repeatable.")
@_JSON
def split(*, as_json: bool, **given: Any) -> None:
    """Split a file, and judge whether one part tells of another: exit code 1 when it does; the parts are there."""
    result = datasets.split_file(datasets.SplitFile(**given))
    emit(result, as_json=as_json, show=_show_split)
    if not datasets.passed(result):
        error = Failed("One part tells of another.", code="SPLIT_LEAKS", remedy="\n".join(result["reasons"]))
        talk(error)
        raise click.exceptions.Exit(exit_code(error))


def _show_profile(result: dict[str, Any]) -> None:
    """The table, its columns, then what deserves a look."""
    facts = {"file": result["file"], "rows": result["rows"], "repeated rows": _count(result["duplicates"])}
    if result["sampled"] < result["rows"]:
        facts["sampled"] = f"{result['sampled']} rows, for quantiles, pictures and associations"
    if result["page"]:
        facts["page"] = result["page"]
    fields(facts)
    click.echo()
    table("column", "type", "missing", "different", "least", "median", "greatest", "commonest")(
        [_row(each) for each in result["columns"]]
    )
    if result["findings"]:
        click.echo("\nWorth a look:")
    for finding in result["findings"]:
        click.echo(f"  {finding['sentence']}")


def _row(column: dict[str, Any]) -> dict[str, Any]:
    numbers = column["quantities"] or {}
    top = column["top"][0]["value"] if column["top"] and column["kind"] != "number" else None
    least, greatest = (column["earliest"], column["latest"]) if column["earliest"] else (None, None)
    return {
        "column": column["name"],
        "type": column["type"],
        "missing": column["missing"],
        "different": _count(column["distinct"]),
        "least": least or numbers.get("minimum"),
        "median": numbers.get("quantiles", {}).get("0.5") if column["kind"] == "number" else None,
        "greatest": greatest or numbers.get("maximum"),
        "commonest": top,
    }


def _count(count: dict[str, Any]) -> str:
    return str(count["value"]) if count["exact"] else f"about {count['value']}"


def _show_split(result: dict[str, Any]) -> None:
    table("name", "rows", "share", "asked", "file")(result["parts"])
    click.echo(f"\nLeakage between the parts: {result['verdict']}")
    if result["verdict"] == "inconclusive":
        for reason in result["reasons"]:
            click.echo(f"  {reason}")


def _show_added(result: dict[str, Any]) -> None:
    done = "Added" if result["new"] else "Nothing new: this content is"
    digest = result["digest"][:12]
    click.echo(f"{done} {result['name']}@{result['number']} ({result['rows']} rows, {digest}).")


def _show_version(result: dict[str, Any]) -> None:
    fields({name: each for name, each in result.items() if name not in ("schema", "profile", "columns")})
    click.echo()
    _show_profile({**result["profile"], "file": f"{result['name']}@{result['number']}", "page": None})


def _show_diff(result: dict[str, Any]) -> None:
    click.echo(f"{result['name']}: version {result['before']} to {result['after']}")
    for sentence in result["sentences"]:
        click.echo(f"  {sentence}")


versions = click.Group("version", help="Dataset versions: add, list, show, diff.")
versions.add_command(derive(datasets.add_version, _show_added))
versions.add_command(derive(datasets.list_versions, table("name", "number", "rows", "digest", "created_at", "note")))
versions.add_command(derive(datasets.show_version, _show_version))
versions.add_command(derive(datasets.diff_versions, _show_diff))
command.add_command(versions)
