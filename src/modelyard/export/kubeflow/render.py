"""A pipeline as the intermediate representation of Kubeflow Pipelines v2 (PipelineSpec), written without its SDK.

Source: the message `PipelineSpec` of https://github.com/kubeflow/pipelines (api/v2alpha1/pipeline_spec.proto). Each
step is a container of the training image; what waits for a judgement has a trigger that asks its verdict.
"""

from collections.abc import Mapping
from math import ceil
from typing import Any

from ..documents import document, documents
from ..kubernetes import cores, mebibytes
from ..naming import dns_name, image_of
from ..records import Files, Subject
from ..steps import Task, pipeline_of, pod_of, tasks_of
from .components import components, variable

_HEAD = "Rendered by `modelyard export kubeflow` from modelyard.yaml; change that, and render again."
_STORES = ("RECORDS", "ARTIFACTS", "TRACKING", "ONLINE")
_TYPES = {"int": "NUMBER_INTEGER", "float": "NUMBER_DOUBLE", "bool": "BOOLEAN", "str": "STRING"}
_GB_A_MEBIBYTE = (1 << 20) / 1e9


class _Runtime:
    """Placeholders that the launcher fills in a container's arguments."""

    def output(self, step: str) -> str:
        return f"{{{{$.inputs.parameters['{_given(step)}']}}}}"

    def parameter(self, name: str, kind: str) -> str:
        told = f"{{{{$.inputs.parameters['{name}']}}}}"
        return f'"{told}"' if _type(kind) == "STRING" else told


def render(subject: Subject) -> Files:
    """The pipeline in two forms: `PIPELINE.yaml`, containers, and `components/PIPELINE.py`, lightweight components."""
    name = pipeline_of(subject)
    exported = subject.pipelines[name]()
    return {
        f"{name}.yaml": _containers(subject, name, exported),
        f"components/{variable(name)}.py": components(subject, name, exported, _HEAD),
    }


def specification(subject: Subject, name: str) -> str:
    """One pipeline of the project as containers: what Kubeflow takes."""
    return _containers(subject, name, subject.pipelines[name]())


def _containers(subject: Subject, name: str, exported: Mapping[str, Any]) -> str:
    """The PipelineSpec, and behind it what of it is Kubernetes' own."""
    tasks = tasks_of("Kubeflow", exported, _Runtime())
    kinds = {key: str(each.get("type", "")) for key, each in exported["parameters"].items()}
    judging = {each.name for each in tasks if each.judges}
    spec = {
        "pipelineInfo": {"name": dns_name(subject.project, name), "description": exported.get("summary") or name},
        "schemaVersion": "2.1.0",
        "sdkVersion": "kfp-2.14.0",
        "root": {
            "inputDefinitions": {"parameters": {key: _parameter(each) for key, each in exported["parameters"].items()}},
            "dag": {"tasks": {dns_name(each.name): _task(each, judging) for each in tasks}},
        },
        "components": {f"comp-{dns_name(each.name)}": _component(each, kinds, judging) for each in tasks},
        "deploymentSpec": {
            "executors": {f"exec-{dns_name(each.name)}": _executor(subject, each) for each in tasks},
        },
    }
    places = {f"exec-{dns_name(each.name)}": _place(each) for each in tasks}
    platform = {"platforms": {"kubernetes": {"deploymentSpec": {"executors": places}}}}
    comment = (
        f"Pipeline {name} of {subject.project} for Kubeflow Pipelines v2: upload it, or create a run of it. {_HEAD}\n"
        "Steps are cached by their inputs and the image's tag: give a new tag to new code. Artifacts go to the "
        "store of "
        "MODELYARD_STORES_ARTIFACTS; between steps only their names and digests travel. In a recurring run an instant "
        "such as as_of may be [[ScheduledTime]]."
    )
    where = "Where steps find the stores and secrets of their own: keys of one Secret."
    return documents([document(spec, comment), document(platform, where)])


def _given(step: str) -> str:
    """The parameter through which a step gets what another gave."""
    return f"{dns_name(step)}-artifact"


def _asked(step: str) -> str:
    """The parameter through which a step is told another's verdict."""
    return f"{dns_name(step)}-verdict"


def _place(task: Task) -> dict[str, Any]:
    """What of a step is Kubernetes' own: its environment, and how long one try may take."""
    names = [*(f"MODELYARD_STORES_{each}" for each in _STORES), *task.secrets]
    keys = [{"secretKey": each, "envVar": each} for each in names]
    deadline = {} if task.timeout is None else {"activeDeadlineSeconds": str(ceil(task.timeout))}
    return {"secretAsEnv": [{"secretName": "modelyard-stores", "keyToEnv": keys}], **deadline}


def _type(kind: str) -> str:
    kind = kind.removesuffix(" | None")
    if kind in _TYPES or not kind:
        return _TYPES.get(kind, "STRING")
    base = kind.partition("[")[0]
    return {"dict": "STRUCT", "Mapping": "STRUCT", "list": "LIST", "tuple": "LIST"}.get(base, "STRING")


def _parameter(told: Mapping[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {"parameterType": _type(str(told.get("type", "")))}
    return made | ({"defaultValue": told["default"], "isOptional": True} if "default" in told else {})


def _component(task: Task, kinds: Mapping[str, str], judging: set[str]) -> dict[str, Any]:
    inputs = {key: {"parameterType": _type(kinds.get(key, ""))} for key in task.asks}
    inputs |= {_given(each): {"parameterType": "STRING"} for each in task.needs}
    inputs |= {_asked(each): {"parameterType": "STRING"} for each in task.waits if each in judging}
    gives = {each: {"parameterType": "STRING"} for each in ("artifact", "verdict")}
    return {
        "executorLabel": f"exec-{dns_name(task.name)}",
        **({"inputDefinitions": {"parameters": inputs}} if inputs else {}),
        "outputDefinitions": {"parameters": gives},
    }


def _task(task: Task, judging: set[str]) -> dict[str, Any]:
    waits = [each for each in task.waits if each in judging]
    inputs: dict[str, Any] = {key: {"componentInputParameter": key} for key in task.asks}
    inputs |= {_given(each): _from(each, "artifact") for each in task.needs}
    inputs |= {_asked(each): _from(each, "verdict") for each in waits}
    before = sorted(dns_name(each) for each in {*task.needs, *task.waits})
    made: dict[str, Any] = {
        "taskInfo": {"name": task.name},
        "componentRef": {"name": f"comp-{dns_name(task.name)}"},
        **({"dependentTasks": before} if before else {}),
        **({"inputs": {"parameters": inputs}} if inputs else {}),
        "cachingOptions": {"enableCache": task.cacheable},
    }
    if waits:
        asked = [f"inputs.parameter_values['{_asked(each)}'] == 'pass'" for each in waits]
        made["triggerPolicy"] = {"condition": " && ".join(asked)}
    if task.retries:
        made["retryPolicy"] = {
            "maxRetryCount": task.retries,
            "backoffDuration": f"{task.backoff:g}s",
            "backoffFactor": 2.0,
            "backoffMaxDuration": "3600s",
        }
    return made


def _from(step: str, key: str) -> dict[str, Any]:
    return {"taskOutputParameter": {"producerTask": dns_name(step), "outputParameterKey": key}}


def _executor(subject: Subject, task: Task) -> dict[str, Any]:
    files = [f"{{{{$.outputs.parameters['{each}'].output_file}}}}" for each in ("artifact", "verdict")]
    pod = pod_of("Kubeflow", task, subject.settings.training)
    resources: dict[str, Any] = {
        "cpuRequest": cores(pod.cpu),
        "cpuLimit": cores(pod.cpu_limit),
        "memoryRequest": mebibytes(pod.memory) * _GB_A_MEBIBYTE,
        "memoryLimit": mebibytes(pod.memory_limit) * _GB_A_MEBIBYTE,
        "resourceCpuRequest": pod.cpu,
        "resourceCpuLimit": pod.cpu_limit,
        "resourceMemoryRequest": pod.memory,
        "resourceMemoryLimit": pod.memory_limit,
    }
    if pod.gpus:
        resources["accelerator"] = {"resourceType": "nvidia.com/gpu", "resourceCount": str(pod.gpus)}
    return {
        "container": {
            "image": image_of(subject, "training"),
            "command": ["modelyard"],
            "args": [*task.arguments("{{$.pipeline_job_uuid}}"), "--output", files[0], "--verdict", files[1]],
            "resources": resources,
        }
    }
