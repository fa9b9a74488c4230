"""Cross-validation: a table cut several times into what is learned from and what judges."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from modelyard.core import InvalidInput

from .keys import coded, column_of, drawn
from .split import Parts, parts_of, require_all, way_of


def folds(
    table: pa.Table, count: int = 5, *, by: str = "random", key: str | None = None, seed: int = 0
) -> Iterator[tuple[pa.Table, pa.Table]]:
    """Pairs of training and test rows, `count` of them, made one at a time; rows keep their order.

    `by`, as in `split`:

    - `random`, `strata:COLUMN`, `group:COLUMN`: every row is tested once, and learned from in all other folds. Folds
      are of one size but for a row (strata: but for a row a fold), with every level shared out alike; groups are never
      torn apart: the largest go first, each to the fold that has the fewest rows.
    - `time:COLUMN`: the table is cut into `count` + 1 stretches of as many rows, rows of one instant in one stretch.
      Fold k learns from the first k stretches and is tested on the next, so that nothing is learned from the future.

    The same table, seed and arguments give the same folds on every machine; with `key`, also whatever the order of the
    rows. InvalidInput when that cannot be: see `split`, and fewer groups, instants or rows than folds. Every model is
    tested on rows that chose nothing: a model *chosen* by its folds needs further rows to be judged by.
    """
    if isinstance(count, bool) or not isinstance(count, int) or count < 2:
        raise InvalidInput(f"{count!r:.40} is no number of folds.", remedy="Give 2 or more; 5 and 10 are usual.")
    way, column = way_of(by, key, seed)
    stretches = count + (way == "time")
    if len(table) < stretches:
        raise _too_few(f"{len(table)} rows", count)
    parts = _parts(table, stretches, way, column, key, seed)
    if len(np.unique(parts)) < stretches:
        raise _too_few(f"The values of column '{column}'", count)
    return _pairs(table, parts, stretches, way)


def _pairs(table: pa.Table, parts: Parts, stretches: int, way: str) -> Iterator[tuple[pa.Table, pa.Table]]:
    chronological = way == "time"
    for tested in range(int(chronological), stretches):
        learned = parts < tested if chronological else parts != tested
        yield table.filter(pa.array(learned)), table.filter(pa.array(parts == tested))


def _parts(table: pa.Table, stretches: int, way: str, column: str, key: str | None, seed: int) -> Parts:
    if way == "group":
        return _groups(table, column, stretches, seed)
    borders = np.arange(1, stretches + 1) / stretches
    return parts_of(table, borders, way, column, key, seed)


def _groups(table: pa.Table, column: str, count: int, seed: int) -> Parts:
    """Each row's fold: of two groups of one size the one with the smaller drawn number goes first."""
    codes, levels = coded(column_of(table, column), column)
    require_all(column, levels, "group")
    sizes = np.bincount(codes, minlength=len(levels))
    order = np.lexsort((np.arange(len(levels)), drawn(levels, seed), -sizes))
    rows, fold_of = np.zeros(count, np.int64), np.empty(len(levels), np.int64)
    for group in order:
        smallest = int(rows.argmin())
        fold_of[group] = smallest
        rows[smallest] += sizes[group]
    return fold_of[codes]


def _too_few(what: str, count: int) -> InvalidInput:
    return InvalidInput(
        f"{what} cannot be given out to {count} folds: one would be empty.",
        code="EMPTY_PART",
        remedy="Ask for fewer folds, or give more rows.",
    )
