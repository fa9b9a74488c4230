"""Which code a run was of, as it stays on record."""

import subprocess
from pathlib import Path

import pytest

from modelyard.pipelines import KeepsCode, PipelineRun, RunCode, StepRecord, code_of_run
from modelyard.storage import RecordStore, open_record_store

RUN = PipelineRun("one", "training", "running", "2026-01-05T12:00:00+00:00", {})
FIT = StepRecord("fit", "train", "done", components={"code": {"training.py:fit": "ab", "training.py:RATE": "cd"}})


@pytest.fixture
def records(tmp_path: Path) -> RecordStore:
    """An empty store."""
    records = open_record_store(f"sqlite:///{tmp_path / 'records.db'}")
    records.migrate()
    return records


def test_the_commit_and_the_fingerprint_are_kept(records: RecordStore, tmp_path: Path) -> None:
    """With the repository's address, without its password, and where the project stands in it; the first one stays."""
    folder = tmp_path / "repository" / "ml"
    folder.mkdir(parents=True)
    (folder / "training.py").write_text("RATE = 1")
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org"]
    for words in (["init", "-q", "-b", "main", ".."], ["add", "."], ["commit", "-qm", "first"]):
        subprocess.run([*git, *words], cwd=folder, check=True)
    address = "https://me:hunter2@example.org/shop.git"
    subprocess.run(["git", "remote", "add", "origin", address], cwd=folder, check=True)
    observer = KeepsCode(records, folder)
    observer.run_started(RUN)
    found = code_of_run(records, RUN)
    assert found is not None
    assert (len(found.commit), found.branch, found.dirty) == (40, "main", False)
    assert (found.remote, found.below, found.functions) == ("https://example.org/shop.git", "ml", 0)
    (folder / "training.py").write_text("RATE = 2")
    observer.run_started(RUN)
    assert code_of_run(records, RUN) == found


def test_without_git_the_fingerprint_is_what_there_is(records: RecordStore, tmp_path: Path) -> None:
    """And without that, nothing; equal code has equal fingerprints."""
    KeepsCode(records, tmp_path).run_started(RUN)
    assert code_of_run(records, RUN) is None
    ran = PipelineRun("one", "training", "done", RUN.started_at, {}, (FIT,))
    found = code_of_run(records, ran)
    assert found is not None
    assert (found.commit, found.functions, len(found.fingerprint)) == ("", 2, 64)
    assert found == code_of_run(records, PipelineRun("two", "training", "done", RUN.started_at, {}, (FIT, FIT)))
    assert found == RunCode(fingerprint=found.fingerprint, functions=2)
