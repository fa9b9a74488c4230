"""`modelyard deploy`."""

from typing import Any

import click

from modelyard.core import Failed, ModelyardError, did_you_mean
from modelyard.operations import deploying

from .derive import anywhere
from .derive import command as derive
from .permitting import takes
from .show import fields


def _show(told: dict[str, Any]) -> None:
    where = ", ".join(told["deployments"])
    click.echo(f"{told['model']} {told['label']} to {told['environment']} ({where}):")
    for event in told["events"]:
        click.echo(f"  {event['deployment'] or told['model']}: {event['kind']}, {event['detail']}")
    for each in told["smoke"]:
        click.echo(f"  {each['deployment']}: {_said(each)}")
    if told["untested"]:
        click.echo(f"  not tested: {told['untested']}")
    click.echo(f"Next: {told['next']}")


def _said(smoke: dict[str, Any]) -> str:
    worst = "" if smoke["worst"] is None else f", at most {smoke['worst']:.2g} off"
    return f"{'passed' if smoke['passed'] else 'FAILED'}: {smoke['rows']} golden rows asked{worst}"


def _failed(smoke: dict[str, Any]) -> ModelyardError | None:
    if smoke["passed"]:
        return None
    what = "; ".join(smoke["wrong"]) or "it has no golden row that a request can carry"
    return Failed(
        f"Version {smoke['version']} at '{smoke['deployment']}' does not answer its golden rows as recorded: {what}.",
        code="SMOKE_FAILED",
        remedy=f"It is not for production. Take it back: modelyard rollout rollback {smoke['deployment']}",
    )


def _any_failed(told: dict[str, Any]) -> ModelyardError | None:
    return next((error for each in told["smoke"] if (error := _failed(each)) is not None), None)


_HELP = "Bring a version to staging, prove it there, and take it to production; smoke asks again."


class _Deploy(click.Group):
    """A group that does something itself: its own options are those of the operation."""

    def __init__(self, own: click.Command) -> None:
        super().__init__("deploy", params=own.params, callback=self._unless_verb, help=_HELP)
        self._own = own
        self.invoke_without_command = True

    def _unless_verb(self, **values: Any) -> None:
        context = click.get_current_context()
        if context.invoked_subcommand is None:
            context.invoke(self._own, **values)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Options are required only where no verb follows; a word that is none is taken for a misspelt verb."""
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            raise click.UsageError(f"No command {args[0]!r}. {did_you_mean(args[0], self.commands)}", ctx)
        needed = [each for each in self.params if each.required and args and args[0] in self.commands]
        for each in needed:
            each.required = False
        try:
            return super().parse_args(ctx, args)
        finally:
            for each in needed:
                each.required = True


command = anywhere(takes(deploying.deploy.permission)(_Deploy(derive(deploying.deploy, _show, _any_failed))))
command.add_command(derive(deploying.smoke, fields, _failed))
