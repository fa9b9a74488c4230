"""The arm that a caller names instead of the route: for testers, where the deployment lets them."""

from collections.abc import Collection

from modelyard.core import did_you_mean

from .applications import LoadedApplication
from .arms import LoadedArm
from .deployments import Deployment
from .embedders import LoadedEmbedder
from .errors import BadRequest, NotReady

HEADER = "X-Modelyard-Arm"
"""The header of HTTP, in lower case the metadata of gRPC, that names the arm."""


def named_arm(deployment: Deployment, name: str) -> LoadedArm:
    """The arm of a name; BadRequest when it may not be named or answers nobody, NotReady when it is not loaded."""
    _require(deployment, name, deployment.arms)
    return deployment.arms[name]


def named_application(deployment: Deployment, name: str) -> LoadedApplication:
    """The same of an application."""
    _require(deployment, name, deployment.applications)
    return deployment.applications[name]


def named_embedder(deployment: Deployment, name: str) -> LoadedEmbedder:
    """The same of an embedder."""
    _require(deployment, name, deployment.embedders)
    return deployment.embedders[name]


def _require(deployment: Deployment, name: str, there: Collection[str]) -> None:
    route = deployment.route
    if not deployment.policy.overrides:
        raise BadRequest(
            f"'{route.deployment}' does not let callers name the arm that answers.",
            context={"path": HEADER},
            remedy=f"Leave the header out, or set deployments.{route.deployment}.serving.overrides: true.",
        )
    answering = [arm.name for arm in route.arms if arm.role != "shadow"]
    if name not in answering:
        raise BadRequest(
            f"'{route.deployment}' has no arm '{name[:80]}' that answers. Arms: {', '.join(answering)}.",
            context={"path": HEADER},
            remedy=did_you_mean(name[:80], answering),
        )
    if name not in there:
        raise NotReady(
            f"The arm '{name}' of '{route.deployment}' is not loaded: {deployment.refused.get(name, 'loading')}.",
            remedy="See the server's log.",
        )
