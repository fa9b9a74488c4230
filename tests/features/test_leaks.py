"""The check for leaks accuses what could not have been known, and nothing else."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from modelyard.core import Judgement, Micros, Verdict
from modelyard.features import (
    Definitions,
    Entity,
    FeatureView,
    LeakQuestion,
    PushSource,
    check_feature_leaks,
    point_in_time_join,
    select,
)

INSTANT = pa.timestamp("us", tz="UTC")
HOUR = 3_600_000_000
START = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp()) * 10**6
NOW = datetime(2027, 1, 1, tzinfo=UTC)
ROWS = 400


def instants(hours: Any) -> pa.Array:
    """Instants some hours after the start."""
    return pa.array(START + (np.asarray(hours) * HOUR).astype(np.int64), INSTANT)


def hourly(delay: float = 2, **more: Any) -> pa.Table:
    """A row an hour of one key, known some hours later."""
    random, hours = np.random.default_rng(0), np.arange(ROWS)
    given = {
        "key": ["a"] * ROWS,
        "at": instants(hours),
        "known": instants(hours + delay),
        "value": random.normal(size=ROWS),
    }
    return pa.table(given | more)


def view(source: Any, available_at: str | None = "known") -> FeatureView:
    """A view of such rows."""
    return FeatureView(
        name="v",
        entities=[Entity("key")],
        source=source,
        event_time="at",
        available_at=available_at,
        features=["value"],
    )


def asked(**more: Any) -> pa.Table:
    """Rows that ask at half past each hour."""
    hours = np.arange(ROWS) + 0.5
    return pa.table({"key": ["a"] * ROWS, "event_timestamp": instants(hours), **more})


def judged(rows: pa.Table, one: FeatureView, **question: Any) -> Judgement:
    """The judgement."""
    return check_feature_leaks(rows, select(Definitions(), [one]), LeakQuestion(**question), now=NOW)


def test_values_that_became_available_later_are_a_leak_where_the_join_uses_them() -> None:
    """The join as it is does not, and says how many it would be."""
    honest = judged(asked(), view(hourly()))
    assert (honest.verdict, honest.evidence["v_known_later"]) == (Verdict.PASS, ROWS)
    found = judged(asked(), view(hourly()), as_known=False)
    assert found.verdict is Verdict.FAIL
    assert "View 'v': 400 of 400 rows get values that became available only after their time" in found.reasons[0]
    assert judged(asked(), view(hourly(delay=0)), as_known=False).verdict is Verdict.PASS


def test_a_day_stamped_at_its_beginning_and_a_row_in_the_future_cannot_be_judged() -> None:
    """Unless the view says when its rows are known."""
    days = hourly(at=instants(np.arange(ROWS) // 24 * 24))
    found = judged(asked(), view(days, None))
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "stamped at midnight" in found.reasons[0]
    assert judged(asked(), view(days)).verdict is Verdict.PASS
    ahead = judged(asked(), view(hourly(at=instants(np.arange(ROWS) + 9000.5)), None))
    assert "rows whose event time is in the future" in ahead.reasons[0]
    assert judged(asked(), view(hourly(), None)).verdict is Verdict.PASS


def test_pushed_rows_that_were_used_before_they_came_are_a_leak(tmp_path: Path) -> None:
    """The log knows when each was pushed."""
    source = PushSource("pushes", batch=hourly().slice(0, 100))
    source.anchor(tmp_path, tmp_path)
    assert source.log is not None
    source.log.append(hourly().slice(100), Micros(START + 200 * HOUR))
    found = judged(asked(), view(source, None))
    assert found.verdict is Verdict.FAIL
    assert "View 'v': 100 rows get values that were pushed only after their time" in found.reasons[0]


def test_rows_that_are_joined_when_their_label_is_known_are_a_leak() -> None:
    """Prediction time is before label time."""
    later, same = instants(np.arange(ROWS) + 9), instants(np.arange(ROWS) + 0.5)
    assert judged(asked(told=later), view(hourly()), label_time="told").verdict is Verdict.PASS
    found = judged(asked(told=same), view(hourly()), label_time="told")
    assert found.verdict is Verdict.FAIL
    assert "400 of 400 rows are joined when their label was known already ('told')" in found.reasons[0]


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (lambda rows, one: point_in_time_join(rows, [one], as_known=False), "as if all were known at once"),
        (lambda rows, one: point_in_time_join(rows, [one], event_time="told"), "at label time ('told')"),
    ],
)
def test_a_column_that_was_joined_by_a_wrong_rule_is_a_leak(
    made: Callable[[pa.Table, FeatureView], pa.Table], reason: str
) -> None:
    """The rule is named. Values that no rule gives are not judged; the right ones pass."""
    rows, one = asked(told=instants(np.arange(ROWS) + 9)), view(hourly())
    found = judged(rows.append_column("value", made(rows, one).column("value")), one, label_time="told")
    assert found.verdict is Verdict.FAIL
    assert f"Column 'value' was joined {reason}" in found.reasons[0]
    right = point_in_time_join(rows, [one])
    assert judged(right, one, label_time="told").verdict is Verdict.PASS
    strange = judged(rows.append_column("value", pa.array(np.zeros(ROWS))), one, label_time="told")
    assert strange.verdict is Verdict.INCONCLUSIVE


def test_features_that_tell_the_label_by_themselves_are_leaks() -> None:
    """A class by its AUC, a number by correlation; noise tells neither."""
    source = hourly(delay=0)
    values = np.asarray(source["value"])
    for label, verdict in (
        ((values > 0).astype(int), Verdict.FAIL),
        (3 * values + 1, Verdict.FAIL),
        (np.random.default_rng(9).integers(0, 2, ROWS), Verdict.PASS),
        (np.random.default_rng(9).normal(size=ROWS), Verdict.PASS),
        (["one", "two", "three", "four"] * 100, Verdict.INCONCLUSIVE),
    ):
        found = judged(asked(label=label), view(source), label="label")
        assert found.verdict is verdict


def test_false_alarms_are_rare() -> None:
    """Over fifty tables in which nothing leaks, none is accused."""
    for seed in range(50):
        random = np.random.default_rng(seed)
        source = hourly(value=random.normal(size=ROWS), delay=0)
        assert judged(asked(label=random.integers(0, 2, ROWS)), view(source), label="label").verdict is Verdict.PASS
