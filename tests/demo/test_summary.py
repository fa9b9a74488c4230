"""What the year adds up to is counted from the log, month by month; the report shows it and needs no network."""

import io
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from rich.console import Console

from modelyard.core import ArmRole, ManualClock, Micros, SeededIds, to_micros
from modelyard.demo import Event, Month, Summary
from modelyard.demo.live import DEPLOYMENT, Year
from modelyard.demo.report import write_report
from modelyard.demo.screen import Screen, show_summary
from modelyard.demo.summary import STATIC, summarise
from modelyard.demo.timeline import START
from modelyard.demo.traffic import Clients, Tally
from modelyard.journal import Journal, PredictionRecord, TruthRecord
from modelyard.monitoring import Alert, AlertSeverity, AlertState, FeatureDrift, Window
from modelyard.operations import write_template
from modelyard.stats import auc
from modelyard.wiring import Project


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """The flights project, before anything was deployed."""
    write_template("flights", tmp_path / "flights")
    project = Project(tmp_path / "flights", clock=ManualClock(START), ids=SeededIds(0), environment={})
    yield project
    project.close()


def summary_of(project: Project, tally: Tally | None = None, events: Sequence[Event] = ()) -> Summary:
    """The summary of what the project's stores hold now."""
    clock = ManualClock(START)
    screen = Screen(Console(file=io.StringIO()))
    year = Year(project, clock, Clients("http://127.0.0.1:9", DEPLOYMENT), screen)
    year.progress.events.extend(events)
    return summarise(project, year, tally or Tally(), share=0.1, seed=3, wall_s=1.5)


def record(
    project: Project, month: int, scores: Sequence[float], labels: Sequence[int | None], *, arm: str = "live",
    role: ArmRole = "live", version: str = "1",
) -> None:  # fmt: skip
    """Answers on the 15th of a month, and the truth of some."""
    journal = Journal(project.journal_folder, f"server-{month}-{arm}", ManualClock(START))
    for at, (score, label) in enumerate(zip(scores, labels, strict=True)):
        event = to_micros(datetime(2013, month, 15, tzinfo=UTC) + timedelta(minutes=at))
        identity = f"{month}-{at}"
        journal.append([
            PredictionRecord(
                identity, event, DEPLOYMENT, 1, version, arm, role, role != "shadow", None, (), str(int(score > 0.5)),
                (score,), 900, None, event,
            )
        ])  # fmt: skip
        if label is not None and role != "shadow":
            journal.append([TruthRecord(identity, DEPLOYMENT, str(label), event, Micros(event + 1), event)])
    journal.close()


def window(start: str, **changes: Any) -> Window:
    """A judged week."""
    quiet = Window(
        deployment=DEPLOYMENT, version="1", start=f"{start}T00:00:00+00:00", end=f"{start}T00:00:00+00:00",
        requests=100, errors=0, latency_p99_ms=4.0, labels=50, coverage=0.5, features=(drift("temp", "pass"),),
        drift_score=0.0, performance={}, baseline={}, verdict="pass", reasons=(),
    )  # fmt: skip
    return msgspec.structs.replace(quiet, **changes)


def drift(name: str, verdict: Any) -> FeatureDrift:
    """One feature of a week."""
    return FeatureDrift(name, "number", 0.1, 0.2, 0.05, 0.0, 0.0, verdict, "")


def test_a_year_in_which_nothing_happened_has_a_summary(project: Project) -> None:
    """Zeros and gaps, never NaN; nine months, and no verdict where nothing was seen."""
    summary = summary_of(project)
    assert list(summary.months) == [f"2013-{month:02d}" for month in range(4, 13)]
    assert set(summary.months.values()) == {Month(0, 0.0, None, None, (), (), "inconclusive", 0)}
    assert (summary.requests_sent, summary.serve_p99_ms, summary.seed) == (0, 0.0, 3)
    assert (summary.skew_verdict, summary.skew_compared, summary.skew_differing) == ("inconclusive", 0, 0)
    assert b"NaN" not in msgspec.json.encode(summary)


def test_a_month_counts_the_answers_whose_truth_is_known(project: Project) -> None:
    """AUC of what callers were told and of the never-retrained shadow, each over the same flights."""
    random = np.random.default_rng(0)
    labels = [int(each) for each in random.integers(0, 2, 60)]
    good = [0.2 + 0.5 * label + 0.3 * float(random.random()) for label in labels]
    poor = [float(each) for each in random.random(60)]
    known: list[int | None] = [label if at % 3 else None for at, label in enumerate(labels)]
    record(project, 6, good, known)
    record(project, 6, poor, known, arm=STATIC, role="shadow")
    month = summary_of(project).months["2013-06"]
    chosen = [at for at, label in enumerate(known) if label is not None]
    assert month.n == len(chosen) == 40
    assert month.base_rate == pytest.approx(np.mean([labels[at] for at in chosen]))
    assert month.auc_loop == pytest.approx(auc([good[at] for at in chosen], [labels[at] for at in chosen]))
    assert month.auc_static == pytest.approx(auc([poor[at] for at in chosen], [labels[at] for at in chosen]))


def test_one_class_alone_has_no_auc(project: Project) -> None:
    """A month in which every flight was late tells nothing of the order."""
    record(project, 12, [0.1, 0.9], [1, 1])
    month = summary_of(project).months["2013-12"]
    assert (month.n, month.base_rate, month.auc_loop, month.auc_static) == (2, 1.0, None, None)


def test_versions_drift_and_alerts_belong_to_their_month(project: Project) -> None:
    """In the order in which they were live; a feature that drifted in any week of the month is named once."""
    record(project, 5, [0.1, 0.9], [0, 1], version="1")
    windows = [
        window("2013-05-06", features=(drift("temp", "fail"), drift("dewp", "inconclusive"))),
        window("2013-05-13", features=(drift("temp", "fail"), drift("dewp", "fail"))),
        window("2013-06-03"),
        window("2013-07-01", features=(drift("temp", "inconclusive"),)),
    ]
    alert = Alert("drift_score", AlertSeverity.WARNING, "drift", "flights", 0.3, 0.15)
    with project.records.transaction() as tx:
        for each in windows:
            tx.put("window", f"{DEPLOYMENT}/{each.start}", msgspec.to_builtins(each))
        for until in (None, "2013-06-20"):
            tx.append(
                "alert-history", msgspec.to_builtins(AlertState(alert, DEPLOYMENT, "2013-05-13T00:00:00+00:00", until))
            )
    months = summary_of(project).months
    assert (months["2013-05"].versions, months["2013-05"].drifted_features) == (("v1",), ("dewp", "temp"))
    assert [months[f"2013-0{month}"].drift_verdict for month in (5, 6, 7, 8)] == [
        "fail", "pass", "inconclusive", "inconclusive",
    ]  # fmt: skip
    assert [months[f"2013-0{month}"].alerts for month in (5, 6)] == [1, 0]


def test_what_clients_saw_is_told_as_they_saw_it(project: Project) -> None:
    """Counts, and quantiles of their own latencies."""
    summary = summary_of(project, Tally(sent=3, failed=1, truths_posted=2, latencies_ms=[1.0, 2.0, 30.0]))
    assert (summary.requests_sent, summary.requests_failed, summary.labels_posted) == (3, 1, 2)
    assert summary.serve_p50_ms == 2.0
    assert 29 < summary.serve_p99_ms <= 30


EVENTS = (Event("2013-05-02T00:00:00+00:00", "promoted", "v2 <script>alert(1)</script>"),)


def test_the_report_is_one_page_that_needs_no_network(project: Project, tmp_path: Path) -> None:
    """Plotly is inside; a year without windows has a page too."""
    record(project, 5, [0.1, 0.9], [0, 1])
    summary = summary_of(project, events=EVENTS)
    weeks: dict[str, list[Window]] = {"empty": [], "full": [window("2013-05-06"), window("2013-05-13", features=())]}
    for name, windows in weeks.items():
        page = write_report(summary, windows, tmp_path / f"{name}.html").read_text(encoding="utf-8")
        assert 'src="http' not in page
        assert "2013-05-02" in page
        assert len(page) > 1_000_000


def test_what_happened_is_text_in_the_report_and_never_markup(project: Project, tmp_path: Path) -> None:
    """A reason is typed by people."""
    page = write_report(summary_of(project, events=EVENTS), [], tmp_path / "page.html").read_text(encoding="utf-8")
    assert "v2 &lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_a_week_in_which_nothing_was_answered_is_in_the_report(project: Project, tmp_path: Path) -> None:
    """All arms failed all requests."""
    write_report(summary_of(project), [window("2013-05-06", requests=0, errors=9)], tmp_path / "page.html")


def test_the_table_on_the_screen_has_a_row_for_each_month(project: Project) -> None:
    """Gaps are dashes."""
    shown = io.StringIO()
    show_summary(summary_of(project), Console(file=shown, width=160))
    assert all(f"2013-{month:02d}" in shown.getvalue() for month in range(4, 13))
    assert "0 requests, 0 failed" in shown.getvalue()
