"""Any stretch beside the reference: added up from judged windows the same as counted from the log."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from modelyard.bundling import BuiltBundle
from modelyard.core import ManualClock
from modelyard.history import PredictionLog
from modelyard.inference import CategoryProfile, load_bundle
from modelyard.journal import Journal
from modelyard.monitoring import Looked, MonitorSettings, Period, References, Stretches, summed
from modelyard.monitoring.counts import ColumnCounter

from .test_windows import WEEK, Traffic, judged, new_store


@pytest.fixture
def lived(tmp_path: Path, clock: ManualClock, built: BuiltBundle) -> Traffic:
    """Three weeks, the last of which has amounts three times as large; nothing is judged yet."""
    journal = Journal(tmp_path / "journal", "server", clock)
    log = PredictionLog(tmp_path / "journal", tmp_path / "log")
    traffic = Traffic(journal, log, new_store(tmp_path / "records.db"), clock, built)
    for week in range(3):
        traffic.week(monday(clock) + week * WEEK, rows=200, factor=3.0 if week == 2 else 1.0)
    return traffic


def monday(clock: ManualClock) -> datetime:
    """The Monday before the stories begin."""
    return datetime(2026, 1, 12, tzinfo=clock.now().tzinfo)


def stretches(traffic: Traffic) -> Stretches:
    """What looks at stretches of this traffic."""
    bundle = load_bundle(traffic.bundle.path)
    return Stretches(
        traffic.monitors(),
        References(traffic.records, traffic.log),
        traffic.log,
        lambda _deployment, _version: (bundle.digest, bundle.profile),
        lambda _deployment, _version: bundle,
    )


def looked(
    traffic: Traffic, start: datetime, end: datetime, against: tuple[datetime, datetime] | None = None
) -> Looked:
    """A stretch that something was asked in."""
    found = stretches(traffic).look("d", start, end, against)
    assert found is not None
    return found


def same(one: Looked, other: Looked) -> bool:
    """Whether two looks say the same, wherever they were read."""
    told = [
        (each.stretch.features, each.stretch.predictions, each.stretch.quality, each.stretch.requests)
        for each in (one, other)
    ]
    counts = [
        {name: (column.bins, column.missing, column.outside) for name, column in each.columns.items()}
        for each in (one, other)
    ]
    return all(
        (a.name, a.psi, a.effect, a.bound, a.verdict) == (b.name, b.psi, b.effect, b.bound, b.verdict)
        and a.shift == pytest.approx(b.shift)
        for a, b in zip(told[0][0], told[1][0], strict=True)
    ) and (told[0][1:], counts[0]) == (told[1][1:], counts[1])


def test_judged_windows_add_up_to_what_the_log_says(lived: Traffic) -> None:
    """Before the windows are judged the log is read, afterwards it is not; both say the same."""
    start = monday(lived.clock)
    lived.clock.set(start + 3 * WEEK)
    before = looked(lived, start, start + 2 * WEEK)
    assert (before.stretch.told_by, before.stretch.windows) == ("log", 0)
    assert lived.monitors().run("d", since=start)
    after = looked(lived, start, start + 2 * WEEK)
    assert (after.stretch.told_by, after.stretch.windows) == ("windows", 2)
    assert same(before, after)
    assert after.stretch.requests == 400


def test_one_window_is_told_as_it_was_judged(lived: Traffic) -> None:
    """Its features, score and quality are those on record."""
    judged(lived, monday(lived.clock) + 3 * WEEK, None)
    newest = lived.monitors().latest("d")
    assert newest is not None
    stretch = looked(lived, datetime.fromisoformat(newest.start), datetime.fromisoformat(newest.end)).stretch
    assert stretch.told_by == "windows"
    assert (stretch.features, stretch.quality) == (newest.features, newest.quality)
    assert (stretch.predictions, stretch.drift_score) == (newest.predictions, newest.drift_score)


def test_a_stretch_that_cuts_a_window_is_read_from_the_log(lived: Traffic) -> None:
    """Half a week more or less is nothing that windows could tell."""
    start = monday(lived.clock)
    lived.clock.set(start + 3 * WEEK)
    lived.monitors().run("d", since=start)
    cut = looked(lived, start + timedelta(days=3), start + 2 * WEEK).stretch
    assert cut.told_by == "log"
    assert 200 < cut.requests < 400
    beyond = looked(lived, start - timedelta(days=1), start + WEEK).stretch
    assert (beyond.told_by, beyond.requests) == ("log", 200)
    after = looked(lived, start + 2 * WEEK, start + 4 * WEEK).stretch
    assert (after.told_by, after.requests) == ("log", 200)


def test_a_stretch_is_compared_with_another(lived: Traffic) -> None:
    """The week whose amounts are larger drifted beside the week before, and that one does not beside its own."""
    start = monday(lived.clock)
    lived.clock.set(start + 3 * WEEK)
    lived.monitors().run("d", since=start)
    changed = looked(lived, start + 2 * WEEK, start + 3 * WEEK, (start + WEEK, start + 2 * WEEK))
    assert changed.stretch.verdict == "fail"
    assert [each.name for each in changed.stretch.features if each.verdict == "fail"] == ["amount"]
    assert changed.stretch.reference == f"{(start + WEEK).isoformat()} to {(start + 2 * WEEK).isoformat()}"
    assert sum(changed.reference.columns["amount"].bins) + changed.reference.columns["amount"].missing == 200
    alike = looked(lived, start + WEEK, start + 2 * WEEK, (start, start + WEEK)).stretch
    assert "amount" not in [each.name for each in alike.features if each.verdict == "fail"]


def test_where_nothing_was_asked_there_is_nothing_to_tell(lived: Traffic) -> None:
    """Of the stretch: None. Of the one compared with: a reference without a name, and verdicts that say so."""
    start = monday(lived.clock)
    lived.clock.set(start + 3 * WEEK)
    assert stretches(lived).look("d", start - 3 * WEEK, start - 2 * WEEK) is None
    beside_nothing = looked(lived, start, start + WEEK, (start - 3 * WEEK, start - 2 * WEEK)).stretch
    assert (beside_nothing.reference, beside_nothing.verdict) == ("", "inconclusive")


def test_a_period_of_the_log_as_reference_is_read_when_it_is_needed(lived: Traffic) -> None:
    """No window was compared with it yet: the first look reads it, and later ones find it on record."""
    start = monday(lived.clock)
    lived.settings = MonitorSettings(reference=Period(**{"from": start, "to": start + WEEK}))
    lived.clock.set(start + 3 * WEEK)
    first = looked(lived, start + WEEK, start + 2 * WEEK)
    assert first.stretch.reference == f"{start.isoformat()} to {(start + WEEK).isoformat()}"
    assert sum(first.reference.columns["amount"].bins) == 200


def test_sums_of_counts_are_those_of_all_rows() -> None:
    """Bins, missing ones and new levels are added; mean and deviation are those of all values together."""
    values = ["a", "b", None, "x", "a", "y", "x", "x"]
    profile = CategoryProfile("c", ("a", "b"), (5, 5), 0, 0)
    whole = ColumnCounter(profile, None)
    whole.add(values)
    parts = []
    for part in (values[:3], values[3:]):
        counter = ColumnCounter(profile, None)
        counter.add(part)
        parts.append(counter.whole())
    assert summed(parts) == whole.whole()
