"""Columns read one after another into the same memory, in parts, are what they are alone."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import stats as scipy_stats

from modelyard.core import Conflict
from modelyard.monitoring import CompareOptions, compare_columns, compare_data
from modelyard.monitoring.comparing import reading, tables
from modelyard.monitoring.comparing.compare import strewn
from modelyard.monitoring.comparing.memory import Memory

ALONE = CompareOptions(joint=False)


def sides(rows: int) -> tuple[pa.Table, pa.Table]:
    """Columns of many types, some with values missing."""
    made = []
    for seed in (1, 2):
        random = np.random.default_rng(seed)
        gone = random.random(rows) < 0.2
        values = random.normal(seed / 5, 1, rows)
        made.append(
            pa.table(
                {
                    "wide": values,
                    "narrow": pa.array((values * 10).astype(np.int8), mask=gone),
                    "single": pa.array(values.astype(np.float32)),
                    "gaps": pa.array(values, mask=gone),
                    "nan": np.where(gone, np.nan, values),
                    "coded": pa.array((values * 4).round().astype(int).astype(str)).dictionary_encode(),
                    "text": pa.array((values * 4).round().astype(int).astype(str), mask=gone),
                }
            )
        )
    return made[0], made[1]


@pytest.mark.parametrize("threads", [1, 2])
def test_a_column_is_what_it_is_alone(threads: int) -> None:
    """Whatever was in the memory before it: wider or narrower numbers, and more or fewer of them."""
    a, b = sides(5000)
    together = compare_columns(a, b, CompareOptions(joint=False, threads=threads, alpha=0.07)).columns
    for found in together:
        (alone,) = compare_columns(a.select([found.name]), b.select([found.name]), ALONE).columns
        assert found == alone
    x, y = (each["gaps"].drop_null().to_numpy() for each in (a, b))
    gaps = next(each for each in together if each.name == "gaps")
    assert gaps.ks == pytest.approx(scipy_stats.ks_2samp(x, y, method="asymp").statistic, abs=1e-12)
    assert gaps.wasserstein == pytest.approx(scipy_stats.wasserstein_distance(x, y), rel=1e-9)


def test_files_read_in_parts_are_as_tables_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of a hundred rows, tallies joined every few levels."""
    monkeypatch.setattr(tables, "BATCH", 100)
    monkeypatch.setattr(reading, "_UNJOINED", 30)
    a, b = sides(3000)
    before, now = tmp_path / "a.parquet", tmp_path / "b.parquet"
    pq.write_table(a, before, row_group_size=700)
    pq.write_table(b, now, row_group_size=700)
    for options in (ALONE, CompareOptions(joint=False, exact_rows=1000)):
        pairs = zip(compare_data(before, now, options).columns, compare_columns(a, b, options).columns, strict=True)
        for read, held in pairs:
            assert (read.verdict, read.reason, read.ks, read.psi) == (held.verdict, held.reason, held.ks, held.psi)
            assert (read.missing_ref, read.new_levels, read.chi2) == (held.missing_ref, held.new_levels, held.chi2)
            assert (read.wasserstein or 0.0) == pytest.approx(held.wasserstein or 0.0, rel=1e-9)


def test_levels_are_those_of_pandas_however_they_come() -> None:
    """Coded and plain, with nulls, more than are joined at once; names that differ late are one level."""
    names = np.random.default_rng(0).integers(0, 500, 4000).astype(str)
    long = pa.array([name if name != "7" else "x" * 200 + str(at) for at, name in enumerate(names)])
    parts = [long.slice(at, 500) for at in range(0, 4000, 500)]
    for arrays in (parts, [each.dictionary_encode() for each in parts]):
        found = reading.read_tally(arrays)
        assert found is not None
        expected = dict(zip(*np.unique(np.where(names == "7", "x" * 200, names), return_counts=True), strict=True))
        assert dict(zip(found.levels.to_pylist(), found.counts, strict=True)) == expected


def test_more_than_a_million_levels_are_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are told to be too many as soon as they are, and at the end."""
    monkeypatch.setattr(reading, "MOST_LEVELS", 1000)
    monkeypatch.setattr(reading, "_UNJOINED", 300)
    parts = [pa.array([str(at) for at in range(begin, begin + 250)]) for begin in range(0, 2000, 250)]
    assert reading.read_tally(parts) is None
    assert reading.read_tally(parts[:5]) is None
    assert reading.read_tally(parts[:4]) is not None


def test_a_side_that_grows_meanwhile_is_refused() -> None:
    """There is no room for rows that were not counted."""
    with pytest.raises(Conflict, match="The current data grew while it was compared: it had 10 rows"):
        reading.read_sample([pa.array([1.0] * 8)] * 2, 10, Memory(), "current data")


def test_rows_are_strewn_over_all_of_a_table() -> None:
    """As many as asked for but a few, ascending, none twice, everywhere: a tenth of them in each tenth."""
    places = strewn(123_457, 10_000)
    assert len(places) > 9_900
    assert (np.diff(places) > 0).all()
    assert places[-1] < 123_457
    assert np.histogram(places, 10, (0, 123_457))[0].min() > 950
    assert np.array_equal(strewn(50, 100), np.arange(50))


@pytest.mark.parametrize("exact_rows", [8_000_000, 100])
def test_a_constant_asked_for_its_wasserstein_distance_is_judged_by_ks(exact_rows: int) -> None:
    """It has no scale to measure in, however the rows are counted."""
    options = CompareOptions(method="wasserstein", joint=False, exact_rows=exact_rows)
    (found,) = compare_columns({"x": np.full(500, 3.0)}, {"x": np.full(500, 3.0)}, options).columns
    assert (found.verdict, found.method, found.wasserstein) == ("pass", "ks", 0.0)
