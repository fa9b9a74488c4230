"""What a task may ask for, checked; and environments that make runs repeatable."""

from collections.abc import Mapping

from .contract import Task
from .errors import NotSupported
from .records import Job, Waiting
from .resources import demand_of
from .shipping import pack_call

OPTIONS = ("environment", "generation", "log", "timeout")
"""Options of a task beside its resources."""

_THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "POLARS_MAX_THREADS",
)


def deterministic_environment(*, threads: int = 1, hash_seed: int = 0) -> Mapping[str, str]:
    """Variables for an executor's workers, read when they start: Python's hash order and native thread counts.

    With more than one thread, sums may be added in another order each time. cuBLAS gives the same bytes each time only
    with a workspace of fixed size (NVIDIA, cuBLAS, "Results Reproducibility").
    """
    threaded = {name: str(threads) for name in _THREADS}
    return {"PYTHONHASHSEED": str(hash_seed), **threaded, "CUBLAS_WORKSPACE_CONFIG": ":4096:8"}


def waiting_for(task: Task) -> Waiting:
    """A task, ready to wait for a worker; NotSupported and NotPicklable say why it cannot."""
    _check_options(task)
    demand = demand_of(task)
    timeout = None if task.timeout is None else task.timeout.total_seconds()
    log = None if task.log is None else str(task.log.absolute())
    call = pack_call(task.function, task.arguments, f"Task '{task.id}'")
    return Waiting(task.id, Job(call, dict(task.environment), log, demand), demand, timeout, task.generation)


def _check_options(task: Task) -> None:
    """NotSupported for options that no process could be given."""
    if task.timeout is not None and task.timeout.total_seconds() <= 0:
        raise NotSupported(
            f"Task '{task.id}' has a timeout of {task.timeout.total_seconds():g} s.",
            context={"task": task.id},
            remedy="Give it more than zero, or none.",
        )
    for name, value in task.environment.items():
        if not name or "=" in name or "\0" in name + value:
            raise NotSupported(
                f"Task '{task.id}' has an environment variable {name[:100]!r} that no process can be given.",
                context={"task": task.id, "variable": name[:100]},
                remedy="Names have no '=', and neither names nor values a NUL.",
            )
