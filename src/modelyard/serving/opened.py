"""What is open to everybody, with or without a key. Whatever else asks for no permission stops the start."""

from collections.abc import Iterable

from modelyard.access import Permission, RouteWithoutPolicy

_PROBES = ("/health", "/livez", "/ready", "/readyz")

OPEN_TO_ALL = frozenset(
    {
        *(f"GET {path}" for path in _PROBES),
        "GET /ping",
        "GET /version",
        "GET /v2",
        "GET /v2/health/live",
        "GET /v2/health/ready",
        "GET /v2/models/{model}/ready",
        "GET /v2/models/{model}/versions/{version}/ready",
        "inference.GRPCInferenceService/ServerLive",
        "inference.GRPCInferenceService/ServerReady",
        "inference.GRPCInferenceService/ServerMetadata",
        "inference.GRPCInferenceService/ModelReady",
        "grpc.health.v1.Health/Check",
    }
)
"""Routes that tell no more than whether something is up, and of which software: probes cannot carry keys."""


def require_policies(routes: Iterable[tuple[str, Permission | None]]) -> None:
    """RouteWithoutPolicy when a route asks for no permission, and nobody wrote down that it is open to all."""
    for name, permission in routes:
        if permission is None and name not in OPEN_TO_ALL:
            raise RouteWithoutPolicy(
                f"The route {name} says of nobody that he may call it.",
                context={"route": name},
                remedy="Give it a permission, or add it to serving.opened.OPEN_TO_ALL.",
            )
