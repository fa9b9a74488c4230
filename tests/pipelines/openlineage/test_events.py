"""Events are what OpenLineage's specification says, and say what the records say."""

import json
from typing import Any
from uuid import UUID

import pytest

from modelyard.core import digest_of
from modelyard.pipelines import Origins, PipelineRun, Registered, RunCode, StepRecord, dataset_event, run_events
from modelyard.pipelines.artifacts import Artifact

from .spec import check_event

AT = "2026-01-05T12:00:00+00:00"
ROWS, MODEL = Artifact("table", digest_of(b"rows"), 800), Artifact("pickle", digest_of(b"model"), 90)
JUDGED = Artifact("judgement", digest_of(b"yes"), 9)
STEPS = (
    StepRecord(
        "load", "data", "done", 1.5, started_at=AT, output=ROWS, reads={"visits": "ab12"},
        schemas={"visits": {"pages": "int64"}},
    ),
    StepRecord("check", "validate", "done", started_at=AT, output=JUDGED, takes=("load",)),
    StepRecord("fit", "train", "done", started_at=AT, output=MODEL, takes=("load",), cached=True),
    StepRecord("later", "transform", "skipped"),
    StepRecord("register", "register", "done", started_at=AT, output=MODEL, takes=("fit", "check")),
)  # fmt: skip
RUN = PipelineRun("0190b8e0-4600-7d07-acd8-be6f9f6209c2", "training", "done", AT, {}, STEPS, ended_at=AT)
CODE = RunCode("f" * 40, "main", False, "git@example.org:team/shop.git", "ml")


def origins(**given: Any) -> Origins:
    """A project that registers one version, and knows where its data is."""
    found = Registered("fraud", 3, "v3", "cd34", {"pages": "number"})
    known: dict[str, Any] = {"namespace": "shop", "sources": {"visits": "file:///data/visits.parquet"}, "code": CODE}
    return Origins(**(known | {"registered": lambda run, step: found if step == "register" else None} | given))


def test_every_event_of_a_run_is_valid() -> None:
    """Also without anything beyond the records, and for a run that has an id of its own."""
    for event in [
        *run_events(RUN, origins()),
        *run_events(RUN, Origins("shop")),
        *run_events(PipelineRun("nightly", "training", "interrupted", AT, {}, STEPS[:2]), origins()),
        dataset_event(Registered("fraud", 1, "v1", None), "shop", AT),
    ]:
        check_event(json.loads(json.dumps(event)))


def test_the_description_of_the_specification_bites() -> None:
    """An event without a job, with a run that is no UUID, or with a facet of nobody's is refused."""
    event = run_events(RUN, origins())[0]
    for spoiled in (
        {**event, "job": {"namespace": "shop"}},
        {**event, "run": {"runId": "nightly", "facets": {}}},
        {**event, "run": {**event["run"], "facets": {"own": {}}}},
        {**event, "eventTime": "2026-01-05T12:00:00"},
        {**event, "producer": "modelyard"},
    ):
        with pytest.raises((AssertionError, KeyError, ValueError)):
            check_event(spoiled)


def test_a_run_begins_and_ends_once_around_its_steps() -> None:
    """A skipped step has no run; a step's is below the pipeline's, and has the same id every time."""
    told = run_events(RUN, origins())
    assert [(each["eventType"], each["job"]["name"]) for each in (told[0], told[-1])] == [
        ("START", "training"),
        ("COMPLETE", "training"),
    ]
    steps = [each for each in told if each["job"]["name"] != "training"]
    assert {each["job"]["name"] for each in steps} == {
        f"training.{name}" for name in ("load", "check", "fit", "register")
    }
    assert all(each["run"]["facets"]["parent"]["run"] == {"runId": RUN.id} for each in steps)
    ids = {each["run"]["runId"] for each in steps}
    assert (len(ids), ids) == (4, {each["run"]["runId"] for each in run_events(RUN, origins())[1:-1]})


def test_data_flows_from_the_dataset_to_the_model() -> None:
    """Judgements are no data; the dataset comes with version, columns and source; the version with its inputs."""
    ended = {each["job"]["name"]: each for each in run_events(RUN, origins()) if each["eventType"] == "COMPLETE"}
    (read,) = ended["training.load"]["inputs"]
    assert (read["name"], read["facets"]["version"]["datasetVersion"]) == ("visits", "ab12")
    assert read["facets"]["schema"]["fields"] == [{"name": "pages", "type": "int64"}]
    assert read["facets"]["dataSource"]["uri"] == "file:///data/visits.parquet"
    assert ended["training.check"]["outputs"] == []
    assert [each["name"] for each in ended["training.register"]["inputs"]] == ["training.fit"]
    assert [each["name"] for each in ended["training.register"]["outputs"]] == ["training.register", "models/fraud"]
    assert [each["name"] for each in ended["training"]["outputs"]] == ["models/fraud"]
    assert ended["training.load"]["eventTime"] == "2026-01-05T12:00:01.500000+00:00"


def test_code_is_told_where_it_is_known() -> None:
    """The commit and the repository, as a URI also when it was cloned over SSH; nothing is made up without."""
    job = run_events(RUN, origins())[0]["job"]["facets"]
    where = job["sourceCodeLocation"]
    assert (where["url"], where["version"], where["path"]) == ("ssh://example.org/team/shop.git", "f" * 40, "ml")
    for code in (None, RunCode(), RunCode("f" * 40), RunCode("f" * 40, remote="/srv/shop")):
        assert "sourceCodeLocation" not in run_events(RUN, origins(code=code))[0]["job"]["facets"]


def test_a_failure_says_why_without_secrets() -> None:
    """The step's message on the step and on the run; what is masked stays masked."""
    failed = StepRecord("fit", "train", "failed", detail="no rows for token hunter2", started_at=AT)
    run = PipelineRun("nightly", "training", "failed", AT, {}, (failed,), ended_at=AT)
    told = run_events(run, origins(mask=lambda text: text.replace("hunter2", "***")))
    assert [each["eventType"] for each in told] == ["START", "START", "FAIL", "FAIL"]
    messages = {each["run"]["facets"]["errorMessage"]["message"] for each in told[2:]}
    assert messages == {"no rows for token ***"}
    assert UUID(told[0]["run"]["runId"]).version == 5
