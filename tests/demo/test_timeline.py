"""The year in the order of its prediction times, in moments in which no feature changes."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from modelyard.core import from_micros, to_micros
from modelyard.data import UnreadableData
from modelyard.demo.timeline import END, FIELDS, START, Moment, count, moments

LOADER = """
from datetime import datetime, timedelta
import pyarrow as pa

def all_flights():
    at = [datetime.fromisoformat(each) for each in {times}]
    known = [each + timedelta(hours=2) if index % 3 else None for index, each in enumerate(at)]
    columns = {{name: [f"{{name}} {{index}}" for index in range(len(at))] for name in {fields}}}
    columns["prediction_time"] = pa.array(at, pa.timestamp("us"))
    columns["flight_id"] = list(range(len(at)))
    columns["tailnum"] = [None if index % 3 == 0 else name for index, name in enumerate(columns["tailnum"])]
    columns["label_known_at"] = pa.array(known, pa.timestamp("us"))
    return pa.table({{**columns, "late": [index % 2 for index in range(len(at))]}})
"""


def project(folder: Path, times: list[datetime]) -> Path:
    """A project folder whose loader gives flights at these times; of every third nobody learns the truth."""
    folder.mkdir()
    written = [each.replace(tzinfo=None).isoformat() for each in times]
    (folder / "loader.py").write_text(LOADER.format(times=written, fields=FIELDS))
    return folder


def lived(folder: Path, share: float = 1.0, seed: int = 0) -> list[Moment]:
    """All moments."""
    return list(moments(folder, share=share, seed=seed))


def test_a_moment_begins_on_the_hour_and_five_minutes_past_it(tmp_path: Path) -> None:
    """When congestion, and then weather, become known."""
    times = [START + timedelta(minutes=minute) for minute in (0, 4, 5, 59, 60, 64, 65)]
    found = lived(project(tmp_path / "hours", times))
    starts = [START + timedelta(minutes=minute) for minute in (0, 5, 60, 65)]
    assert [each.start for each in found] == starts
    assert [len(each.requests) for each in found] == [2, 2, 2, 1]
    assert [from_micros(request.at_us) for each in found for request in each.requests] == times


def test_only_april_to_december_is_lived(tmp_path: Path) -> None:
    """The first instant belongs to it, the last does not."""
    second = timedelta(seconds=1)
    times = [START - second, START, END - second, END, datetime(2014, 5, 1, tzinfo=UTC)]
    found = lived(project(tmp_path / "edges", times))
    assert [from_micros(each.requests[0].at_us) for each in found] == [START, END - second]


def test_a_request_has_what_the_client_knows_and_nothing_else(tmp_path: Path) -> None:
    """The truth comes later, and for some flights never."""
    (moment,) = lived(project(tmp_path / "fields", [START, START, START]))
    unknown, late, other = moment.requests
    assert tuple(late.fields) == FIELDS
    assert late.fields["carrier"] == "carrier 1"
    assert (unknown.label, unknown.known_us) == (None, 0)
    assert (late.label, late.known_us) == (1, to_micros(START + timedelta(hours=2)))
    assert other.label == 0


def test_a_flight_without_an_aircraft_is_asked_about_by_its_number(tmp_path: Path) -> None:
    """So that who answers is as sure as for any other."""
    (moment,) = lived(project(tmp_path / "unknown", [START] * 4))
    assert [each.entity for each in moment.requests] == ["flight 0", None, None, "flight 3"]


def test_a_share_is_drawn_by_the_seed(tmp_path: Path) -> None:
    """The same seed draws the same flights, another one others; `count` knows how many."""
    folder = project(tmp_path / "share", [START + timedelta(minutes=at) for at in range(500)])

    def drawn(seed: int) -> list[int]:
        return [request.at_us for each in lived(folder, 0.3, seed) for request in each.requests]

    assert drawn(0) == drawn(0) != drawn(1)
    assert len(drawn(0)) == count(folder, share=0.3, seed=0)
    assert 100 < len(drawn(0)) < 200
    assert count(folder, share=1.0, seed=0) == 500
    assert lived(folder, 0.0) == []


def test_a_year_without_flights_and_a_project_without_a_loader(tmp_path: Path) -> None:
    """No moments; an error that names the file."""
    assert lived(project(tmp_path / "empty", [END])) == []
    with pytest.raises(UnreadableData, match=r"loader\.py"):
        lived(tmp_path)
