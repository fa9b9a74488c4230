"""A run as it is told while it goes on, fails, or is resumed."""

import json
from pathlib import Path
from typing import Any

import msgspec

from modelyard.pipelines import FileReceiver, Origins, PipelineRun, Sender, StepRecord, TellsLineage

from .spec import check_event

AT = "2026-01-05T12:00:00+00:00"


def told(file: Path) -> list[Any]:
    """The events in a file, each as the specification says."""
    events = [json.loads(line) for line in file.read_text().splitlines()]
    for each in events:
        check_event(each)
    return events


def observer(file: Path) -> TellsLineage:
    """One that writes into a file."""
    return TellsLineage(Sender(FileReceiver(file)), lambda run: Origins("shop"))


def test_a_step_that_fails_fails_the_run(tmp_path: Path) -> None:
    """It began once, though it was tried twice, and says why."""
    run = PipelineRun("nightly", "training", "running", AT, {})
    fit = StepRecord("fit", "train", "running", started_at=AT)
    failed = msgspec.structs.replace(fit, state="failed", seconds=2.0, detail="ValueError: no rows")
    watching = observer(tmp_path / "events.jsonl")
    watching.run_started(run)
    watching.step_started(run, fit)
    watching.step_started(run, fit)
    watching.step_ended(run, failed)
    watching.step_ended(run, StepRecord("gate", "gate", "skipped"))
    watching.run_ended(msgspec.structs.replace(run, state="failed", ended_at=AT, steps=(failed,)))
    events = told(tmp_path / "events.jsonl")
    assert [(each["eventType"], each["job"]["name"]) for each in events] == [
        ("START", "training"),
        ("START", "training.fit"),
        ("FAIL", "training.fit"),
        ("FAIL", "training"),
    ]
    assert events[-1]["run"]["facets"]["errorMessage"]["message"] == "ValueError: no rows"


def test_a_resumed_run_goes_on_and_a_cached_step_is_told_whole(tmp_path: Path) -> None:
    """What was done before is not told again; what came from the cache begins and ends."""
    done = StepRecord("load", "data", "done", started_at=AT)
    run = PipelineRun("nightly", "training", "running", AT, {}, (done,))
    watching = observer(tmp_path / "events.jsonl")
    watching.run_started(run)
    watching.step_ended(run, StepRecord("fit", "train", "done", started_at=AT, cached=True, takes=("load",)))
    watching.run_ended(msgspec.structs.replace(run, state="done", ended_at=AT))
    events = told(tmp_path / "events.jsonl")
    assert [(each["eventType"], each["job"]["name"]) for each in events] == [
        ("RUNNING", "training"),
        ("START", "training.fit"),
        ("COMPLETE", "training.fit"),
        ("COMPLETE", "training"),
    ]
    assert [each["name"] for each in events[2]["inputs"]] == ["training.load"]
