"""A pipeline as a job of a Ray cluster: for `ray job submit`, and for KubeRay."""

from ..documents import document, fill
from ..kubernetes import resources, restricted, restricted_pod
from ..naming import dns_name, image_of
from ..records import Files, Subject
from ..steps import pipeline_of

_HEAD = "Rendered by `modelyard export ray` from modelyard.yaml; change that, and render again."


def render(subject: Subject) -> Files:
    """`submit.sh` for a cluster that is there, `rayjob.yaml` for one that KubeRay makes for the job."""
    name, image = pipeline_of(subject), image_of(subject, "training")
    command = f"modelyard pipeline run {name} --engine ray"
    container = {
        "image": image,
        "env": [{"name": "RAY_USAGE_STATS_ENABLED", "value": "0"}, {"name": "HOME", "value": "/project"}],
        "envFrom": [{"secretRef": {"name": "modelyard-stores"}}],
        "resources": resources(subject.settings.training),
        "securityContext": {**restricted(), "readOnlyRootFilesystem": False},
    }

    def pod(kind: str) -> dict[str, object]:
        return {"spec": {"securityContext": restricted_pod(), "containers": [{"name": kind, **container}]}}

    job = {
        "apiVersion": "ray.io/v1",
        "kind": "RayJob",
        "metadata": {"name": dns_name(subject.project, name)},
        "spec": {
            "entrypoint": command,
            "shutdownAfterJobFinishes": True,
            "ttlSecondsAfterFinished": 3600,
            "#": "The command finds the cluster by this address; steps run on its nodes, from the same image.",
            "runtimeEnvYAML": "working_dir: /project\nenv_vars:\n  MODELYARD_EXECUTION_RAY_ADDRESS: auto\n",
            "rayClusterSpec": {
                "headGroupSpec": {"rayStartParams": {"num-cpus": "0"}, "template": pod("head")},
                "workerGroupSpecs": [
                    {
                        "groupName": "steps",
                        "replicas": 2,
                        "minReplicas": 0,
                        "maxReplicas": 4,
                        "rayStartParams": {},
                        "template": pod("worker"),
                    }
                ],
            },
        },
    }
    told = f"Pipeline {name} on a cluster that KubeRay makes for it. export.extras must name ray. {_HEAD}"
    values = {"project": subject.project, "pipeline": name, "command": command}
    return {"submit.sh": fill("ray_submit.sh.j2", values), "rayjob.yaml": document(job, told)}
