"""The section of the project file that says where steps run. Worker processes need none of it."""

from typing import Literal, Self

from pydantic import Field, model_validator

from modelyard.core.settings import Section


class LocalSettings(Section):
    """Worker processes on this machine."""

    workers: int | None = Field(None, ge=1, le=1024, description="At most so many; by default one a processor.")
    gpus: int = Field(0, ge=0, le=64, description="GPUs of this machine that steps may ask for.")
    devices: tuple[str, ...] | None = Field(
        None,
        min_length=1,
        max_length=64,
        description="Which ones, as CUDA_VISIBLE_DEVICES names them; by default the first that are visible.",
    )

    @model_validator(mode="after")
    def _counted(self) -> Self:
        """`gpus` may be left out where the devices are named."""
        if self.devices is not None and self.gpus not in (0, len(self.devices)):
            raise ValueError(f"gpus is {self.gpus}, and {len(self.devices)} devices are named: leave gpus out")
        if self.devices is not None and len(set(self.devices)) < len(self.devices):
            raise ValueError("a device is named twice")
        return self


class RaySettings(Section):
    """A Ray cluster: a running one, or one that is started on this machine for a command and ends with it."""

    address: str | None = Field(
        None, description="Running cluster: host:port, or auto for this machine's; null starts one."
    )
    cpus: int | None = Field(None, ge=1, description="Processors of one that is started; by default the machine's.")
    gpus: int | None = Field(None, ge=0, description="GPUs of one that is started; by default the machine's.")
    dashboard: bool = Field(default=False, description="Whether one that is started has Ray's dashboard.")
    allow_public_ports: bool = Field(
        default=False,
        description="Start one although this machine has interfaces beyond loopback: Ray opens its ports on all, and "
        "who gets in through one runs code.",
    )


class ExecutionSettings(Section):
    """Where the steps of pipelines run."""

    engine: Literal["local", "ray"] = Field("local", description="Engine of runs that name none.")
    parallel: int | None = Field(
        None, ge=1, description="Calls given to the engine at a time; by default 8, or as many as there are workers."
    )
    keep_runs: int | None = Field(
        5,
        ge=1,
        description="Newest runs of each pipeline of which all is kept that steps handed on; of older ones tables, "
        "arrays and objects are removed. null: all of all runs.",
    )
    local: LocalSettings = LocalSettings()
    ray: RaySettings = RaySettings()

    @property
    def width(self) -> int:
        """Calls given to the engine at a time."""
        return self.parallel or max(8, self.local.workers or 1)
