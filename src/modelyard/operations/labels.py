"""Operations on labels that come in tables."""

from dataclasses import asdict, dataclass
from typing import Annotated, Any

from modelyard.access import Permission
from modelyard.core import InvalidInput
from modelyard.core.durations import parse_duration
from modelyard.history import Added, LabelColumns
from modelyard.wiring import Project

from .contract import Call, Option, operation


@dataclass(frozen=True)
class LabelsOfFile:
    """A file of labels, and its columns."""

    file: Annotated[str, Option("CSV, Parquet, JSONL …: a file, glob, folder or URL.", positional=True)]
    deployment: Annotated[str | None, Option("Whose predictions; without it the project's only deployment.")] = None
    label: Annotated[str, Option("Column with the label.")] = "label"
    prediction_id: Annotated[str, Option("Column with the prediction's id.")] = "prediction_id"
    entity: Annotated[str, Option("Where there is no prediction_id: column with the entity.")] = "entity"
    at: Annotated[str, Option("Column with the time at which the label is true; needed beside entity.")] = "at"
    available_at: Annotated[str, Option("Column with the time from which the label is known.")] = "available_at"
    tolerance: Annotated[str, Option("A label of an entity is of its last answer, no longer before.")] = "1h"


@dataclass(frozen=True)
class LabelsOf:
    """Whose declared labels."""

    deployment: Annotated[str | None, Option("Whose; without it those of every deployment that declares some.")] = None


@operation("label", "add", Permission.FEEDBACK, local=True)
def add_label_file(call: Call[LabelsOfFile]) -> Any:
    """Put the labels of a file on record, by prediction id, or by entity and time; each once."""
    given = call.input
    deployment = _deployment(call.project, given.deployment)
    columns = LabelColumns(
        label=given.label,
        prediction_id=given.prediction_id,
        entity=given.entity,
        at=given.at,
        available_at=given.available_at,
        tolerance=parse_duration(given.tolerance),
    )
    return _told(call.project.labels.add(given.file, deployment, columns))


@operation("label", "sync", Permission.FEEDBACK, local=True)
def sync_labels(call: Call[LabelsOf]) -> Any:
    """Put on record what is new in the declared sources of labels; the control process does it by itself."""
    project, asked = call.project, call.input.deployment
    wanted = [asked] if asked is not None else list(project.settings.labels)
    return {each: _told(project.labels.sync(each)) for each in wanted}


def _deployment(project: Project, asked: str | None) -> str:
    if asked is not None:
        project.rollouts.settings(asked)
        return asked
    known = list(project.settings.deployments)
    if len(known) != 1:
        raise InvalidInput(
            f"The project has {len(known)} deployments, and nothing says whose labels these are.",
            code="WHICH_DEPLOYMENT",
            remedy=f"Add --deployment: {', '.join(known[:20]) or 'declare one in modelyard.yaml first'}.",
        )
    return known[0]


def _told(added: Added) -> dict[str, Any]:
    return {**asdict(added), "newest": added.newest.isoformat() if added.newest is not None else None}
