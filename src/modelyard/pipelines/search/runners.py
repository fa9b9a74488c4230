"""Where trials are made: one after another in this process, or side by side in processes of their own."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from modelyard.core import InvalidInput
from modelyard.execution import LocalPool, Outcome, Task

from ..artifacts import dumps, loads
from ..code import ProjectNames
from .study import Plan, run_trial


class Runner(Protocol):
    """Makes trials by their places."""

    def begin(self, place: int) -> None:
        """Begin a trial; returns when it may go on by itself."""

    def ended(self) -> dict[int, str]:
        """Places of trials that ended since the last time, each with why its process broke off, or nothing.

        Waits for one if any is under way.
        """

    @property
    def room(self) -> int:
        """How many more may begin now."""


class Here:
    """One trial at a time, in this process."""

    def __init__(self, plan: Plan, objective: Callable[..., float], inputs: Mapping[str, Any]) -> None:
        self._plan = plan
        self._objective = objective
        self._inputs = inputs
        self._done: dict[int, str] = {}

    @property
    def room(self) -> int:
        return 0 if self._done else 1

    def begin(self, place: int) -> None:
        run_trial(self._plan, self._objective, self._inputs, place)
        self._done[place] = ""

    def ended(self) -> dict[int, str]:
        done, self._done = self._done, {}
        return done


class SideBySide:
    """Several trials at a time, each in a process of its own. `folder` takes the inputs. Close it when done."""

    def __init__(
        self, plan: Plan, objective: Callable[..., float], inputs: Mapping[str, Any], parallel: int, folder: Path
    ) -> None:
        names = ProjectNames(_folder_of(objective))
        reference = names.reference(objective)
        if reference is None:
            raise InvalidInput(
                f"'{objective.__qualname__}' cannot be found by other processes, so it runs one trial at a time only.",
                remedy="Move it to the top of a file of the project, or give parallel=1.",
            )
        parcel = folder / "inputs.pickle"
        parcel.write_bytes(dumps(dict(inputs), names))
        self._call = (plan, names.folder, reference, parcel)
        self._pool = LocalPool(parallel)
        self._parallel, self._running = parallel, 0

    @property
    def room(self) -> int:
        return self._parallel - self._running

    def begin(self, place: int) -> None:
        self._pool.submit(Task(str(place), _trial_elsewhere, (*self._call, place)))
        self._running += 1

    def ended(self) -> dict[int, str]:
        outcomes = self._pool.wait()
        self._running -= len(outcomes)
        return {int(each.id): _broke_off(each) for each in outcomes}

    def close(self) -> None:
        self._pool.close()


def _trial_elsewhere(plan: Plan, folder: Path, reference: str, parcel: Path, place: int) -> None:
    names = ProjectNames(folder)
    run_trial(plan, names.find(reference), loads(parcel.read_bytes(), names), place)


def _broke_off(outcome: Outcome) -> str:
    return outcome.error.message if outcome.error is not None else ""


def _folder_of(function: Callable[..., Any]) -> Path:
    """The folder of the file that defines a function: names are relative to it."""
    return (
        Path(str(function.__globals__.get("__file__", "."))).absolute().parent
        if hasattr(function, "__globals__")
        else Path.cwd()
    )
