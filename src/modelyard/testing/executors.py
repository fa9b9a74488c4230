"""What every executor must do."""

import os
import signal
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any, ClassVar

import psutil
import pytest

from modelyard.execution import (
    DoesNotFit,
    Executor,
    ExecutorClosed,
    NotPicklable,
    NotSupported,
    Outcome,
    Task,
    TaskCancelled,
    TaskCrashed,
    TaskExists,
    TaskTimedOut,
)

from . import tasks

_NUMBERS = count()
PATIENCE = 60.0
"""Seconds until a test gives up waiting for what should have happened."""


def new_id() -> str:
    """An id that no other task of this process has."""
    return f"task-{next(_NUMBERS)}"


def task(function: Callable[..., Any], *arguments: Any, **options: Any) -> Task:
    """A task of a new id."""
    return Task(new_id(), function, arguments, **options)


def run(executor: Executor, *wanted: Task) -> list[Outcome]:
    """Submit tasks and collect their outcomes, in the order of the tasks."""
    for each in wanted:
        executor.submit(each)
    return gather(executor, [each.id for each in wanted])


def gather(executor: Executor, ids: Sequence[str]) -> list[Outcome]:
    """The outcomes of these tasks, which are the only ones under way, in this order."""
    found: dict[str, Outcome] = {}
    deadline = time.monotonic() + PATIENCE
    while len(found) < len(ids):
        for outcome in executor.wait(1.0):
            assert outcome.id not in found
            found[outcome.id] = outcome
        assert time.monotonic() < deadline, f"no outcome of {set(ids) - set(found)}"
    return [found[each] for each in ids]


def until(condition: Callable[[], bool], seconds: float = PATIENCE) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not so after {seconds:g} s"
        time.sleep(0.01)


def alive(pid: int) -> bool:
    """Whether a process runs; one that ended and waits to be collected does not."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def held(file: Path) -> list[int]:
    """The process ids that `tasks.hold` wrote, once they are there."""
    until(file.exists)
    return [int(each) for each in file.read_text().split()]


class ExecutorSuite(ABC):
    """Promises of `execution.Executor`. Subclasses give one that runs on this machine's file system and is reused."""

    cpus: ClassVar[int] = 2
    """Processors of the executor in all."""

    largest: ClassVar[int] = 2
    """Processors that one task can have at most."""

    @abstractmethod
    @pytest.fixture
    def executor(self) -> Executor:
        """An open executor with nothing under way."""

    @abstractmethod
    @pytest.fixture
    def another(self) -> Executor:
        """One that the test may close."""

    def test_a_value_comes_back(self, executor: Executor) -> None:
        """With the time it took and no error."""
        (outcome,) = run(executor, task(tasks.add, 2, 3))
        assert (outcome.state, outcome.value, outcome.error) == ("done", 5, None)
        assert 0 <= outcome.seconds < PATIENCE

    def test_each_of_200_tasks_has_its_own_outcome(self, executor: Executor) -> None:
        """Whatever the order they end in; then nothing is left to wait for."""
        outcomes = run(executor, *[task(tasks.give, number) for number in range(200)])
        assert [each.value for each in outcomes] == list(range(200))
        assert executor.wait() == []

    def test_tasks_run_beside_each_other(self, executor: Executor, tmp_path: Path) -> None:
        """As many as there are processors; in other processes than this."""
        outcomes = run(executor, *[task(tasks.overlap, str(tmp_path), 0.5) for _ in range(self.cpus)])
        assert max(each.value for each in outcomes) > 1
        (other,) = run(executor, task(tasks.process))
        assert other.value != os.getpid()

    def test_waiting_ends_with_nothing_when_its_time_is_over(self, executor: Executor) -> None:
        """The task goes on and is told of later."""
        slow = task(tasks.sleep, 0.5)
        executor.submit(slow)
        assert executor.wait(0.01) == []
        assert gather(executor, [slow.id])[0].value == 0.5

    def test_a_failure_has_type_message_traceback_and_exception(self, executor: Executor) -> None:
        """The traceback shows the user's frames and none of ours."""
        (outcome,) = run(executor, task(tasks.raise_lookup))
        assert outcome.state == "failed"
        assert outcome.error is not None
        assert (outcome.error.type, outcome.error.message) == ("KeyError", "'absent'")
        assert isinstance(outcome.error.exception, KeyError)
        assert "in raise_lookup" in outcome.error.traceback
        assert 'levels["absent"]' in outcome.error.traceback
        assert "perform.py" not in outcome.error.traceback

    @pytest.mark.parametrize(
        ("function", "type_", "message"),
        [
            (tasks.raise_stubborn, "modelyard.testing.tasks._Stubborn", "this and that"),
            (tasks.raise_unspeakable, "modelyard.testing.tasks._Unspeakable", "its message cannot be shown"),
        ],
    )
    def test_an_exception_that_cannot_travel_is_told_in_words(
        self, executor: Executor, function: Callable[[], None], type_: str, message: str
    ) -> None:
        """Type, message and traceback are there, the exception itself is not."""
        (outcome,) = run(executor, task(function))
        assert outcome.state == "failed"
        assert outcome.error is not None
        assert (outcome.error.type, outcome.error.message, outcome.error.exception) == (type_, message, None)
        assert function.__name__ in outcome.error.traceback

    def test_leaving_the_interpreter_is_a_failure(self, executor: Executor) -> None:
        """`sys.exit` ends the task and no process."""
        (outcome,) = run(executor, task(tasks.leave))
        assert outcome.state == "failed"
        assert outcome.error is not None
        assert (outcome.error.type, outcome.error.message) == ("SystemExit", "leaving")

    @pytest.mark.parametrize(
        ("function", "arguments", "message"),
        [
            (tasks.give_lambda, (), "It returned a function, which cannot be sent back"),
            (tasks.give_unreadable, (), "What it returned cannot be read here: ValueError"),
            (tasks.give_bytes, (65 * 1024 * 1024,), "at most 67,108,864 can be sent back"),
        ],
    )
    def test_a_value_that_cannot_travel_is_a_failure(
        self, executor: Executor, function: Callable[..., Any], arguments: tuple[Any, ...], message: str
    ) -> None:
        """The message says what it was and what to do."""
        (outcome,) = run(executor, task(function, *arguments))
        assert outcome.state == "failed"
        assert outcome.error is not None
        assert isinstance(outcome.error.exception, NotPicklable)
        assert message in outcome.error.message
        assert "return its path" in outcome.error.message

    def test_what_cannot_be_sent_is_refused(self, executor: Executor) -> None:
        """Functions inside functions, and arguments that do not pickle."""
        with pytest.raises(NotPicklable, match="cannot be sent"):
            executor.submit(task(lambda: None))
        with pytest.raises(NotPicklable, match="cannot be sent"):
            executor.submit(task(tasks.give, threading.Lock()))
        with pytest.raises(NotPicklable, match="at most 67,108,864 can be sent"):
            executor.submit(task(tasks.give, b"x" * 65 * 1024 * 1024))

    @pytest.mark.parametrize(
        ("function", "arguments", "how"),
        [
            (tasks.die, (signal.SIGKILL,), "was ended by SIGKILL"),
            (tasks.die, (signal.SIGTERM,), "was ended by SIGTERM"),
            (tasks.end, (0,), "ended with exit code 0"),
            (tasks.end, (7,), "ended with exit code 7"),
            (tasks.fault, (), "was ended by SIGSEGV"),
            (tasks.fork_and_die, (), "was ended by SIGKILL"),
        ],
    )
    def test_a_crash_is_told_and_harms_no_other(
        self, executor: Executor, tmp_path: Path, function: Callable[..., Any], arguments: tuple[Any, ...], how: str
    ) -> None:
        """A task beside it ends well, and so does one after it."""
        beside, crashing = task(tasks.sleep, 0.3), task(function, *arguments, log=tmp_path / "log")
        outcomes = run(executor, beside, crashing, task(tasks.give, 1))
        assert [each.state for each in outcomes] == ["done", "crashed", "done"]
        error = outcomes[1].error
        assert error is not None
        assert isinstance(error.exception, TaskCrashed)
        assert f"'{crashing.id}' {how}" in error.message

    def test_a_copy_that_a_task_forks_answers_nothing(self, executor: Executor) -> None:
        """The task has one outcome, and its process goes on."""
        first, second = run(executor, task(tasks.fork_and_return), task(tasks.give, 2))
        assert first.value > 0
        assert second.value == 2

    def test_a_task_over_its_time_is_ended_with_its_children(self, executor: Executor, tmp_path: Path) -> None:
        """And with theirs; another that takes less is not."""
        late = task(tasks.hold, str(tmp_path / "pids"), timeout=timedelta(seconds=2))
        outcome, other = run(executor, late, task(tasks.sleep, 0.1, timeout=timedelta(seconds=30)))
        assert (outcome.state, other.state) == ("timed_out", "done")
        assert outcome.error is not None
        assert isinstance(outcome.error.exception, TaskTimedOut)
        assert "did not end within 2 s" in outcome.error.message
        assert 2.0 <= outcome.seconds < PATIENCE
        pids = held(tmp_path / "pids")
        until(lambda: not any(map(alive, pids)), 5)

    def test_a_timeout_does_not_count_while_a_task_waits(self, executor: Executor) -> None:
        """Tasks that have to queue have all of their time."""
        queue = [task(tasks.sleep, 0.5, timeout=timedelta(seconds=1.5)) for _ in range(4 * self.cpus)]
        assert {each.state for each in run(executor, *queue)} == {"done"}

    def test_a_running_task_can_be_cancelled(self, executor: Executor, tmp_path: Path) -> None:
        """It ends, its children too; cancelling again or anything else does nothing."""
        running = task(tasks.hold, str(tmp_path / "pids"))
        executor.submit(running)
        pids = held(tmp_path / "pids")
        executor.cancel(running.id)
        executor.cancel("no-such-task")
        (outcome,) = gather(executor, [running.id])
        assert outcome.state == "cancelled"
        assert outcome.error is not None
        assert isinstance(outcome.error.exception, TaskCancelled)
        until(lambda: not any(map(alive, pids)), 5)
        executor.cancel(running.id)
        assert run(executor, task(tasks.give, 1))[0].value == 1

    def test_a_waiting_task_can_be_cancelled(self, executor: Executor, tmp_path: Path) -> None:
        """It never runs; the others do."""
        before = [task(tasks.sleep, 0.5) for _ in range(self.cpus)]
        waiting = task(Path.touch, tmp_path / "ran")
        for each in (*before, waiting):
            executor.submit(each)
        executor.cancel(waiting.id)
        outcomes = gather(executor, [each.id for each in (*before, waiting)])
        assert [each.state for each in outcomes] == ["done"] * self.cpus + ["cancelled"]
        assert outcomes[-1].seconds == 0
        assert not (tmp_path / "ran").exists()

    def test_variables_are_seen_by_their_task_alone(self, executor: Executor) -> None:
        """And by the processes that it starts."""
        secret = task(tasks.variable, "MODELYARD_SECRET", environment={"MODELYARD_SECRET": "a b=ü"})
        assert run(executor, secret)[0].value == "a b=ü"
        others = [task(tasks.variable, "MODELYARD_SECRET") for _ in range(2 * self.cpus)]
        assert {each.value for each in run(executor, *others)} == {None}

    def test_environment_and_directory_are_put_back(self, executor: Executor, tmp_path: Path) -> None:
        """What a task sets, deletes or changes there, no later one in the same process sees."""
        (first,) = run(executor, task(tasks.place))
        soiled = run(executor, *[task(tasks.soil, "MODELYARD_SOIL", str(tmp_path)) for _ in range(2 * self.cpus)])
        after = run(executor, *[task(tasks.place) for _ in range(4 * self.cpus)])
        assert {each.value for each in soiled} & {each.value[0] for each in after}
        assert {each.value[1:] for each in after} == {first.value[1:]}
        assert run(executor, task(tasks.variable, "MODELYARD_SOIL"))[0].value is None

    def test_all_that_a_task_writes_is_in_its_log(self, executor: Executor, tmp_path: Path) -> None:
        """From Python, from C and from children; appended, in a folder that may have to be made."""
        log = tmp_path / "new" / "log"
        for _ in range(2):
            assert run(executor, task(tasks.speak, log=log))[0].state == "done"
        lines = log.read_text().splitlines()
        said = ["from Python", "from Python, as an error", "from C", "from a child"]
        assert sorted(lines) == sorted(said * 2)
        assert run(executor, task(tasks.speak))[0].state == "done"
        assert log.read_text().splitlines() == lines

    def test_a_log_can_be_read_while_its_task_runs(self, executor: Executor, tmp_path: Path) -> None:
        """Line by line."""
        log = tmp_path / "log"
        speaking = task(tasks.speak_and_wait, str(tmp_path / "go"), log=log)
        executor.submit(speaking)
        until(lambda: log.exists() and log.read_text() == "a first line\n")
        (tmp_path / "go").touch()
        assert gather(executor, [speaking.id])[0].state == "done"

    def test_last_words_are_in_the_log(self, executor: Executor, tmp_path: Path) -> None:
        """What was written before a crash; of a fault in native code, where Python was."""
        words, fault = task(tasks.speak_and_die, log=tmp_path / "words"), task(tasks.fault, log=tmp_path / "fault")
        assert {each.state for each in run(executor, words, fault)} == {"crashed"}
        assert (tmp_path / "words").read_text() == "last words\n"
        assert "in fault" in (tmp_path / "fault").read_text()

    def test_a_log_that_cannot_be_written_is_a_failure(self, executor: Executor, tmp_path: Path) -> None:
        """The task does not run without it."""
        (outcome,) = run(executor, task(Path.touch, tmp_path / "ran", log=tmp_path))
        assert outcome.state == "failed"
        assert outcome.error is not None
        assert outcome.error.type == "IsADirectoryError"
        assert not (tmp_path / "ran").exists()

    @pytest.mark.parametrize("cpus", [1, 2])
    def test_no_more_run_at_once_than_fit(self, executor: Executor, tmp_path: Path, cpus: int) -> None:
        """By the processors that each asks for."""
        wanted = [task(tasks.overlap, str(tmp_path), 0.15, resources={"cpus": cpus}) for _ in range(3 * self.cpus)]
        outcomes = run(executor, *wanted)
        assert max(each.value for each in outcomes) <= self.cpus // cpus

    def test_memory_is_accounted_for(self, executor: Executor) -> None:
        """It can be asked for, and what nobody has is refused."""
        assert run(executor, task(tasks.give, 1, resources={"memory": 1024}))[0].value == 1
        with pytest.raises(DoesNotFit, match="memory"):
            executor.submit(task(tasks.give, 1, resources={"memory": 2.0**60}))

    def test_what_can_never_fit_is_refused(self, executor: Executor) -> None:
        """The message says what there is."""
        with pytest.raises(DoesNotFit, match=rf"{self.largest + 1} cpus.* has {self.largest}"):
            executor.submit(task(tasks.give, 1, resources={"cpus": self.largest + 1}))
        with pytest.raises(DoesNotFit, match=r"1 gpus.* has 0"):
            executor.submit(task(tasks.give, 1, resources={"gpus": 1}))

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"resources": {"cpu": 1}}, "Did you mean 'cpus'"),
            ({"resources": {"disk": 1}}, "Resources: cpus, gpus, memory"),
            ({"resources": {"cpus": -1}}, "asks for -1 cpus"),
            ({"resources": {"cpus": float("nan")}}, "asks for nan cpus"),
            ({"timeout": timedelta(0)}, "a timeout of 0 s"),
            ({"environment": {"A=B": ""}}, "variable 'A=B'"),
            ({"environment": {"A": "\0"}}, "variable 'A'"),
        ],
    )
    def test_what_is_not_supported_is_refused(self, executor: Executor, options: dict[str, Any], message: str) -> None:
        """Never ignored."""
        with pytest.raises(NotSupported, match=message):
            executor.submit(task(tasks.give, 1, **options))
        assert {"cpus", "gpus", "memory", "timeout", "environment", "log", "generation"} <= executor.supports

    def test_an_id_is_used_once_at_a_time(self, executor: Executor) -> None:
        """Until its outcome was fetched."""
        twice = task(tasks.give, 1)
        executor.submit(twice)
        with pytest.raises(TaskExists, match=twice.id):
            executor.submit(twice)
        assert gather(executor, [twice.id])[0].value == 1
        assert run(executor, twice)[0].value == 1

    def test_code_that_changed_is_imported_anew(self, executor: Executor, tmp_path: Path) -> None:
        """When its tasks are of another generation; processes of the former may have what they imported."""
        module = tmp_path / "changing_module.py"
        for number, generation in enumerate(("first", "second", "third")):
            module.write_text(f"VERSION = {number}{'0' * number}")
            wanted = [task(tasks.version, str(tmp_path), generation=generation) for _ in range(2 * self.cpus)]
            assert {each.value for each in run(executor, *wanted)} == {number * 10**number}

    def test_closing_ends_what_runs(self, another: Executor, tmp_path: Path) -> None:
        """With its children; nothing more is taken or told, and closing again is harmless."""
        another.submit(task(tasks.hold, str(tmp_path / "pids")))
        another.submit(task(tasks.give, 1))
        pids = held(tmp_path / "pids")
        another.close()
        until(lambda: not any(map(alive, pids)), 5)
        assert another.wait() == []
        with pytest.raises(ExecutorClosed):
            another.submit(task(tasks.give, 1))
        another.cancel("anything")
        another.close()
