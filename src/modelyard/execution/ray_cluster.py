"""The same tasks on a Ray cluster."""

import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from .contract import Outcome, Task
from .errors import DoesNotFit, NotSupported
from .ledger import Ledger
from .options import OPTIONS, waiting_for
from .ray_connection import check_address, connect, disconnect
from .ray_worker import do
from .records import Answer, Demand, Ended, Setup, Waiting, answered, cancelled, crashed
from .resources import RESOURCES
from .shipping import outcome_of, pack_call, packed_error

_NAMES = {"cpus": "CPU", "gpus": "GPU", "memory": "memory"}
_CLOSING_SECONDS = 10.0


class RayExecutor:
    """An `Executor` on a Ray cluster; Ray places the tasks, and nothing is retried.

    In a Ray worker, each task runs in a worker process such as the local pool's, so its failures, crashes, timeouts
    and children are the same. Every node needs Modelyard and the tasks' modules, by the same `sys.path` as here where
    the file system is shared. Tasks get the environment of their node, not of this process.

    A log is written by the node when it sees the same file; else its last 1 MiB comes back when the task has ended.
    Of a task whose node or Ray worker was lost, nothing more is known than that: it `crashed`, and its `seconds` are 0.
    A task that fitted a node that was lost since waits until another such node comes.
    """

    supports = frozenset({*RESOURCES, *OPTIONS})

    def __init__(
        self,
        address: str | None = None,
        *,
        cpus: int | None = None,
        gpus: int | None = None,
        memory: int | None = None,
        environment: Mapping[str, str] | None = None,
        initialize: Callable[[], object] | None = None,
        start_seconds: float = 120.0,
        dashboard: bool = False,
        allow_public_ports: bool = False,
    ) -> None:
        """Connect to the cluster at `address` ("auto": the one of this machine), or start one here with `cpus`, `gpus`
        and `memory` bytes (by default what the machine has).

        Starting one is refused on a machine with other interfaces than loopback unless `allow_public_ports`: whoever
        reaches Ray's ports can run code. Its `dashboard` is off unless asked for, and so are its usage statistics
        (RAY_USAGE_STATS_ENABLED). `environment`, `initialize` and `start_seconds` are as of `LocalPool`.
        """
        check_address(address)
        own = {"num_cpus": cpus, "num_gpus": gpus, "_memory": memory, "include_dashboard": dashboard or None}
        given = {name: value for name, value in own.items() if value is not None}
        if address is not None and given:
            raise NotSupported(
                "What a running cluster has cannot be chosen here.",
                context={"given": sorted(given)},
                remedy="Leave out cpus, gpus, memory and dashboard, or the address.",
            )
        self._setup = Setup(
            environment=dict(environment or {}),
            initialize=None if initialize is None else pack_call(initialize, (), "The executor's `initialize`"),
            path=tuple(sys.path),
            folder=str(Path.cwd()),
            start_seconds=start_seconds,
        )
        started_with = {"include_dashboard": False, **given}
        self._ray = connect(address, started_with, allow_public_ports=allow_public_ports)
        self._do = self._ray.remote(max_retries=0)(do)
        self._ledger = Ledger()
        self._lock = threading.Lock()
        self._references: dict[str, Any] = {}
        self._called_off: set[str] = set()
        self._nodes: list[Mapping[str, float]] = []

    def __enter__(self) -> "RayExecutor":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def submit(self, task: Task) -> None:
        """See `Executor.submit`. DoesNotFit is by the nodes that the cluster has now."""
        waiting = waiting_for(task)
        self._ledger.enter(task.id)
        try:
            self._check_fit(task.id, waiting.demand)
            self._start(waiting)
        except BaseException:
            self._ledger.withdraw(task.id)
            raise

    def wait(self, timeout: float | None = None) -> list[Outcome]:
        """See `Executor.wait`."""
        return [outcome_of(each) for each in self._ledger.take(timeout)]

    def cancel(self, id: str) -> None:  # noqa: A002 - as the contract has it
        """See `Executor.cancel`."""
        with self._lock:
            reference = self._references.get(id)
            if reference is not None:
                self._called_off.add(id)
        if reference is not None:
            self._ray.cancel(reference, force=True)

    def close(self) -> None:
        """See `Executor.close`. A cluster that was started here ends with the last executor of this process."""
        if not self._ledger.close():
            return
        with self._lock:
            references = list(self._references.values())
        for each in references:
            self._ray.cancel(each, force=True)
        if references:
            self._ray.wait(references, num_returns=len(references), timeout=_CLOSING_SECONDS)
        disconnect(self._ray)

    def _start(self, waiting: Waiting) -> None:
        try:
            mark = _marked(waiting.job.log)
        except OSError as error:
            self._ledger.settle([answered(waiting.id, Answer(None, packed_error(error), 0.0))])
            return
        demand = waiting.demand
        call = self._do.options(
            name=waiting.id, num_cpus=demand.cpus, num_gpus=demand.gpus, memory=int(demand.memory) or None
        )
        with self._lock:
            reference = self._references[waiting.id] = call.remote(waiting, self._setup, mark)
        reference.future().add_done_callback(partial(self._ended, waiting))

    def _ended(self, waiting: Waiting, future: "Future[tuple[Ended, bytes]]") -> None:
        with self._lock:
            self._references.pop(waiting.id, None)
            called_off = waiting.id in self._called_off
            self._called_off.discard(waiting.id)
        self._ledger.settle([_how_it_ended(waiting, future, called_off=called_off)])

    def _check_fit(self, task: str, demand: Demand) -> None:
        if demand.gpus > 1 and demand.gpus != int(demand.gpus):
            raise NotSupported(
                f"Task '{task}' asks for {demand.gpus:g} GPUs; Ray gives whole ones, or a part of one.",
                context={"task": task},
                remedy="Ask for a whole number of GPUs, or for less than one.",
            )
        if any(_fits(demand, node) for node in self._nodes):
            return
        self._nodes = [each["Resources"] for each in self._ray.nodes() if each["Alive"]]
        if not any(_fits(demand, node) for node in self._nodes):
            raise _too_large(task, demand, self._nodes)


def _fits(demand: Demand, node: Mapping[str, float]) -> bool:
    return all(getattr(demand, name) <= node.get(theirs, 0.0) for name, theirs in _NAMES.items())


def _too_large(task: str, demand: Demand, nodes: list[Mapping[str, float]]) -> DoesNotFit:
    largest = {name: max((node.get(theirs, 0.0) for node in nodes), default=0.0) for name, theirs in _NAMES.items()}
    short = [name for name in RESOURCES if getattr(demand, name) > largest[name]] or list(RESOURCES)
    asked = " and ".join(f"{getattr(demand, name):,.10g} {name}" for name in short)
    there = " and ".join(f"{largest[name]:,.10g}" for name in short)
    return DoesNotFit(
        f"Task '{task}' asks for {asked}; the largest node of the cluster has {there}.",
        context={"task": task, "resources": short},
        remedy="Ask for less, or add a node that has it all before submitting the task.",
    )


def _marked(log: str | None) -> int | None:
    """The inode of a log, which is made if it is not there."""
    if log is None:
        return None
    path = Path(log)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab"):
        return path.stat().st_ino


def _how_it_ended(waiting: Waiting, future: "Future[tuple[Ended, bytes]]", *, called_off: bool) -> Ended:
    error = future.exception()
    if error is None:
        ended, text = future.result()
        if text and waiting.job.log is not None:
            with suppress(OSError), Path(waiting.job.log).open("ab") as log:  # the outcome counts more
                log.write(text)
        return ended
    if called_off:
        return Ended(waiting.id, "cancelled", 0.0, error=cancelled(waiting.id))
    lines = str(error).strip().splitlines() or [""]
    how = f"was lost with its node or Ray worker ({type(error).__name__}: {lines[0][:300].rstrip('.')})"
    return Ended(waiting.id, "crashed", 0.0, error=crashed(waiting.id, how))
