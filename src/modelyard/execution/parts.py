"""Processes for the parts of a task: its own share of this machine, and, on Ray, the cluster that it runs on."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from .contract import Executor
from .given import current_job
from .local import LocalPool
from .ray_cluster import RayExecutor
from .resources import cpu_count


@dataclass(frozen=True)
class Share:
    """What the caller may use for its parts, wherever it runs.

    `cpus`, `gpus` and `memory` of this machine, 0 for memory that was not limited; `cluster`, the Ray cluster that it
    is a task of; `environment`, what its task alone sees, which its parts need as well.
    """

    cpus: float
    gpus: int
    memory: float = 0.0
    cluster: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)

    def fits(self, resources: Mapping[str, float]) -> int:
        """How many parts that take these resources have room in it at a time; GPUs and processors count."""
        cpus, gpus = resources.get("cpus", 1), resources.get("gpus", 0)
        rooms = [int(self.cpus / cpus + 1e-9)] if cpus else []
        rooms += [int(self.gpus / gpus + 1e-9)] if gpus else []
        return min(rooms, default=1)


def own_share() -> Share:
    """The resources of the task that calls this; outside any executor, those of this process."""
    job = current_job()
    if job is None:
        named = os.environ.get("CUDA_VISIBLE_DEVICES", "")
        return Share(cpu_count(), len([each for each in named.split(",") if each.strip()]))
    demand = job.demand
    return Share(demand.cpus, int(demand.gpus), demand.memory, job.cluster, job.environment)


def open_own(share: Share, workers: int, resources: Mapping[str, float], environment: Mapping[str, str]) -> Executor:
    """So many processes on this machine for parts that take these resources each; GPUs are those of the share.

    Processors are not held back: who asks for more workers than the share has room for gets them.
    """
    cpus = max(share.cpus, workers * resources.get("cpus", 1))
    return LocalPool(workers, cpus=cpus, gpus=share.gpus, memory=share.memory or None, environment=environment)


def open_cluster(share: Share, environment: Mapping[str, str]) -> Executor | None:
    """The cluster that the caller is a task of; None when it is of none."""
    return None if share.cluster is None else RayExecutor(share.cluster, environment=environment)
