"""From settings to an executor."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, get_args

from modelyard.core import InvalidInput, did_you_mean

from .contract import Executor
from .local import LocalPool
from .ray_cluster import RayExecutor
from .ray_connection import check_ray

if TYPE_CHECKING:
    from .settings import ExecutionSettings, RaySettings

EngineName = Literal["local", "ray"]
"""Where steps run."""

ENGINES: tuple[EngineName, ...] = get_args(EngineName)
"""Where steps can run."""


def check_engine(name: str, settings: "ExecutionSettings") -> EngineName:
    """The engine of this name, if it could be opened here, as far as that can be told without opening it.

    InvalidInput for one that there is not; for Ray also RayMissing, PublicPorts and NotSupported.
    """
    for each in ENGINES:
        if each == name:
            if each == "ray":
                check_ray(settings.ray.address, **_wanted(settings.ray))
            return each
    raise InvalidInput(f"There is no engine '{name:.100}'.", remedy=did_you_mean(name, ENGINES))


def open_executor(name: EngineName, settings: "ExecutionSettings", environment: Mapping[str, str]) -> Executor:
    """The processes of an engine; `environment` is added to every worker's from its start. Close it when done."""
    if name == "local":
        return LocalPool(
            settings.local.workers,
            gpus=settings.local.gpus,
            devices=settings.local.devices,
            environment=environment,
        )
    return RayExecutor(settings.ray.address, environment=environment, **_wanted(settings.ray))


def _wanted(ray: "RaySettings") -> dict[str, Any]:
    """What is said of a cluster that is started here."""
    return {
        "cpus": ray.cpus,
        "gpus": ray.gpus,
        "dashboard": ray.dashboard,
        "allow_public_ports": ray.allow_public_ports,
    }
