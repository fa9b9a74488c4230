"""Finding a project's pipelines, and their section of the project file."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from modelyard.core import did_you_mean
from modelyard.core.cron import CronText, ZoneName
from modelyard.core.settings import Section
from modelyard.data import load_module

from .authoring import Pipeline
from .errors import PipelineNotFound


class RollbackSettings(Section):
    """How to come back from a version that this pipeline put out."""

    strategy: Literal["previous-version"] = Field(description="The version before takes over again.")


class PipelineSettings(Section):
    """A pipeline of the project."""

    module: str = Field(description="Python file that defines it.")
    function: str | None = Field(None, description="Its name in the file; by default the pipeline's own.")
    params: dict[str, str | int | float | bool] = Field(default_factory=dict, description="Defaults of its parameters.")
    schedule: CronText | None = Field(None, description="Cron schedule of runs by the control process; null: none.")
    timezone: ZoneName = Field("UTC", description="Time zone of the schedule.")
    retries: int = Field(
        1, ge=0, le=10, description="So often a scheduled run that failed goes on again, 5 minutes after."
    )
    rollback: RollbackSettings | None = Field(
        None, description="The plan to come back from a version it put out; validation asks for one."
    )


def load_pipeline(name: str, settings: PipelineSettings, folder: Path) -> Pipeline:
    """The pipeline that a file of the project defines under a name."""
    module = load_module(folder / settings.module)
    found = {key: value for key, value in vars(module).items() if isinstance(value, Pipeline)}
    wanted = settings.function or name
    if wanted not in found:
        raise PipelineNotFound(f"{settings.module} defines no pipeline '{wanted}'.", remedy=did_you_mean(wanted, found))
    return found[wanted]
