"""Servers on Kubernetes: plain manifests with Kustomize overlays, and a Helm chart of the same."""

from .objects import server_deployment, service
from .pods import (
    LABEL,
    config_map,
    cores,
    exposed,
    fetch_container,
    labels_of,
    mebibytes,
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
    "cores",
    "exposed",
    "fetch_container",
    "labels_of",
    "mebibytes",
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
