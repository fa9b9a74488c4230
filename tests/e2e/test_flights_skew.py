"""The flights project, from training to served entity rows: no skew between them, and what is planted is found."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from modelyard.control import Supervisor, free_ports, server_part
from modelyard.core import ManualClock, Micros, Scalar, SeededIds, from_micros, to_micros
from modelyard.data import load_function
from modelyard.demo.timeline import FIELDS
from modelyard.demo.traffic import Clients, Request
from modelyard.features import Definitions, Materializer
from modelyard.features.tables import as_table
from modelyard.online import StoredRow, table_of
from modelyard.operations import write_template
from modelyard.wiring import Project

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(400),
    pytest.mark.filterwarnings("ignore"),  # MLflow's and its dependencies' own
]

FEBRUARY = datetime(2013, 2, 1, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
VIEWS = {"weather": 8, "congestion": 3, "plane": 2}
"""The views of the model, and how many features it reads of each."""


class Airport:
    """The project with a version trained on January, served by a real server while its clock goes on."""

    def __init__(self, folder: Path) -> None:
        write_template("flights", folder)
        self.clock = ManualClock(FEBRUARY)
        self.project = Project(folder, clock=self.clock, ids=SeededIds(0))
        version = self.project.pipelines.run("training", {"as_of": FEBRUARY}).result("register")
        self.project.rollouts.start("flights", version, self.project.principal)
        self.project.features.materializer.materialize(FEBRUARY)
        self._days = 0
        self._flights: pa.Table = load_function("loader.py:all_flights", folder)()

    def next_day(self) -> datetime:
        """The start of a day that nobody has flown yet."""
        self._days += 1
        return FEBRUARY + (self._days - 1) * DAY

    def fly(self, address: str, start: datetime, bring: Callable[[datetime], object] | None = None) -> int:
        """Ask about every fifth flight of a day, in the order of their prediction times; how many there were.

        `bring` brings the views up to an instant; by default as it should be.
        """
        return asyncio.run(self._fly(address, start, bring or self.project.features.materializer.step))

    async def _fly(self, address: str, start: datetime, bring: Callable[[datetime], object]) -> int:
        requests = self._requests(start)
        async with Clients(address, "flights") as clients:
            for moment, group in groupby(requests, key=lambda each: each.at_us // 300_000_000 * 300_000_000):
                self.clock.set(max(from_micros(moment), self.clock.now()))
                bring(self.clock.now())
                assert None not in await clients.predict_all(list(group))
        return len(requests)

    def _requests(self, start: datetime) -> list[Request]:
        at = self._flights.column("prediction_time").cast(pa.int64())
        inside = pc.and_(pc.greater_equal(at, to_micros(start)), pc.less(at, to_micros(start + DAY)))
        rows: list[dict[str, Any]] = self._flights.filter(inside).to_pylist()[::5]
        return [
            Request(
                Micros(to_micros(row["prediction_time"].replace(tzinfo=UTC))), {name: row[name] for name in FIELDS},
                None, Micros(0),
            )
            for row in rows
        ]  # fmt: skip

    def planes(self, start: datetime) -> list[Scalar]:
        """The aircraft of a day."""
        return [each.fields["tailnum"] for each in self._requests(start)]

    def skew(self, start: datetime, code: int) -> Any:
        """What the command says of a day."""
        words = ["--since", start.isoformat(), "--until", (start + DAY).isoformat(), "--examples", "100"]
        command = [sys.executable, "-m", "modelyard", "features", "skew", *words, "--json"]
        folder = str(self.project.file.folder)
        result = subprocess.run([*command, "--project", folder], capture_output=True, text=True, check=False)
        assert result.returncode == code, result.stdout + result.stderr
        return json.loads(result.stdout)

    def overwrite(self, view: str, key: Scalar, at: datetime, values: tuple[Scalar, ...]) -> None:
        """Somebody else writes into the online store."""
        defined = self.project.features.definitions.view(view)
        row = StoredRow(to_micros(at), to_micros(at), values)
        self.project.online.write(table_of(view, defined.keys, defined.feature_names), [((key,), row)])

    def mend(self, view: str) -> None:
        """Fill a view of the online store anew."""
        defined = self.project.features.definitions.view(view)
        self.project.online.clear(table_of(view, defined.keys, defined.feature_names))
        self.project.features.materializer.materialize(self.clock.now(), view)

    def behind(self, view: str, late: timedelta) -> Callable[[datetime], object]:
        """What brings up all views, one of them from a copy of its source that is behind, and does not say so."""
        materializer = self.project.features.materializer
        whole = self.project.features.definitions.view(view)
        rows, known = as_table(whole.source(), "source"), pc.field(whole.available_at or whole.event_time)  # type: ignore[operator]  # a function

        def bring(now: datetime) -> None:
            copy = rows.filter(
                known <= pa.scalar((now - late).replace(tzinfo=None), rows.schema.field("published").type)
            )
            definitions = Definitions([replace(whole, source=copy)])
            before = ManualClock(now - timedelta(seconds=1))  # than the answers of this very instant
            Materializer(definitions, self.project.online, self.project.records, before).materialize(now)
            for each in set(VIEWS) - {view}:
                materializer.step(now, each)

        return bring


@pytest.fixture(scope="module")
def airport(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Airport]:
    """The project, trained and deployed."""
    airport = Airport(tmp_path_factory.mktemp("airport"))
    yield airport
    airport.project.close()


@pytest.fixture(scope="module")
def address(airport: Airport) -> Iterator[str]:
    """Where its server is."""
    port, grpc_port, metrics_port = free_ports(3)
    with Supervisor(airport.project.run_folder) as supervisor:
        ports = {"port": port, "grpc_port": grpc_port, "metrics_port": metrics_port}
        supervisor.start(server_part(airport.project, **ports))
        yield f"http://127.0.0.1:{port}"


def test_what_is_served_is_what_training_sees(airport: Airport, address: str) -> None:
    """A day of flights by entity rows, weather, congestion and plane brought up as the day goes on: nothing differs."""
    day = airport.next_day()
    count = airport.fly(address, day)
    report = airport.skew(day, 0)
    assert (report["predictions"], report["compared"], report["differing"]) == (count, count, 0)
    assert count > 100
    compared = [each["feature"].partition(":")[0] for each in report["columns"]]
    assert {name: compared.count(name) for name in compared} == VIEWS
    assert {each["verdict"] for each in report["columns"]} == {"pass"}


def test_a_day_that_nobody_materialized_is_late(airport: Airport, address: str) -> None:
    """In the views that change from hour to hour."""
    day = airport.next_day()
    airport.fly(address, day, lambda _: None)
    found = airport.skew(day, 1)
    assert set(found["causes"]) == {"late"}
    assert {each["feature"].partition(":")[0] for each in found["examples"]} == {"weather", "congestion"}


def test_a_day_of_a_source_that_was_behind_is_stale(airport: Airport, address: str) -> None:
    """The weather was materialized all day, from a copy that was an hour behind: older rows, though brought up."""
    day = airport.next_day()
    airport.fly(address, day, airport.behind("weather", HOUR))
    try:
        found = airport.skew(day, 1)
    finally:
        airport.mend("weather")
    assert set(found["causes"]) == {"stale"}
    assert {each["feature"].partition(":")[0] for each in found["examples"]} == {"weather"}
    differing = [each for each in found["columns"] if each["differing"]]
    assert {each["feature"] for each in differing} > {"weather:temp", "weather:wind_speed"}


def test_a_row_that_no_source_has_is_unknown(airport: Airport, address: str) -> None:
    """Somebody else wrote it: told with the plane, and what was served."""
    day = airport.next_day()
    plane = airport.planes(day)[0]
    airport.overwrite("plane", plane, FEBRUARY, (1903, 4711))
    try:
        airport.fly(address, day)
        found = airport.skew(day, 1)
    finally:
        airport.mend("plane")
    assert set(found["causes"]) == {"unknown"}
    assert {each["key"]["tailnum"] for each in found["examples"]} == {plane}
    assert {each["served"] for each in found["examples"]} == {1903, 4711}


def test_a_view_that_is_defined_otherwise_since_is_told(airport: Airport, address: str) -> None:
    """What was right when it was served, by what the view is now."""
    day = airport.next_day()
    airport.fly(address, day)
    file = airport.project.file.folder / "features.py"
    before = file.read_text()
    file.write_text(before.replace("ttl=timedelta(hours=3)", "ttl=timedelta(minutes=50)"))
    try:
        changed = airport.skew(day, 1)
    finally:
        file.write_text(before)
    assert set(changed["causes"]) == {"definition"}
    assert {each["reason"] for each in changed["columns"] if each["differing"]} == {
        "its definition changed: ttl was 3h, and is 50m"
    }
