"""Durations are written the way operators write them, and nothing is guessed."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from modelyard.core import InvalidInput
from modelyard.core.durations import Duration, format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("10m", 600),
        ("1h", 3600),
        ("7d", 604_800),
        ("2w", 1_209_600),
        ("1h30m", 5400),
        ("1.5h", 5400),
        ("250ms", 0.25),
        (" 7D ", 604_800),
        ("PT1H", 3600),
        ("P1DT2H", 93_600),
    ],
)
def test_a_duration_is_an_amount_and_a_unit(text: str, seconds: float) -> None:
    """Units from weeks to milliseconds, together or alone; ISO 8601 is understood too."""
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "30", "1 hour", "h", "1y", "-1d", "0s", "PT", "1h x", "1d1", "nan", "-P1D"])
def test_what_could_mean_two_things_or_nothing_is_refused(text: str) -> None:
    """No unit, an unknown unit, nothing, or less than nothing: the error shows how to write one."""
    with pytest.raises(InvalidInput, match="is no duration") as caught:
        parse_duration(text)
    assert "10m" in caught.value.remedy


@given(st.integers(1, 10**12))
def test_what_is_printed_reads_back(milliseconds: int) -> None:
    """Formatting loses nothing."""
    duration = timedelta(milliseconds=milliseconds)
    assert parse_duration(format_duration(duration)) == duration


def test_settings_take_durations_and_show_them_as_written() -> None:
    """A settings model reads `1h`, prints `1h`, and refuses a bare number with the spelling it wants."""

    class Settings(BaseModel):
        dwell: Duration = timedelta(minutes=10)

    assert Settings.model_validate({"dwell": "1h"}).dwell == timedelta(hours=1)
    assert Settings().model_dump() == {"dwell": "10m"}
    with pytest.raises(ValidationError, match="write a duration such as 90s, 10m"):
        Settings.model_validate({"dwell": 30})
