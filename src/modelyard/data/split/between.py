"""Whether one part of a split tells what it should not of another."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, pairwise

import pyarrow as pa
import pyarrow.compute as pc

from modelyard.core import Judgement, Verdict

from .keys import coded, column_of
from .leaks import check_leaks
from .time import instants

_NEWEST = 20_000
"""So many of the first part's last rows are looked at for columns that know the label."""


def check_split(
    parts: Mapping[str, pa.Table],
    *,
    keys: Sequence[str] = (),
    time: str | None = None,
    label: str | None = None,
) -> Judgement:
    """Judge the parts of a split, in their order: the first is learned from, the others judge.

    Fails for rows that stand in two parts with equal values in every column, values of a column of `keys` that stand in
    two parts, instants of `time` in a part that are not after all of the part before, and columns of the first part
    that alone tell the `label` (see `check_leaks`). Missing keys and times are compared with nothing. Passes only when
    all that was asked could be looked at; a label that is not of two classes cannot. Evidence has the counts.
    """
    if any(not len(part) for part in parts.values()):
        return Judgement(Verdict.INCONCLUSIVE, ("A part has no rows: there is nothing to compare.",))
    found = [_repeated_rows(parts)]
    found += [_shared(parts, key) for key in keys]
    if time is not None:
        found.append(_order(parts, time))
    if label is not None:
        found.append(_telling(next(iter(parts.values())), label, {*keys, time}))
    return Judgement.all_of(found)


def _repeated_rows(parts: Mapping[str, pa.Table]) -> Judgement:
    """Different rows that stand in both of two parts, nulls and NaN equal to themselves."""
    counts = {f"{a} and {b}": _in_both(parts[a], parts[b]) for a, b in combinations(parts, 2)}
    reasons = tuple(
        f"{count:,} different rows stand in {pair}: what was learned is judged by itself. Drop repeated rows first, "
        f"or split by a group that holds them together."
        for pair, count in counts.items()
        if count
    )
    return _judged(reasons, {"repeated_rows": counts})


def _in_both(first: pa.Table, second: pa.Table) -> int:
    names = [f"c{at}" for at in range(first.num_columns)]
    import duckdb  # noqa: PLC0415 - only a check of repeated rows pays for it

    with duckdb.connect() as connection:
        connection.register("a", first.rename_columns(names))
        connection.register("b", second.rename_columns(names))
        (count,) = connection.execute("SELECT count(*) FROM (FROM a INTERSECT FROM b)").fetchall()[0]
    return int(count)


def _shared(parts: Mapping[str, pa.Table], key: str) -> Judgement:
    levels = {name: set(coded(column_of(part, key), key)[1]) - {None} for name, part in parts.items()}
    counts = {f"{a} and {b}": len(levels[a] & levels[b]) for a, b in combinations(parts, 2)}
    reasons = tuple(
        f"{count:,} values of '{key}' stand in {pair}: a model can know them by heart. Split by group:{key}."
        for pair, count in counts.items()
        if count
    )
    return _judged(reasons, {f"shared_{key}": counts})


def _order(parts: Mapping[str, pa.Table], time: str) -> Judgement:
    ranges = {name: pc.min_max(instants(part, time)).as_py() for name, part in parts.items()}
    evidence = {name: [_said(each["min"]), _said(each["max"])] for name, each in ranges.items()}
    if any(each["min"] is None for each in ranges.values()):
        return Judgement(Verdict.INCONCLUSIVE, (f"A part has no '{time}'.",), {"times": evidence})
    reasons = tuple(
        f"'{later}' begins at {evidence[later][0]}, before '{earlier}' ends at {evidence[earlier][1]}: "
        f"the future teaches the past. Split by time:{time}."
        for earlier, later in pairwise(parts)
        if ranges[later]["min"] <= ranges[earlier]["max"]
    )
    return _judged(reasons, {"times": evidence})


def _said(instant: object) -> str | None:
    return None if instant is None else str(instant)


def _telling(part: pa.Table, label: str, others: set[str | None]) -> Judgement:
    """Columns that alone tell which of two classes a row is in; the second class, by its text, is the positive one."""
    newest = part.slice(max(0, len(part) - _NEWEST))
    codes, classes = coded(column_of(newest, label), label)
    known = [each for each in classes if each is not None]
    if len(known) != 2:
        reason = (
            f"Columns that tell '{label}' were not looked for: it has {len(known)} classes here, and two are needed."
        )
        return Judgement(Verdict.INCONCLUSIVE, (reason,))
    labels = [None if classes[code] is None else code for code in codes.tolist()]
    return check_leaks(dict(_scalars(newest, {label, *others})), labels)


def _scalars(table: pa.Table, without: set[str | None]) -> Iterator[tuple[str, list[float | str | bool | None]]]:
    """Columns as the leak check reads them: numbers, flags, strings; instants as numbers."""
    for field in table.schema:
        if field.name in without or pa.types.is_nested(field.type) or pa.types.is_null(field.type):
            continue
        column = table.column(field.name)
        if pa.types.is_temporal(field.type) and not pa.types.is_duration(field.type):
            column = column.cast(pa.timestamp("us"), safe=False).cast(pa.int64()) if _dated(field.type) else column
        if not _plain(column.type):
            column = column.cast(pa.string())
        yield field.name, column.to_pylist()


def _dated(kind: pa.DataType) -> bool:
    return bool(pa.types.is_timestamp(kind) or pa.types.is_date(kind))


def _plain(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind))


def _judged(reasons: tuple[str, ...], evidence: dict[str, object]) -> Judgement:
    return Judgement(Verdict.FAIL if reasons else Verdict.PASS, reasons, evidence)
