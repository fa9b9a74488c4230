"""Servers on Kubernetes: plain manifests with Kustomize overlays, and a Helm chart of the same."""

from .objects import server_deployment, service
from .pods import (
    LABEL,
    config_map,
    exposed,
    fetch_container,
    labels_of,
    metadata,
    resources,
    restricted,
    restricted_pod,
    server_container,
    server_pod,
    server_resources,
)
from .render import render

__all__ = [
    "LABEL",
    "config_map",
    "exposed",
    "fetch_container",
    "labels_of",
    "metadata",
    "render",
    "resources",
    "restricted",
    "restricted_pod",
    "server_container",
    "server_deployment",
    "server_pod",
    "server_resources",
    "service",
]
