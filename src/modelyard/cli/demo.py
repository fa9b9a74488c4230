"""`modelyard demo`."""

import json
from pathlib import Path

import click
import msgspec

from modelyard.core import Failed

from .edge import exit_code, talk
from .permitting import takes


@takes(None)
@click.group("demo", invoke_without_command=True)
@click.option("--full", is_flag=True, help="Replay every flight instead of a sample.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the sample and of training.")
@click.option("--keep-serving", is_flag=True, help="Leave server, report and console up at the end, until Ctrl-C.")
@click.option(
    "--workspace",
    type=click.Path(path_type=Path),
    default=Path(".modelyard/demo"),
    show_default=True,
    help="Folder for the project, its stores, the summary and the report.",
)
@click.option("--compare", is_flag=True, help="Live it twice, by the loop and monthly, and compare both with never.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as one JSON document.")
@click.pass_context
def command(
    ctx: click.Context, workspace: Path, seed: int, *, full: bool, keep_serving: bool, compare: bool, as_json: bool
) -> None:
    """Live a year of real flights through the whole loop, on this machine."""
    if ctx.invoked_subcommand is not None:
        return
    from modelyard.demo import DEFAULT_SHARE, DemoOptions, compare_demo, run_demo  # noqa: PLC0415 - `--help` must not pay for it

    share = 1.0 if full else DEFAULT_SHARE
    if compare and keep_serving:
        raise click.UsageError("--compare lives two years, of which --keep-serving could leave neither up.")
    options = DemoOptions(workspace, share=share, seed=seed, keep_serving=keep_serving, quiet=as_json)
    told = compare_demo(options) if compare else run_demo(options)
    if as_json:
        click.echo(json.dumps(msgspec.to_builtins(told), indent=2))


@takes(None)
@command.command("llm")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of who asks what, and of the arms.")
@click.option(
    "--docs",
    type=click.Path(path_type=Path),
    default=Path("docs"),
    show_default=True,
    help="Folder of Modelyard's own pages.",
)
@click.option(
    "--generator",
    type=click.Path(path_type=Path),
    default=Path(".venv-smollm2"),
    show_default=True,
    help="Virtual environment of llama.cpp's server and SmolLM2, as `make demo-llm` makes it.",
)
@click.option(
    "--workspace",
    type=click.Path(path_type=Path),
    default=Path(".modelyard/demo-llm"),
    show_default=True,
    help="Folder for the project, its stores, the summary and the report.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the summary as one JSON document.")
def llm(workspace: Path, docs: Path, generator: Path, seed: int, *, as_json: bool) -> None:
    """Have our own pages answer questions by a real language model; 1 when a promise is not kept."""
    from modelyard.demo import ManualOptions, run_manual  # noqa: PLC0415 - `--help` must not pay for it

    summary = run_manual(ManualOptions(workspace, docs, generator, seed=seed, quiet=as_json))
    if as_json:
        click.echo(json.dumps(msgspec.to_builtins(summary), indent=2))
    if not summary.kept:
        broken = "; ".join(f"{each.promise}: {each.found}" for each in summary.checks if not each.kept)
        error = Failed(f"{broken}.", code="PROMISE_BROKEN", remedy="Look at report.html in the workspace.")
        talk(error)
        raise click.exceptions.Exit(exit_code(error))
