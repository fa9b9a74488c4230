"""Regression without labels: what mistakes must have been, a second opinion, and labels that know better."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from sklearn.linear_model import LinearRegression

from modelyard.core import ManualClock, Micros, to_micros
from modelyard.history import PredictionLog
from modelyard.inference import Bundle, load_bundle, losses_of
from modelyard.journal import Journal, PredictionRecord, TruthRecord
from modelyard.monitoring import AlertBook, AlertSettings, Monitors, MonitorSettings, Window
from modelyard.operations.building import Building, build_from_rows
from modelyard.storage import RecordStore

from .test_windows import WEEK, new_store

ROWS = 1200


def rows_like(random: np.random.Generator, rows: int, hard: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sizes, of which a share is `hard`, regions and truths; where it is hard truths scatter six times as far."""
    size = np.where(random.random(rows) < hard, random.uniform(5, 6, rows), random.uniform(0, 5, rows))
    region = random.choice(["north", "south"], rows)
    truth = 3 * size + (region == "south") + random.normal(0, np.where(size > 5, 6.0, 1.0))
    return size, region, truth


@dataclass
class Estimates:
    """A log of a model of numbers, and the monitors that read it."""

    journal: Journal
    log: PredictionLog
    records: RecordStore
    clock: ManualClock
    bundle: Bundle
    settings: MonitorSettings

    def monitors(self) -> Monitors:
        """New monitors, as after a restart."""
        book = AlertBook(self.records, self.clock, AlertSettings())
        return Monitors(self.records, self.log, self.clock, lambda *_: self.bundle, {"d": self.settings}, book)

    def week(
        self,
        start: datetime,
        *,
        hard: float = 0.2,
        bias: float = 0.0,
        known_after: timedelta | None = timedelta(hours=3),
        rows: int = ROWS,
    ) -> None:
        """A week of requests, of which a share is hard; truths that are off by `bias`."""
        random = np.random.default_rng(int(start.timestamp()) + 1)
        size, region, truth = rows_like(random, rows, hard)
        said = self.bundle.scores(np.column_stack([size, region == "south"]))[:, 0]
        records: list[PredictionRecord | TruthRecord] = []
        for index in range(rows):
            at = to_micros(start + WEEK * index / (rows + 1))
            identity = f"{start.isoformat()}-{index}"
            records.append(
                PredictionRecord(
                    identity, at, "d", 1, "1", "live", "live", True, "e",
                    (float(size[index]), str(region[index])), float(said[index]), (float(said[index]),), 4000,
                )
            )  # fmt: skip
            if known_after is not None:
                known = Micros(at + int(known_after.total_seconds() * 1e6))
                records.append(TruthRecord(identity, "d", float(truth[index] + bias), at, known, at))
        self.journal.append(records)

    def judged(self, until: datetime) -> list[Window]:
        """Windows that close by an instant."""
        self.clock.set(until)
        return self.monitors().run("d", since=until - 8 * WEEK)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A regression model, judged on rows that it was not trained on."""
    random = np.random.default_rng(0)
    size, region, truth = rows_like(random, 3000, 0.2)
    model = LinearRegression().fit(np.column_stack([size, region == "south"]), truth)
    size, region, truth = rows_like(random, 8000, 0.2)
    given = Building(name="sizes", version="1", into=tmp_path_factory.mktemp("regression") / "b", task="regression")
    built = build_from_rows(model, pa.table({"size": size, "region": region}), truth, given)
    return load_bundle(built.path)


@pytest.fixture
def estimates(tmp_path: Path, clock: ManualClock, bundle: Bundle) -> Estimates:
    """An empty log; labels are enough from 400 on, and `mae` is what counts."""
    journal = Journal(tmp_path / "journal", "server", clock)
    log = PredictionLog(tmp_path / "journal", tmp_path / "log")
    settings = MonitorSettings(metric="mae", min_labels=400, segments=("region",), groups=("region",))
    return Estimates(journal, log, new_store(tmp_path / "records.db"), clock, bundle, settings)


@pytest.fixture
def monday(clock: ManualClock) -> datetime:
    """The Monday at midnight after the clock's noon."""
    return (clock.now() + WEEK).replace(hour=0)


def true_error(bundle: Bundle, hard: float) -> float:
    """The mean absolute error on very many rows."""
    size, region, truth = rows_like(np.random.default_rng(99), 100_000, hard)
    return float(np.abs(bundle.scores(np.column_stack([size, region == "south"]))[:, 0] - truth).mean())


def test_harder_rows_are_seen_before_any_label(estimates: Estimates, monday: datetime) -> None:
    """A labelled week teaches; the next, of which nothing is known yet, has twice the error, and the estimate says so.

    Weighted labelled rows say the same; that the estimate is beyond the baseline fails the window.
    """
    estimates.week(monday)
    estimates.week(monday + WEEK, hard=0.5, known_after=None)
    _, blind = estimates.judged(monday + 2 * WEEK)
    assert (blind.told_by, blind.labels) == ("estimate", 0)
    found, truth = blind.estimated["mae"], true_error(estimates.bundle, 0.5)
    assert found.method == "DLE"
    assert found.lower < truth < found.upper
    assert found.upper - found.lower < truth / 2
    assert blind.second_opinion is not None
    assert blind.second_opinion.value == pytest.approx(truth, rel=0.25)
    assert not blind.second_opinion.disagrees
    assert any(each.startswith("mae is estimated at") for each in blind.reasons)


def test_an_unchanged_week_without_labels_never_passes(estimates: Estimates, monday: datetime) -> None:
    """Its estimate is right, and still not a green light."""
    estimates.week(monday)
    estimates.week(monday + WEEK, known_after=None)
    first, blind = estimates.judged(monday + 2 * WEEK)
    assert first.reasons == ()
    assert (first.verdict, first.told_by) == ("pass", "labels")
    assert (blind.verdict, blind.told_by) == ("inconclusive", "estimate")
    assert blind.estimated["mae"].lower < true_error(estimates.bundle, 0.2) < blind.estimated["mae"].upper
    assert "estimated at" in blind.reasons[0]


def test_the_first_window_learns_from_the_bundle(estimates: Estimates, monday: datetime) -> None:
    """Rows with labels at building are kept with their losses: even a first window has an estimate."""
    sample = estimates.bundle.profile.sample
    assert sample is not None
    assert losses_of(sample).mean() == pytest.approx(estimates.bundle.profile.performance["mae"], rel=0.1)
    estimates.week(monday, known_after=None)
    (blind,) = estimates.judged(monday + WEEK)
    assert blind.estimated["mae"].lower < true_error(estimates.bundle, 0.2) < blind.estimated["mae"].upper


def test_labels_that_disagree_win(estimates: Estimates, monday: datetime) -> None:
    """Truths moved and inputs did not: the estimate sees nothing, and yields when labels come a week later."""
    estimates.week(monday)
    estimates.week(monday + WEEK, bias=4.0, known_after=timedelta(days=8))
    estimates.week(monday + 2 * WEEK)
    _, blind = estimates.judged(monday + 2 * WEEK)
    assert (blind.told_by, blind.verdict) == ("estimate", "inconclusive")
    estimates.clock.set(monday + 3 * WEEK)
    estimates.monitors().run("d")
    seen = estimates.monitors().windows("d")[1]
    assert (seen.told_by, seen.revision, seen.verdict) == ("labels", 1, "fail")
    assert seen.estimated["mae"].contradicted
    (concept,) = seen.concept
    assert concept.verdict == "fail"
    assert concept.at is not None
    assert abs(datetime.fromisoformat(concept.at) - (monday + WEEK)) < timedelta(days=1)
    assert any("concept drift (adwin)" in each for each in seen.reasons)


def test_rows_unlike_all_labelled_ones_have_no_second_opinion(estimates: Estimates, monday: datetime) -> None:
    """Only hard rows, when one of 50 labelled was hard: too few rows carry it, and that is said."""
    estimates.week(monday, hard=0.02)
    estimates.week(monday + WEEK, hard=1.0, known_after=None)
    _, blind = estimates.judged(monday + 2 * WEEK)
    assert blind.second_opinion is not None
    assert blind.second_opinion.value is None
    assert blind.second_opinion.effective < 60


def test_windows_do_not_depend_on_when_or_how_often_runs_are_made(
    estimates: Estimates, monday: datetime, tmp_path: Path
) -> None:
    """Samples, estimates, detectors and segments of one late run are those of a run a week."""
    for number in range(3):
        estimates.week(monday + number * WEEK, known_after=timedelta(days=2), rows=600)
    for number in range(1, 4):
        estimates.clock.set(monday + number * WEEK)
        estimates.monitors().run("d", since=monday)
    weekly = estimates.monitors().windows("d")
    estimates.records = new_store(tmp_path / "other.db")
    estimates.monitors().run("d", since=monday)
    assert estimates.monitors().windows("d") == weekly
    assert all(each.segments and each.groups and each.estimated for each in weekly)


def test_segments_are_compared_with_those_of_the_bundle(estimates: Estimates, monday: datetime) -> None:
    """The rows that the bundle keeps know their region: unchanged ones pass, hard ones drift in both."""
    estimates.week(monday)
    estimates.week(monday + WEEK, hard=0.7)
    same, moved = estimates.judged(monday + 2 * WEEK)
    assert {(each.drift, each.verdict) for each in same.segments} == {("pass", "pass")}
    assert {(each.drift, each.drifted) for each in moved.segments} == {("fail", ("size",))}


def test_a_segment_that_the_reference_does_not_know_says_what_to_do(estimates: Estimates, monday: datetime) -> None:
    """A number as segment, or the first window with `previous`: inconclusive, with the reason and the remedy."""
    estimates.week(monday, rows=600)
    estimates.settings = MonitorSettings(metric="mae", segments=("size",), most_segments=2)
    (window,) = estimates.judged(monday + WEEK)
    assert {each.drift for each in window.segments} == {"inconclusive"}
    assert window.segments[0].drift_reason.endswith("size is a number: set reference: previous")
    estimates.settings = MonitorSettings(metric="mae", segments=("region",), reference="previous")
    estimates.clock.set(monday + WEEK)
    found = estimates.monitors().judge("d", monday, monday + WEEK)
    assert found is not None
    assert found.segments[0].verdict == "inconclusive"
    assert found.segments[0].reasons == ("there is no earlier window to compare with yet",)


def test_the_root_of_squares_is_estimated_where_it_counts(estimates: Estimates, monday: datetime) -> None:
    """`rmse` as the monitor's metric: greater than `mae`, and near the true one."""
    estimates.settings = MonitorSettings(metric="rmse", min_labels=400)
    estimates.week(monday, known_after=None)
    (blind,) = estimates.judged(monday + WEEK)
    found = blind.estimated["rmse"]
    assert found.lower < estimates.bundle.profile.performance["rmse"] < found.upper
    assert found.value > blind.estimated["mae"].value
