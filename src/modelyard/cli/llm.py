"""`modelyard llm`."""

from pathlib import Path
from typing import Any

import click

from modelyard.core import Failed, ModelyardError
from modelyard.operations import applications

from .derive import command as derive
from .edge import Inconclusive, emit, exit_code, talk
from .permitting import takes
from .show import fields, table

_PATH = click.Path(path_type=Path)

command = click.Group("llm", help="Applications of language models: register, eval.")
command.add_command(derive(applications.register_application, fields))


@takes(None)
@command.command("eval")
@click.argument("suite", type=_PATH)
@click.option("--index", "home", type=_PATH, required=True, help="Index that is asked.")
@click.option("--embedder", type=_PATH, required=True, help="Bundle of its embedder.")
@click.option("--mode", default="hybrid", show_default=True, help="hybrid, vectors or words.")
@click.option("--baseline", metavar="INDEX|MODE", help="Compare with another index or mode, by question.")
@click.option("--least", multiple=True, metavar="METRIC=VALUE", help="Limit such as recall@10=0.8. Repeatable.")
@click.option("-o", "--output", type=_PATH, help="Also write everything, each question's metrics too, as JSON.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def evaluate(suite: Path, *, as_json: bool, **given: Any) -> None:
    """Ask an index a suite of questions: recall, MRR, nDCG with intervals; 1 below a limit, 6 when chance decides."""
    from modelyard.operations import indexes  # noqa: PLC0415 - `--help` must not pay for it

    result = indexes.evaluate(
        indexes.Evaluation(suite, **given), lambda sentence: click.echo(f"… {sentence}", err=True)
    )
    emit(result, as_json=as_json, show=_show)
    verdict = result.get("verdict", "pass")
    if verdict == "pass":
        return
    reasons = "; ".join(result["reasons"])
    error: ModelyardError
    if verdict == "fail":
        error = Failed(f"{reasons}.", code="SUITE_FAILED", remedy="Mend what is found: --output has every question.")
    else:
        error = Inconclusive(f"{reasons}.", code="SUITE_INCONCLUSIVE", remedy="Ask more questions.")
    talk(error)
    raise click.exceptions.Exit(exit_code(error))


def _show(result: dict[str, Any]) -> None:
    """The facts, then a line a metric."""
    fields({name: result[name] for name in ("suite", "version", "index", "mode", "cases", "unknown")})
    click.echo()
    better = result.get("baseline", {}).get("better_by", {})
    lines = [
        {"metric": name, "value": each["value"], "95%": _span(each), "better by": _better(better.get(name))}
        for name, each in result["metrics"].items()
    ]
    table("metric", "value", "95%", *(["better by"] if better else []))(lines)


def _span(measured: dict[str, Any]) -> str:
    return "" if measured["lower"] is None else f"{measured['lower']:.3f} to {measured['upper']:.3f}"


def _better(measured: dict[str, Any] | None) -> str:
    return "" if measured is None else f"{measured['value']:+.3f} ({_span(measured)})"
