"""Manifests in a base with overlays of Kustomize, and the Helm chart."""

from typing import Any

from ..documents import document, documents
from ..naming import deployment_names, namespace_of
from ..records import Files, Subject
from .chart import chart
from .objects import objects

_HEAD = "Rendered by `modelyard export kubernetes` from modelyard.yaml; change that, and render again."
_SECRETS = """
Two Secrets are made by hand, in each namespace; nothing secret is rendered:
  kubectl create secret generic modelyard-stores --from-env-file=stores.env
with MODELYARD_STORES_RECORDS (postgresql+psycopg://…), MODELYARD_STORES_ARTIFACTS (s3://…), MODELYARD_STORES_TRACKING
(https://…), MODELYARD_STORES_ONLINE (redis://…) and, where the log is shipped, MODELYARD_STORES_LOG; and for each
deployment the API keys, a line each as `modelyard key create` shows them:
  kubectl create secret generic NAME-api-keys --from-file=api-keys=keys.txt"""


def render(subject: Subject) -> Files:
    """`base`, `overlays/staging`, `overlays/production`, and `chart`."""
    every = objects(subject)
    base = {f"base/{file}": document(each, f"{comment}\n{_HEAD}") for file, (comment, each) in every.items()}
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": list(every),
    }
    return {
        "base/kustomization.yaml": document(kustomization, f"{_HEAD}{_SECRETS}"),
        **base,
        **_overlay(subject, "production"),
        **_overlay(subject, "staging"),
        **{f"chart/{file}": text for file, text in chart(subject, every, f"{_HEAD}{_SECRETS}").items()},
    }


def _overlay(subject: Subject, stage: str) -> dict[str, str]:
    """An overlay: its namespace, which Pod Security holds to `restricted`, and for staging less of everything."""
    namespace = namespace_of(subject) if stage == "production" else f"{namespace_of(subject)}-{stage}"
    closed = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "audit", "warn")}
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": closed}}
    overlay: dict[str, Any] = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": namespace,
        "resources": ["namespace.yaml", "../../base"],
    }
    files = {f"overlays/{stage}/namespace.yaml": document(space, f"Where {stage} lives.\n{_HEAD}")}
    told = f"kubectl apply -k overlays/{stage}\n{_HEAD}"
    if stage == "staging":
        overlay["patches"] = [{"path": "smaller.yaml"}]
        files[f"overlays/{stage}/smaller.yaml"] = _smaller(subject)
    return {f"overlays/{stage}/kustomization.yaml": document(overlay, told), **files}


def _smaller(subject: Subject) -> str:
    """One server, two at most, of the version that the alias `staging` names."""
    parts = []
    for deployment, name in deployment_names(subject).items():
        model = subject.deployments[deployment].model_name
        parts += [
            document(
                {
                    "apiVersion": "v1",
                    "kind": "ConfigMap",
                    "metadata": {"name": name},
                    "data": {"MODEL_URI": f"models:/{model}@staging"},
                },
                f"What is other in staging. {_HEAD}",
            ),
            document(
                {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": {"replicas": 1}}
            ),
            document(
                {
                    "apiVersion": "autoscaling/v2",
                    "kind": "HorizontalPodAutoscaler",
                    "metadata": {"name": name},
                    "spec": {"minReplicas": 1, "maxReplicas": 2},
                }
            ),
        ]
    return documents(parts)
