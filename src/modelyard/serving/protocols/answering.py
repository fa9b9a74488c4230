"""Which deployment and version a path names, and the plane's answers to its rows: the same for every protocol."""

from collections.abc import Sequence
from dataclasses import replace

import msgspec

from ..arms import Input, LoadedArm
from ..dataplane import Answer, DataPlane
from ..deployments import Deployment
from ..errors import NotReady
from .contract import Call
from .errors import NoSuchVersion
from .rows import check_rows


def answering(plane: DataPlane, model: str | None, version: str | None = None) -> Deployment:
    """The deployment that answers under a name; NotServed without one.

    With a version it answers from that version alone: the live one. NoSuchVersion for any other, since an arm on
    trial answers for those whom the route assigns to it, and falls back to live.
    """
    deployment = plane.deployments.find(model)
    if version is None:
        return deployment
    route = deployment.route
    if version != route.live.version:
        on_trial = [arm.version for arm in route.arms if arm.version != route.live.version]
        beside = f" Beside it, as the route assigns them: {', '.join(on_trial)}." if on_trial else ""
        raise NoSuchVersion(
            f"'{route.deployment}' does not answer from version '{version[:80]}'.",
            context={"path": "version"},
            remedy=f"The live version is {route.live.version}.{beside} Leave the version out to ask the route.",
        )
    live = msgspec.structs.replace(route.live, weight=1.0)
    watching = tuple(arm for arm in route.arms if arm.role == "shadow")
    return replace(deployment, route=msgspec.structs.replace(route, arms=(live, *watching)))


def arm_of(plane: DataPlane, model: str | None, version: str | None = None) -> LoadedArm:
    """The loaded arm of a version, of live without one; NoSuchVersion lists those there are, NotReady says why not."""
    deployment = plane.deployments.find(model)
    if version is None or version == deployment.route.live.version:
        return deployment.live
    arms = [arm for arm in deployment.route.arms if arm.version == version]
    if not arms:
        raise NoSuchVersion(
            f"'{deployment.route.deployment}' has no version '{version[:80]}'.",
            context={"path": "version"},
            remedy=f"It has: {', '.join(versions_of(deployment))}.",
        )
    loaded = [deployment.arms[arm.name] for arm in arms if arm.name in deployment.arms]
    if not loaded:
        raise NotReady(
            f"Version {version} of '{deployment.route.deployment}' is not loaded: "
            f"{deployment.refused.get(arms[0].name, 'loading')}.",
            remedy="See the server's log.",
        )
    return loaded[0]


def version_of_label(plane: DataPlane, model: str | None, label: str) -> str:
    """The version behind an arm's name; NoSuchVersion lists the names."""
    deployment = plane.deployments.find(model)
    for arm in deployment.route.arms:
        if arm.name == label:
            return arm.version
    raise NoSuchVersion(
        f"'{deployment.route.deployment}' has no label '{label[:80]}'.",
        context={"path": "label"},
        remedy=f"Labels are the names of its arms: {', '.join(arm.name for arm in deployment.route.arms)}.",
    )


def versions_of(deployment: Deployment) -> list[str]:
    """The versions behind a deployment, live first, each once."""
    route = deployment.route
    return list(dict.fromkeys([route.live.version, *(arm.version for arm in route.arms)]))


def ready(plane: DataPlane, call: Call) -> bool:
    """Whether this server should get traffic."""
    return plane.deployments.ready() and not call.draining


async def answers(plane: DataPlane, call: Call, deployment: Deployment, rows: Sequence[Input]) -> list[Answer]:
    """The plane's answers to the rows of a call, with what its headers say: event time, key, arm."""
    check_rows(len(rows), call.rows_limit, "")
    at = plane.event_time(deployment, call.headers.get("x-modelyard-at"), loopback=call.loopback)
    named = plane.named_arm(deployment, call.headers.get("x-modelyard-arm"))
    return await plane.predict(deployment, rows, at=at, key=call.key, arm=named)
