"""Carrying out one order, in whatever process: load the inputs, call the step, keep what it returned."""

import os
import random
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from math import isfinite
from typing import Any, cast

import numpy as np

from modelyard.core import Clock, Judgement, ManualClock, ModelyardError, SystemClock, digest_of
from modelyard.storage import ArtifactStore

from ..artifacts import Scratch, SharedNames, load_path, save
from ..code import ProjectNames
from ..context import RunContext, Services, enter, leave
from ..errors import CodeChanged, StepFailed
from .fault import fault_point
from .order import Order, Report, Taken
from .secrets import Masked, without
from .sight import require_sight


def perform(order: Order) -> Report:
    """Carry out an order in a process of its own: what an executor calls. What the step raises is raised."""
    require_sight(order)
    names = ProjectNames(order.folder)
    function = names.find(order.function)
    for file, digest in order.files.items():
        if digest_of((order.folder / file).read_bytes()) != digest:
            raise CodeChanged(
                f"{file} changed while run {order.run_id} was under way.",
                context={"file": file, "run": order.run_id},
                remedy=f"Resume it with the code as it is now: modelyard pipeline resume {order.run_id}",
            )
    masked = Masked(order.secrets)
    with masked.output(), without(order.hidden), _threads(order.threads), own_mlflow_run():
        try:
            return carry_out(order, function, names, masked)
        except Exception as error:
            traceback.print_exc(file=sys.stderr)  # into the step's log
            if not masked:
                raise
            told = error.message if isinstance(error, ModelyardError) else f"{type(error).__name__}: {error}"
            raise StepFailed(masked.text(told)) from None


def _threads(count: int) -> AbstractContextManager[object]:
    """Let native libraries use more threads than the one that workers start with."""
    if count <= 1:
        return nullcontext()
    from threadpoolctl import threadpool_limits  # noqa: PLC0415 - only steps that ask for processors pay for it

    limits: AbstractContextManager[object] = threadpool_limits(count)
    return limits


def carry_out(order: Order, function: Callable[..., Any], names: SharedNames, masked: Masked) -> Report:
    """Call the function with the inputs of an order, seeded, in its context, and keep what it returns."""
    store, scratch = order.surroundings.artifacts(), Scratch(order.scratch)
    inputs = {name: _loaded(each, store, names, scratch) for name, each in order.inputs.items()}
    clock: Clock = SystemClock() if order.at is None else ManualClock(order.at)
    services = _Noticing(order, clock)
    reads: dict[str, str] = {}
    schemas: dict[str, dict[str, str]] = {}

    def read(name: str, digest: str, columns: Mapping[str, str] | None = None) -> None:
        reads[name] = digest
        schemas[name] = dict(columns or {})

    context = RunContext(
        order.run_id,
        clock,
        order.context_seed,
        cast("Services", services),
        order.step,
        read,
        order.kept,
        order.deterministic,
        order.folder,
        order.secrets,
    )
    began = time.perf_counter()
    with seeded(order.seed):
        token = enter(context)
        try:
            value = function(**inputs)
        finally:
            leave(token)
    seconds = time.perf_counter() - began
    fault_point(f"called {order.step}")
    output = save(value, store, names)
    fault_point(f"saved {order.step}")
    verdict, reasons = (value.verdict.value, value.reasons) if isinstance(value, Judgement) else (None, ())
    return Report(
        output,
        masked.json(shown(value)),
        seconds,
        verdict,
        tuple(map(masked.text, reasons)),
        reads,
        touched=services.touched,
        schemas=schemas,
    )


@contextmanager
def own_mlflow_run() -> Iterator[None]:
    """Close the MLflow run that the step's own `mlflow.log_…` calls went to, so that the next step's do not."""
    own = os.environ.get("MLFLOW_RUN_ID")
    try:
        yield
    finally:
        mlflow = sys.modules.get("mlflow")
        active = mlflow.active_run() if mlflow is not None and own else None
        if mlflow is not None and active is not None and active.info.run_id == own:
            mlflow.end_run()


class _Noticing:
    """The project's services, made when a step first asks for one."""

    def __init__(self, order: Order, clock: Clock) -> None:
        self._order, self._clock = order, clock
        self.touched = False

    def __getattr__(self, name: str) -> Any:
        self.touched = True
        return getattr(self._order.surroundings.services(self._clock), name)


def _loaded(value: Any, store: ArtifactStore, names: SharedNames, scratch: Scratch) -> Any:
    if isinstance(value, Taken):
        return load_path(value.artifact, value.path, store, names, scratch)
    if isinstance(value, Mapping):
        return {key: _loaded(each, store, names, scratch) for key, each in value.items()}
    return [_loaded(each, store, names, scratch) for each in value]


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed the generators of `random` and numpy for a while, and put them back as they were."""
    before, before_numpy = random.getstate(), np.random.get_state()
    random.seed(seed)
    np.random.seed(seed % 2**32)
    try:
        yield
    finally:
        random.setstate(before)
        np.random.set_state(before_numpy)


def shown(value: Any) -> Any:  # noqa: PLR0911 - one a type
    """A value for the record: JSON as it is (without NaN and infinities), a judgement in full, else its type's name."""
    if isinstance(value, Judgement):
        return {"verdict": value.verdict.value, "reasons": list(value.reasons)}
    if isinstance(value, float) and not isfinite(value):
        return None
    if isinstance(value, np.generic):
        return shown(value.item())
    if isinstance(value, str):
        return value if len(value) <= 2_000 else value[:1_999] + "…"
    if isinstance(value, int | float | bool | None):
        return value
    if isinstance(value, Mapping) and len(value) <= 1_000 and all(map(_is_scalar, value.values())):
        return {str(name): shown(each) for name, each in value.items()}
    return str(value) if hasattr(value, "isoformat") else type(value).__name__


def _is_scalar(value: Any) -> bool:
    return isinstance(value, str | int | float | bool | np.generic | None)
