"""Schedules mean what cron means by them, in UTC or in a time zone, and nonsense is refused."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from modelyard.core import InvalidInput
from modelyard.core.cron import CronText, ZoneName, find_zone, parse_cron

BERLIN = ZoneInfo("Europe/Berlin")
MONDAY = datetime(2026, 1, 5, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0 2 * * 0", "2026-01-11T02:00"),
        ("0 2 * * 7", "2026-01-11T02:00"),
        ("0 2 * * sun", "2026-01-11T02:00"),
        ("*/15 * * * *", "2026-01-05T12:15"),
        ("5/20 * * * *", "2026-01-05T12:05"),
        ("30 9-17/4 * * mon-fri", "2026-01-05T13:30"),
        ("0 0 1 jan,JUL *", "2026-07-01T00:00"),
        ("0 0 13 * fri", "2026-01-09T00:00"),
        ("0 0 29 2 *", "2028-02-29T00:00"),
        ("0 0 */10 * 1", "2026-05-11T00:00"),
        ("@daily", "2026-01-06T00:00"),
        ("@hourly", "2026-01-05T13:00"),
        ("59 11 5 1 *", "2027-01-05T11:59"),
        ("0 12 5 1 *", "2027-01-05T12:00"),
    ],
)
def test_the_next_instant_is_the_first_that_is_later(text: str, expected: str) -> None:
    """From noon on a Monday; of two kinds of days one is enough where neither begins with a star."""
    assert parse_cron(text).next(MONDAY) == datetime.fromisoformat(expected).replace(tzinfo=UTC)


def test_the_last_instant_may_be_now() -> None:
    """And is else the nearest one before."""
    weekly = parse_cron("0 12 * * 1")
    assert weekly.last(MONDAY) == MONDAY
    assert weekly.last(MONDAY - timedelta(microseconds=1)) == MONDAY - timedelta(days=7)


def test_a_time_zone_moves_with_its_clocks() -> None:
    """02:00 in Berlin is 01:00 UTC in winter and midnight in summer."""
    nightly = parse_cron("0 2 * * *")
    assert nightly.next(datetime(2026, 1, 5, tzinfo=UTC), BERLIN).hour == 1
    assert nightly.next(datetime(2026, 7, 5, tzinfo=UTC), BERLIN).hour == 0


def test_a_time_that_the_clocks_leave_out_comes_later_and_one_they_repeat_comes_once() -> None:
    """The nights of the 29th of March and the 25th of October 2026 in Berlin."""
    early = parse_cron("30 2 * * *")
    spring = early.next(datetime(2026, 3, 29, tzinfo=UTC), BERLIN)
    assert (spring, spring.astimezone(BERLIN).hour) == (datetime(2026, 3, 29, 1, 30, tzinfo=UTC), 3)
    autumn = early.next(datetime(2026, 10, 24, 12, tzinfo=UTC), BERLIN)
    assert autumn == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert early.next(autumn, BERLIN) == datetime(2026, 10, 26, 1, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    ["", "0 2 * *", "0 2 * * * *", "60 * * * *", "* 24 * * *", "0 0 0 * *", "0 0 * 13 *", "0 0 * * 8", "a * * * *",
     "5-1 * * * *", "*/0 * * * *", "0 0 30 2 *", "1,,2 * * * *", "-1 * * * *", "@never"],
)  # fmt: skip
def test_what_is_no_schedule_is_refused_with_its_text(text: str) -> None:
    """What never comes, too."""
    with pytest.raises(InvalidInput, match="is no schedule") as refused:
        parse_cron(text)
    assert "0 2 * * 0" in refused.value.remedy


FIELDS = st.tuples(
    st.sampled_from(["*", "0", "7,31", "*/20", "10-12"]),
    st.sampled_from(["*", "2", "0,23", "*/6", "8-18"]),
    st.sampled_from(["*", "1", "31", "1-7", "*/9"]),
    st.sampled_from(["*", "2", "jan-mar", "*/5"]),
    st.sampled_from(["*", "0", "mon-fri", "6,7"]),
)


@given(
    fields=FIELDS,
    at=st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1)),
    zone=st.sampled_from([None, BERLIN, ZoneInfo("America/New_York")]),
)
def test_next_and_last_leave_no_instant_out(fields: tuple[str, ...], at: datetime, zone: ZoneInfo | None) -> None:
    """What comes next is the last one from then on, and between the two there is none."""
    if fields[2] == "31" and fields[3] == "2":
        return
    cron, now = parse_cron(" ".join(fields)), at.replace(tzinfo=UTC)
    before, after = cron.last(now, zone), cron.next(now, zone)
    assert before <= now < after
    assert cron.next(before, zone) == after
    assert cron.last(after, zone) == after
    assert cron.last(after - timedelta(microseconds=1), zone) == before


class Declared(BaseModel):
    """A settings model."""

    schedule: CronText
    timezone: ZoneName = "UTC"


def test_settings_take_schedules_and_zones_and_refuse_the_rest() -> None:
    """With what to write instead, and the nearest zone."""
    assert Declared(schedule="0 2 * * 0", timezone="Europe/Berlin").timezone == "Europe/Berlin"
    with pytest.raises(ValidationError, match="write a schedule such as"):
        Declared(schedule="often")
    with pytest.raises(ValidationError, match="Did you mean 'Europe/Berlin'"):
        Declared(schedule="@daily", timezone="Europe/Berln")
    assert find_zone("UTC").key == "UTC"
