"""Accounts of what a machine has and what tasks have taken of it."""

import math
import os

from modelyard.core import did_you_mean

from .contract import Task
from .errors import DoesNotFit, NotSupported
from .records import Demand

RESOURCES = ("cpus", "gpus", "memory")
"""What a task may ask for; memory in bytes."""

_REMEDIES = {
    "cpus": "Ask for less; or declare more workers (execution.local.workers), or run on a larger machine or on Ray.",
    "gpus": "Ask for less; or declare the GPUs that this machine has (execution.local.gpus: 1), or run on one that has "
    "them, or on Ray.",
}


def cpu_count() -> int:
    """The processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def memory_size() -> int:
    """The machine's memory in bytes."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def visible_devices(count: int) -> tuple[str, ...]:
    """The first so many GPUs that this process may use: those of CUDA_VISIBLE_DEVICES, or all when it is not set.

    DoesNotFit when the variable names fewer. Whether the machine has them is not asked: drivers tell it in many ways.
    """
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is None or count == 0:
        return tuple(map(str, range(count)))
    found = tuple(each.strip() for each in named.split(",") if each.strip())
    if count > len(found):
        raise DoesNotFit(
            f"{count} GPUs are declared; CUDA_VISIBLE_DEVICES lets this process use {len(found)}: '{named[:200]}'.",
            context={"declared": count, "visible": len(found)},
            remedy="Declare as many as there are (execution.local.gpus), or unset CUDA_VISIBLE_DEVICES.",
        )
    return found[:count]


def demand_of(task: Task) -> Demand:
    """What a task asks for; NotSupported names a resource or number that means nothing."""
    for name, amount in task.resources.items():
        if name not in RESOURCES:
            raise NotSupported(
                f"Task '{task.id}' asks for the resource '{name}', which is not known. Resources: "
                f"{', '.join(RESOURCES)}.",
                context={"task": task.id, "resource": name},
                remedy=did_you_mean(name, RESOURCES) or "Leave it out.",
            )
        if not (math.isfinite(amount) and amount >= 0):
            raise NotSupported(
                f"Task '{task.id}' asks for {amount} {name}.",
                context={"task": task.id, "resource": name},
                remedy="Give a number of zero or more.",
            )
    return Demand(**{"cpus": 1.0, **task.resources})


class Capacity:
    """What is there in all and what is free. For one thread at a time."""

    def __init__(self, cpus: float, gpus: int, memory: float) -> None:
        self._all = Demand(cpus, gpus, memory)
        self._cpus, self._memory = cpus, memory
        self._devices = set(range(gpus))

    def check(self, task: str, demand: Demand) -> None:
        """DoesNotFit when a task could never run here; NotSupported for a share of a GPU."""
        if demand.gpus != int(demand.gpus):
            raise NotSupported(
                f"Task '{task}' asks for {demand.gpus:g} of a GPU; this pool gives whole ones.",
                context={"task": task, "gpus": demand.gpus},
                remedy="Ask for whole GPUs, or run on Ray, which shares them.",
            )
        for name in RESOURCES:
            wanted, there = getattr(demand, name), getattr(self._all, name)
            if wanted > there:
                raise DoesNotFit(
                    f"Task '{task}' asks for {wanted:,.10g} {name}; this pool has {there:,.10g} in all.",
                    context={"task": task, "resource": name, "wanted": wanted, "there": there},
                    remedy=_REMEDIES.get(name, "Ask for less, or run on a larger machine or on Ray."),
                )

    def take(self, demand: Demand) -> tuple[int, ...] | None:
        """Take it; the GPU devices that come with it. None when it is not free now."""
        count = int(demand.gpus)
        if demand.cpus > self._cpus + 1e-9 or demand.memory > self._memory or count > len(self._devices):
            return None
        self._cpus -= demand.cpus
        self._memory -= demand.memory
        devices = tuple(sorted(self._devices)[:count])
        self._devices.difference_update(devices)
        return devices

    def give_back(self, demand: Demand, devices: tuple[int, ...]) -> None:
        """What `take` took."""
        self._cpus += demand.cpus
        self._memory += demand.memory
        self._devices.update(devices)
