"""The same year three ways: what the report compares, and that monthly retraining is what it says."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from modelyard.core import Failed
from modelyard.demo import Month, Summary
from modelyard.demo.compare import compared_of, show_comparison, write_comparison
from modelyard.demo.run import _by_the_calendar
from modelyard.operations import write_template
from modelyard.wiring import load_project_file


def year(loop: list[float | None], static: list[float | None], *, cycles: int) -> Summary:
    """A summary of April and on."""
    months = {
        f"2013-{4 + at:02d}": Month(100, 0.2, other, value, ("v1",), (), "pass", 0)
        for at, (value, other) in enumerate(zip(loop, static, strict=True))
    }
    return Summary(
        seed=3, share=0.1, months=months, events=(), requests_sent=1, requests_failed=0, predictions_logged=1,
        labels_posted=1, labels_joined=1, cycles=cycles, retrained=cycles + 1, promoted=cycles, rolled_back=1,
        skew_compared=1, skew_differing=0, skew_verdict="pass", serve_p50_ms=1.0, serve_p99_ms=2.0, wall_s=1.0,
    )  # fmt: skip


LOOP = year([0.1, 0.8, None, 0.7], [0.1, 0.7, 0.7, 0.6], cycles=4)
MONTHLY = year([0.1, 0.8, 0.75, 0.7], [0.1, 0.7, 0.7, 0.6], cycles=8)


def test_means_are_of_the_months_in_which_something_may_differ(tmp_path: Path) -> None:
    """April is left out, and a month without an AUC; cycles are those that began by themselves."""
    found = compared_of(LOOP, MONTHLY)
    assert (found.never.cycles, found.monthly.cycles, found.loop.cycles) == (0, 8, 4)
    assert found.loop.auc == pytest.approx(0.75)
    assert found.monthly.auc == pytest.approx(0.75)
    assert found.never.auc == pytest.approx(2 / 3)
    page = write_comparison(found, tmp_path / "compare.html").read_text(encoding="utf-8")
    assert 'src="http' not in page
    assert "+0.0833" in page
    shown = io.StringIO()
    show_comparison(found, Console(file=shown, width=100))
    assert "monthly" in shown.getvalue()


def test_a_year_without_an_auc_cannot_be_compared() -> None:
    """It says what to do."""
    empty = year([None] * 4, [None] * 4, cycles=0)
    with pytest.raises(Failed, match="too few flights"):
        compared_of(empty, empty)


def test_monthly_is_the_same_project_retrained_by_the_calendar_alone(tmp_path: Path) -> None:
    """Nothing but the policy is another."""
    for name in ("loop", "monthly"):
        write_template("flights", tmp_path / name)
    _by_the_calendar(tmp_path / "monthly")
    loop, monthly = (load_project_file(tmp_path / name, {}).settings for name in ("loop", "monthly"))
    assert monthly.model_copy(update={"retraining": loop.retraining}) == loop
    trigger = monthly.retraining["flight-delay"].trigger
    assert trigger is not None
    assert [each.schedule for each in trigger.leaves()] == ["0 0 1 * *"]
