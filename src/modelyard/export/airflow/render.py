"""DAG files as pods, and as processes where Airflow's worker runs: the scheduled pipeline, and the retraining loop."""

import json
from collections.abc import Mapping
from typing import Any

from ..documents import fill
from ..errors import unsupported
from ..kubernetes import resources
from ..naming import dns_name, image_of, namespace_of
from ..records import Files, Subject
from ..scheduled import steps_of
from ..settings import PodSettings
from ..steps import Task, pipeline_of, pod_of, tasks_of

_MINUTES = 5.0
"""What a scheduled step waits before it is tried again, unless it says otherwise."""


class _Jinja:
    """Airflow fills templates; what tasks pushed is JSON already, or an object that becomes JSON again."""

    def __init__(self, pulled: str) -> None:
        self._pulled = pulled

    def output(self, step: str) -> str:
        return "{{ " + self._pulled.format(step=step) + " }}"

    def parameter(self, name: str, kind: str) -> str:
        if kind == "datetime.datetime":
            return f'{{{{ (params["{name}"] or dag_run.run_after.isoformat()) | tojson }}}}'
        return f'{{{{ params["{name}"] | tojson }}}}'


def render(subject: Subject) -> Files:
    """`kubernetes/NAME.py` and `local/NAME.py` of the pipeline and of the loop."""
    name = pipeline_of(subject)
    document = subject.pipelines[name]()
    params = _params(name, document)
    values: dict[str, Any] = {
        "project": subject.project,
        "pipeline": name,
        "dag": f"{dns_name(subject.project)}-{dns_name(name)}",
        "schedule": subject.settings.schedule,
        "image": image_of(subject, "training"),
        "namespace": namespace_of(subject),
        "params": params,
        "summary": document.get("summary") or f"Pipeline {name} of {subject.project}.",
    }
    file = f"{dns_name(subject.project)}_{name}.py".replace("-", "_")
    local = tasks_of("Airflow", document, _Jinja('ti.xcom_pull(task_ids="{step}")'))
    pods = tasks_of("Airflow", document, _Jinja('ti.xcom_pull(task_ids="{step}") | tojson'))
    return {
        f"local/{file}": fill("airflow_local.py.j2", {**values, "tasks": _told(local, subject.settings.training)}),
        f"kubernetes/{file}": fill("airflow_pods.py.j2", {**values, "tasks": _told(pods, subject.settings.training)}),
        **_loop(subject),
    }


def _loop(subject: Subject) -> Files:
    """What is to be called again and again, beside the pipeline."""
    values = {
        "project": subject.project,
        "prefix": dns_name(subject.project),
        "steps": steps_of(subject),
        "image": image_of(subject, "training"),
        "namespace": namespace_of(subject),
        "resources": json.dumps(resources(subject.settings.training)),
    }
    file = f"{dns_name(subject.project)}_loop.py".replace("-", "_")
    return {
        f"local/{file}": fill("airflow_loop_local.py.j2", values),
        f"kubernetes/{file}": fill("airflow_loop_pods.py.j2", values),
    }


def _params(pipeline: str, document: Mapping[str, Any]) -> dict[str, str]:
    """Defaults of the run's parameters as Python; an instant without one is when the run is due."""
    found: dict[str, str] = {}
    for name, each in document["parameters"].items():
        if each.get("type") == "datetime.datetime":
            found[name] = "None"
        elif "default" in each:
            found[name] = repr(each["default"])
        else:
            raise unsupported(
                "Airflow",
                f"pipelines.{pipeline}.params.{name}",
                "not set",
                "A schedule gives no parameter that has no default.",
                f"Give it one: pipelines.{pipeline}.params.{name} in modelyard.yaml.",
            )
    return found


def _told(tasks: list[Task], training: PodSettings) -> list[dict[str, Any]]:
    return [
        {
            "name": each.name,
            "variable": "step_" + dns_name(each.name).replace("-", "_"),
            "function": each.function,
            "inputs": repr(each.inputs),
            "params": repr(each.params),
            "words": _words(each),
            "upstream": [
                "step_" + dns_name(one).replace("-", "_") for one in dict.fromkeys((*each.needs, *each.waits))
            ],
            "judges": each.judges,
            "retries": 0 if each.judges else max(1, each.retries),
            "seconds": each.backoff if each.retries else _MINUTES * 60,
            "timeout": each.timeout,
            "resources": json.dumps(resources(pod_of("Airflow", each, training))),
        }
        for each in tasks
    ]


def _words(task: Task) -> list[str]:
    seed = [] if task.seed is None else ["--seed", str(task.seed)]
    secrets = [word for each in task.secrets for word in ("--secret", each)]
    return [*seed, *secrets, *(["--must-pass"] if task.judges else [])]
