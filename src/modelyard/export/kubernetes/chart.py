"""The Helm chart: the same objects, with what differs from cluster to cluster as values."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from ..documents import document, raw
from ..naming import deployment_names, dns_name, image_of
from ..records import Subject
from .objects import Object
from .pods import resources, server_resources


def chart(subject: Subject, every: Mapping[str, tuple[str, Object]], head: str) -> dict[str, str]:
    """Chart.yaml, values.yaml and the templates, without an Ingress where no host is given."""
    settings, names = subject.settings, deployment_names(subject)
    about = {
        "apiVersion": "v2",
        "name": dns_name(subject.project),
        "description": f"The servers and the loop of {subject.project}.",
        "type": "application",
        "version": "0.1.0",
        "appVersion": settings.tag,
    }
    values: dict[str, Any] = {
        "#1": "Images are REGISTRY/NAME-server:TAG and REGISTRY/NAME-training:TAG.",
        "image": {"registry": settings.registry, "tag": settings.tag},
        "#2": "The version that the servers of each deployment serve, and how they differ.",
        "servers": {
            name: {
                "modelUri": f"models:/{subject.deployments[deployment].model}",
                "workers": subject.workers,
                "resources": server_resources(subject, deployment),
            }
            for deployment, name in names.items()
        },
        "replicas": settings.replicas,
        "autoscaling": {
            "minReplicas": settings.min_replicas,
            "maxReplicas": settings.max_replicas,
            "cpu": settings.cpu_target,
        },
        "#3": "What commands and steps ask for.",
        "training": {"resources": resources(settings.training)},
        "storage": "20Gi",
    }
    if settings.host is not None:
        values["host"] = settings.host
    templates = {f"templates/{file}": document(_templated(subject, each)) for file, (_, each) in every.items()}
    return {
        "Chart.yaml": document(about, f"helm upgrade --install NAME chart --namespace NAMESPACE\n{head}"),
        "values.yaml": document(values, "What differs from cluster to cluster."),
        **templates,
    }


def _templated(subject: Subject, given: Object) -> Object:
    """An object with values in place of what they say."""
    made = deepcopy(given)
    kind, spec = made["kind"], made.get("spec", {})
    name = made["metadata"]["name"]
    if kind == "ConfigMap":
        made["data"]["MODEL_URI"] = raw(_of(name, "modelUri") + " | quote }}")
        made["data"]["WORKERS"] = raw(_of(name, "workers") + " | quote }}")
    elif kind == "Deployment":
        spec["replicas"] = raw("{{ .Values.replicas }}")
        _pod(subject, spec["template"]["spec"], raw(_of(name, "resources") + " | toJson }}"))
        digest = '{{ include (print $.Template.BasePath "/' + f"{name}-configmap.yaml" + '") . | sha256sum }}'
        spec["template"]["metadata"]["annotations"]["checksum/config"] = raw(digest)
    elif kind == "CronJob":
        template = spec["jobTemplate"]["spec"]["template"]["spec"]
        _pod(subject, template, raw("{{ .Values.training.resources | toJson }}"))
    elif kind == "HorizontalPodAutoscaler":
        spec["minReplicas"] = raw("{{ .Values.autoscaling.minReplicas }}")
        spec["maxReplicas"] = raw("{{ .Values.autoscaling.maxReplicas }}")
        spec["metrics"][0]["resource"]["target"]["averageUtilization"] = raw("{{ .Values.autoscaling.cpu }}")
    elif kind == "PersistentVolumeClaim":
        spec["resources"]["requests"]["storage"] = raw("{{ .Values.storage }}")
    elif kind == "Ingress":
        spec["rules"][0]["host"] = raw("{{ .Values.host | quote }}")
    return made


def _of(name: str, key: str) -> str:
    """The beginning of an expression: a value of one deployment's servers."""
    return f'{{{{ (index .Values.servers "{name}").{key}'


def _pod(subject: Subject, pod: Object, asked: str) -> None:
    """Images and resources of a pod's containers; those that only help keep theirs."""
    images = {
        image_of(subject, kind): f"{{{{ .Values.image.registry }}}}/{dns_name(subject.project)}-{kind}"
        ":{{ .Values.image.tag }}"
        for kind in ("server", "training")
    }
    for container in (*pod.get("initContainers", ()), *pod["containers"]):
        container["image"] = images[container["image"]]
        if container["name"] in ("server", "command"):
            container["resources"] = asked
