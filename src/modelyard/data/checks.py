"""Declared checks: what was promised of a table, column by column."""

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from modelyard.core import Judgement, Verdict, did_you_mean

from .settings import ColumnChecks


def check_table(table: pa.Table, checks: Mapping[str, ColumnChecks], *, min_rows: int = 1) -> Judgement:
    """Judge a table by its promises; every broken one is a reason with the column, the count and the share of rows."""
    if len(table) < min_rows:
        return Judgement(Verdict.FAIL, (f"The table has {len(table)} rows; {min_rows} were promised.",))
    parts = [_check_column(table, name, promised) for name, promised in checks.items()]
    return Judgement.all_of([Judgement(Verdict.PASS, evidence={"rows": len(table)}), *parts])


def _check_column(table: pa.Table, name: str, promised: ColumnChecks) -> Judgement:
    if name not in table.column_names:
        return Judgement(Verdict.FAIL, (f"Column '{name}' is not there. {did_you_mean(name, table.column_names)}",))
    column = table.column(name)
    reasons = []
    for what, broken in _broken(column, promised).items():
        share = broken / len(column)
        if share > promised.tolerance:
            reasons.append(f"Column '{name}': {broken} of {len(column)} rows ({share:.2%}) are {what}.")
    return Judgement(Verdict.FAIL if reasons else Verdict.PASS, tuple(reasons))


def _broken(column: pa.ChunkedArray, promised: ColumnChecks) -> dict[str, int]:
    """How many rows break each promise."""
    counts = {}
    if promised.not_null:
        counts["missing"] = column.null_count
    if promised.minimum is not None:
        counts[f"below {promised.minimum:g}"] = _count(pc.less(column, promised.minimum))
    if promised.maximum is not None:
        counts[f"above {promised.maximum:g}"] = _count(pc.greater(column, promised.maximum))
    if promised.allowed is not None:
        known = pc.is_in(column, value_set=pa.array(promised.allowed))
        counts["none of the allowed levels"] = _count(pc.and_(pc.invert(known), pc.is_valid(column)))
    if promised.unique:
        counts["repeated"] = len(column) - pc.count_distinct(column, mode="all").as_py()
    return counts


def _count(mask: pa.ChunkedArray) -> int:
    return pc.sum(mask).as_py() or 0
