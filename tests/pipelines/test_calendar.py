"""Pipelines that run by the calendar: once an instant, again after a failure, and on after a crash."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from modelyard.control import look
from modelyard.core import InvalidProjectFile, ManualClock, ModelyardError, SeededIds
from modelyard.operations import carry_out, loop, workspace
from modelyard.operations.contract import Nothing
from modelyard.pipelines import Calendar, PipelineRun, PipelineSettings, Turn, list_runs
from modelyard.storage import RecordStore, open_record_store
from modelyard.wiring import Project

MONDAY = datetime(2026, 1, 5, 12, tzinfo=UTC)
NIGHTLY = {"night": PipelineSettings(module="night.py", schedule="0 2 * * *")}

PROJECT = """
project: shed
execution: {keep_runs: null}
pipelines:
  night: {module: night.py, schedule: "0 2 * * *", timezone: Europe/Berlin}
"""
PIPELINE = """
from datetime import datetime
from pathlib import Path
import modelyard as my

@my.step
def seen(as_of: datetime) -> str:
    return as_of.isoformat()

@my.step
def told(moment: str) -> str:
    if (Path(__file__).parent / "broken").exists():
        raise ValueError("not tonight")
    return moment

@my.pipeline
def night(as_of: datetime) -> None:
    told(seen(as_of))
"""


class Runs:
    """Runs a pipeline, or fails as often as it is told to; remembers what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str]] = []
        self.failures = 0

    def __call__(self, name: str, due: datetime, run_id: str) -> PipelineRun:
        """As `ProjectPipelines.run` does."""
        self.asked.append((name, due.isoformat(), run_id))
        if self.failures:
            self.failures -= 1
            raise ModelyardError("Step 'fit' failed.")
        return PipelineRun(run_id, name, "done", due.isoformat(), {}, verdict="pass", reasons=("auc 0.7",))


@pytest.fixture
def records(tmp_path: Path) -> Iterator[RecordStore]:
    """A store that outlives the calendars of a test."""
    store = open_record_store(f"sqlite:///{tmp_path / 'records.db'}")
    store.migrate()
    yield store
    store.close()


def calendar(
    records: RecordStore, clock: ManualClock, runs: Runs, pipelines: dict[str, PipelineSettings] | None = None
) -> Calendar:
    """A calendar as a process that has just started has it."""
    return Calendar(records, clock, SeededIds(1), NIGHTLY if pipelines is None else pipelines, runs)


class TestCalendar:
    """What is due, by a clock that the test moves."""

    def test_nothing_is_caught_up_from_before_it_was_first_looked_at(self, records: RecordStore) -> None:
        """A schedule that is new does not begin with last night."""
        clock, runs = ManualClock(MONDAY), Runs()
        assert list(calendar(records, clock, runs).run_due()) == []
        assert list(calendar(records, clock, runs).run_due()) == []
        assert runs.asked == []
        assert calendar(records, clock, runs).following() == {"night": "2026-01-06T02:00:00+00:00"}

    def test_an_instant_is_run_once_and_missed_ones_are_one(self, records: RecordStore) -> None:
        """Three nights without a control process are caught up by a single run, of the newest."""
        clock, runs = ManualClock(MONDAY), Runs()
        list(calendar(records, clock, runs).run_due())
        clock.set(MONDAY + timedelta(days=3))
        (turn,) = calendar(records, clock, runs).run_due()
        assert (turn.state, turn.due, turn.detail) == ("done", "2026-01-08T02:00:00+00:00", "auc 0.7")
        assert list(calendar(records, clock, runs).run_due()) == []
        assert [due for _, due, _ in runs.asked] == ["2026-01-08T02:00:00+00:00"]

    def test_a_failed_run_goes_on_after_five_minutes_and_then_no_more(self, records: RecordStore) -> None:
        """Under the same id, so that what was done is not done again; the next night is another run."""
        clock, runs = ManualClock(MONDAY), Runs()
        list(calendar(records, clock, runs).run_due())
        clock.set(MONDAY + timedelta(days=1))
        runs.failures = 2
        (first,) = calendar(records, clock, runs).run_due()
        assert (first.state, first.detail) == ("failed", "Step 'fit' failed.")
        clock.set(clock.now() + timedelta(minutes=4))
        assert list(calendar(records, clock, runs).run_due()) == []
        clock.set(clock.now() + timedelta(minutes=1))
        (second,) = calendar(records, clock, runs).run_due()
        assert (second.state, second.tries, second.again_at) == ("failed", 2, "")
        assert second.run_id == first.run_id
        clock.set(clock.now() + timedelta(hours=1))
        assert list(calendar(records, clock, runs).run_due()) == []
        clock.set(MONDAY + timedelta(days=2))
        (third,) = calendar(records, clock, runs).run_due()
        assert (third.state, third.tries, third.run_id != first.run_id) == ("done", 1, True)

    def test_a_run_that_was_cut_off_goes_on_under_its_id(self, records: RecordStore) -> None:
        """Who was killed in the middle had put on record which run it was."""
        clock, runs = ManualClock(MONDAY), Runs()
        list(calendar(records, clock, runs).run_due())
        clock.set(MONDAY + timedelta(days=1))

        def killed(_name: str, _due: datetime, run_id: str) -> PipelineRun:
            raise SystemExit(run_id)

        with pytest.raises(SystemExit) as ended:
            list(Calendar(records, clock, SeededIds(2), NIGHTLY, killed).run_due())
        (turn,) = calendar(records, clock, runs).run_due()
        assert (turn.state, turn.run_id, turn.tries) == ("done", str(ended.value.code), 1)
        assert len(runs.asked) == 1

    def test_one_that_fails_keeps_no_other_waiting(self, records: RecordStore) -> None:
        """Each pipeline has turns of its own; one without a schedule has none."""
        clock, runs = ManualClock(MONDAY), Runs()
        several = {
            "first": PipelineSettings(module="a.py", schedule="@daily", retries=0),
            "second": PipelineSettings(module="b.py", schedule="@daily"),
            "third": PipelineSettings(module="c.py"),
        }
        list(calendar(records, clock, runs, several).run_due())
        clock.set(MONDAY + timedelta(days=1))
        runs.failures = 1
        turns = {turn.pipeline: turn for turn in calendar(records, clock, runs, several).run_due()}
        assert {name: (turn.state, turn.again_at) for name, turn in turns.items()} == {
            "first": ("failed", ""),
            "second": ("done", ""),
        }


@pytest.fixture
def shed(tmp_path: Path) -> Path:
    """A project with a pipeline that is due each night, in Berlin."""
    (tmp_path / "modelyard.yaml").write_text(PROJECT)
    (tmp_path / "night.py").write_text(PIPELINE)
    return tmp_path


class TestProject:
    """As a project declares it, with real runs."""

    def test_the_control_process_and_a_scheduler_run_what_is_due(self, shed: Path) -> None:
        """Each sees what was known when it was due; a failed one goes on with the step that failed."""
        clock = ManualClock(MONDAY)
        project = Project(shed, clock=clock, ids=SeededIds(1), environment={})
        assert look(project).turns == ()
        clock.set(datetime(2026, 1, 6, 0, 59, tzinfo=UTC))
        assert carry_out(loop.tick, project, Nothing()) == []
        (shed / "broken").touch()
        clock.set(datetime(2026, 1, 6, 1, 30, tzinfo=UTC))
        (failed,) = look(project).turns
        assert (failed.state, failed.due) == ("failed", "2026-01-06T01:00:00+00:00")
        assert "not tonight" in failed.detail
        (shed / "broken").unlink()
        clock.set(datetime(2026, 1, 6, 1, 36, tzinfo=UTC))
        (told,) = carry_out(loop.tick, project, Nothing())
        assert (told["kind"], told["cycle"]) == ("scheduled run done", failed.run_id)
        (run,) = list_runs(project.records)
        assert (run.id, run.state, run.params["as_of"]) == (failed.run_id, "done", "2026-01-06 01:00:00+00:00")
        status = carry_out(workspace.status, project, Nothing())["calendar"]
        assert status == {
            "night": {"next": "2026-01-07T01:00:00+00:00", "last": "done", "due": "2026-01-06T01:00:00+00:00"}
        }
        project.close()

    @pytest.mark.parametrize(
        ("wrong", "said"),
        [('schedule: "0 25 * * *"', "schedule"), ("timezone: Europe/Berlinn", "Berlin"), ("retries: -1", "retries")],
    )
    def test_what_is_no_schedule_is_told_with_its_line(self, shed: Path, wrong: str, said: str) -> None:
        """Before anything runs."""
        name = wrong.partition(":")[0]
        text = PROJECT.replace(', schedule: "0 2 * * *", timezone: Europe/Berlin', f", {wrong}")
        (shed / "modelyard.yaml").write_text(text)
        with pytest.raises(InvalidProjectFile, match=said) as error:
            Project(shed, environment={})
        assert f"pipelines.night.{name}" in str(error.value)


def test_a_turn_says_what_it_waits_for() -> None:
    """Before its first instant it has no run."""
    assert Turn("night", MONDAY.isoformat()).state == "waiting"
