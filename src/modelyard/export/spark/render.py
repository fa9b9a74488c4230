"""Batch scoring as a job of a Spark cluster: `score.py` for PySpark, and `submit.sh`, which brings the bundle."""

from math import ceil

from ..documents import fill
from ..errors import unsupported
from ..kubernetes import cores
from ..naming import deployment_names
from ..records import Files, Subject

_HEAD = "Rendered by `modelyard export spark` from modelyard.yaml; change that, and render again."


def render(subject: Subject) -> Files:
    """`score.py` and `submit.sh`; features of views are joined by our own engines, which know the stores."""
    deployment = next(iter(deployment_names(subject)))
    if subject.views:
        raise unsupported(
            "Spark",
            "features.module",
            "feature views",
            "Its executors have the bundle alone, and no row's features as they were known at its time.",
            "Score with the views joined: modelyard score --entities, on this machine or with --engine ray.",
        )
    values = {
        "project": subject.project,
        "model": subject.deployments[deployment].model,
        "head": _HEAD,
        "cores": ceil(cores(subject.settings.training.cpu_limit)),
    }
    return {"score.py": fill("spark_score.py.j2", values), "submit.sh": fill("spark_submit.sh.j2", values)}
