"""A profile says what pandas and scipy say, of streams in any batches, and says where it estimates."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from math import inf, nan

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy import stats as oracle

from modelyard.data.profile import Column, Profile, profile
from modelyard.data.profile import build as building
from modelyard.data.profile import sample as sampling
from modelyard.data.profile import tallies as tallying

RANDOM = np.random.default_rng(7)
ROWS = 3_000
AMOUNT = RANDOM.gamma(2, 50, ROWS)
TABLE = pa.table(
    {
        "amount": AMOUNT,
        "tax": AMOUNT * 0.19 + RANDOM.normal(0, 0.1, ROWS),
        "nights": pa.array([None if each > 6 else int(each) for each in RANDOM.poisson(3, ROWS)]),
        "country": RANDOM.choice(["de", "fr", "it"], ROWS, p=[0.6, 0.3, 0.1]),
        "paid": RANDOM.random(ROWS) < 0.3,
    }
)


def of(table: pa.Table, size: int = 65_536) -> Profile:
    """The profile of a table in batches of a size."""
    return profile(table.schema, table.to_batches(max_chunksize=size))


def column(values: object, kind: pa.DataType | None = None) -> Column:
    """The profile of one column."""
    return of(pa.table({"x": pa.array(values, kind)})).columns[0]


def codes(found: Profile) -> set[str]:
    """What was found worth a look."""
    return {each.code for each in found.findings}


def test_the_figures_of_numbers_are_those_of_pandas_and_scipy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole, in one batch or in many."""
    frame = TABLE.to_pandas()
    monkeypatch.setattr(building, "GATHERED", 1)
    for size in (ROWS, 317):
        for name, told in ((each.name, each.quantities) for each in of(TABLE, size).columns[:3]):
            values = frame[name].dropna()
            assert told is not None
            assert (told.minimum, told.maximum) == (values.min(), values.max())
            assert told.mean == pytest.approx(values.mean())
            assert told.deviation == pytest.approx(values.std())
            assert told.skew == pytest.approx(oracle.skew(values))
            assert told.quantiles == pytest.approx({share: values.quantile(float(share)) for share in told.quantiles})


def test_levels_and_missing_values_are_those_of_pandas() -> None:
    """Commonest first, with how many different ones there are."""
    found = {each.name: each for each in of(TABLE, 101).columns}
    frame = TABLE.to_pandas()
    assert {each.value: each.count for each in found["country"].top} == frame["country"].value_counts().to_dict()
    assert [each.value for each in found["country"].top] == ["de", "fr", "it"]
    assert (found["nights"].missing, found["nights"].distinct.value) == (frame["nights"].isna().sum(), 7)
    assert [each.value for each in found["paid"].top] == ["false", "true"]


def test_how_the_rows_come_in_batches_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    """But for the rounding of sums, the same profile of all rows and of a sample."""
    gathered = of(TABLE, 13)
    monkeypatch.setattr(building, "GATHERED", 1)
    a, b = of(TABLE, ROWS), of(TABLE, 223)
    assert a == gathered
    assert [each.top for each in a.columns] == [each.top for each in b.columns]
    assert [each.quantities and each.quantities.histogram for each in a.columns] == [
        each.quantities and each.quantities.histogram for each in b.columns
    ]
    assert (a.duplicates, a.associations, a.rows) == (b.duplicates, b.associations, b.rows)


def test_one_value_of_a_million_does_not_flatten_the_picture() -> None:
    """It is counted beside the bins, which show the bulk."""
    values = np.append(RANDOM.normal(0, 1, 999), 1e6)
    told = column(values).quantities
    assert told is not None
    assert told.histogram is not None
    assert told.histogram.above == 1
    assert max(told.histogram.edges) < 10
    assert max(told.histogram.counts) < 300
    assert sum(told.histogram.counts) + told.histogram.below + told.histogram.above == 1000
    assert told.outliers is not None
    low, high = told.outliers.low, told.outliers.high
    assert told.outliers.count == ((values < low) | (values > high)).sum() >= 1


def test_few_whole_numbers_have_a_bin_each() -> None:
    """Around the number."""
    told = column([1, 2, 2, 3, 3, 3]).quantities
    assert told is not None
    assert told.histogram is not None
    assert (told.histogram.edges, told.histogram.counts) == ((0.5, 1.5, 2.5, 3.5), (1, 2, 3))


def test_what_is_no_finite_number_is_told_apart() -> None:
    """Null, NaN, infinities, both zeros."""
    told = column([None, nan, inf, -inf, 0.0, -0.0, -1.5, 2.0])
    assert told.quantities is not None
    assert (told.nulls, told.missing, told.quantities.nans, told.quantities.infinities) == (1, 2, 1, 2)
    assert (told.quantities.zeros, told.quantities.negatives, told.distinct.value) == (2, 1, 5)
    assert (told.quantities.minimum, told.quantities.maximum) == (-1.5, 2.0)


def test_extremes_keep_all_their_digits() -> None:
    """Integers beyond 2^53, and floats whose squares are none."""
    told = column([2**63 - 1, -(2**63), 5]).quantities
    assert told is not None
    assert (told.minimum, told.maximum) == (-(2**63), 2**63 - 1)
    wide = column([1.7e308, -1.7e308, 0.0] * 9).quantities
    assert wide is not None
    assert (wide.deviation, wide.maximum) == (None, 1.7e308)


def test_instants_have_a_range() -> None:
    """In UTC; dates are midnights."""
    at = [datetime(2026, 1, 5, 12, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)]
    told = column(at, pa.timestamp("ns", tz="Asia/Tokyo"))
    assert (told.kind, told.earliest, told.latest) == ("time", "2026-01-05T12:00:00+00:00", "2026-03-01T00:00:00+00:00")
    assert column([date(2026, 1, 5)]).earliest == "2026-01-05T00:00:00+00:00"


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([[1], None, [1]], None), ([{"a": 1}, None, {"a": 1}], None), ([b"x", None, b"x"], None),
        (["a", None, "a"], pa.dictionary(pa.int8(), pa.string())), ([1.5, None, 1.5], pa.float16()),
        ([1, None, 1], pa.decimal128(9, 2)), ([1, None, 1], pa.decimal256(50, 2)), ([1, None, 1], pa.duration("s")),
        (["a", None, "a"], pa.string_view()), (["a", None, "a"], pa.large_string()), ([1, None, 1], pa.time64("us")),
        ([1, None, 1], pa.uint64()), ([True, None, True], pa.bool_()), ([1, None, 1], pa.date64()),
            ([b"a", None, b"a"], pa.binary_view()), (["a", None, "a"], pa.json_()),
    ],
)  # fmt: skip
def test_every_type_of_column_has_a_profile(values: list[object], kind: pa.DataType | None) -> None:
    """Missing and different values at least."""
    array = pa.array(values, kind)
    told = of(pa.table({"x": array})).columns[0]
    assert (told.nulls, told.distinct.value, told.type) == (1, 1, str(array.type))


def test_nothing_has_a_profile_too() -> None:
    """No rows, no columns, only nulls."""
    assert codes(of(TABLE.slice(0, 0))) == {"NO_ROWS"}
    assert of(pa.table({})).rows == 0
    empty = of(pa.table({"a": pa.nulls(3), "b": pa.nulls(3, pa.string()), "c": pa.nulls(3, pa.float64())}))
    assert codes(empty) == {"ALL_MISSING", "DUPLICATES"}
    assert [each.kind for each in empty.columns] == ["empty", "empty", "number"]


def test_lengths_count_characters() -> None:
    """Not bytes; empty and blank are told apart."""
    told = column(["größe", "", "  ", None, "a"]).lengths
    assert told is not None
    assert (told.shortest, told.longest, told.mean, told.empty, told.blank) == (0, 5, 2.0, 1, 1)


def test_associations_are_those_of_scipy() -> None:
    """Rank correlation on the rows where both are there; the strongest first."""
    found = of(TABLE).associations
    assert {found[0].first, found[0].second} == {"amount", "tax"}
    frame = TABLE.to_pandas()
    for each in found:
        if each.measure == "spearman":
            both = frame[[each.first, each.second]].dropna()
            assert each.strength == pytest.approx(oracle.spearmanr(both[each.first], both[each.second])[0])
            assert each.pearson == pytest.approx(oracle.pearsonr(both[each.first], both[each.second])[0])


def test_beyond_the_bounds_estimates_say_that_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Different values, repeated rows, quantiles and levels of a sample stay near the truth."""
    monkeypatch.setattr(tallying, "DISTINCT", 2_000)
    monkeypatch.setattr(tallying, "LEVELS", 500)
    monkeypatch.setattr(building, "REPEATS", 4_000)
    monkeypatch.setattr(sampling, "ROWS", 5_000)
    ids = RANDOM.integers(0, 20_000, 40_000)
    found = of(pa.table({"id": ids, "name": [f"n{each}" for each in ids]}), 4096)
    assert (found.rows, found.sampled, found.whole) == (40_000, 5_000, False)
    true = len(np.unique(ids))
    for each in found.columns:
        assert not each.distinct.exact
        assert abs(each.distinct.value - true) < 5 * each.distinct.error * true
        assert not each.top_exact
    assert abs(found.duplicates.value - (40_000 - true)) < 0.1 * true
    told = found.columns[0].quantities
    assert told is not None
    assert told.quantiles["0.5"] == pytest.approx(10_000, rel=0.05)
    assert "≈" not in str(found.findings[0].sentence)
    assert found.findings[0].sentence.startswith("About ")


def test_a_sample_is_even() -> None:
    """Early, middle and late rows are kept alike; the same seed keeps the same."""
    schema = pa.schema({"x": pa.int64()})
    kept = []
    for _ in range(2):
        drawn = sampling.RowSample(schema, 1_000, seed=5)
        for start in range(0, 50_000, 700):
            values = pa.array(range(start, min(50_000, start + 700)))
            drawn.add(pa.record_batch([values], schema=schema))
        kept.append(drawn.table()["x"].to_pylist())
    assert kept[0] == kept[1] == sorted(kept[0])
    assert len(kept[0]) == 1_000
    assert oracle.kstest(np.array(kept[0]) / 50_000, "uniform").pvalue > 0.001


def test_memory_does_not_grow_with_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Arrow's own memory in a stream of 650,000 rows is that of the sample and some batches."""
    monkeypatch.setattr(sampling, "ROWS", 20_000)
    schema = pa.schema({"x": pa.float64(), "y": pa.string()})

    def stream() -> Iterator[pa.RecordBatch]:
        random = np.random.default_rng(0)
        for _ in range(10):
            values = random.random(65_536)
            yield pa.record_batch([pa.array(values), pa.array(["x" * 40]).take(pa.array([0] * 65_536))], schema=schema)

    before, peak = pa.total_allocated_bytes(), 0

    def watched() -> Iterator[pa.RecordBatch]:
        nonlocal peak
        for batch in stream():
            peak = max(peak, pa.total_allocated_bytes() - before)
            yield batch

    found = profile(schema, watched())
    assert found.rows == 10 * 65_536
    assert peak < 20 << 20  # all rows would take 34 MB


@pytest.mark.parametrize(
    ("values", "code"),
    [
        (["x"] * 9, "CONSTANT"),
        (["x"] * 99 + ["y"], "NEARLY_CONSTANT"),
        ([None] * 6 + [1.0, 2.0], "MOSTLY_MISSING"),
        (range(60), "ID_LIKE"),
        ([f"u{each % 1500}" for each in range(3000)], "MANY_LEVELS"),
        ([1.0, nan, None, 2.0], "TWO_KINDS_OF_MISSING"),
        ([1.0, inf, 2.0], "INFINITE"),
        ([*range(200), 10**6], "SKEWED"),
        ([0] * 7 + [1, 2, 3], "MANY_ZEROS"),
        ([*range(90), *[1000] * 5], "OUTLIERS"),
        (["a", "", "b"], "EMPTY_STRINGS"),
        (["Paris", "paris ", "Rome"], "SPELLINGS"),
    ],
)
def test_what_deserves_a_look_is_said(values: list[object], code: str) -> None:
    """In a sentence that names the column."""
    found = of(pa.table({"x": pa.array(list(values))}))
    (finding,) = [each for each in found.findings if each.code == code]
    assert finding.column == "x"
    assert finding.sentence.startswith("Column 'x' ")


def test_ordinary_data_raises_nothing() -> None:
    """A finding that comes always would say nothing."""
    ordinary = pa.table({"a": RANDOM.normal(0, 1, 500), "b": RANDOM.choice(["x", "y"], 500)})
    assert of(ordinary).findings == ()
    assert codes(of(TABLE)) == {"OUTLIERS", "ALIKE"}


def test_repeated_rows_are_those_of_pandas() -> None:
    """Nulls and NaN are equal to themselves."""
    table = pa.table({"a": [1, 1, None, None, 2], "b": ["x", "x", None, None, "x"]})
    assert of(table).duplicates.value == pd.DataFrame(table.to_pydict()).duplicated().sum() == 2


def test_hashes_tell_values_apart_as_duckdb_does() -> None:
    """Different values counted against an exact count."""
    values = RANDOM.integers(0, 50_000, 60_000)
    table = pa.table({"x": values})
    (exact,) = duckdb.from_arrow(table).aggregate("count(DISTINCT x)").fetchall()[0]
    assert of(table).columns[0].distinct.value == exact
