"""What the local pool does beyond the contract, and that it leaves nothing behind."""

import functools
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from random import Random

import psutil
import pytest

from modelyard.execution import (
    DoesNotFit,
    LocalPool,
    NotPicklable,
    NotSupported,
    Outcome,
    Task,
    TaskCrashed,
    deterministic_environment,
)
from modelyard.testing import tasks
from modelyard.testing.executors import alive, gather, held, run, task, until


def only(pool: LocalPool, wanted: Task) -> Outcome:
    """The outcome of one task."""
    return run(pool, wanted)[0]


def message(outcome: Outcome) -> str:
    """Why there is no value."""
    assert outcome.error is not None
    return outcome.error.message


def children() -> set[int]:
    """The processes that this one started and that still run."""
    return {each.pid for each in psutil.Process().children(recursive=True) if alive(each.pid)}


def test_no_worker_is_started_before_a_task_needs_it() -> None:
    """And no more than the tasks at one time need."""
    before = children()
    with LocalPool(4) as pool:
        assert children() == before
        only(pool, task(tasks.give, 1))
        only(pool, task(tasks.give, 1))
        assert len(children() - before) == 1


def test_closing_leaves_no_process() -> None:
    """Neither idle nor busy ones, nor what those started; it has ended when `close` returns."""
    before = children()
    pool = LocalPool(2)
    only(pool, task(tasks.give, 1))
    pool.submit(task(tasks.sleep, 60))
    pool.submit(task(tasks.sleep, 60))
    pool.submit(task(tasks.sleep, 60))
    assert pool.wait(0.3) == []
    assert len(children() - before) == 2
    pool.close()
    assert children() == before


def test_a_worker_is_used_again() -> None:
    """By tasks of the same generation, until `restart`."""
    with LocalPool(1) as pool:
        first, second = (only(pool, task(tasks.process)).value for _ in range(2))
        assert first == second
        pool.restart()
        third = only(pool, task(tasks.process)).value
        assert third != first
        until(lambda: not alive(first), 3)


def test_a_restart_lets_running_tasks_end() -> None:
    """Their worker is not used again."""
    with LocalPool(1) as pool:
        slow = task(tasks.sleep, 0.4)
        (worker,) = {only(pool, task(tasks.process)).value}
        pool.submit(slow)
        pool.wait(0.1)
        pool.restart()
        assert gather(pool, [slow.id])[0].state == "done"
        assert only(pool, task(tasks.process)).value != worker


def test_an_idle_worker_that_was_killed_is_replaced() -> None:
    """No task is lost, however close the kill is to the next."""
    with LocalPool(1) as pool:
        for _ in range(5):
            os.kill(only(pool, task(tasks.process)).value, signal.SIGKILL)
            assert only(pool, task(tasks.give, 3)).value == 3


def test_long_arguments_and_values_pass() -> None:
    """Longer than any buffer between processes, also while the worker still starts."""
    with LocalPool(1) as pool:
        data = os.urandom(3 * 1024 * 1024)
        assert only(pool, task(tasks.give, data)).value == data


def test_many_threads_share_a_pool() -> None:
    """Each outcome is given once, whoever waits."""
    taken: list[Outcome] = []
    with LocalPool(2) as pool:

        def work() -> None:
            for number in range(25):
                pool.submit(task(tasks.give, number))
                taken.extend(pool.wait())

        threads = [threading.Thread(target=work) for _ in range(4)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        taken.extend(pool.wait(1))
    assert sorted(each.value for each in taken) == sorted(list(range(25)) * 4)


def test_each_worker_is_initialized_once() -> None:
    """Before its first task."""
    with LocalPool(1, initialize=functools.partial(os.putenv, "MODELYARD_READY", "yes")) as pool:
        seen = run(pool, *[task(subprocess.check_output, ["sh", "-c", "echo $MODELYARD_READY"]) for _ in range(2)])
        assert [each.value for each in seen] == [b"yes\n"] * 2


def test_what_initializing_raises_each_task_raises() -> None:
    """With its own type."""
    with LocalPool(1, initialize=tasks.raise_lookup) as pool:
        for _ in range(2):
            outcome = only(pool, task(tasks.give, 1))
            assert outcome.state == "failed"
            assert message(outcome) == "'absent'"


@pytest.mark.parametrize(
    ("initialize", "how"),
    [
        (functools.partial(tasks.end, 5), "ended with exit code 5 while it started"),
        (functools.partial(tasks.die, signal.SIGKILL), "was ended by SIGKILL while it started"),
        (functools.partial(tasks.sleep, 60), "was not ready within 1 s"),
    ],
)
def test_a_worker_that_does_not_start_is_a_crash(initialize: Callable[[], object], how: str) -> None:
    """The message says that it had not begun."""
    with LocalPool(1, initialize=initialize, start_seconds=1) as pool:
        outcome = only(pool, task(tasks.give, 1))
        assert outcome.state == "crashed"
        assert outcome.seconds == 0
        assert how in message(outcome)


def test_starting_counts_for_no_timeout() -> None:
    """It begins with the task."""
    with LocalPool(1, initialize=functools.partial(tasks.sleep, 0.6)) as pool:
        assert only(pool, task(tasks.sleep, 0.1, timeout=timedelta(seconds=0.5))).state == "done"


def test_workers_without_memory_or_files_are_crashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that the system does not start is told as such, and nothing stays taken."""
    with LocalPool(1) as pool, monkeypatch.context() as patch:
        patch.setattr(sys, "executable", "/nonexistent/python")
        for _ in range(2):
            outcome = only(pool, task(tasks.give, 1))
            assert outcome.state == "crashed"
            assert "could not be started: No such file or directory" in message(outcome)
        patch.undo()
        assert only(pool, task(tasks.give, 1)).value == 1


def test_hash_order_and_threads_can_be_fixed() -> None:
    """For all workers, from their start."""
    hashes = set()
    for _ in range(2):
        with LocalPool(1, environment=deterministic_environment(threads=2, hash_seed=7)) as pool:
            hashes.add(only(pool, task(hash, "a string")).value)
            assert only(pool, task(os.getenv, "OMP_NUM_THREADS")).value == "2"
            assert only(pool, task(os.getenv, "PYTHONHASHSEED")).value == "7"
    assert len(hashes) == 1


def test_gpus_are_whole_and_each_belongs_to_one_task() -> None:
    """A task sees its own, and none when it asked for none."""
    with LocalPool(3, gpus=2) as pool:
        wanted = [task(tasks.variable, "CUDA_VISIBLE_DEVICES", resources={"gpus": each}) for each in (0, 1, 2, 1)]
        assert [each.value for each in run(pool, *wanted)][::2] == ["", "0,1"]
        assert {each.value for each in run(pool, wanted[1], wanted[3])} <= {"0", "1"}
        with pytest.raises(DoesNotFit, match=r"3 gpus.* has 2"):
            pool.submit(task(tasks.give, 1, resources={"gpus": 3}))
        with pytest.raises(NotSupported, match=r"0.5 of a GPU"):
            pool.submit(task(tasks.give, 1, resources={"gpus": 0.5}))


def test_two_tasks_never_share_a_gpu(tmp_path: Path) -> None:
    """One at a time, though there are workers."""
    with LocalPool(3, gpus=1) as pool:
        outcomes = run(pool, *[task(tasks.overlap, str(tmp_path), 0.1, resources={"gpus": 1}) for _ in range(3)])
        assert {each.value for each in outcomes} == {1}


def test_later_tasks_pass_one_that_does_not_fit() -> None:
    """Memory is taken; what needs none runs on."""
    with LocalPool(2, memory=100) as pool:
        first, large = (task(tasks.sleep, 0.3, resources={"memory": 80}) for _ in range(2))
        small = task(tasks.give, 1)
        for each in (first, large, small):
            pool.submit(each)
        order: list[str] = []
        while len(order) < 3:
            order += [each.id for each in pool.wait()]
        assert order == [small.id, first.id, large.id]


def test_a_working_directory_that_is_removed_harms_no_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers that are in it go on, and new ones begin elsewhere."""
    place = tmp_path / "place"
    place.mkdir()
    monkeypatch.chdir(place)
    with LocalPool(1) as pool:
        monkeypatch.chdir(tmp_path)
        assert only(pool, task(os.getcwd)).value == str(place)
        place.rmdir()
        assert only(pool, task(tasks.give, 1)).value == 1
        pool.restart()
        assert only(pool, task(os.getcwd)).value == str(tmp_path)


def test_a_pool_of_no_workers_is_refused() -> None:
    """It would run nothing."""
    with pytest.raises(DoesNotFit, match="0 workers"):
        LocalPool(0)


@pytest.mark.parametrize("kills", [10, pytest.param(300, marks=[pytest.mark.soak])])
def test_every_task_ends_once_whoever_is_killed(kills: int) -> None:
    """Workers are killed at any moment, idle ones too: each task is done or crashed, no more crash than were killed."""
    before, random, outcomes, submitted, killed = children(), Random(0), list[Outcome](), 0, 0
    with LocalPool(3) as pool:
        while killed < kills or len(outcomes) < submitted:
            while killed < kills and submitted - len(outcomes) < 6:
                pool.submit(task(tasks.sleep, random.choice([0, 0.001, 0.01])))
                submitted += 1
            outcomes += pool.wait(0.05)
            workers = sorted(children() - before)
            if killed < kills and workers and random.random() < 0.2:
                os.kill(random.choice(workers), signal.SIGKILL)
                killed += 1
        assert pool.wait() == []
    states = Counter(each.state for each in outcomes)
    assert len({each.id for each in outcomes}) == submitted
    assert set(states) <= {"done", "crashed"}
    assert states["crashed"] <= killed < submitted


PROGRAM = """
import signal, sys
from modelyard.execution import LocalPool, NotPicklable, Task
from modelyard.testing import tasks

signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever began this in the background ignores it

def own() -> None: ...

pool = LocalPool(2)
try:
    pool.submit(Task("own", own))
except NotPicklable as error:
    print(error, file=sys.stderr)
pool.submit(Task("hold", tasks.hold, (sys.argv[1],)))
pool.submit(Task("native", tasks.sleep_in_native_code, (300,)))
pool.submit(Task("idle", tasks.give, (1,)))
ready = False
while True:
    try:
        print([each.id for each in pool.wait()], flush=True)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
"""
"""An owner with a worker that has children, and one that hears nothing."""


@pytest.fixture
def owner(tmp_path: Path) -> subprocess.Popen[str]:
    """A process that owns a pool, in a group of its own as a terminal gives it."""
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    return subprocess.Popen(
        [sys.executable, str(program), str(tmp_path / "pids")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        process_group=0,
        text=True,
    )


def test_no_process_outlives_a_killed_owner(owner: subprocess.Popen[str], tmp_path: Path) -> None:
    """Within a second: busy in Python, busy in native code, and the children of both. __main__ is refused before."""
    pids = {*held(tmp_path / "pids"), *(each.pid for each in psutil.Process(owner.pid).children(recursive=True))}
    assert len(pids) >= 4
    owner.kill()
    until(lambda: not any(map(alive, pids)), 1)
    _, said = owner.communicate()
    assert "Task 'own' calls own, which is defined in the program itself (__main__)." in said


def test_an_interrupt_reaches_the_owner_alone(owner: subprocess.Popen[str], tmp_path: Path) -> None:
    """Ctrl-C goes to the group of the terminal; workers are in others, and end when the owner says so."""
    pids = held(tmp_path / "pids")
    os.killpg(owner.pid, signal.SIGINT)
    assert owner.stdout is not None
    assert owner.stdout.readline() == "interrupted\n"
    assert all(map(alive, pids))
    owner.kill()
    owner.communicate()
    until(lambda: not any(map(alive, pids)), 1)


def test_functions_of_the_program_itself_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here as if this file were the program."""
    monkeypatch.setattr(task, "__module__", "__main__")
    with LocalPool(1) as pool, pytest.raises(NotPicklable, match="__main__"):
        pool.submit(Task("own", task))


def test_a_task_that_closes_its_workers_connection_crashes() -> None:
    """It is ended, and the pool goes on."""
    with LocalPool(1) as pool:
        outcome = only(pool, task(os.closerange, 3, 4096))
        assert outcome.state == "crashed"
        assert outcome.error is not None
        assert isinstance(outcome.error.exception, TaskCrashed)
        assert only(pool, task(tasks.give, 1)).value == 1
