"""What steps of old runs handed on is removed; nothing that anybody still needs goes with it."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from modelyard.audit import AuditLog
from modelyard.core import Digest, SystemClock
from modelyard.pipelines import (
    BeingCleaned,
    Cleaning,
    Engine,
    PipelineRun,
    RunActive,
    StepRecord,
    find_run,
    list_runs,
    load_pipeline,
)
from modelyard.pipelines.running.begun import note_begun
from modelyard.pipelines.running.cleaning import Undisturbed, undisturbed
from modelyard.pipelines.running.fault import VARIABLE
from modelyard.pipelines.running.lease import lease_of
from modelyard.pipelines.running.records import CACHE, KIND, to_body
from modelyard.storage import Lease
from modelyard.wiring import Project

PROJECT = """
project: heap
execution: {keep_runs: 2}
pipelines:
  heap: {module: heap.py}
"""
PIPELINE = """
import numpy as np
import pyarrow as pa
import modelyard as my

@my.step
def rows(number: int) -> pa.Table:
    return pa.table({"x": list(range(number, number + 1000))})

@my.step
def same() -> np.ndarray:
    return np.arange(5000)

@my.step
def halves(rows: pa.Table) -> list[np.ndarray]:
    values = rows.column("x").to_numpy()
    return [values[:500].copy(), values[500:].copy()]

@my.step
def doubled(half: np.ndarray) -> np.ndarray:
    return half * 2

@my.step(kind="evaluate")
def told(doubles: list[np.ndarray], same: np.ndarray) -> dict[str, float]:
    return {"total": float(sum(each.sum() for each in doubles) + same.sum())}

@my.pipeline
def heap(number: int) -> None:
    told(doubled(my.each(halves(rows(number)))), same())
"""
CLEAN = """
import sys
from modelyard.wiring import Project
project = Project(sys.argv[1], environment={})
project.pipelines.clean_when_due()
"""
OLD, KEPT = ("run-1", "run-2"), ("run-3", "run-4")


@pytest.fixture(scope="module")
def heaped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with four runs, each of another number."""
    folder = tmp_path_factory.mktemp("heap") / "project"
    folder.mkdir()
    (folder / "modelyard.yaml").write_text(PROJECT)
    (folder / "heap.py").write_text(PIPELINE)
    project = Project(folder, environment={})
    for number in range(1, 5):
        assert ran(project, number, f"run-{number}").state == "done"
    project.close()
    return folder


@pytest.fixture
def heap(heaped: Path, tmp_path: Path) -> Iterator[Project]:
    """The same, of a test's own."""
    project = Project(shutil.copytree(heaped, tmp_path / "project"), environment={})
    yield project
    project.close()


def ran(project: Project, number: int, run_id: str) -> PipelineRun:
    """A run in this very process, which starts none for its steps."""
    place = replace(project.pipelines.engine().place, executor=None)
    pipeline = load_pipeline("heap", project.pipelines.settings("heap"), project.file.folder)
    return Engine(place).run(pipeline, {"number": number}, run_id)


def gone(project: Project, run_id: str) -> set[str]:
    """The steps of a run whose outputs are no longer whole."""
    return {each.name for each in run_of(project, run_id).steps if not set(leaves(each)) <= stored(project)}


def run_of(project: Project, run_id: str) -> PipelineRun:
    """A run that there is."""
    run = find_run(project.records, run_id)
    assert run is not None
    return run


def leaves(step: StepRecord) -> list[Digest]:
    """The digests of what a step gave."""
    return [each.digest for each in step.output.leaves()] if step.output is not None else []


def stored(project: Project) -> set[Digest]:
    """All that is in the artifact store."""
    return set(project.artifacts.digests())


def test_tables_arrays_and_objects_of_old_runs_go_and_all_else_stays(heap: Project) -> None:
    """Also what newer runs took from the cache; records, parameters and results of old runs are as they were."""
    before, planned = stored(heap), heap.pipelines.cleaning_but(2).plan()
    runs = {each: run_of(heap, each) for each in (*OLD, *KEPT)}
    assert stored(heap) == before
    assert heap.pipelines.clean_when_due() == planned
    assert (planned.runs, planned.artifacts) == (2, len(before - stored(heap)))
    assert {each: gone(heap, each) for each in OLD} == {each: {"rows", "halves", "doubled"} for each in OLD}
    assert {each: gone(heap, each) for each in KEPT} == {each: set() for each in KEPT}
    assert {each: run_of(heap, each) for each in runs} == runs
    assert runs["run-1"].result("evaluate") == {"total": 2 * sum(range(1, 1001)) + sum(range(5000))}
    given = {leaf.digest for run in runs.values() for each in run.inputs.values() for leaf in each.leaves()}
    assert given <= stored(heap)
    (entry,) = [e for e in AuditLog(heap.records, SystemClock()).entries() if e.body["action"] == "pipeline.clean"]
    assert dict(entry.body["detail"]) == msgspec.structs.asdict(planned)
    assert heap.pipelines.clean_when_due() is None
    assert heap.pipelines.clean(heap.pipelines.cleaning_but(2)).artifacts == 0


def test_what_has_gone_is_made_again(heap: Project) -> None:
    """The same bytes, and nothing of it is thought to be in the cache."""
    old = run_of(heap, "run-1")
    heap.pipelines.clean(heap.pipelines.cleaning_but(2))
    again = ran(heap, 1, "again")
    assert {each.name for each in again.steps if each.cached} == {"same", "told"}
    assert {each.name: leaves(each) for each in again.steps} == {each.name: leaves(each) for each in old.steps}
    assert gone(heap, "again") == set()


def test_a_run_under_way_is_waited_for_and_one_that_was_cut_off_is_kept(heap: Project) -> None:
    """Nothing is removed while a process works on a run; what a dead one left can be gone on with."""
    lease = lease_of(heap.records, "run-1")
    assert lease.take()
    cut_off = msgspec.structs.replace(run_of(heap, "run-1"), state="running", steps=())
    with heap.records.transaction() as tx:
        tx.put(KIND, "run-1", to_body(cut_off))
    before = stored(heap)
    with pytest.raises(RunActive, match="run-1 is under way"):
        heap.pipelines.clean(heap.pipelines.cleaning_but(2))
    assert heap.pipelines.clean_when_due() is None
    assert stored(heap) == before
    lease.release()
    assert heap.pipelines.clean(heap.pipelines.cleaning_but(2)).runs == 1
    assert (gone(heap, "run-1"), gone(heap, "run-2")) == (set(), {"rows", "halves", "doubled"})


def test_no_run_begins_while_it_is_cleaned(heap: Project) -> None:
    """It might take up what goes: who found something before, or during it, begins again."""
    found = Undisturbed(heap.records)
    cleaner = Lease(heap.records, "pipeline-cleaning", SystemClock())
    assert cleaner.take()
    with heap.records.snapshot() as view, pytest.raises(BeingCleaned):
        found.check(view)
    tries = 0

    def begin(so_far: Undisturbed) -> PipelineRun:
        nonlocal tries
        tries += 1
        if tries == 2:
            cleaner.release()
        with heap.records.snapshot() as view:
            so_far.check(view)
        return run_of(heap, "run-1")

    with pytest.raises(BeingCleaned, match="Another process"):
        heap.pipelines.clean(heap.pipelines.cleaning_but(2))
    assert undisturbed(begin, heap.records).id == "run-1"
    assert tries == 2
    with heap.records.snapshot() as view, pytest.raises(BeingCleaned):
        found.check(view)


@pytest.mark.parametrize("point", [pytest.param("before removing", marks=pytest.mark.long), "while removing"])
def test_kill_9_in_the_middle_leaves_the_rest_to_the_next_cleaning(heap: Project, tmp_path: Path, point: str) -> None:
    """No run finds in the cache what has gone; in the end the same is gone as without the kill."""
    marker = tmp_path / "killed"
    command = [sys.executable, "-W", "ignore", "-c", CLEAN, str(heap.file.folder)]
    killed = subprocess.run(command, env={**os.environ, VARIABLE: f"{point}={marker}"}, check=False)
    assert killed.returncode == -signal.SIGKILL
    with heap.records.snapshot() as view:
        cached = [each.body["record"]["output"] for each in view.scan(CACHE)]
    assert len(cached) > 0
    assert {leaf["digest"] for each in cached for leaf in each.get("parts", [each])} <= stored(heap)
    assert heap.pipelines.clean_when_due() is not None
    assert {each: gone(heap, each) for each in OLD} == {each: {"rows", "halves", "doubled"} for each in OLD}
    assert {each: gone(heap, each) for each in KEPT} == {each: set() for each in KEPT}


def test_what_versions_are_made_of_stays(shop: Path) -> None:
    """A version that an alias points at keeps all of its run; one without loses what it was trained on, not itself."""
    project = Project(shop, environment={})
    (made,) = [each.id for each in list_runs(project.records)]
    newer = msgspec.structs.replace(run_of(project, made), id="newer", started_at="2026-02-01T00:00:00+00:00", steps=())
    with project.records.transaction() as tx:
        note_begun(tx, newer)
        tx.put(KIND, "newer", to_body(newer))
    version = project.models.get("purchase", 1)
    project.rollouts.start("shop", 1, project.principal)
    assert project.pipelines.cleaning_but(1).plan().artifacts == 0
    unspared = Cleaning(project.records, project.artifacts, 1, needed=lambda: project.models.stored(version))
    assert unspared.clean().artifacts > 0
    assert {"load", "train"} <= gone(project, made)
    assert project.models.stored(version) <= stored(project)
    assert project.models.fetch_bundle(version, shop / "fetched").is_dir()
    project.close()
