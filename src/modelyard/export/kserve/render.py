"""An InferenceService for each deployment, with our server in the predictor."""

from typing import Any

from ..documents import document
from ..errors import unsupported
from ..kubernetes import config_map, metadata, server_pod
from ..naming import deployment_names
from ..records import Files, Subject
from ..shifting import check_strategy, lost, steps_before_all

_HEAD = "Rendered by `modelyard export kserve` from modelyard.yaml; change that, and render again."
_KNOWN = ("canary", "all-at-once")


def render(subject: Subject) -> Files:
    """An InferenceService and the ConfigMap that its servers read, for each deployment."""
    files: dict[str, str] = {}
    for deployment, name in deployment_names(subject).items():
        settings = subject.deployments[deployment]
        check_strategy("KServe", deployment, settings, _KNOWN)
        if settings.clock == "request":
            told = f"\ndeployments.{deployment}.clock: request is for loopback; here event time is the server's clock."
        else:
            told = ""
        comment = (
            f"Deployment {deployment} as an InferenceService (Knative mode; init containers need the flag "
            "kubernetes.podspec-init-containers of Knative, and secrets `modelyard-stores` as under `export "
            "kubernetes`).\n"
            "Callers are let in by the gateway (Istio's AuthorizationPolicy, say): no API key is asked for.\n"
            f"Open Inference Protocol: /v2/models/{deployment}/infer. gRPC and metrics are not exposed: a "
            f"revision has one "
            f"port; Knative's autoscaler counts requests in its place.{told}\n{lost(subject, deployment)}\n"
            "- steps: traffic stays at canaryTrafficPercent until it is changed, by hand or by a controller; "
            "so does going "
            f"back: set it to 0.\n{_HEAD}"
        )
        files[f"{name}-inferenceservice.yaml"] = document(_service(subject, deployment, name), comment)
        files[f"{name}-configmap.yaml"] = document(
            config_map(subject, deployment, name), f"What servers are told.\n{_HEAD}"
        )
    return files


def _service(subject: Subject, deployment: str, name: str) -> dict[str, Any]:
    settings, export = subject.deployments[deployment], subject.settings
    if export.requests_per_replica is not None and export.requests_per_replica > 100_000:
        raise unsupported(
            "KServe",
            "export.requests_per_replica",
            export.requests_per_replica,
            "Knative's rps target is at most 100000.",
            "Lower it, or leave it out.",
        )
    pod = server_pod(subject, deployment, name, closed=False)
    for each in ("topologySpreadConstraints", "terminationGracePeriodSeconds", "serviceAccountName", "#"):
        pod.pop(each)
    (server, *beside) = pod["containers"]
    server["ports"] = [{"name": "http1", "containerPort": 8080}]
    server["name"] = "kserve-container"
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        server[probe]["httpGet"]["port"] = 8080
    by_rps = export.requests_per_replica is not None
    scale: dict[str, Any] = {
        "minReplicas": export.min_replicas,
        "maxReplicas": export.max_replicas,
        "#1": "Requests a second that a server should have." if by_rps else "Requests that a server answers at a time.",
        "scaleMetric": "rps" if by_rps else "concurrency",
        "scaleTarget": export.requests_per_replica if by_rps else 8,
    }
    shares = steps_before_all(settings)
    if settings.strategy == "canary" and shares:
        scale |= {"#2": "The new revision's share; the one before has the rest.", "canaryTrafficPercent": shares[0]}
    if export.logger_url is not None:
        scale["logger"] = {"mode": "all", "url": export.logger_url}
    rest = {key: each for key, each in pod.items() if key != "containers"}
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": metadata(subject, "server", name),
        "spec": {"predictor": {**scale, "timeout": 30, "containers": [server, *beside], **rest}},
    }
