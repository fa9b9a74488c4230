"""A SeldonDeployment for each deployment, with our server as the only node of its graph."""

from typing import Any

from ..documents import document
from ..kubernetes import config_map, metadata, server_pod
from ..naming import deployment_names
from ..records import Files, Subject
from ..shifting import check_strategy, lost

_HEAD = "Rendered by `modelyard export seldon` from modelyard.yaml; change that, and render again."
_KNOWN = ("canary", "all-at-once")


def render(subject: Subject) -> Files:
    """A SeldonDeployment and the ConfigMap that its servers read, for each deployment."""
    files: dict[str, str] = {}
    for deployment, name in deployment_names(subject).items():
        check_strategy("Seldon Core", deployment, subject.deployments[deployment], _KNOWN)
        comment = (
            f"Deployment {deployment} as a SeldonDeployment of Seldon Core 1.x, protocol v2, without its "
            f"orchestrator.\n"
            "Callers are let in by the gateway: no API key is asked for. Secrets `modelyard-stores` as under `export "
            f"kubernetes`.\n{lost(subject, deployment)}\n"
            "- steps: a canary is a second predictor of another MODEL_URI, with `traffic` changed by hand or by a "
            f"controller.\n{_HEAD}"
        )
        files[f"{name}-seldondeployment.yaml"] = document(_made(subject, deployment, name), comment)
        files[f"{name}-configmap.yaml"] = document(
            config_map(subject, deployment, name), f"What servers are told.\n{_HEAD}"
        )
    return files


def _made(subject: Subject, deployment: str, name: str) -> dict[str, Any]:
    settings = subject.settings
    pod = server_pod(subject, deployment, name, closed=False)
    pod.pop("serviceAccountName")
    pod["containers"][0]["name"] = deployment
    cpu = {"type": "Utilization", "averageUtilization": settings.cpu_target}
    scaling = {
        "minReplicas": settings.min_replicas,
        "maxReplicas": settings.max_replicas,
        "metricsv2": [{"type": "Resource", "resource": {"name": "cpu", "target": cpu}}],
    }
    return {
        "apiVersion": "machinelearning.seldon.io/v1",
        "kind": "SeldonDeployment",
        "metadata": metadata(subject, "server", name),
        "spec": {
            "protocol": "v2",
            "annotations": {"seldon.io/no-engine": "true"},
            "predictors": [
                {
                    "name": "live",
                    "replicas": settings.replicas,
                    "traffic": 100,
                    "graph": {"name": deployment, "type": "MODEL", "endpoint": {"type": "REST", "httpPort": 8080}},
                    "componentSpecs": [{"spec": pod, "hpaSpec": scaling}],
                }
            ],
        },
    }
