"""Deploying: a version to staging, its golden rows asked there, then to production by the declared strategy."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec

from modelyard.access import Permission
from modelyard.core import Conflict, InvalidInput, NotFound, Unavailable, check_text, did_you_mean
from modelyard.pipelines import find_run
from modelyard.registry import ModelVersion
from modelyard.rollout import NoGoldenRows, NoRollout, RolloutActive, Smoke, last_smoke
from modelyard.wiring import Project

from .contract import Call, Option, operation
from .kinds import task_of
from .models import notice
from .pipelines import ValidatePipeline, validate_pipeline

ENVIRONMENTS = {"staging": "staging", "production": "production", "prod": "production"}
"""An environment is the deployments that follow the alias of its name."""

API_KEY = "MODELYARD_API_KEY"
"""The variable with the key that smoke tests use where servers ask for one."""


@dataclass(frozen=True)
class Deploy:
    """A version on its way to an environment."""

    model: Annotated[str, Option("Model.")]
    version: Annotated[str, Option("Version: number, label or alias.")]
    env: Annotated[str, Option("staging or production (prod): the deployments that follow that alias.")]
    reason: Annotated[str, Option("Why; it goes on record.")] = ""


@dataclass(frozen=True)
class RunSmoke:
    """Which deployment to ask its golden rows, and where."""

    deployment: Annotated[str | None, Option("Deployment; by default the one in staging.", positional=True)] = None
    url: Annotated[str | None, Option("Server to ask, http://HOST:PORT; by default the project's own.", local=True)] = (
        None
    )
    wait: Annotated[float, Option("Seconds to wait until the server has the version.")] = 30.0


@operation("deploy", "", Permission.OPERATE)
def deploy(call: Call[Deploy]) -> Any:
    """Bring a version to an environment: staging at once, with its smoke test; production by the declared strategy."""
    given, project = call.input, call.project
    reason = check_text("reason", given.reason)
    environment = _environment(given.env)
    notice(project, given.model)
    version = project.models.get(given.model, given.version)
    following = _following(project, given.model, environment)
    _require_deployable(call, version)
    if environment == "production":
        _require_smoke(project, version, following)
    events = project.promotions.promote(given.model, version.number, environment, call.principal, reason)
    smokes, untested = _tested(call, following) if environment == "staging" else ([], "")
    return {
        "model": version.name,
        "version": version.number,
        "label": version.label,
        "environment": environment,
        "deployments": following,
        "events": [msgspec.to_builtins(each) for each in events],
        "smoke": [msgspec.to_builtins(each) for each in smokes],
        "untested": untested,
        "next": _next(project, environment, version, following, smokes),
    }


@operation("deploy", "smoke", Permission.OPERATE)
def smoke(call: Call[RunSmoke]) -> Any:
    """Ask a running server the golden rows of what a deployment serves: 0 answered as recorded, 1 otherwise."""
    given, project = call.input, call.project
    name = given.deployment if given.deployment is not None else _only_staging(project)
    if not 0 < given.wait <= 3600:
        raise InvalidInput(f"{given.wait:g} seconds are no time to wait.", remedy="Give up to 3600: --wait 30.")
    return msgspec.to_builtins(_smoke(call, name, url=given.url, wait_s=given.wait))


def _smoke(call: Call[Any], deployment: str, *, url: str | None = None, wait_s: float = 30.0) -> Smoke:
    project = call.project
    route = project.rollouts.route(deployment)
    if route is None:
        model = project.rollouts.settings(deployment).model
        raise NoRollout(
            f"Nothing is deployed to '{deployment}' yet.",
            remedy=f"Deploy a version: modelyard deploy --model {model.partition('@')[0]} --version VERSION --env "
            f"{model.partition('@')[2]}",
        )
    answering = [arm.name for arm in route.arms if arm.role != "shadow" and arm.weight]
    if len(answering) > 1:
        raise RolloutActive(
            f"'{deployment}' has a rollout in progress: {', '.join(answering)} share its requests, golden rows too.",
            remedy=f"Wait until it is over: modelyard rollout status {deployment}",
        )
    return project.smoke_tests.run(route, call.principal, address=url, token=os.environ.get(API_KEY, ""), wait_s=wait_s)


def _tested(call: Call[Any], deployments: Sequence[str]) -> tuple[list[Smoke], str]:
    """The smoke tests of deployments, or why there are none: staging stands without them, production will not."""
    try:
        return [_smoke(call, each) for each in deployments], ""
    except (Unavailable, NoGoldenRows) as error:
        return [], error.message


def _environment(text: str) -> str:
    if text.lower() in ENVIRONMENTS:
        return ENVIRONMENTS[text.lower()]
    raise InvalidInput(
        f"There is no environment {text[:40]!r}.",
        code="NO_ENVIRONMENT",
        remedy=f"{did_you_mean(text[:40], ENVIRONMENTS)} Others are aliases: modelyard model promote --stage ALIAS",
    )


def _following(project: Project, model: str, environment: str) -> list[str]:
    found = project.rollouts.following(model, environment)
    if found:
        return found
    name = model if environment == "production" else f"{model}-staging"
    raise NotFound(
        f"No deployment follows {model}@{environment}, so there is nothing to deploy to.",
        code="NO_ENVIRONMENT",
        context={"model": model, "environment": environment},
        remedy=f"Declare one in modelyard.yaml: deployments: {{{name}: {{model: {model}@{environment}}}}}",
    )


def _only_staging(project: Project) -> str:
    found = [name for name, each in project.settings.deployments.items() if each.alias == "staging"]
    if len(found) == 1:
        return found[0]
    known = ", ".join(found or list(project.settings.deployments)[:10]) or "none"
    raise InvalidInput(
        f"Which deployment? {len(found)} follow staging.",
        code="NO_DEPLOYMENT",
        remedy=f"Name it: modelyard deploy smoke DEPLOYMENT. There are: {known}.",
    )


def _require_deployable(call: Call[Any], version: ModelVersion) -> None:
    """Metrics, parameters, and a pipeline by the rules. Gates and approvals are the registry's to ask for."""
    lacking = [name for name, held in (("metrics", version.metrics), ("parameters", version.params)) if not held]
    if lacking:
        raise Conflict(
            f"{version.name} {version.label} was registered without {' and '.join(lacking)}: nobody can tell what it "
            "is worth, or make it again.",
            code="NOT_DEPLOYABLE",
            context={"model": version.name, "version": version.number, "lacking": lacking},
            remedy="Register it anew with them: modelyard model register --metrics JSON --params JSON. "
            f"Without these checks: modelyard model promote --name {version.name} --version {version.number}",
        )
    if name := _pipeline(call.project, version):
        judged = validate_pipeline.run(Call(call.project, ValidatePipeline(name, strict=True), call.principal))
        if not judged["valid"]:
            said = [each["message"] for each in judged["findings"] if each["severity"] == "error"]
            raise Conflict(
                f"The pipeline '{name}' of {version.name} {version.label} is not valid: {'; '.join(said[:3])[:400]}",
                code="PIPELINE_INVALID",
                remedy=f"See all of it: modelyard pipeline validate {name} --strict",
            )


def _pipeline(project: Project, version: ModelVersion) -> str:
    """The project's pipeline that made a version; nothing when there is none, or none any more."""
    run = find_run(project.records, version.made_in.partition("/")[0]) if version.made_in else None
    return run.pipeline if run is not None and run.pipeline in project.settings.pipelines else ""


def _require_smoke(project: Project, version: ModelVersion, following: Sequence[str]) -> None:
    """A passed smoke test of the very bundle in staging, unless every deployment declares that it needs none."""
    if not any(project.settings.deployments[each].needs_smoke for each in following) or version.bundle is None:
        return
    staging = project.rollouts.following(version.name, "staging")
    with project.records.snapshot() as view:
        found = [each for name in staging if (each := last_smoke(view, name, version.bundle)) is not None]
    if found and all(each.passed for each in found):
        return
    what = f"{version.name} {version.label}"
    skip = f"Where that is not wanted: deployments: {{{following[0]}: {{needs_smoke: false}}}}"
    if task_of(project, version) == "generation":
        raise Conflict(
            f"{what} may not go to production: it is an application of a language model, and that has no golden rows "
            "which a smoke test in staging could ask.",
            code="NO_SMOKE",
            context={"model": version.name, "version": version.number},
            remedy=f"Put a suite of questions to it: modelyard llm eval SUITE --application {version.name} --version "
            f"{version.number}\nthen ask for no smoke test: deployments: {{{following[0]}: {{needs_smoke: false}}}}",
        )
    if not staging:
        raise Conflict(
            f"{what} has not been proved in staging, and no deployment follows {version.name}@staging.",
            code="NO_SMOKE",
            remedy=f"Declare one: deployments: {{{version.name}-staging: {{model: {version.name}@staging}}}}. {skip}",
        )
    failed = [each for each in found if not each.passed]
    why = f"it failed at '{failed[0].deployment}': {failed[0].wrong[0]}" if failed and failed[0].wrong else (
        f"it was not run for this bundle ({version.bundle[:12]}…) at {', '.join(staging)}"
    )  # fmt: skip
    raise Conflict(
        f"{what} may not go to production: no smoke test in staging has passed; {why}.",
        code="NO_SMOKE",
        context={"model": version.name, "version": version.number, "bundle": version.bundle},
        remedy=f"First: modelyard deploy --model {version.name} --version {version.number} --env staging\n"
        f"then, where no server ran: modelyard deploy smoke {staging[0]}\n{skip}",
    )


def _next(
    project: Project, environment: str, version: ModelVersion, following: Sequence[str], smokes: Sequence[Smoke]
) -> str:
    if environment == "production":
        return f"modelyard rollout status {following[0]}"
    if task_of(project, version) == "generation":
        return f"modelyard llm eval SUITE --deployment {following[0]}"
    if smokes and all(each.passed for each in smokes):
        return f"modelyard deploy --model {version.name} --version {version.number} --env production"
    return f"modelyard deploy smoke {following[0]}"
