"""`kill -9` at random moments of each kind of process that no other room kills: nothing is lost, doubled or made up."""

import multiprocessing
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from modelyard.bundling import BuiltBundle
from modelyard.wiring import Project

from ..conftest import training_table
from ..pipelines.projects import write_project
from .victims import Approver, Judge, Keeper, Overseer, Restorer, Runner, Saver, Scorer, Victim

pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("ignore")]  # MLflow's and its dependencies' own

Make = Callable[[str], Victim]
KINDS = ("log", "approvals", "judging", "scoring", "pipeline", "backup", "restore", "supervisor")


@pytest.fixture(scope="session")
def nursery() -> ForkServerContext:
    """Where processes come from that have everything imported, and no threads: in hundredths of a second."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.faults.victims"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))  # it is not told where this process looks
        forkserver.ensure_running()
    return context


@pytest.fixture
def make(tmp_path: Path, request: pytest.FixtureRequest) -> Make:
    """A victim by the name of its kind."""

    def made(kind: str) -> Victim:
        folder = tmp_path / "place"
        folder.mkdir()
        if kind == "scoring":
            bundle: BuiltBundle = request.getfixturevalue("built")
            source = tmp_path / "in.parquet"
            pq.write_table(training_table(Scorer.rows, seed=7), source)
            return Scorer(folder, bundle.path, source)
        if kind == "pipeline":
            project = Project(write_project(tmp_path / "counting"), environment={})
            assert project.pipelines.run("counting", {}, run_id="first").state == "done"
            project.close()
            return Runner(folder, tmp_path / "counting")
        if kind in ("backup", "restore"):
            shop: Path = request.getfixturevalue("shop")
            return Saver(folder, shop) if kind == "backup" else Restorer(folder, shop)
        alone: dict[str, type[Keeper | Approver | Judge | Overseer]] = {
            "log": Keeper,
            "approvals": Approver,
            "judging": Judge,
            "supervisor": Overseer,
        }
        return alone[kind](folder)

    return made


def lived(victim: Victim, life: int, pipe: Connection) -> None:
    """In a process of its own."""
    pipe.send(None)
    victim.live(life, pipe.send)


def killed(nursery: ForkServerContext, victim: Victim, kills: int, seed: int) -> tuple[int, int]:
    """Kill it at so many moments, drawn from a little more than it lived; how many lives ended, how much was said.

    What it lived is as busy as the machine: of the last life that ended, and a tenth more after each kill, so that its
    last moments have their turn and most lives are killed.
    """
    chance, done, life, whole, heard = random.Random(seed), 0, 0, 0, 0
    longest = 0.0
    while done < kills or not whole:
        victim.prepare(life)
        receiver, sender = nursery.Pipe(duplex=False)
        process = nursery.Process(target=lived, args=(victim, life, sender))
        process.start()
        sender.close()
        assert receiver.poll(300)  # a busy machine takes long to import what is needed
        receiver.recv()
        began = time.monotonic()
        assert process.pid is not None
        process.join(chance.uniform(0, longest) if longest and done < kills else 60)
        ended = not process.is_alive()
        if not ended:
            with suppress(ProcessLookupError):
                os.kill(chance.choice(victim.prey(process.pid)), signal.SIGKILL)
            process.join(60)
        said = list(everything(receiver))
        assert process.exitcode in (0, 1, -signal.SIGKILL)  # 1: those who work for it were killed, and it says so
        assert ended is False or process.exitcode == 0
        if process.exitcode == 0:
            longest = time.monotonic() - began
        longest *= 1.1
        done += process.exitcode != 0
        whole += process.exitcode == 0
        heard += len(said)
        victim.check(life, said, ended=process.exitcode == 0)
        life += 1
        if not life % 20:
            print(f"{done} kills in {life} lives", flush=True)  # noqa: T201 - how it goes, with `pytest -s`
    return whole, heard


def everything(pipe: Connection) -> Iterator[str]:
    """What was said before the end."""
    with pipe, suppress(EOFError, OSError):
        while True:
            yield pipe.recv()


@pytest.mark.parametrize("kind", KINDS)
def test_a_few_kills_change_nothing(nursery: ForkServerContext, make: Make, kind: str) -> None:
    """What was acknowledged is there, once, and nothing else."""
    victim = make(kind)
    killed(nursery, victim, victim.short, seed=1)


@pytest.mark.soak
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("kind", KINDS)
def test_two_hundred_kills_change_nothing(nursery: ForkServerContext, make: Make, kind: str) -> None:
    """The same at other moments."""
    whole, heard = killed(nursery, make(kind), 200, seed=2)
    print(f"{kind}: 200 kills, {whole} lives to their end, {heard} acknowledgements")  # noqa: T201 - with `pytest -s`
