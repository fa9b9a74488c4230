"""Windows in any order of arrival: late, repeated, conflicting and future labels give what a sorted batch gives."""

import os
import signal
import statistics
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from modelyard.bundling import BuiltBundle
from modelyard.core import ManualClock, Micros, to_micros
from modelyard.history import PredictionLog
from modelyard.history.catalog import Entry
from modelyard.history.files import read_part
from modelyard.inference import load_bundle
from modelyard.journal import Journal, PredictionRecord, TruthRecord
from modelyard.monitoring import AlertBook, AlertSettings, Monitors, MonitorSettings, Window
from modelyard.stats import binary_metrics
from modelyard.storage import RecordStore, open_record_store

from ..conftest import NOON

DAY = timedelta(days=1)
START = NOON.replace(hour=0)
DAYS = 3
SETTINGS = MonitorSettings(window=DAY, late=timedelta(hours=2), revisions=2, min_labels=3, segments=("country",))


class Told(RuleBasedStateMachine):
    """A server's log, told in any order, and a dictionary that knows what should be known of it."""

    folder: Path
    built: BuiltBundle
    runs = 0

    @initialize()
    def begin(self) -> None:
        """An empty log and record store."""
        type(self).runs += 1
        self.place = self.folder / str(self.runs)
        self.clock = ManualClock(START + DAYS * DAY + SETTINGS.late)
        self.journal = Journal(self.place / "journal", "server", self.clock)
        self.log = PredictionLog(self.place / "journal", self.place / "log")
        self.asked: dict[str, tuple[int, float, bool]] = {}
        self.told: dict[str, list[tuple[int, int, int, str]]] = {}
        self.order = self.looks = 0

    @rule(
        minutes=st.integers(0, DAYS * 1440 - 1),
        score=st.floats(0, 1, width=16),
        country=st.sampled_from(["de", "fr", None]),
        failed=st.booleans(),
    )
    def ask(self, minutes: int, score: float, country: str | None, failed: bool) -> None:
        """An answer, or an arm's failure, at any time of the three days."""
        at = to_micros(START + timedelta(minutes=minutes))
        identity = f"p{len(self.asked)}"
        self.asked[identity] = (at, score, failed)
        scores = () if failed else (score,)
        said = None if failed else str(int(score > 0.5))
        self.journal.append(
            [
                PredictionRecord(
                    identity, at, "d", 1, "1", "live", "live", not failed, "e", (5.0, country, 1.0), said, scores,
                    900, "model" if failed else None,
                )
            ]
        )  # fmt: skip

    @rule(
        which=st.integers(0, 30),
        label=st.sampled_from(["0", "1"]),
        minutes=st.integers(-60, (DAYS + 3) * 1440),
        copies=st.integers(1, 2),
    )
    def tell(self, which: int, label: str, minutes: int, copies: int) -> None:
        """A label of any prediction, also of one that is not on record yet, available at any time, perhaps twice."""
        available = to_micros(START + timedelta(minutes=minutes))
        identity = f"p{which}"
        for _ in range(copies):
            self.order += 1
            self.told.setdefault(identity, []).append((available, available, self.order, label))
            self.journal.append([TruthRecord(identity, "d", label, available, available, available)])

    @rule()
    def seal(self) -> None:
        """Finished segments become partitions; nothing that is read changes."""
        self.journal.close()
        self.log.seal()
        self.journal = Journal(self.place / "journal", "server", self.clock)

    @invariant()
    def every_window_is_that_of_the_sorted_batch(self) -> None:
        """Counts, labels and metrics of each day, as known when it closed and when the last one did."""
        if not self.asked or len(self.asked) % 4:
            return
        self.looks += 1
        records = store(self.place / f"{self.looks}.db")
        monitors = watching(records, self.log, self.clock, self.built)
        first = {each.start: each for each in monitors.run("d", since=START)}
        last = {each.start: each for each in monitors.windows("d")}
        assert set(first) == set(last) == {day.isoformat() for day in days() if self.inside(day)}
        for day in days():
            if self.inside(day):
                self.compare(first[day.isoformat()], day, day + DAY + SETTINGS.late)
                self.compare(last[day.isoformat()], day, START + DAYS * DAY + SETTINGS.late)
        records.close()

    def compare(self, window: Window, day: datetime, as_of: datetime) -> None:
        """One window with the oracle."""
        answers = [each for each in self.inside(day) if not self.asked[each][2]]
        known = {each: label for each in answers if (label := self.label(each, as_of)) is not None}
        scores = [self.asked[each][1] for each in known]
        expected = binary_metrics(scores, [label == "1" for label in known.values()])
        if {"precision", "recall"} <= expected.keys():
            rates = [expected["precision"], expected["recall"]]
            expected["f1"] = statistics.harmonic_mean(rates)
        assert (window.requests, window.errors) == (len(answers), len(self.inside(day)) - len(answers))
        assert window.labels == len(known)
        assert window.performance == pytest.approx(expected)
        assert sum(each.labels for each in window.segments) == len(known)

    def inside(self, day: datetime) -> list[str]:
        """The predictions of a day."""
        return [each for each, (at, _, _) in self.asked.items() if to_micros(day) <= at < to_micros(day + DAY)]

    def label(self, identity: str, as_of: datetime) -> str | None:
        """The label that counts: the greatest (available, received), then the last told."""
        told = [each for each in self.told.get(identity, []) if each[0] <= to_micros(as_of)]
        return max(told)[3] if told else None

    def teardown(self) -> None:
        """Close the journal."""
        if hasattr(self, "journal"):
            self.journal.close()


def days() -> Iterator[datetime]:
    """The days of the log."""
    yield from (START + number * DAY for number in range(DAYS))


def store(file: Path) -> RecordStore:
    """An empty record store, or the one that is there."""
    records = open_record_store(f"sqlite:///{file}")
    records.migrate()
    return records


def watching(records: RecordStore, log: PredictionLog, clock: ManualClock, built: BuiltBundle) -> Monitors:
    """Monitors of the deployment `d`."""
    bundle = load_bundle(built.path)
    book = AlertBook(records, clock, AlertSettings())
    return Monitors(records, log, clock, lambda _d, _v: bundle, {"d": SETTINGS}, book)


def proof(tmp_path: Path, built: BuiltBundle, examples: int, steps: int) -> None:
    """Run the machine."""
    machine = type("Machine", (Told,), {"folder": tmp_path, "built": built})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )


def test_windows_are_those_of_the_sorted_batch(tmp_path: Path, built: BuiltBundle) -> None:
    """Duplicates, reorder, conflicts, late, early and future labels; sealed at any time."""
    proof(tmp_path, built, examples=4, steps=25)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_many_more_windows_are_those_of_the_sorted_batch(tmp_path: Path, built: BuiltBundle) -> None:
    """The same, for long."""
    proof(tmp_path, built, examples=300, steps=60)


CHILD = """
import sys
from pathlib import Path
from modelyard.core import ManualClock
from modelyard.history import PredictionLog
from modelyard.inference import load_bundle
from modelyard.monitoring import AlertBook, AlertSettings, Monitors, MonitorSettings
from modelyard.storage import open_record_store
from datetime import datetime

folder, bundle = Path(sys.argv[1]), load_bundle(Path(sys.argv[2]))
now, since = map(datetime.fromisoformat, sys.argv[3:])
records = open_record_store(f"sqlite:///{folder / 'killed.db'}")
records.migrate()
clock = ManualClock(now)
settings = MonitorSettings.model_validate_json(SETTINGS)
log = PredictionLog(folder / "journal", folder / "log")
book = AlertBook(records, clock, AlertSettings())
print("ready", flush=True)
Monitors(records, log, clock, lambda d, v: bundle, {"d": settings}, book).run("d", since=since)
"""


def killed_runs(tmp_path: Path, built: BuiltBundle, kills: int) -> None:
    """Run monitors in a process of its own, kill it again and again, and compare with an undisturbed run."""
    clock = ManualClock(START + 6 * DAY + SETTINGS.late)
    journal = Journal(tmp_path / "journal", "server", clock)
    for number in range(600):
        at = to_micros(START + timedelta(minutes=14 * number))
        score = number % 97 / 97
        country = ("de", "fr", "it")[number % 3]
        later = Micros(at + number % 7 * 20_000_000_000)
        journal.append(
            [
                PredictionRecord(
                    f"p{number}", at, "d", 1, "1", "live", "live", True, "e", (float(number % 200), country, 2.0),
                    str(int(score > 0.5)), (score,), 900,
                ),
                TruthRecord(f"p{number}", "d", str(int(number % 5 > 1)), at, later, later),
            ]
        )  # fmt: skip
    journal.close()
    log = PredictionLog(tmp_path / "journal", tmp_path / "log")
    log.seal()
    code = CHILD.replace("SETTINGS", repr(SETTINGS.model_dump_json(by_alias=True)))
    command = [sys.executable, "-c", code, str(tmp_path), str(built.path), clock.now().isoformat(), START.isoformat()]
    done = 0
    for number in range(kills):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            process.wait(0.02 + 0.06 * number)
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            done += 1
        process.wait()
        process.stdout.close()
    assert done > 0
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    killed, undisturbed = store(tmp_path / "killed.db"), store(tmp_path / "undisturbed.db")
    whole = watching(undisturbed, log, clock, built)
    whole.run("d", since=START)
    again = watching(killed, log, clock, built)
    assert len(whole.windows("d")) == 6
    assert again.windows("d") == whole.windows("d")
    assert [each.alert.name for each in again.alerts.history()] == [each.alert.name for each in whole.alerts.history()]


def test_a_run_that_is_killed_again_and_again_ends_as_if_it_was_not(tmp_path: Path, built: BuiltBundle) -> None:
    """Windows, revisions and alerts after kill -9 at two moments."""
    killed_runs(tmp_path, built, kills=2)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_two_hundred_kills_change_nothing(tmp_path: Path, built: BuiltBundle) -> None:
    """The same at two hundred moments."""
    killed_runs(tmp_path, built, kills=200)


def test_a_window_costs_its_own_files(
    tmp_path: Path, built: BuiltBundle, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With 2 days of history or with 12: as many files are opened for the next window."""
    opened: list[str] = []

    def counting(folder: Path, entry: Entry) -> pa.Table:
        opened.append(Path(entry.name).parent.name)
        return read_part(folder, entry)

    monkeypatch.setattr("modelyard.history.small.read_part", counting)
    costs = []
    for history in (2, 12):
        place = tmp_path / str(history)
        journal = Journal(place / "journal", "server", clock)
        for number in range((history + 1) * 24):
            at = to_micros(START + timedelta(hours=number))
            record = PredictionRecord(
                f"p{number}", at, "d", 1, "1", "live", "live", True, "e", (1.0, "de", 2.0), "1", (0.7,), 900
            )
            journal.append([record])
        journal.close()
        log = PredictionLog(place / "journal", place / "log")
        log.seal()
        records = store(place / "records.db")
        clock.set(START + history * DAY + SETTINGS.late)
        watching(records, log, clock, built).run("d", since=START)
        opened.clear()
        clock.set(START + (history + 1) * DAY + SETTINGS.late)
        cold = PredictionLog(place / "journal", place / "log")
        (window,) = watching(records, cold, clock, built).run("d")
        assert window.requests == 24
        costs.append(sorted(set(opened)))
    assert len(costs[0]) == len(costs[1]) == 1 + SETTINGS.revisions
