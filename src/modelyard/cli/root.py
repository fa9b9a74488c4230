"""The top of the command line. A noun's file is imported only when the noun is used."""

import gc
import os
import sys
from importlib import import_module

import click
from click.core import ParameterSource

NOUNS: dict[str, str] = {
    "init": "Write a new project to start from.",
    "adopt": "Turn an existing model and data into a project, ready to serve and watch.",
    "demo": "Live a year of real flights through the whole loop, on this machine.",
    "up": "Start the server, the control process and the console, and keep them running.",
    "down": "Stop what `up` started; with --purge remove the workspace's stores too.",
    "status": "What runs, what is live, what is on trial.",
    "doctor": "Check stores, versions, ports, disk, clock and telemetry switches.",
    "config": "The effective settings, and where each came from.",
    "data": "Data: infer, validate, schema, profile, split, version.",
    "features": "Features: apply, list, show, diff, materialize, push, get, history, check-leaks, skew, import-feast.",
    "pipeline": "Pipelines: run, resume, submit, list, status, logs, metrics, artifacts, fetch, why, clean, show, "
    "validate, export.",
    "step": "Single steps of pipelines: run.",
    "run": "Runs in MLflow: list, show, compare.",
    "model": "Model versions: register, list, names, compare, approve, promote, roll back.",
    "bundle": "Bundles: build, verify, show, fetch, keygen, sign.",
    "index": "Indexes of documents: build, update, query, verify, register, withdraw.",
    "prompt": "Prompts: register, list, diff, render, promote, rollback.",
    "llm": "Applications of language models, and what people say of them: register, eval, queue, unqueue, queues, "
    "next, label, labels, agreement.",
    "serve": "Serve a project's deployments over HTTP.",
    "score": "Score files of any size with a model, resumable.",
    "stream": "Answer the messages of a stream with a model, at least once.",
    "deploy": "Bring a version to staging, prove it there, and take it to production; smoke asks again.",
    "rollout": "Rollouts: start, status, pause, advance, promote, abort, roll back, history, evidence, diff.",
    "log": "The prediction log: query, stats, export, verify, compact, retire, redact, erase, ship, ingest.",
    "label": "Labels that come in tables: add, sync.",
    "monitor": "Windows of drift and performance: run, status, overview, show, schedule.",
    "drift": "Data drift: compare, analyze, between.",
    "alert": "Alerts: list, show, ack, silence, unsilence, silences, notices, test, rules.",
    "retrain": "The retraining loop: run, tick, trigger, status, history, explain, policy.",
    "export": "The project for containers, clusters, orchestrators, CI, dashboards, devices.",
    "guard": "Guards on texts to and from language models: check, show.",
    "key": "API keys: create, list, rotate, revoke.",
    "backup": "Write the project's stores to one file, while everything runs.",
    "restore": "Put a backup back into a project whose workspace is empty.",
    "audit": "The audit record: list, verify, checkpoint, export.",
    "maturity": "How far the machinery carries, from evidence; with --audit what production lacks.",
}


def _imported(module: str) -> click.Command:
    """The command of a noun's file. What is imported stays: no search for garbage goes through it, neither while it
    comes, which took a fifth of the time, nor later.
    """
    if module not in sys.modules:
        gc.disable()
        try:
            import_module(module)
        finally:
            gc.freeze()
            gc.enable()
    command: click.Command = sys.modules[module].command
    return command


class LazyNouns(click.Group):
    """A group that lists its commands without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(NOUNS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's
        if cmd_name not in NOUNS:
            return None
        from .permitting import require_policies  # noqa: PLC0415 - `--help` must not pay for it

        found = _imported(f"modelyard.cli.{cmd_name}")
        require_policies(found)
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in NOUNS and not args[0].startswith("-"):
            from modelyard.core import did_you_mean  # noqa: PLC0415 - only on the way to an error

            raise click.UsageError(f"No command {args[0]!r}. {did_you_mean(args[0], NOUNS, shown=30)}", ctx)
        found = super().resolve_command(ctx, args)
        if _elsewhere(ctx) and found[1] is not None and not {"-h", "--help"} & set(args):
            _require_anywhere(found[1], args[1:], args[:1])
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's
        with formatter.section("Commands"):
            formatter.write_dl(list(NOUNS.items()))


def _elsewhere(ctx: click.Context) -> bool:
    """Whether `--url` was typed; a variable in the environment lets local commands be local."""
    return bool(ctx.params.get("url")) and ctx.get_parameter_source("url") is ParameterSource.COMMANDLINE


def _require_anywhere(command: click.Command, words: list[str], path: list[str]) -> None:
    """LOCAL_ONLY when the command that these words lead to is about this machine's own files and processes."""
    from modelyard.core import InvalidInput  # noqa: PLC0415 - only who asks elsewhere pays for it

    from .derive import ANYWHERE  # noqa: PLC0415 - as above

    while isinstance(command, click.Group) and words and words[0] in command.commands:
        command, path, words = command.commands[words[0]], [*path, words[0]], words[1:]
    if command in ANYWHERE or (isinstance(command, click.Group) and not command.invoke_without_command):
        return
    name = " ".join(path)
    raise InvalidInput(
        f"'{name}' is about files and processes of the machine that it runs on, and --url names another.",
        code="LOCAL_ONLY",
        remedy=f"Run it there, in the project's folder, without --url: modelyard {name}",
    )


@click.command(cls=LazyNouns, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="modelyard", prog_name="modelyard")
@click.option(
    "--url",
    envvar="MODELYARD_URL",
    metavar="URL",
    help="Ask the control plane at this address, http://HOST:8090, instead of a project here; or MODELYARD_URL. "
    "The key shown there is MODELYARD_API_KEY.",
)
@click.pass_context
def root(ctx: click.Context, url: str | None) -> None:
    """Keeps machine-learning models running: train, gate, register, serve, roll out, watch, retrain."""
    if not url:
        return
    from .remote import Remote  # noqa: PLC0415 - only who asks elsewhere pays for it

    ctx.obj = Remote(url, os.environ.get("MODELYARD_API_KEY", ""), _elsewhere(ctx))
