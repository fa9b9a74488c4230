"""What a project is in a cluster, object by object."""

from collections.abc import Iterator
from typing import Any

from ..naming import deployment_names, dns_name
from ..records import Subject
from ..scheduled import steps_of
from .pods import LABEL, command_pod, config_map, labels_of, metadata, selector_of, server_pod

Object = dict[str, Any]
_DNS = [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}]


def objects(subject: Subject) -> dict[str, tuple[str, Object]]:
    """Every object with what is to be said of it, by the name of its file."""
    found: dict[str, tuple[str, Object]] = {}
    for deployment, name in deployment_names(subject).items():
        for comment, each in _of_deployment(subject, deployment, name):
            found[f"{name}-{each['kind'].lower()}.yaml"] = comment, each
    for comment, each in _of_project(subject):
        found[f"{each['metadata']['name']}-{each['kind'].lower()}.yaml"] = comment, each
    return found


def server_deployment(subject: Subject, deployment: str, name: str, *, closed: bool = True) -> Object:
    """The Deployment of a deployment's servers."""
    labels = labels_of(subject, "server", name)
    scrape = {"prometheus.io/scrape": "true", "prometheus.io/port": "8082"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(subject, "server", name),
        "spec": {
            "#1": "Only where scaling begins: the HorizontalPodAutoscaler decides from then on.",
            "replicas": subject.settings.replicas,
            "revisionHistoryLimit": 10,
            "progressDeadlineSeconds": 600,
            "minReadySeconds": 5,
            "#2": "A new server is ready before an old one is told to end, so that no request is lost.",
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "selector": {"matchLabels": selector_of(name, "server")},
            "template": {
                "metadata": {"labels": labels, "annotations": scrape},
                "spec": server_pod(subject, deployment, name, closed=closed),
            },
        },
    }


def service(subject: Subject, name: str, suffix: str = "", selector: dict[str, str] | None = None) -> Object:
    """The Service before the servers."""
    ports = [("http", 80), ("grpc", 8081), ("metrics", 8082)]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(subject, "server", name + suffix),
        "spec": {
            "type": "ClusterIP",
            "selector": selector or selector_of(name, "server"),
            "ports": [
                {"name": each, "port": port, "targetPort": each, "protocol": "TCP"}
                | ({"appProtocol": "kubernetes.io/h2c"} if each == "grpc" else {})
                for each, port in ports
            ],
        },
    }


def _of_deployment(subject: Subject, deployment: str, name: str) -> Iterator[tuple[str, Object]]:
    declared = subject.deployments[deployment]
    lost = (
        f"The servers of deployment {deployment}. Each serves the version that MODEL_URI names when it starts, so a "
        f"promotion takes effect by:\n  kubectl rollout restart deployment/{name}\n"
        f"and is taken back by:\n  kubectl rollout undo deployment/{name}, with MODEL_URI set to a number: "
        f"models:/NAME/3\n"
        f"What is lost against `modelyard rollout start`: strategy {declared.strategy} with its evidence. Pods are "
        f"replaced all "
        "at once; argo-rollouts and flagger shift traffic by steps."
    )
    if declared.clock == "request":
        lost += f"\ndeployments.{deployment}.clock: request is for loopback; here event time is the server's clock."
    lost += (
        "\nThe prediction log lies in the pod, and the sidecar ship-log brings it to stores.log within seconds, and "
        "once more after the server drained. Lost is what was not shipped when the node died, or when stores.log was "
        "away until the grace of the pod was over."
        if subject.ships_log
        else "\nThe prediction log lies in the pod and is lost with it, at each rollout and whenever fewer are needed: "
        "set stores.log, and a sidecar ships it."
    )
    yield (
        "Who the servers are in the cluster: nobody who may ask its API.",
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": metadata(subject, "server", name),
            "automountServiceAccountToken": False,
        },
    )
    yield "What the servers are told.", config_map(subject, deployment, name)
    yield lost, server_deployment(subject, deployment, name)
    yield "Inside the cluster: http on 80, gRPC on 8081, metrics on 8082.", service(subject, name)
    yield "Between the fewest and the most servers by what they use.", _autoscaler(subject, name)
    yield (
        "Nodes may be drained as long as all servers but one answer.",
        {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": metadata(subject, "server", name),
            "spec": {"maxUnavailable": 1, "selector": {"matchLabels": selector_of(name, "server")}},
        },
    )
    yield (
        "Who may reach the servers, and what they may reach; all else is denied.",
        _policy(subject, "server", name, [{"protocol": "TCP", "port": port} for port in (8080, 8081, 8082)]),
    )
    if subject.settings.host is not None:
        yield "From outside the cluster.", _ingress(subject, deployment, name)


def _of_project(subject: Subject) -> Iterator[tuple[str, Object]]:
    project = dns_name(subject.project)
    yield (
        "Whatever no other policy allows is denied, in both directions.",
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": metadata(subject, "network", f"{project}-default-deny"),
            "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},
        },
    )
    yield (
        "Commands and steps reach the stores, and nobody reaches them.",
        _policy(subject, "command", f"{project}-commands", []),
    )
    yield (
        "The workspace of commands: sealed logs, folders of runs. Stores that servers need are elsewhere.",
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": metadata(subject, "command", f"{project}-workspace"),
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "20Gi"}}},
        },
    )
    for step in steps_of(subject):
        yield step.does, _cron(subject, step.name, step.cron, ["modelyard", *step.words])


def _autoscaler(subject: Subject, name: str) -> Object:
    settings = subject.settings
    used = {"type": "Utilization", "averageUtilization": settings.cpu_target}
    metrics: list[Object] = [{"type": "Resource", "resource": {"name": "cpu", "target": used}}]
    if settings.requests_per_replica is not None:
        target = {"type": "AverageValue", "averageValue": str(settings.requests_per_replica)}
        metrics.append(
            {
                "type": "Pods",
                "#": "From a metrics adapter: sum by (pod) (rate(model_requests_total[2m])).",
                "pods": {"metric": {"name": "model_requests_per_second"}, "target": target},
            }
        )
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": metadata(subject, "server", name),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "minReplicas": settings.min_replicas,
            "maxReplicas": settings.max_replicas,
            "metrics": metrics,
            "behavior": {"scaleDown": {"stabilizationWindowSeconds": 300}},
        },
    }


def _policy(subject: Subject, component: str, name: str, reached: list[Object]) -> Object:
    selector = selector_of(name, component) if component == "server" else {f"{LABEL}/component": component}
    stores = [{"protocol": "TCP", "port": port} for port in subject.settings.egress_ports]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(subject, component, name),
        "spec": {
            "podSelector": {"matchLabels": selector},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [{"ports": reached}] if reached else [],
            "#": "Names, and the ports of the stores (export.egress_ports).",
            "egress": [{"ports": _DNS}, {"ports": stores}],
        },
    }


def _ingress(subject: Subject, deployment: str, name: str) -> Object:
    settings = subject.settings
    alone = len(subject.deployments) == 1
    path = {"path": "/" if alone else f"/deployments/{deployment}", "pathType": "Prefix"}
    backend = {"service": {"name": name, "port": {"name": "http"}}}
    tls = {"tls": [{"hosts": [settings.host], "secretName": settings.tls_secret}]} if settings.tls_secret else {}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": metadata(subject, "server", name),
        "spec": {**tls, "rules": [{"host": settings.host, "http": {"paths": [{**path, "backend": backend}]}}]},
    }


def _cron(subject: Subject, kind: str, schedule: str, command: list[str]) -> Object:
    name = f"{dns_name(subject.project)}-{kind}"
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": metadata(subject, "command", name),
        "spec": {
            "schedule": schedule,
            "timeZone": "Etc/UTC",
            "concurrencyPolicy": "Forbid",
            "successfulJobsHistoryLimit": 3,
            "failedJobsHistoryLimit": 3,
            "jobTemplate": {
                "spec": {
                    "backoffLimit": 1,
                    "template": {
                        "metadata": {"labels": labels_of(subject, "command", name)},
                        "spec": command_pod(subject, command),
                    },
                }
            },
        },
    }
