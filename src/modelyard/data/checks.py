"""Declared checks: what was promised of a table, column by column."""

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from modelyard.core import Judgement, Verdict, did_you_mean

from .settings import ColumnChecks


def check_table(table: pa.Table, checks: Mapping[str, ColumnChecks], *, min_rows: int = 1) -> Judgement:
    """Judge a table by its promises; every broken one is a reason with the column, the count and the share of rows.

    NaN is no value: it is missing, like null. Missing values break `not_null` alone. A promise that the column's type
    cannot keep (a minimum of text) fails. Without rows there is nothing to judge: inconclusive, if not a failure.
    """
    if len(table) < min_rows:
        return Judgement(Verdict.FAIL, (f"The table has {len(table)} rows; {min_rows} were promised.",))
    rows = Judgement(Verdict.PASS if len(table) else Verdict.INCONCLUSIVE, evidence={"rows": len(table)})
    return Judgement.all_of([rows, *(_check_column(table, name, promised) for name, promised in checks.items())])


def _check_column(table: pa.Table, name: str, promised: ColumnChecks) -> Judgement:
    there = table.column_names.count(name)
    if there != 1:
        found = "is not there" if there == 0 else f"is there {there} times"
        return Judgement(Verdict.FAIL, (f"Column '{name}' {found}. {did_you_mean(name, table.column_names)}",))
    column = table.column(name)
    try:
        broken = _broken(column, promised)
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid, pa.ArrowTypeError):
        return Judgement(Verdict.FAIL, (f"Column '{name}' is of type {column.type}, which cannot be checked so.",))
    shares = {what: count / max(1, len(column)) for what, count in broken.items()}
    reasons = (
        f"Column '{name}': {broken[what]} of {len(column)} rows ({share:.2%}) are {what}."
        for what, share in shares.items()
        if share > promised.tolerance
    )
    told = tuple(reasons)
    return Judgement(Verdict.FAIL if told else Verdict.PASS, told)


def _broken(column: pa.ChunkedArray, promised: ColumnChecks) -> dict[str, int]:
    """How many rows break each promise."""
    valid = column.drop_null()
    if pa.types.is_floating(column.type):
        valid = valid.filter(pc.invert(pc.is_nan(valid)))
    counts = {}
    if promised.not_null:
        counts["missing"] = len(column) - len(valid)
    if promised.minimum is not None:
        counts[f"below {promised.minimum:g}"] = _count(pc.less(valid, promised.minimum))
    if promised.maximum is not None:
        counts[f"above {promised.maximum:g}"] = _count(pc.greater(valid, promised.maximum))
    if promised.allowed is not None:
        known = pc.is_in(valid.cast(pa.string()), value_set=pa.array(promised.allowed, pa.string()))
        counts["none of the allowed levels"] = _count(pc.invert(known))
    if promised.unique:
        counts["repeated"] = len(valid) - pc.count_distinct(valid).as_py()
    return counts


def _count(mask: pa.ChunkedArray) -> int:
    return pc.sum(mask).as_py() or 0
