"""A Canary for each Deployment, and the templates of what it is judged by."""

from typing import Any

from ..documents import document
from ..kubernetes import metadata
from ..naming import deployment_names, namespace_of
from ..records import Files, Subject
from ..shifting import bounds, check_strategy, lost, queries, span, steps_before_all

_HEAD = "Rendered by `modelyard export flagger` from modelyard.yaml; change that, and render again."
_KNOWN = ("canary",)


def render(subject: Subject) -> Files:
    """Files to be applied beside those of `modelyard export kubernetes`, whose Deployments and HPAs they name."""
    files: dict[str, str] = {}
    for deployment, name in deployment_names(subject).items():
        check_strategy("Flagger", deployment, subject.deployments[deployment], _KNOWN)
        comment = (
            f"Deployment {deployment} under Flagger with Istio, beside the Deployment and "
            f"HorizontalPodAutoscaler {name}. "
            "Flagger makes the Services and the VirtualService; leave out those of `modelyard export "
            "kubernetes`. A change "
            f"of MODEL_URI in the ConfigMap begins a canary.\n{lost(subject, deployment)}\n{_HEAD}"
        )
        files[f"{name}-canary.yaml"] = document(_canary(subject, deployment, name), comment)
        for each, query in queries(f"{name}-[a-z0-9]+-[a-z0-9]+").items():
            template = {
                "apiVersion": "flagger.app/v1beta1",
                "kind": "MetricTemplate",
                "metadata": metadata(subject, "server", f"{name}-{each}"),
                "spec": {
                    "provider": {"type": "prometheus", "address": subject.settings.prometheus},
                    "query": query,
                },
            }
            files[f"{name}-{each}-metrictemplate.yaml"] = document(template, f"Of the canary's pods.\n{_HEAD}")
    return files


def _canary(subject: Subject, deployment: str, name: str) -> dict[str, Any]:
    settings, host = subject.deployments[deployment], subject.settings.host
    limits = bounds(settings)
    outside = {"gateways": [f"{name}-gateway"], "hosts": [host]} if host else {}
    return {
        "apiVersion": "flagger.app/v1beta1",
        "kind": "Canary",
        "metadata": metadata(subject, "server", name),
        "spec": {
            "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "autoscalerRef": {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "name": name},
            "progressDeadlineSeconds": 600,
            "service": {"port": 80, "targetPort": "http", "portName": "http", **outside},
            "analysis": {
                "#1": "The least time at each step.",
                "interval": span(settings),
                "threshold": 1,
                "stepWeights": steps_before_all(settings),
                "metrics": [
                    {
                        "name": each,
                        "templateRef": {"name": f"{name}-{each}", "namespace": namespace_of(subject)},
                        "thresholdRange": {"max": limits[each]},
                        "interval": "5m",
                    }
                    for each in limits
                ],
            },
        },
    }
