"""The declaration of a deployment, as a server's container reads it."""

import json

import msgspec

from .documents import as_json
from .records import Subject


def served(subject: Subject, deployment: str) -> str:
    """The JSON of `DEPLOYMENT_FILE`: how its requests are treated, and whose bundles are loaded."""
    from modelyard.serving.container import Served  # noqa: PLC0415 - most targets tell no server anything

    settings, trust = subject.deployments[deployment], subject.trust
    told = Served(
        deployment,
        assign_by=settings.assign_by,
        latency_objective_ms=settings.latency_objective_ms,
        policy=settings.serving.policy,
        python_bundles=trust.python_bundles,
        require_signed=trust.require_signed,
        trusted_keys=tuple(each.text for each in trust.keys),
        python_keys=tuple(each.text for each in trust.python_keys),
    )
    return as_json(json.loads(msgspec.json.encode(told)))
