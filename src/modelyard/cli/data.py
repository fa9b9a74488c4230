"""`modelyard data`."""

from pathlib import Path
from typing import Any

import click

from modelyard.access import Permission
from modelyard.core import Failed, ModelyardError
from modelyard.operations import datasets

from .derive import command as derive
from .edge import Inconclusive, emit, exit_code, talk
from .permitting import takes
from .show import fields, findings, table

_FILE = click.Path(path_type=Path)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
_OUTPUT = click.option("-o", "--output", type=_FILE, help="File to write; without it the text is printed.")
_FORCE = click.option("--force", is_flag=True, help="Write over a file that exists.")

command = click.Group("data", help="Data: infer, validate, schema, profile, split, version.")


def _show_written(result: dict[str, Any]) -> None:
    """What was written where, or the text itself."""
    for each in result.get("losses", ()):
        click.echo(f"Not said there: {each}", err=True)
    if result["output"] is None:
        click.echo(result["schema"], nl=False)
    else:
        click.echo(f"Wrote {result['output']}.")


def _show_checks(result: dict[str, Any]) -> None:
    """A line a check, those that say something in full below."""
    rows = [{**each, "broken": _counted(each)} for each in result["checks"]]
    table("outcome", "column", "check", "promise", "broken")(rows)
    for each in result["checks"]:
        if each["message"]:
            click.echo(f"\n{each['outcome']}: {each['message']}")
        if each["message"] and each["sample"]:
            click.echo("\n".join(f"  row {row['row']}{_values(row['values'])}" for row in each["sample"]))
    click.echo(f"\n{result['rows']} rows: {result['verdict']}")


def _counted(check: dict[str, Any]) -> str | None:
    if not check["broken"]:
        return None
    allowed = f", {check['tolerance']:.2%} may" if check["tolerance"] else ""
    return f"{check['broken']} of {check['rows']} ({check['share']:.2%}{allowed})"


def _values(values: dict[str, Any]) -> str:
    said = ", ".join(f"{name} = {'missing' if value is None else value}" for name, value in values.items())
    return f": {said}" if said else ""


def _ending(result: dict[str, Any]) -> ModelyardError | None:
    if result["verdict"] == "pass":
        return None
    shown = list(result["reasons"][:3])
    more = f" … and {len(result['reasons']) - 3} more." if len(result["reasons"]) > 3 else ""
    kind = Failed if result["verdict"] == "fail" else Inconclusive
    code = "DATA_FAILED" if kind is Failed else "INCONCLUSIVE"
    return kind(" ".join(shown) + more, code=code, remedy="Correct the data, or what is promised of it.")


@takes(None)
@command.command("infer")
@click.argument("files", type=_FILE, nargs=-1, required=True)
@_OUTPUT
@_FORCE
@_JSON
def infer(files: tuple[Path, ...], output: Path | None, *, force: bool, as_json: bool) -> None:
    """Write a schema of what holds of data: types, missing values, ranges, levels, uniqueness."""
    from modelyard.operations import checks  # noqa: PLC0415 - `--help` must not pay for it

    emit(checks.infer(files, output, force=force), as_json=as_json, show=_show_written)


@takes(Permission.READ)
@command.command("validate")
@click.argument("what", nargs=-1, required=True, metavar="FILE…|DATASET")
@click.option("--schema", type=_FILE, help="Schema file to check the files against.")
@click.option(
    "--project", "project_folder", type=_FILE, default=Path(), help="Folder with modelyard.yaml, for a dataset's name."
)
@_JSON
def validate(what: tuple[str, ...], schema: Path | None, project_folder: Path, *, as_json: bool) -> None:
    """Check files against a schema, or a dataset of the project against its promises: 0 pass, 1 fail, 6 no rows."""
    from modelyard.operations import checks  # noqa: PLC0415 - see above

    result = checks.validate(what, schema, project_folder)
    emit(result, as_json=as_json, show=_show_checks)
    if (error := _ending(result)) is not None:
        talk(error)
        raise click.exceptions.Exit(exit_code(error))


@takes(None)
@command.command("schema")
@click.argument("source")
@click.option("--from-pandera", "pandera_in", is_flag=True, help="SOURCE is FILE.py:NAME, a schema of pandera's.")
@click.option("--to-pandera", "pandera_out", is_flag=True, help="SOURCE is a schema file, to become pandera's Python.")
@click.option("--lossy", is_flag=True, help="Leave out what the other side cannot say, and list it.")
@_OUTPUT
@_FORCE
@_JSON
def schema(
    source: str,
    output: Path | None,
    *,
    pandera_in: bool,
    pandera_out: bool,
    lossy: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Turn a schema of pandera's into a schema file, or the other way round."""
    if pandera_in == pandera_out:
        raise click.UsageError("Say one of --from-pandera and --to-pandera.")
    from modelyard.operations import checks  # noqa: PLC0415 - see above

    converted = checks.convert(source, output, pandera=pandera_out, lossy=lossy, force=force)
    emit(converted, as_json=as_json, show=_show_written)


@takes(None)
@command.command("profile")
@click.argument("what", metavar="FILE|DATASET")
@click.option("--html", type=_FILE, metavar="OUT", help="Also write a page with pictures, which opens offline.")
@click.option(
    "--project", "project_folder", type=_FILE, default=Path(), help="Folder with modelyard.yaml, for a dataset's name."
)
@_JSON
def profile(what: str, html: Path | None, project_folder: Path, *, as_json: bool) -> None:
    """Describe data: types, missing values, distributions, repeated rows, associations, and what deserves a look."""
    from modelyard.operations import checks  # noqa: PLC0415 - see above

    emit(checks.profile_of(what, html, project_folder), as_json=as_json, show=_show_profile)


@takes(None)
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
    for each in result["pipelines"]:
        click.echo(f"Read by pipeline '{each['pipeline']}', which is {'valid' if each['valid'] else 'not valid'}:")
        findings(each["findings"], beside="  ")


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
