"""What a target is rendered from, and what it gives."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from modelyard.inference import Trust
from modelyard.monitoring import AlertSettings
from modelyard.rollout import DeploymentSettings

from .settings import ExportSettings

Files = Mapping[str, str]
"""Texts by their path below the folder of a target."""


@dataclass(frozen=True)
class ModelTold:
    """What the project file says of a model, for people."""

    owner: str = ""
    intended_use: str = ""
    gate: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class LoopTold:
    """What the project file says of a model's retraining loop."""

    pipeline: str
    deployment: str


@dataclass(frozen=True)
class Measured:
    """What a server of a bundle was measured to need: resident memory, and seconds until it was ready."""

    memory_bytes: int
    seconds: float


@dataclass(frozen=True)
class Subject:
    """A project, as far as it can be rendered. All values come from the project file, so that the same file gives the
    same bytes; `measured`, by deployment, only where a bundle was named to be measured.

    `pipelines` gives the exported document of a pipeline (see `pipelines.export_pipeline`) when it is asked for.
    `datasets`: their names. `views`: whether there are feature views to materialize. `ships_log`: whether `stores.log`
    is set. `port` and `workers`: of a server on one machine, and its processes.
    """

    project: str
    version: str
    settings: ExportSettings
    deployments: Mapping[str, DeploymentSettings]
    models: Mapping[str, ModelTold]
    alerts: AlertSettings
    loops: Mapping[str, LoopTold]
    pipelines: Mapping[str, Callable[[], Mapping[str, Any]]]
    trust: Trust
    datasets: tuple[str, ...] = ()
    views: bool = False
    ships_log: bool = False
    port: int = 8080
    workers: int = 1
    drain_seconds: float = 25.0
    measured: Mapping[str, Measured] = field(default_factory=dict)

    @property
    def models_of(self) -> dict[str, str]:
        """The model of each deployment."""
        return {name: each.model_name for name, each in self.deployments.items()}


Render = Callable[[Subject], Files]
"""Renders a target; raises UnsupportedSetting for what it cannot carry."""
