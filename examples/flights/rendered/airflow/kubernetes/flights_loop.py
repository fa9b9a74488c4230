"""What flights needs again and again: the retraining loop's single step, and features.

Airflow 3 with the provider cncf.kubernetes: each DAG is one pod of the training image, which goes on where a killed one
stopped. The stores come from the Secret modelyard-stores; the workspace is the claim that `modelyard export kubernetes`
makes, whose CronJobs do the same: have either.
Rendered by `modelyard export airflow` from modelyard.yaml; change that, and render again.
"""

from datetime import datetime, timedelta, timezone

from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.sdk import DAG
from kubernetes.client import models as k8s

# What Pod Security `restricted` asks for; the workspace is writable by its user alone.
POD = k8s.V1PodSecurityContext(
    run_as_non_root=True,
    run_as_user=10001,
    run_as_group=10001,
    fs_group=10001,
    seccomp_profile=k8s.V1SeccompProfile(type="RuntimeDefault"),
)
CONTAINER = k8s.V1SecurityContext(
    allow_privilege_escalation=False, run_as_non_root=True, capabilities=k8s.V1Capabilities(drop=["ALL"])
)
CLAIM = k8s.V1PersistentVolumeClaimVolumeSource(claim_name="flights-workspace")

# Labels, monitors, rollouts and the retraining loop, as far as they go now.
with DAG(
    dag_id="flights-loop",
    schedule="*/15 * * * *",  # UTC
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,
    tags=["modelyard", "flights"],
) as loop:
    KubernetesPodOperator(
        task_id="loop",
        name="flights-loop",
        namespace="flights",
        image="registry.example.com/flights-training:0.1.0",
        cmds=["modelyard"],
        arguments=["retrain", "tick"],
        env_from=[k8s.V1EnvFromSource(secret_ref=k8s.V1SecretEnvSource(name="modelyard-stores"))],
        volumes=[k8s.V1Volume(name="workspace", persistent_volume_claim=CLAIM)],
        volume_mounts=[k8s.V1VolumeMount(name="workspace", mount_path="/project/.modelyard")],
        labels={"app.kubernetes.io/component": "command"},
        security_context=POD,
        container_security_context=CONTAINER,
        container_resources=k8s.V1ResourceRequirements(**{"requests": {"cpu": "1", "memory": "2Gi"}, "limits": {"cpu": "4", "memory": "8Gi"}}),
        get_logs=True,
        on_finish_action="delete_succeeded_pod",
        retries=1,
        retry_delay=timedelta(minutes=1),
    )

# Feature values brought to the online store.
with DAG(
    dag_id="flights-materialize",
    schedule="7,22,37,52 * * * *",  # UTC
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,
    tags=["modelyard", "flights"],
) as materialize:
    KubernetesPodOperator(
        task_id="materialize",
        name="flights-materialize",
        namespace="flights",
        image="registry.example.com/flights-training:0.1.0",
        cmds=["modelyard"],
        arguments=["features", "materialize", "--incremental"],
        env_from=[k8s.V1EnvFromSource(secret_ref=k8s.V1SecretEnvSource(name="modelyard-stores"))],
        volumes=[k8s.V1Volume(name="workspace", persistent_volume_claim=CLAIM)],
        volume_mounts=[k8s.V1VolumeMount(name="workspace", mount_path="/project/.modelyard")],
        labels={"app.kubernetes.io/component": "command"},
        security_context=POD,
        container_security_context=CONTAINER,
        container_resources=k8s.V1ResourceRequirements(**{"requests": {"cpu": "1", "memory": "2Gi"}, "limits": {"cpu": "4", "memory": "8Gi"}}),
        get_logs=True,
        on_finish_action="delete_succeeded_pod",
        retries=1,
        retry_delay=timedelta(minutes=1),
    )
