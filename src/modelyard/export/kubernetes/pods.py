"""Pods, and what they need: the same for every target that runs servers or steps in a cluster."""

from typing import Any

from ..naming import dns_name, image_of
from ..records import Subject
from ..served import served
from ..settings import PodSettings

LABEL = "app.kubernetes.io"
_USER = 10001
_MI = 1 << 20
_SCRATCH = "/tmp"  # noqa: S108 - memory of a container's own
_LAST_SHIPPING = 45
"""Seconds of grace beyond draining: until the server ended, and then for the shipper's last round."""


def labels_of(subject: Subject, component: str, name: str) -> dict[str, str]:
    """The labels of a part; `instance` and `component` together select it."""
    return {
        f"{LABEL}/name": dns_name(subject.project),
        f"{LABEL}/instance": name,
        f"{LABEL}/component": component,
        f"{LABEL}/managed-by": "modelyard",
    }


def selector_of(name: str, component: str) -> dict[str, str]:
    """The labels that select the pods of a part: they never change while it lives."""
    return {f"{LABEL}/instance": name, f"{LABEL}/component": component}


def metadata(subject: Subject, component: str, name: str, **more: Any) -> dict[str, Any]:
    """Name and labels; the namespace comes with the overlay, or with whoever applies."""
    return {"name": name, "labels": labels_of(subject, component, name), **more}


def exposed() -> list[dict[str, Any]]:
    """The ports of a server, by name."""
    return [
        {"name": "http", "containerPort": 8080},
        {"name": "grpc", "containerPort": 8081},
        {"name": "metrics", "containerPort": 8082},
    ]


def config_map(subject: Subject, deployment: str, name: str) -> dict[str, Any]:
    """What a server is told: which version, how many processes, and how the deployment's requests are treated."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(subject, "server", name),
        "data": {
            "MODEL_URI": f"models:/{subject.deployments[deployment].model}",
            "WORKERS": str(subject.workers),
            "deployment.json": served(subject, deployment),
        },
    }


def server_pod(subject: Subject, deployment: str, name: str, *, closed: bool = True) -> dict[str, Any]:
    """The pod of a server: fetch the bundle, then serve it, with its log shipped beside it where the project says so.

    `closed`: API keys are asked for; otherwise the gateway before it has let callers in.
    """
    pod: dict[str, Any] = {
        "serviceAccountName": name,
        "automountServiceAccountToken": False,
        "#": "A server ends what it admitted within drain_seconds; before, it waits until nobody sends to it any more.",
        "terminationGracePeriodSeconds": int(subject.drain_seconds) + (_LAST_SHIPPING if subject.ships_log else 15),
        "securityContext": restricted_pod(),
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": selector_of(name, "server")},
            }
        ],
        "initContainers": [fetch_container(subject, name)],
        "containers": [server_container(subject, deployment, name, closed=closed)],
        "volumes": [
            {"name": "models", "emptyDir": {}},
            {"name": "state", "emptyDir": {}},
            {"name": "scratch", "emptyDir": {}},
            {"name": "deployment", "configMap": {"name": name, "items": [_item("deployment.json")]}},
        ],
    }
    if closed:
        keys = {"secretName": f"{name}-api-keys", "items": [_item("api-keys")], "defaultMode": 0o440}
        pod["volumes"].append({"name": "api-keys", "secret": keys})
    if subject.ships_log:
        pod["containers"].append(_shipper(subject))
    return pod


def restricted_pod() -> dict[str, Any]:
    """What Pod Security `restricted` asks of a pod."""
    return {
        "runAsNonRoot": True,
        "runAsUser": _USER,
        "runAsGroup": _USER,
        "fsGroup": _USER,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def restricted() -> dict[str, Any]:
    """What Pod Security `restricted` asks of a container, and a root file system that cannot be written."""
    return {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def fetch_container(subject: Subject, name: str) -> dict[str, Any]:
    """Resolves MODEL_URI and brings the bundle, proved against its digest, to the pod."""
    return {
        "name": "fetch",
        "image": image_of(subject, "training"),
        "command": ["modelyard", "bundle", "fetch", "$(MODEL_URI)", "--output", "/models/now"],
        "env": [_from_map("MODEL_URI", name), *_scratch_environment()],
        "envFrom": [stores()],
        "resources": {
            "requests": {"cpu": "100m", "memory": "512Mi"},
            "limits": {"cpu": "1", "memory": "1Gi"},
        },
        "securityContext": restricted(),
        "volumeMounts": [{"name": "models", "mountPath": "/models"}, _scratch()],
    }


def stores() -> dict[str, Any]:
    """The Secret with the addresses of the stores, as MODELYARD_STORES_… variables."""
    return {"secretRef": {"name": "modelyard-stores"}}


def server_container(subject: Subject, deployment: str, name: str, *, closed: bool = True) -> dict[str, Any]:
    """The server itself, with its probes and resources."""
    environment = [
        {"name": "MODEL_URI", "value": "/models/now"},
        _from_map("WORKERS", name),
        {"name": "DEPLOYMENT_FILE", "value": "/etc/modelyard/deployment.json"},
        {"name": "DRAIN_SECONDS", "value": f"{subject.drain_seconds:g}"},
        {"name": "STATE_FOLDER", "value": "/var/lib/modelyard"},
        {"name": "SERVER_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
    ]
    mounts = [
        {"name": "models", "mountPath": "/models", "readOnly": True},
        {"name": "state", "mountPath": "/var/lib/modelyard"},
        {"name": "deployment", "mountPath": "/etc/modelyard", "readOnly": True},
        _scratch(),
    ]
    if subject.views:
        address = {"secretKeyRef": {"name": "modelyard-stores", "key": "MODELYARD_STORES_ONLINE"}}
        environment.append({"name": "ONLINE_STORE", "valueFrom": address})
    if closed:
        environment.append({"name": "API_KEYS_FILE", "value": "/run/secrets/modelyard/api-keys"})
        mounts.append({"name": "api-keys", "mountPath": "/run/secrets/modelyard", "readOnly": True})
    else:
        environment.append({"name": "BEHIND_GATEWAY", "value": "true"})
    measured = subject.measured.get(deployment)
    patience = max(60, int(3 * measured.seconds) if measured else 0)
    return {
        "name": "server",
        "image": image_of(subject, "server"),
        "args": ["serve"],
        "env": environment,
        "ports": exposed(),
        "#1": f"Loading and trying the bundle may take {patience} s; until then no other probe judges.",
        "startupProbe": {**_probe("/ready"), "periodSeconds": 2, "failureThreshold": patience // 2},
        "#2": "/health says whether the process answers; /ready whether it takes requests, which ends when it drains.",
        "livenessProbe": {**_probe("/health"), "periodSeconds": 10, "timeoutSeconds": 3, "failureThreshold": 3},
        "readinessProbe": {**_probe("/ready"), "periodSeconds": 2, "timeoutSeconds": 2, "failureThreshold": 2},
        "lifecycle": {"preStop": {"exec": {"command": ["sleep", "5"]}}},
        "resources": server_resources(subject, deployment),
        "securityContext": restricted(),
        "volumeMounts": mounts,
    }


def server_resources(subject: Subject, deployment: str) -> dict[str, Any]:
    """What a server asks for and may take, raised to what its bundle was measured to need in so many processes.

    Twice as much may be taken, for a new bundle is tried in a process of its own beside the one that serves.
    """
    pod, measured = subject.settings.server, subject.measured.get(deployment)
    need = 0 if measured is None else -(-measured.memory_bytes * subject.workers // _MI)
    asked = max(mebibytes(pod.memory), need)
    limit = max(mebibytes(pod.memory_limit), 2 * need)
    raised = pod.model_copy(
        update={
            "memory": pod.memory if asked == mebibytes(pod.memory) else f"{asked}Mi",
            "memory_limit": pod.memory_limit if limit == mebibytes(pod.memory_limit) else f"{limit}Mi",
        }
    )
    return resources(raised)


def resources(pod: PodSettings) -> dict[str, Any]:
    """Requests and limits as Kubernetes has them."""
    cards = {"nvidia.com/gpu": pod.gpus} if pod.gpus else {}
    return {
        "requests": {"cpu": pod.cpu, "memory": pod.memory},
        "limits": {"cpu": pod.cpu_limit, "memory": pod.memory_limit, **cards},
    }


def mebibytes(memory: str) -> int:
    """`512Mi` and `2Gi` as a number of mebibytes."""
    return int(memory[:-2]) * (1024 if memory.endswith("Gi") else 1)


def cores(cpu: str) -> float:
    """`500m` and `2` as a number of processors."""
    return int(cpu[:-1]) / 1000 if cpu.endswith("m") else float(cpu)


def command_pod(subject: Subject, command: list[str]) -> dict[str, Any]:
    """A pod of the training image that carries out one command of the project, with the workspace at hand."""
    return {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "securityContext": restricted_pod(),
        "containers": [
            {
                "name": "command",
                "image": image_of(subject, "training"),
                "command": command,
                "env": _scratch_environment(),
                "envFrom": [stores()],
                "resources": resources(subject.settings.training),
                "securityContext": restricted(),
                "volumeMounts": [{"name": "workspace", "mountPath": "/project/.modelyard"}, _scratch()],
            }
        ],
        "volumes": [
            {"name": "workspace", "persistentVolumeClaim": {"claimName": f"{dns_name(subject.project)}-workspace"}},
            {"name": "scratch", "emptyDir": {}},
        ],
    }


def _shipper(subject: Subject) -> dict[str, Any]:
    """Brings the pod's prediction log to `stores.log` as it is written, and a last time after the server ended."""
    beat = f"{_SCRATCH}/shipped"
    probe = {"exec": {"command": ["sh", "-c", f'test -n "$(find {beat} -mmin -3)"']}}
    return {
        "name": "ship-log",
        "image": image_of(subject, "training"),
        "command": ["modelyard", "log", "ship", "--follow", "--beat", beat],
        "env": [{"name": "MODELYARD_STORES_WORKSPACE", "value": "/var/lib/modelyard"}, *_scratch_environment()],
        "envFrom": [stores()],
        "#1": "It touches a file after each try, also while the store is away; one that hangs is started again.",
        "startupProbe": {**probe, "periodSeconds": 5, "failureThreshold": 24},
        "livenessProbe": {**probe, "periodSeconds": 60, "timeoutSeconds": 5, "failureThreshold": 3},
        "#2": "It is told to end when the server has drained, and then ships what that wrote.",
        "lifecycle": {"preStop": {"exec": {"command": ["sleep", str(int(subject.drain_seconds) + 10)]}}},
        "resources": {
            "requests": {"cpu": "50m", "memory": "256Mi"},
            "limits": {"cpu": "1", "memory": "1Gi"},
        },
        "securityContext": restricted(),
        "volumeMounts": [{"name": "state", "mountPath": "/var/lib/modelyard"}, _scratch()],
    }


def _probe(path: str) -> dict[str, Any]:
    return {"httpGet": {"path": path, "port": "http"}}


def _item(key: str) -> dict[str, str]:
    return {"key": key, "path": key}


def _from_map(key: str, name: str) -> dict[str, Any]:
    return {"name": key, "valueFrom": {"configMapKeyRef": {"name": name, "key": key}}}


def _scratch() -> dict[str, Any]:
    return {"name": "scratch", "mountPath": _SCRATCH}


def _scratch_environment() -> list[dict[str, Any]]:
    return [{"name": "HOME", "value": _SCRATCH}]
