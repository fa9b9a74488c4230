"""The join equals a brute-force oracle, value for value, order included, on random and adversarial tables."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelyard.features import Entity, FeatureView, point_in_time_join

from .oracle import Asked, Row, oracle

EDGES = [
    datetime(1, 1, 2, tzinfo=UTC),
    datetime(1969, 12, 31, 23, 59, 59, 999_999, UTC),
    datetime(9999, 12, 30, tzinfo=UTC),
]
"""Years apart, and before 1970."""

BASE = datetime(2026, 3, 29, 0, 59, 59, 999_990, UTC)
ZONES = [UTC, timezone(timedelta(hours=5, minutes=30)), timezone(timedelta(hours=-11))]

near = st.integers(-6, 6).map(lambda step: BASE + timedelta(microseconds=step))
hours = st.integers(-4, 4).map(lambda step: BASE + timedelta(hours=step))
instants = st.one_of(near, near, hours, st.sampled_from(EDGES))
ttls = st.one_of(
    st.none(), st.just(timedelta(0)), st.integers(1, 6).map(lambda each: timedelta(microseconds=each)),
    st.integers(1, 3).map(lambda each: timedelta(hours=each)), st.just(timedelta(days=365_000)),
)  # fmt: skip

WIDE: dict[str, tuple[list[Any], list[pa.DataType]]] = {
    "number": ([0, 1, 2, 7, None], [pa.int8(), pa.int64(), pa.uint16(), pa.uint64(), pa.float64(), pa.float32()]),
    "odd": ([0.5, 7.0, -1.0, float(2**63), None], [pa.float64()]),
    "text": (["a", "b", "é", "", None], [pa.string(), pa.large_string(), pa.dictionary(pa.int8(), pa.string())]),
    "flag": ([True, False, None], [pa.bool_()]),
    "date": ([datetime(2026, 1, day, tzinfo=UTC).date() for day in (1, 2)], [pa.date32(), pa.date64()]),
}
"""Values of keys, and the types in which either side may hold them."""

UNITS = ["us", "ns", "text", "aware"]


@st.composite
def joins(draw: st.DrawFn) -> dict[str, Any]:
    """A source, entities that ask, and how."""
    families = draw(st.lists(st.sampled_from(sorted(WIDE)), min_size=1, max_size=3))
    key = st.tuples(*(st.sampled_from(WIDE[each][0]) for each in families))
    known = st.one_of(st.none(), instants)
    values = st.tuples(st.one_of(st.none(), st.integers(0, 99)), st.one_of(st.none(), st.sampled_from("xyz")))
    row = st.builds(Row, key, st.one_of(st.none(), instants, instants, instants), known, values)
    kinds = [tuple(draw(st.sampled_from(WIDE[each][1])) for each in families) for _ in range(2)]
    return {
        "rows": draw(st.lists(row, max_size=14)),
        "asked": draw(st.lists(st.builds(Asked, key, st.one_of(instants, instants, st.none())), max_size=10)),
        "ttl": draw(ttls),
        "as_known": draw(st.booleans()),
        "noted": draw(st.booleans()),
        "kinds": kinds,
        "units": draw(st.tuples(*[st.sampled_from(UNITS)] * 3)),
        "zone": draw(st.sampled_from(ZONES)),
        "cuts": draw(st.integers(1, 5)),
    }


def times(values: list[datetime | None], unit: str, zone: Any) -> pa.ChunkedArray:
    """Instants in one of many spellings; nanoseconds only where they can count that far."""
    if unit == "ns" and all(each is None or 1700 < each.year < 2200 for each in values):
        return pa.chunked_array([pa.array(values, pa.timestamp("ns"))])
    if unit == "text":
        spelled = [None if each is None else _spelled(each, zone, at) for at, each in enumerate(values)]
        return pa.chunked_array([pa.array(spelled, pa.string())])
    return pa.chunked_array([pa.array(values, pa.timestamp("us", tz="Europe/Paris" if unit == "aware" else None))])


def _spelled(instant: datetime, zone: Any, at: int) -> str:
    if at % 2 or not 1000 < instant.year < 9000:
        return instant.replace(tzinfo=None).isoformat()
    return instant.astimezone(zone).isoformat(sep=" " if at % 4 else "T")


def parted(values: list[Any], kind: pa.DataType, cuts: int) -> pa.ChunkedArray:
    """A column in several chunks."""
    size = max(1, -(-len(values) // cuts))
    chunks = [pa.array(values[at : at + size], kind) for at in range(0, len(values), size)]
    return pa.chunked_array(chunks, kind)


def agree(case: dict[str, Any]) -> None:
    """Join as the case says, and compare with the oracle."""
    rows, asked, names = case["rows"], case["asked"], [f"k{at}" for at in range(len(case["kinds"][0]))]
    source = {
        name: parted([row.key[at] for row in rows], case["kinds"][0][at], case["cuts"]) for at, name in enumerate(names)
    }
    source["event"] = times([row.event for row in rows], case["units"][0], case["zone"])
    source["available"] = times([row.available for row in rows], case["units"][1], case["zone"])
    source["number"] = pa.chunked_array([pa.array([row.values[0] for row in rows], pa.int64())])
    source["word"] = pa.chunked_array([pa.array([row.values[1] for row in rows], pa.string())])
    entities = {
        name: parted([each.key[at] for each in asked], case["kinds"][1][at], case["cuts"])
        for at, name in enumerate(names)
    }
    entities["event_timestamp"] = times([each.time for each in asked], case["units"][2], case["zone"])
    entities["place"] = pa.chunked_array([pa.array(range(len(asked)), pa.int64())])
    view = FeatureView(
        name="v", entities=[Entity(name) for name in names], source=pa.table(source), event_time="event",
        available_at="available" if case["noted"] else None, ttl=case["ttl"], features=["number", "word"],
    )  # fmt: skip
    table = pa.table(entities)
    joined = point_in_time_join(table, [view], as_known=case["as_known"])
    known = rows if case["noted"] else [Row(row.key, row.event, row.event, row.values) for row in rows]
    expected = oracle(known, asked, case["ttl"], as_known=case["as_known"], width=2)
    found = list(zip(joined.column("number").to_pylist(), joined.column("word").to_pylist(), strict=True))
    assert found == expected
    assert joined.select(table.column_names).equals(table)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(joins())
def test_random_joins_equal_the_oracle(case: dict[str, Any]) -> None:
    """Ties, unknown availability, rows outside the ttl and in the future, duplicates, null keys, empty sides, zones."""
    agree(case)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@settings(max_examples=10_000, deadline=None, suppress_health_check=list(HealthCheck))
@given(joins())
def test_ten_thousand_random_joins_equal_the_oracle(case: dict[str, Any]) -> None:
    """The same, for long."""
    agree(case)
