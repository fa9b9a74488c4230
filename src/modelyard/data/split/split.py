"""A table into parts of given shares: by chance, by time, by group, by level."""

from collections.abc import Callable, Mapping
from math import floor, isclose

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from modelyard.core import InvalidInput, check_name, did_you_mean

from .keys import coded, column_of, drawn
from .time import instants

WAYS = ("random", "time", "group", "strata")
"""How a table is split: `random`, or `time:COLUMN`, `group:COLUMN`, `strata:COLUMN`."""

_SEEDS = 2**63
Parts = NDArray[np.int64]


def split(
    table: pa.Table,
    into: Mapping[str, float],
    *,
    by: str = "random",
    key: str | None = None,
    seed: int = 0,
) -> dict[str, pa.Table]:
    """Parts of a table by name, in the order given; every row is in exactly one, and rows keep their order.

    `into`: the share of the rows of each part, above 0 and 1 in all. `by`:

    - `random`: rows by chance. Part k ends after ⌊(share₁ + … + shareₖ)·n + ½⌋ rows.
    - `time:COLUMN`: the earliest rows are the first part's, and so on; of the same sizes, except that rows of one
      instant stay together, in the part where the first of them falls. Naive times are UTC.
    - `group:COLUMN`: rows with the same value stay together. Groups stand in an order by chance, and each goes where
      its middle falls, so that a border is off by at most half of the group that it falls into.
    - `strata:COLUMN`: every level is shared out alike. In each a part is off by less than one row from its share,
      and in the whole table by less than one row for each other part.

    With `key`, a column whose values name the rows, `random` and `strata` are of the rows' names and not of their
    order; `group` always is of the groups' names, and no chance decides about instants. The same table, seed
    and arguments give the same parts on every machine. InvalidInput where that cannot be: unknown or repeated columns,
    keys that are missing or come twice, rows without a time or a group, a part that would stay empty.
    """
    _require_shares(into)
    way, column = way_of(by, key, seed)
    _require_rows(table, into)
    parts = parts_of(table, np.cumsum(list(into.values())), way, column, key, seed)
    empty = [name for at, name in enumerate(into) if not (parts == at).any()]
    if empty:
        raise InvalidInput(
            f"Of {len(table):,} rows none would be in part '{empty[0]}'.",
            code="EMPTY_PART",
            remedy="Give it a larger share, or split by something with more values.",
        )
    return {name: table.filter(pa.array(parts == at)) for at, name in enumerate(into)}


def way_of(by: str, key: str | None, seed: int) -> tuple[str, str]:
    """The way and its column; InvalidInput for one that is not there, or a key or seed that has no meaning in it."""
    way, _, column = by.partition(":")
    _require_way(by, way, column)
    if key is not None and way not in ("random", "strata"):
        raise InvalidInput(
            f"A split by {way} is not by chance of the rows, so that a key has no meaning.",
            remedy="Leave the key away.",
        )
    if not 0 <= seed < _SEEDS:
        raise InvalidInput(f"{seed} is no seed.", remedy="Use a whole number from 0 to 2^63 - 1.")
    return way, column


def parts_of(table: pa.Table, borders: NDArray[np.float64], way: str, column: str, key: str | None, seed: int) -> Parts:
    """The number of each row's part (n_rows,); `borders`: the shares, added up."""
    ways: dict[str, Callable[[], Parts]] = {
        "random": lambda: _ranked(_order(table, key, seed), borders),
        "time": lambda: _by_time(table, column, borders),
        "group": lambda: _by_group(table, column, borders, seed),
        "strata": lambda: _by_level(table, column, borders, _order(table, key, seed)),
    }
    return ways[way]()


def _ends(rows: int, borders: NDArray[np.float64]) -> Parts:
    """After how many rows each part ends; the last one at the end, whatever the rounding of the shares."""
    ends = np.floor(borders * rows + 0.5 + 1e-9).astype(np.int64)
    ends[-1] = rows
    return ends


def _ranked(order: Parts, borders: NDArray[np.float64]) -> Parts:
    """Parts of rows given in their order."""
    parts = np.empty(len(order), np.int64)
    parts[order] = np.searchsorted(_ends(len(order), borders), np.arange(len(order)), side="right")
    return parts


def _order(table: pa.Table, key: str | None, seed: int) -> Parts:
    """The rows in an order by chance: of their places, or of their keys."""
    if key is None:
        return np.random.default_rng(seed).permutation(len(table))
    codes, levels = coded(column_of(table, key), key)
    require_all(key, levels, "key")
    if len(levels) < len(codes):
        raise InvalidInput(
            f"{len(codes) - len(levels):,} of {len(codes):,} rows repeat a key in column '{key}'.",
            code="REPEATED_KEY",
            remedy=f"Split by group:{key} to keep them together, or name a key that tells rows apart.",
        )
    return np.lexsort((codes, drawn(levels, seed)[codes]))


def _by_time(table: pa.Table, column: str, borders: NDArray[np.float64]) -> Parts:
    at = instants(table, column)
    if at.null_count:
        raise _nothing_there(at.null_count, column, "time")
    micros = at.cast(pa.int64()).to_numpy()
    ordered = np.sort(micros)
    starts = [_start(ordered, int(end)) for end in _ends(len(micros), borders)[:-1]]
    parts: Parts = np.searchsorted(np.array(starts), micros, side="right").astype(np.int64)
    return parts


def _start(ordered: NDArray[np.int64], end: int) -> int:
    """The instant at which the next part begins, after a part of the first `end` rows and all of their last instant."""
    after = int(np.searchsorted(ordered, ordered[end - 1], side="right")) if end else 0
    return int(ordered[after]) if after < len(ordered) else int(np.iinfo(np.int64).max)


def _by_group(table: pa.Table, column: str, borders: NDArray[np.float64], seed: int) -> Parts:
    codes, levels = coded(column_of(table, column), column)
    require_all(column, levels, "group")
    sizes = np.bincount(codes, minlength=len(levels))
    order = np.lexsort((np.arange(len(levels)), drawn(levels, seed)))
    middles = np.cumsum(sizes[order]) - sizes[order] / 2
    part_of = np.empty(len(levels), np.int64)
    part_of[order] = np.searchsorted(borders[:-1] * len(codes), middles, side="right")
    return part_of[codes]


def _by_level(table: pa.Table, column: str, borders: NDArray[np.float64], order: Parts) -> Parts:
    """Level by level: the whole rows of each share, then one more to the parts that are furthest behind so far."""
    codes, levels = coded(column_of(table, column), column)
    shares = np.diff(borders, prepend=0.0)
    behind, parts = np.zeros(len(shares)), np.empty(len(codes), np.int64)
    by_level = order[np.argsort(codes[order], kind="stable")]
    for rows in np.split(by_level, np.cumsum(np.bincount(codes, minlength=len(levels)))[:-1]):
        due = shares * len(rows)
        whole = np.array([floor(each + 1e-9) for each in due])
        behind += due - whole
        most = np.argsort(-np.round(behind, 9), kind="stable")[: len(rows) - int(whole.sum())]
        whole[most] += 1
        behind[most] -= 1
        parts[rows] = np.repeat(np.arange(len(shares)), whole)
    return parts


def _require_shares(into: Mapping[str, float]) -> None:
    for name in into:
        check_name("part", name)
    shares = list(into.values())
    if len(shares) < 2 or not all(0 < each < 1 for each in shares) or not isclose(sum(shares), 1, abs_tol=1e-6):
        given = ", ".join(f"{name}={share:g}" for name, share in list(into.items())[:6])
        raise InvalidInput(
            f"These shares cannot be given out: {given or 'none'} (together {sum(shares):g}).",
            code="BAD_SHARES",
            remedy="Name two parts or more with shares above 0 and 1 together, such as train=0.8,test=0.2.",
        )


def _require_way(by: str, way: str, column: str) -> None:
    if way not in WAYS:
        raise InvalidInput(f"There is no split by {way[:80]!r}.", code="UNKNOWN_SPLIT", remedy=did_you_mean(way, WAYS))
    if (way == "random") is bool(column):
        wrong = "takes no column" if way == "random" else "needs a column"
        right = "random, with a key where the rows have one" if way == "random" else f"{way}:COLUMN"
        raise InvalidInput(f"A split by {by[:80]!r} {wrong}.", code="UNKNOWN_SPLIT", remedy=f"Write {right}.")


def _require_rows(table: pa.Table, into: Mapping[str, float]) -> None:
    if len(table) < len(into):
        raise InvalidInput(
            f"{len(table)} rows cannot be split into {len(into)} parts.", code="EMPTY_PART", remedy="Give more rows."
        )


def require_all(column: str, levels: list[str | None], what: str) -> None:
    """InvalidInput where null is a level."""
    if None in levels:
        raise InvalidInput(
            f"Column '{column}' has missing values, so that some rows have no {what}.",
            code="MISSING_KEY",
            remedy="Fill them or leave these rows out first.",
        )


def _nothing_there(rows: int, column: str, what: str) -> InvalidInput:
    return InvalidInput(
        f"{rows:,} rows have no {what} in column '{column}'.",
        code="MISSING_KEY",
        remedy="Fill them or leave these rows out first.",
    )
