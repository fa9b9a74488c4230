"""A Rollout in the Deployment's place, what it is judged by, and the VirtualService whose weights it changes."""

from typing import Any

from ..documents import document
from ..kubernetes import metadata, server_deployment, service
from ..naming import deployment_names
from ..records import Files, Subject
from ..shifting import bounds, check_strategy, lost, queries, span, steps_before_all, virtual_service

_HEAD = "Rendered by `modelyard export argo-rollouts` from modelyard.yaml; change that, and render again."
_KNOWN = ("canary", "all-at-once")


def render(subject: Subject) -> Files:
    """Kustomize files to be laid over `modelyard export kubernetes`: base/ stands beside this folder's."""
    files: dict[str, str] = {}
    for deployment, name in deployment_names(subject).items():
        check_strategy("Argo Rollouts", deployment, subject.deployments[deployment], _KNOWN)
        comment = (
            f"Deployment {deployment} under Argo Rollouts (v1.7 or newer) with Istio. It takes the Deployment's place: "
            f"delete that one. A promotion begins by a version's number in the pod template: "
            f"MODEL_URI=models:/NAME/3. An "
            "alias there would let pods of the old revision fetch the new version when they start again.\n"
            f"{lost(subject, deployment)}\n{_HEAD}"
        )
        files[f"{name}-rollout.yaml"] = document(_rollout(subject, deployment, name), comment)
        files[f"{name}-analysis.yaml"] = document(
            _analysis(subject, deployment, name), f"The canary's bounds.\n{_HEAD}"
        )
        for suffix in ("", "-canary"):
            told = service(subject, name, suffix)
            files[f"{name}{suffix}-service.yaml"] = document(told, f"Argo Rollouts changes the selector.\n{_HEAD}")
        route = virtual_service(name, name, f"{name}-canary", subject.settings.host)
        files[f"{name}-virtualservice.yaml"] = document(route, f"The weights of the two Services.\n{_HEAD}")
    return files


def _rollout(subject: Subject, deployment: str, name: str) -> dict[str, Any]:
    settings = subject.deployments[deployment]
    made = server_deployment(subject, deployment, name)
    canary: dict[str, Any] = {"maxSurge": 1, "maxUnavailable": 0}
    if settings.strategy == "canary":
        steps: list[dict[str, Any]] = []
        for share in steps_before_all(settings):
            steps += [{"setWeight": share}, {"pause": {"duration": span(settings)}}]
        canary |= {
            "stableService": name,
            "canaryService": f"{name}-canary",
            "trafficRouting": {"istio": {"virtualService": {"name": name, "routes": ["primary"]}}},
            "#": "Judged from the first step on, all the while; a failure takes all traffic back at once.",
            "analysis": {
                "templates": [{"templateName": name}],
                "startingStep": 1,
                "args": [{"name": "hash", "valueFrom": {"podTemplateHashValue": "Latest"}}],
            },
            "steps": steps,
        }
    spec = {key: each for key, each in made["spec"].items() if not key.startswith("#")}
    template = spec.pop("template")
    (fetch,) = template["spec"]["initContainers"]
    fetch["env"][0] = {"name": "MODEL_URI", "value": f"models:/{settings.model}"}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": made["metadata"],
        "spec": {**spec, "strategy": {"canary": canary}, "template": template},
    }


def _analysis(subject: Subject, deployment: str, name: str) -> dict[str, Any]:
    settings = subject.deployments[deployment]
    limits = bounds(settings)
    metrics = [
        {
            "name": each,
            "interval": "1m",
            "failureLimit": 1,
            "#": "Without a value it is neither success nor failure: no data is never a pass, and the rollout waits.",
            "inconclusiveLimit": 10,
            "successCondition": f"len(result) > 0 && !isNaN(result[0]) && result[0] <= {limits[each]:g}",
            "failureCondition": f"len(result) > 0 && !isNaN(result[0]) && result[0] > {limits[each]:g}",
            "provider": {"prometheus": {"address": subject.settings.prometheus, "query": query}},
        }
        for each, query in queries(f"{name}-{{{{args.hash}}}}-.*").items()
    ]
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AnalysisTemplate",
        "metadata": metadata(subject, "server", name),
        "spec": {"args": [{"name": "hash"}], "metrics": metrics},
    }
