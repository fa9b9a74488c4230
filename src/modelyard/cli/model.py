"""`modelyard model`."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from modelyard.core import Failed, InvalidInput, ModelyardError, atomic_write
from modelyard.operations import approving, cards, lineage, models, promotions, registering

from .derive import PROJECT_HELP, anywhere, asked
from .derive import command as derive
from .edge import Inconclusive, emit, exit_code, talk
from .permitting import takes
from .show import fields, table

_MOVED = table("at", "deployment", "version", "kind", "detail")
_PATH = click.Path(path_type=Path)
_LIMIT = re.compile(r"--(min|max)-([A-Za-z0-9._@-]{1,128})(?:=(.*))?", flags=re.DOTALL)


_VERSIONS = table("name", "number", "label", "aliases", "archived", "metrics", "created_at")
_ALL = 2**31


def _names(result: dict[str, Any]) -> None:
    """A line a model."""
    rows = [
        {
            **each,
            "newest": each["newest"]["label"],
            "registered": each["newest"]["created_at"],
            "aliases": {alias: version["label"] for alias, version in each["aliases"].items()},
        }
        for each in result["models"]
    ]
    table("name", "versions", "newest", "registered", "aliases")(rows)
    if (more := result["total"] - len(rows)) > 0:
        click.echo(f"{more} more: --limit N or --skip N", err=True)


def _registered(result: dict[str, Any]) -> None:
    chosen = ("name", "number", "label", "bundle", "metrics", "verdict", "reasons", "promoted")
    fields({name: result[name] for name in chosen})
    if not result["servable"]:
        click.echo("It is metadata only: it can be listed and compared, never served.", err=True)


def _verdict(result: dict[str, Any]) -> ModelyardError | None:
    if result["verdict"] in ("pass", None):
        return None
    told = f"{result['name']} {result['label']}: {'; '.join(result['reasons'][:5])}"
    kind = Inconclusive if result["verdict"] == "inconclusive" else Failed
    return kind(told, code="GATE_FAILED", remedy=f"See: modelyard model show {result['name']} {result['label']}")


command = click.Group("model", help="Model versions: register, list, names, compare, approve, promote, roll back.")
command.add_command(derive(registering.register, _registered, _verdict))
command.add_command(derive(models.list_names, _names))
command.add_command(derive(models.show_model, fields))
command.add_command(
    derive(
        models.compare_models, table("number", "label", "aliases", "gate", "metrics", "params", "size", "latency_us")
    )
)
command.add_command(derive(models.model_history, table("at", "alias", "from", "to", "by", "source", "kind", "reason")))
command.add_command(derive(models.tag_model, fields))
command.add_command(derive(models.describe_model, fields))
command.add_command(derive(promotions.promote, _MOVED))
command.add_command(derive(promotions.demote, _MOVED))
command.add_command(derive(promotions.archive, _MOVED))
command.add_command(derive(promotions.roll_back_model, _MOVED))
command.add_command(derive(promotions.delete_model, _MOVED))
command.add_command(derive(approving.request_approval, fields))
command.add_command(derive(approving.approve, fields))
command.add_command(derive(approving.reject, fields))


@anywhere
@takes(models.list_models.permission)
@command.command("list", help=models.list_models.summary)
@click.option("--name", help="Only versions of this model.")
@click.option("--stage", help="Only versions in this stage, such as production.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="At most so many.")
@click.option("--before", metavar="MODEL/VERSION", help="Only versions older than this one.")
@click.option("--all", "whole", is_flag=True, help="All of them, however many.")
@click.option("--project", "project_folder", type=_PATH, help=PROJECT_HELP)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def list_versions(
    name: str | None,
    stage: str | None,
    limit: int,
    before: str | None,
    project_folder: Path | None,
    *,
    whole: bool,
    as_json: bool,
) -> None:
    size = _ALL if whole else limit
    wanted = models.ListModels(name, stage, size + 1, before)  # one more, to know whether there is one
    found = asked(models.list_models, wanted, project_folder)
    emit(found[:size], as_json=as_json, show=_VERSIONS)
    if len(found) > size:
        last = found[size - 1]
        click.echo(f"There are more: --limit N, --all, or --before {last['name']}/{last['number']}", err=True)


def _tell(operation: Any, version: models.OneVersion, called: dict[str, Any], text: str, **files: Path | None) -> None:
    """Write the renderings of what was found into the files asked for; print one of them where none was."""
    for path in files.values():
        if path is not None and not path.absolute().parent.is_dir():
            raise InvalidInput(f"There is no folder {path.parent}.", remedy="Make it first.")
    found = asked(operation, version, called["project_folder"])
    for name, path in files.items():
        if path is not None:
            atomic_write(path, found[name].encode())
            click.echo(f"Wrote {path}.", err=True)
    if called["as_json"] or not any(files.values()):
        plain = {name: each for name, each in found.items() if name not in {*files, text}}
        emit(plain, as_json=called["as_json"], show=lambda _: click.echo(found[text], nl=False))


def _of_a_version(function: Callable[..., None]) -> Callable[..., None]:
    """What every command about one version takes: which one, in which project, and whether as JSON."""
    as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
    where = click.option("--project", "project_folder", type=_PATH, help=PROJECT_HELP)
    version = click.argument("version", default="production")
    return click.argument("name")(version(where(as_json(function))))


@anywhere
@takes(cards.model_card.permission)
@command.command("card", help=f"{cards.model_card.summary} Without options it is printed as Markdown.")
@click.option("--html", type=_PATH, metavar="FILE", help="Write a page with pictures, which opens offline.")
@click.option("--md", type=_PATH, metavar="FILE", help="Write it as Markdown.")
@_of_a_version
def card(name: str, version: str, *, html: Path | None, md: Path | None, **called: Any) -> None:
    _tell(cards.model_card, models.OneVersion(name, version), called, "markdown", html=html, markdown=md)


@anywhere
@takes(lineage.model_lineage.permission)
@command.command("lineage", help=lineage.model_lineage.summary)
@click.option("--svg", type=_PATH, metavar="FILE", help="Write it as a picture.")
@click.option("--openlineage", type=_PATH, metavar="FILE", help="Write it as OpenLineage's events, one a line.")
@_of_a_version
def lineage_of(name: str, version: str, *, svg: Path | None, openlineage: Path | None, **called: Any) -> None:
    wanted = models.OneVersion(name, version)
    _tell(lineage.model_lineage, wanted, called, "text", svg=svg, openlineage=openlineage)


alias = click.Group("alias", help="Aliases: set, remove.")
alias.add_command(derive(promotions.set_alias, _MOVED))
alias.add_command(derive(promotions.remove_alias, _MOVED))
command.add_command(alias)


@anywhere
@takes(registering.judge.permission)
@command.command(
    "gate",
    help=f"{registering.judge.summary} For example: --min-accuracy 0.8 --min-precision 0.7 --max-log_loss 0.4. "
    "Without any by models.NAME.gate, or else --min-accuracy 0.85. "
    "Ends with 1 when a limit is broken, with 6 when a metric was not measured.",
    context_settings={"ignore_unknown_options": True},
)
@click.argument("name")
@click.argument("version")
@click.argument("limits", nargs=-1, type=click.UNPROCESSED, metavar="[--min-METRIC X] [--max-METRIC X] ...")
@click.option("--project", "project_folder", type=_PATH, help=PROJECT_HELP)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def gate(name: str, version: str, limits: tuple[str, ...], project_folder: Path | None, *, as_json: bool) -> None:
    result = asked(registering.judge, registering.JudgeVersion(name, version, _limits(limits)), project_folder)
    emit(result, as_json=as_json, show=fields)
    if (error := _verdict(result)) is not None:
        talk(error)
        raise click.exceptions.Exit(exit_code(error))


def _limits(written: tuple[str, ...]) -> dict[str, float]:
    """`--min-accuracy 0.8` and `--min-accuracy=0.8` as `min_accuracy: 0.8`."""
    limits: dict[str, float] = {}
    words = list(written)
    while words:
        found = _LIMIT.fullmatch(word := words.pop(0))
        if found is None:
            raise click.UsageError(f"No such option: {word[:40]!r}. Write --min-METRIC X or --max-METRIC X.")
        value = found[3] if found[3] is not None else words.pop(0) if words else ""
        limits[f"{found[1]}_{found[2]}"] = _number(word, value)
    return limits


def _number(flag: str, written: str) -> float:
    try:
        return float(written)
    except ValueError:
        raise click.UsageError(f"{flag[:40]}: {written[:40]!r} is no number.") from None
