"""No setting is left out in silence: each target carries it, refuses it by name, or has nothing that it could be."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.export.subjects import changed

from modelyard.export import TARGETS, ExportSettings, PodSettings, Subject, UnsupportedSetting
from modelyard.rollout import DeploymentSettings

PODS = {"kubernetes", "kserve", "seldon", "argo-rollouts"}
"""Whose pods are servers; Flagger shifts traffic between those that `kubernetes` renders."""

IMAGES = {*PODS, "docker", "kubeflow", "airflow", "ray", "sagemaker"}
STEPS = {"kubernetes", "kubeflow", "airflow", "ray"}
SHIFTING = {"argo-rollouts", "flagger"}
LOSING = {*SHIFTING, "kserve", "seldon"}
"""Which say in a comment what is lost of our rollouts."""

SERVING = {*PODS, "docker"}
"""Whose servers are told how requests of the deployment are treated."""

EXPORT: Mapping[str, tuple[Any, set[str]]] = {
    "registry": ("other.example.com", IMAGES),
    "tag": ("9.9", IMAGES),
    "python": ("3.12", {"docker", "ci"}),
    "extras": (("ray",), {"docker", "ci"}),
    "namespace": ("ml", {"kubernetes", "flagger", "airflow"}),  # elsewhere, that of whoever applies the file
    "host": ("m.example.com", {"kubernetes", *SHIFTING}),  # KServe, Seldon and SageMaker name addresses themselves
    "tls_secret": ("certificate", {"kubernetes"}),  # gateways of Istio have certificates of their own
    "replicas": (4, {"kubernetes", "seldon", "argo-rollouts", "sagemaker"}),  # KServe begins with the fewest
    "min_replicas": (1, {"kubernetes", "kserve", "seldon"}),
    "max_replicas": (20, {"kubernetes", "kserve", "seldon"}),
    "cpu_target": (55, {"kubernetes", "seldon"}),  # KServe scales by requests
    "requests_per_replica": (50, {"kubernetes", "kserve"}),  # Seldon scales by processors
    "server": (PodSettings(memory="1Gi"), PODS),
    "training": (PodSettings(cpu="3", memory="3Gi", cpu_limit="7", memory_limit="9Gi", gpus=2), {*STEPS, "spark"}),
    "egress_ports": ((4222,), {"kubernetes"}),
    "logger_url": ("http://broker", {"kserve"}),
    "prometheus": ("http://other:9090", SHIFTING),
    "schedule": ("1 1 * * *", {"airflow", "ci"}),  # Kubeflow and Ray are asked for a run
    "pipeline": ("missing", {"kubeflow", "airflow", "ray", "ci"}),
}
"""Every setting of `export`, another value of it, and who carries or refuses it."""

DEPLOYMENT: Mapping[str, tuple[Any, set[str]]] = {
    "model": ("other@production", {*SERVING, "spark", "ci", "runbook", "prometheus", "grafana"}),
    "assign_by": ("entity", {*SERVING, *SHIFTING}),
    "strategy": ("ab", {"kubernetes", "kserve", "seldon", *SHIFTING, "runbook"}),
    "steps": ((7, 77, 100), {*SHIFTING, "kserve", "runbook"}),
    "dwell": ("3h", {*SHIFTING, "runbook"}),
    "min_requests": (7, LOSING),
    "label_window": ("3d", LOSING),
    "prediction_drift": (0.3, LOSING),
    "latency_objective_ms": (33.0, {*SERVING, *SHIFTING, "runbook"}),
    "alpha": (0.03, LOSING),
    "acceptable": (0.03, SHIFTING),
    "serving": ({"rows_limit": 7}, SERVING - {"argo-rollouts"}),  # its pods read what `kubernetes` renders
    "clock": ("request", {"kubernetes", "kserve"}),
    "needs_smoke": (False, {"ci"}),
}
"""Every setting of a deployment that anybody can carry."""

OURS = {
    "assign", "keep_warm", "heartbeat_missing", "label_tolerance", "treatment_percentage", "salt", "experiment",
    "response_diff", "guardrails", "answer_cost",
}  # fmt: skip
"""What only our own rollouts know: those files say that the rollout of Modelyard is lost there."""


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    """A project whose deployment goes to production by a canary."""
    told = changed(tmp_path_factory.mktemp("shop"), {"export": {"host": "models.example.com"}})
    return replace(told, deployments={"shop": declared()})


def declared(**more: Any) -> DeploymentSettings:
    """The deployment, with other settings."""
    return DeploymentSettings.model_validate({"model": "purchase@production", "strategy": "canary", **more})


def rendered(subject: Subject) -> dict[str, object]:
    """What each target makes of a project; of one that is refused, the setting that the error names."""
    found: dict[str, object] = {}
    for name, target in TARGETS.items():
        try:
            found[name] = dict(target.render(subject))
        except UnsupportedSetting as error:
            found[name] = error.context["setting"] if error.remedy else None
    return found


@pytest.fixture(scope="module")
def before(subject: Subject) -> dict[str, object]:
    """The same with nothing changed."""
    return rendered(subject)


def who(before: dict[str, object], after: dict[str, object]) -> set[str]:
    """The targets that a change makes a difference to."""
    return {name for name in TARGETS if after[name] != before[name]}


def test_every_setting_is_in_a_table() -> None:
    """A new one says who carries it."""
    assert set(EXPORT) == set(ExportSettings.model_fields)
    assert set(DEPLOYMENT) | OURS == set(DeploymentSettings.model_fields)
    assert not set(DEPLOYMENT) & OURS


@pytest.mark.parametrize("setting", EXPORT)
def test_settings_of_exports_are_carried_or_refused(subject: Subject, before: dict[str, object], setting: str) -> None:
    """By those that the table names, and by nobody else."""
    value, carriers = EXPORT[setting]
    other = ExportSettings.model_validate({**dict(subject.settings), setting: value})
    assert who(before, rendered(replace(subject, settings=other))) == carriers


@pytest.mark.parametrize("setting", DEPLOYMENT)
def test_settings_of_deployments_are_carried_or_refused(
    subject: Subject, before: dict[str, object], setting: str
) -> None:
    """Likewise; what controllers lose of it stands in a comment."""
    value, carriers = DEPLOYMENT[setting]
    assert who(before, rendered(replace(subject, deployments={"shop": declared(**{setting: value})}))) == carriers


def test_features_of_views_are_refused_where_only_the_bundle_goes(subject: Subject) -> None:
    """Spark and SageMaker have no online store."""
    told = rendered(replace(subject, views=True))
    assert {name for name, each in told.items() if each == "features.module"} == {"spark", "sagemaker"}


def test_parts_of_graphics_cards_are_refused(tmp_path: Path) -> None:
    """A pod has whole ones."""
    subject = changed(tmp_path, {})
    file = tmp_path / "training.py"
    file.write_text(file.read_text().replace('kind="train"', 'kind="train", resources={"gpus": 0.5}'))
    for target in ("kubeflow", "airflow"):
        with pytest.raises(UnsupportedSetting, match=r"resources.gpus of step 'train': 0.5"):
            TARGETS[target].render(subject)
