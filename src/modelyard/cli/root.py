"""The top of the command line. A noun's file is imported only when the noun is used."""

from importlib import import_module

import click

NOUNS: dict[str, str] = {
    "init": "Write a new project to start from.",
    "adopt": "Turn an existing model and data into a project, ready to serve and watch.",
    "demo": "Live a year of real flights through the whole loop, on this machine.",
    "up": "Start the server and the control process, and keep them running.",
    "down": "Stop what `up` started.",
    "status": "What runs, what is live, what is on trial.",
    "doctor": "Check stores, versions, ports, disk, clock and telemetry switches.",
    "config": "The effective settings, and where each came from.",
    "data": "Data: infer, validate, schema, profile, split, version.",
    "features": "Features: apply, list, show, diff, materialize, push, get, history, check-leaks, skew, import-feast.",
    "pipeline": "Pipelines: run, resume, list, logs, why, show, validate, export.",
    "step": "Single steps of pipelines: run.",
    "run": "Runs in MLflow: list, show, compare.",
    "model": "Model versions: register, list, compare, approve, promote, roll back.",
    "bundle": "Bundles: build, verify, show, fetch, keygen, sign.",
    "serve": "Serve a project's deployments over HTTP.",
    "deploy": "Bring a version to staging, prove it there, and take it to production; smoke asks again.",
    "rollout": "Versions on their way: start, status, pause, advance, promote, abort, roll back, history, diff.",
    "log": "The prediction log: query, stats, export, verify, compact, retire, redact, ship, ingest.",
    "label": "Labels that come in tables: add, sync.",
    "monitor": "Windows of drift and performance: run, status, schedule.",
    "drift": "Data drift: compare, analyze.",
    "alert": "Alerts: list, show, ack, silence, unsilence, silences, notices, test, rules.",
    "retrain": "The retraining loop: run, tick, status, explain.",
    "export": "The project for containers, clusters, orchestrators, CI, dashboards, devices.",
    "key": "API keys: create, list, revoke.",
    "audit": "The audit record: list, verify, checkpoint, export.",
    "maturity": "How far the machinery carries, from evidence; with --audit what production lacks.",
}


class LazyNouns(click.Group):
    """A group that lists its commands without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(NOUNS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's
        if cmd_name not in NOUNS:
            return None
        found: click.Command = import_module(f"modelyard.cli.{cmd_name}").command
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in NOUNS and not args[0].startswith("-"):
            from modelyard.core import did_you_mean  # noqa: PLC0415 - only on the way to an error

            raise click.UsageError(f"No command {args[0]!r}. {did_you_mean(args[0], NOUNS, shown=30)}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's
        with formatter.section("Commands"):
            formatter.write_dl(list(NOUNS.items()))


@click.command(cls=LazyNouns, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="modelyard", prog_name="modelyard")
def root() -> None:
    """Keeps machine-learning models running: train, gate, register, serve, roll out, watch, retrain."""
