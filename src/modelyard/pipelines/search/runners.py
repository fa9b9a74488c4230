"""Where trials are made: one after another in this process, or side by side in processes of their own."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from modelyard.core import InvalidInput
from modelyard.execution import Outcome

from ..artifacts.pickles import dumps, loads
from ..code import ProjectNames
from ..parts import Parts
from .result import TrialRecord
from .study import Plan, run_trial


class Runner(Protocol):
    """Makes trials."""

    @property
    def room(self) -> int:
        """How many more may begin now."""

    def begin(self, number: int, history: Sequence[TrialRecord]) -> None:
        """Begin a trial that learns from those that have ended; returns when it may go on by itself."""

    def ended(self) -> list[TrialRecord]:
        """Trials that ended since the last time; waits for one."""


class Here:
    """One trial at a time, in this process."""

    def __init__(self, plan: Plan, objective: Callable[..., float], inputs: Mapping[str, Any]) -> None:
        self._plan = plan
        self._objective = objective
        self._inputs = inputs
        self._done: list[TrialRecord] = []

    @property
    def room(self) -> int:
        return 1 - len(self._done)

    def begin(self, number: int, history: Sequence[TrialRecord]) -> None:
        self._done.append(run_trial(self._plan, history, self._objective, self._inputs, number))

    def ended(self) -> list[TrialRecord]:
        done, self._done = self._done, []
        return done


class SideBySide:
    """Several trials at a time, each in a process of its own. `folder` takes the inputs. Close it when done.

    On Ray they are tasks of the cluster, each with one processor.
    """

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
        self._parts = Parts(parallel, most=parallel, resources={"cpus": 1}, log=folder / "trials.log")
        self._parallel, self._running = parallel, 0

    @property
    def room(self) -> int:
        return self._parallel - self._running

    def begin(self, number: int, history: Sequence[TrialRecord]) -> None:
        self._parts.submit(str(number), _trial_elsewhere, (*self._call, tuple(history), number))
        self._running += 1

    def ended(self) -> list[TrialRecord]:
        outcomes = self._parts.wait()
        self._running -= len(outcomes)
        return [_record(each) for each in outcomes]

    def close(self) -> None:
        """End what is under way."""
        self._parts.close()


def _trial_elsewhere(
    plan: Plan, folder: Path, reference: str, parcel: Path, history: Sequence[TrialRecord], number: int
) -> TrialRecord:
    names = ProjectNames(folder)
    return run_trial(plan, history, names.find(reference), loads(parcel.read_bytes(), names), number)


def _record(outcome: Outcome) -> TrialRecord:
    """What a process gave back; one that was taken down has failed."""
    if outcome.error is None:
        record: TrialRecord = outcome.value
        return record
    return TrialRecord(int(outcome.id), "failed", {}, None, {}, outcome.seconds, outcome.error.message)


def _folder_of(function: Callable[..., Any]) -> Path:
    """The folder of the file that defines a function: names are relative to it."""
    file = getattr(function, "__globals__", {}).get("__file__", "./")
    return Path(str(file)).absolute().parent
