"""Every target by its name."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from . import (
    airflow,
    argo_rollouts,
    ci,
    cron,
    docker,
    flagger,
    grafana,
    kserve,
    kubeflow,
    kubernetes,
    prometheus,
    ray,
    runbook,
    sagemaker,
    seldon,
    spark,
)
from .records import Render


@dataclass(frozen=True)
class Target:
    """What can be rendered, and in a sentence what comes of it."""

    name: str
    summary: str
    render: Render


_ALL = (
    Target("docker", "Images of server and steps, and a compose file with every store.", docker.render),
    Target("kubernetes", "Manifests with Kustomize overlays, and a Helm chart.", kubernetes.render),
    Target("kserve", "InferenceServices for KServe.", kserve.render),
    Target("seldon", "SeldonDeployments for Seldon Core.", seldon.render),
    Target("argo-rollouts", "Canaries by Argo Rollouts, through Istio, judged by Prometheus.", argo_rollouts.render),
    Target("flagger", "Canaries by Flagger, through Istio, judged by Prometheus.", flagger.render),
    Target("kubeflow", "A pipeline for Kubeflow Pipelines v2.", kubeflow.render),
    Target("airflow", "A pipeline, and the retraining loop, as DAG files of Airflow 3.", airflow.render),
    Target("cron", "A crontab of the retraining loop's single step.", cron.render),
    Target("ray", "A pipeline as a job of a Ray cluster.", ray.render),
    Target("spark", "Batch scoring of tables on a Spark cluster.", spark.render),
    Target("ci", "Workflows of GitHub Actions and GitLab CI.", ci.render),
    Target("sagemaker", "Requests that make an endpoint of the server's image.", sagemaker.render),
    Target("runbook", "The operations guide: deploy, roll back, alerts, recovery, troubleshooting.", runbook.render),
    Target("prometheus", "Rules, scrape configuration and Alertmanager's routes.", prometheus.render),
    Target("grafana", "Dashboards of serving and of monitoring.", grafana.render),
)

TARGETS: Mapping[str, Target] = MappingProxyType({each.name: each for each in _ALL})
"""Every target by its name."""
