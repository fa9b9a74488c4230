"""A language model's deployment, watched by the commands that watch models."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from modelyard.core import ArmRole, ManualClock, SeededIds, to_micros
from modelyard.journal import Generated, Journal, PredictionRecord
from modelyard.operations import applications, carry_out, monitors, watched
from modelyard.wiring import Project

FILE = """
project: help
upstreams:
  here: {url: "http://127.0.0.1:9/v1"}
deployments:
  help: {model: help@production}
monitoring:
  help: {window: 1d}
"""


@pytest.fixture
def project(tmp_path: Path, clock: ManualClock) -> Iterator[Project]:
    """A project with an application, of whose answers a day is on record."""
    (tmp_path / "modelyard.yaml").write_text(FILE)
    project = Project(tmp_path, clock=clock, ids=SeededIds(0), environment={})
    given = applications.RegisterApplication("help", ("here/answer",))
    carry_out(applications.register_application, project, given)
    journal, midnight = Journal(project.journal_folder, "server", clock), clock.now().replace(hour=0)
    roles: tuple[tuple[str, ArmRole, str], ...] = (("live", "live", "1"), ("canary", "canary", "2"))
    for place in range(40):
        at = to_micros(midnight + timedelta(minutes=place))
        name, role, version = roles[place % 2]
        made = Generated("here", "answer", index="i", sentences=2, unsupported=place % 2, cost_micros=500_000)
        written = msgspec.json.encode(made).decode()
        record = PredictionRecord(
            f"p{place}", at, "help", 1, version, name, role, True, None, (), "stop", (), 9_000, generated=written
        )
        journal.append([record])
    clock.set(midnight + timedelta(days=1))
    yield project
    project.close()


def test_an_application_is_watched_by_the_monitor_that_exists(project: Project) -> None:
    """`monitor run` and `status` tell of arms with intervals; `overview` has the same, and the metric is thumbs."""
    (window,) = carry_out(monitors.run_monitors, project, monitors.RunMonitors())
    arms = {each["arm"]: each for each in window["generated"]["arms"]}
    assert (arms["canary"]["unsupported"]["count"], arms["live"]["unsupported"]["count"]) == (20, 0)
    assert arms["live"]["unsupported"]["upper"] > 0
    assert window["generated"]["cost_micros"] == 20_000_000
    assert carry_out(monitors.monitor_status, project, monitors.Watch("help")) == window
    (told,) = carry_out(watched.overview, project, watched.Overlook())
    assert (told["metric"], told["window"]["generated"]["whole"]["answers"]) == ("thumbs", 40)
