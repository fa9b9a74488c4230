"""What a registered name is the name of: a model, a prompt, an index, an application."""

import msgspec

from modelyard.core import Conflict
from modelyard.inference import INFO_FILE, BundleInfo, Task
from modelyard.registry import ModelVersion
from modelyard.wiring import Project

_CALLED: dict[Task, str] = {
    "embedding": "embedder",
    "index": "index of documents",
    "prompt": "prompt",
    "generation": "application of a language model",
}


def newest_of(project: Project, name: str, task: Task) -> ModelVersion | None:
    """The newest version of a name, if it has any; Conflict when it is the name of something else."""
    found = project.models.listed(name, limit=1)
    if not found:
        return None
    require_task(project, found[0], task)
    return found[0]


def require_task(project: Project, version: ModelVersion, task: Task) -> None:
    """Conflict unless a version's bundle is of the kind that answers this."""
    found = task_of(project, version)
    if found != task:
        what = "a version without a bundle" if found is None else f"{_article(_CALLED.get(found, 'model'))}"
        raise Conflict(
            f"'{version.name}' is {what}, and no {_CALLED[task]}.",
            code="OTHER_KIND",
            context={"name": version.name, "kind": found},
            remedy=f"Choose the name of {_article(_CALLED[task])}, or a new one.",
        )


def task_of(project: Project, version: ModelVersion) -> Task | None:
    """What a version's bundle answers; None without a bundle."""
    document = project.models.bundle_file(version, INFO_FILE)
    return None if document is None else msgspec.json.decode(document, type=BundleInfo).task


def _article(what: str) -> str:
    return f"{'an' if what[0] in 'aei' else 'a'} {what}"
