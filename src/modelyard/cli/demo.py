"""`modelyard demo`."""

import json
from pathlib import Path

import click
import msgspec

from .permitting import takes


@takes(None)
@click.command("demo")
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
def command(workspace: Path, seed: int, *, full: bool, keep_serving: bool, compare: bool, as_json: bool) -> None:
    """Live a year of real flights through the whole loop, on this machine."""
    from modelyard.demo import DEFAULT_SHARE, DemoOptions, compare_demo, run_demo  # noqa: PLC0415 - `--help` must not pay for it

    share = 1.0 if full else DEFAULT_SHARE
    if compare and keep_serving:
        raise click.UsageError("--compare lives two years, of which --keep-serving could leave neither up.")
    options = DemoOptions(workspace, share=share, seed=seed, keep_serving=keep_serving, quiet=as_json)
    told = compare_demo(options) if compare else run_demo(options)
    if as_json:
        click.echo(json.dumps(msgspec.to_builtins(told), indent=2))
