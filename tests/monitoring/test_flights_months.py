"""A year of real flights by month, compared as files are: the verdicts that are known of it."""

from functools import cache

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from modelyard.monitoring import ColumnDrift, CompareOptions, MonitorSettings, compare_columns, feature_drift

from .test_flights_drift import flights
from .test_flights_drift import reference as profile


@cache
def month(number: int) -> dict[str, ColumnDrift]:
    """A month against January to March."""
    table = flights()
    chosen = table.select(["temp", "dewp", "distance", "seats"])
    before, now = (chosen.filter(each) for each in (pc.less_equal(table["month"], 3), pc.equal(table["month"], number)))
    assert isinstance(now, pa.Table)
    found = compare_columns(before, now, CompareOptions(joint=False))
    return {each.name: each for each in found.columns}


@pytest.mark.parametrize("number", range(4, 13))
def test_distance_and_seats_never_drift(number: int) -> None:
    """Their PSI, here of deciles, stays far below its threshold in every month."""
    for name in ("distance", "seats"):
        assert month(number)[name].verdict == "pass"
        assert (month(number)[name].psi or 0) < 0.05


@pytest.mark.parametrize(("number", "least", "most"), [(4, 1.5, 5), (6, 4, 12), (7, 4, 12), (9, 4, 12), (11, 0.4, 1.2)])
def test_temperature_drifts_as_far_as_is_known(number: int, least: float, most: float) -> None:
    """PSI about 3 in April, 8 from June to September, .7 in November: each far beyond its threshold."""
    found = month(number)["temp"]
    assert found.verdict == "fail"
    assert least < (found.psi or 0) < most


@cache
def monitored(number: int) -> dict[str, str]:
    """The verdicts of the same month as monitors give them: counts against a bundle's profile."""
    table = flights()
    now = table.filter(pc.equal(table["month"], number))
    judged = [
        feature_drift(each, now[each.name].to_pylist(), MonitorSettings(), columns=20) for each in profile().columns
    ]
    return {each.name: each.verdict for each in judged}


@pytest.mark.parametrize(("number", "verdict"), [(4, "fail"), (6, "fail"), (7, "fail"), (9, "fail"), (11, "fail")])
def test_monitors_say_the_same_of_temperature(number: int, verdict: str) -> None:
    """Drift in the months whose PSI is known; distance and seats pass, as files compared do."""
    assert monitored(number) == {name: found.verdict for name, found in month(number).items()}
    assert monitored(number)["temp"] == verdict
    assert (monitored(number)["distance"], monitored(number)["seats"]) == ("pass", "pass")
