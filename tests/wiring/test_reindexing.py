"""The loop of an application: its documents change, it is indexed anew, a suite judges, and a canary begins."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from modelyard.operations import carry_out
from modelyard.operations.retrieving import WithdrawSources, withdraw_sources
from modelyard.pipelines import find_run
from modelyard.retrieval import CHUNKS_FILE, DOCUMENTS_FILE, Chunk, Document
from modelyard.testing import FaultyUpstream, faulty_upstream
from modelyard.wiring import Project

from . import desk

GONE = {"page-07.md", "page-08.md"}

pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("ignore")]  # MLflow's and its dependencies' own


@pytest.fixture(scope="module")
def upstream() -> Iterator[FaultyUpstream]:
    """What repeats the question."""
    with faulty_upstream() as running:
        yield running


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, upstream: FaultyUpstream) -> Path:
    """A desk that is live on thirty pages of a handbook; the tests are its history, in their order."""
    made = tmp_path_factory.mktemp("desk")
    desk.make(made, upstream.url)
    return made


@pytest.fixture
def project(folder: Path) -> Iterator[Project]:
    """The same, as a new process opens it."""
    opened = Project(folder)
    yield opened
    opened.close()


def chunks_of(project: Project, version: int) -> dict[str, list[Chunk]]:
    """The chunks of a version of the index, by source."""
    index = project.models.get("handbook", str(version))
    documents = msgspec.json.decode(project.models.bundle_file(index, DOCUMENTS_FILE) or b"", type=list[Document])
    chunks = msgspec.json.decode(project.models.bundle_file(index, CHUNKS_FILE) or b"", type=list[Chunk])
    return {each.source: chunks[each.first : each.end] for each in documents}


def made_of(project: Project, version: int) -> dict[str, Any]:
    """What an application was registered as."""
    return dict(project.models.get("desk", str(version)).params["application"])


def index_of(project: Project) -> int:
    """The version of the index that the loop's newest application rests on."""
    number = project.retraining.state("desk").version
    assert number is not None
    return int(made_of(project, number)["retrieval"]["index"]["version"])


def end_canary(project: Project) -> None:
    """A person takes the canary back, and the loop follows: the same documents are not tried again."""
    project.rollouts.abort("desk", project.principal, "seen enough")
    assert desk.ticked(project) == ["rolled_back"]
    assert "these very documents were tried in cycle" in str(project.retraining.explain("desk").trigger)


def make_live(project: Project, version: str) -> None:
    """A person brings a version out whole."""
    project.rollouts.start("desk", version, project.principal, strategy="all-at-once")
    project.rollouts.tick()


def test_a_file_that_was_touched_calls_for_nothing(project: Project, folder: Path) -> None:
    """Documents are known by their bytes; a look moves nothing."""
    page = desk.write_page(folder, 3)
    os.utime(page, (1, 1))
    told = project.retraining.explain("desk")
    assert (told.acts, told.summary) == (False, "Nothing calls for retraining.")
    assert desk.ticked(project) == []


def test_changed_documents_begin_a_cycle_that_ends_in_a_canary(project: Project, folder: Path) -> None:
    """Only what changed is embedded; prompt, guards, upstream and sampling are those of the live version; the same
    suite judges both; history, audit and the version's card have the figures.
    """
    for number in range(30, desk.PAGES):
        desk.write_page(folder, number)
    desk.write_page(folder, 5, more=" He is glad of them.")
    told = project.retraining.explain("desk")
    assert told.summary == "It will retrain: documents: 6 added, 1 changed, 0 removed, 29 as they were."
    assert desk.ticked(project) == ["triggered", "training", "gated", "registered", "rollout"]
    before, after = chunks_of(project, 1), chunks_of(project, 2)
    changed = {f"page-{number:02}.md" for number in (5, *range(30, desk.PAGES))}
    assert {name for name, each in after.items() if each != before.get(name)} == changed
    (gate,) = project.models.get("handbook", "2").gates
    fresh, whole = sum(len(after[name]) for name in changed), sum(map(len, after.values()))
    assert gate["reasons"] == [f"{fresh} of {whole} chunks were embedded"]
    made, live = made_of(project, 2), made_of(project, 1)
    assert made["retrieval"].pop("index")["version"] == 2
    assert live["retrieval"].pop("index")["version"] == 1
    assert made == live
    route = project.rollouts.route("desk")
    assert route is not None
    assert [(arm.role, arm.version) for arm in route.arms] == [("live", "1"), ("canary", "2")]
    gated = next(each for each in project.retraining.history("desk") if each.kind == "gated")
    assert "asked for more than -0.05: pass" in gated.detail
    metrics = gated.evidence["metrics"]
    assert metrics["f1"] > metrics["live_f1"]
    assert metrics["f1_better_by"] == pytest.approx(metrics["f1"] - metrics["live_f1"])
    assert project.models.get("desk", "2").metrics["f1"] == metrics["f1"]
    audited = [each.body["action"] for each in project.audit.entries() if each.body["action"].startswith("loop.")]
    assert audited == ["loop.triggered", "loop.training", "loop.gated", "loop.registered", "loop.rollout"]
    assert not list(project.workspace.glob("reindex-*"))
    assert not list(project.workspace.glob("private-*"))


def test_a_worse_index_is_refused_with_figures(project: Project, folder: Path) -> None:
    """Most pages are gone: the suite says so, nothing is registered, no canary begins, and what is live stays."""
    end_canary(project)
    pages = {number: (folder / "handbook" / f"page-{number:02}.md") for number in range(4, desk.PAGES)}
    kept = {page: page.read_bytes() for page in pages.values()}
    for page in pages.values():
        page.unlink()
    kinds = [each["kind"] for each in desk.retrained(project, "fewer pages")]
    assert kinds == ["triggered", "training", "rejected"]
    rejected = project.retraining.history("desk")[-1]
    assert "f1 is 0.1" in rejected.detail
    assert "asked for at least 0.3: fail" in rejected.detail
    assert "asked for more than -0.05: fail" in rejected.detail
    assert rejected.evidence["metrics"]["live_f1"] > 0.7
    assert [each.number for each in project.models.listed("desk", limit=9)] == [2, 1]
    route = project.rollouts.route("desk")
    assert route is not None
    assert [(arm.role, arm.version) for arm in route.arms] == [("live", "1")]
    make_live(project, "2")
    told = project.retraining.explain("desk").trigger
    assert told is not None
    assert told.state == "fires"  # from another version the same documents are another candidate
    make_live(project, "1")
    assert "these very documents were tried in cycle" in str(project.retraining.explain("desk").trigger)
    for page, document in kept.items():
        page.write_bytes(document)


def test_what_is_deleted_or_withdrawn_leaves_the_index(project: Project, folder: Path) -> None:
    """Though the file of what is withdrawn is there; that the live version does not tell it either is known to the
    suite. It can be withdrawn though the newest index, that of the cycle before, has it no more.
    """
    (folder / "handbook" / "page-07.md").unlink()
    given = WithdrawSources("handbook", ("page-08.md",), reason="it is wrong")
    carry_out(withdraw_sources, project, given)
    told = project.retraining.explain("desk")
    assert told.trigger is not None
    (said,) = told.trigger.parts
    assert said.evidence["removed"] == ["page-07.md", "page-08.md"]
    events = desk.retrained(project)
    assert [each["kind"] for each in events] == ["triggered", "training", "gated", "registered", "rollout"]
    metrics = events[2]["evidence"]["metrics"]
    assert metrics["exact_match"] == pytest.approx((desk.PAGES - 2) / desk.PAGES)
    assert metrics["live_exact_match"] == pytest.approx((30 - 1) / desk.PAGES)
    assert not GONE & chunks_of(project, index_of(project)).keys()


def test_documents_that_are_as_they_were_are_asked_of_nobody(
    project: Project, folder: Path, upstream: FaultyUpstream
) -> None:
    """Who begins a cycle by hand is told that there is nothing to bring out."""
    state = project.retraining.state("desk")
    end_canary(project)
    make_live(project, str(state.version))
    asked, versions = upstream.asked["answer"], project.models.listed("handbook", limit=9)
    events = desk.retrained(project)
    assert [each["kind"] for each in events] == ["triggered", "training", "rejected"]
    assert events[-1]["detail"] == "documents: 0 added, 0 changed, 0 removed, 34 as they were"
    assert (upstream.asked["answer"], project.models.listed("handbook", limit=9)) == (asked, versions)


def test_a_cycle_that_is_killed_is_gone_on_with(folder: Path, upstream: FaultyUpstream) -> None:
    """kill -9 while the suite is asked: the next look goes on with the same run, and indexes nothing again. What an
    earlier cycle left out, and the live index does not know, is not brought back.
    """
    for number in (10, 11):
        desk.write_page(folder, number, more=" She is glad of them.")
    asked = upstream.asked["answer"]
    command = [sys.executable, "-m", "modelyard", "retrain", "run", "desk", "--project", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    while upstream.asked["answer"] == asked and process.poll() is None:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    project = Project(folder)
    state = project.retraining.state("desk")
    assert state.state == "training"
    run = find_run(project.records, state.run_id)
    assert run is not None
    first = run.step("index")
    assert first is not None
    assert first.state == "done"
    assert desk.ticked(project) == ["gated", "registered", "rollout"]
    run = find_run(project.records, state.run_id)
    assert run is not None
    assert run.step("index") == first
    assert first.result["documents"] == 2
    made = project.models.registered_by("desk", f"{state.run_id}/register")
    assert made is not None
    assert made.number == project.retraining.state("desk").version
    assert first.result["version"] == index_of(project)
    assert not GONE & chunks_of(project, index_of(project)).keys()
    by_cycle = [each.kind for each in project.retraining.history("desk") if each.cycle == state.cycle]
    assert by_cycle == ["triggered", "training", "gated", "registered", "rollout"]
    project.close()
