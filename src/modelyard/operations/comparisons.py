"""Comparing two files for drift, which needs no project."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from modelyard.core import InvalidInput, atomic_write
from modelyard.monitoring import ColumnDrift, CompareOptions, Comparison, compare_data, comparison_page

_FOR_THE_PAGE = ("name", "labels", "shares_ref", "shares_cur")


def compare_files(
    reference: str,
    current: str,
    *,
    columns: Sequence[str] = (),
    threshold: float | None = None,
    method: str | None = None,
    joint: bool = True,
    html: Path | None = None,
) -> dict[str, Any]:
    """Compare two sources of data; with `html` also as a page of its own. Names of columns may be joined by commas."""
    if html is not None:
        _refuse_the_data(html, reference, current)
    options = CompareOptions(threshold=threshold, method=method, joint=joint)
    wanted = list(dict.fromkeys(name.strip() for each in columns for name in each.split(",") if name.strip()))
    found = compare_data(reference, current, options, columns=wanted)
    if html is not None:
        atomic_write(html, comparison_page(found, Path(reference).name, Path(current).name).encode())
    page = str(html) if html is not None else None
    return {"reference": reference, "current": current, "page": page, **shown_comparison(found)}


def shown_comparison(found: Comparison) -> dict[str, Any]:
    """A comparison as JSON: columns by name, without what only pictures need."""
    return {
        "drifted": found.drifted,
        "verdict": found.verdict,
        "reasons": list(found.reasons),
        "share": found.share,
        "rows_ref": found.rows_ref,
        "rows_cur": found.rows_cur,
        "columns": {each.name: _column(each) for each in found.columns},
        "multivariate": msgspec.to_builtins(found.joint) if found.joint is not None else {},
        "skipped": found.skipped,
    }


def _column(column: ColumnDrift) -> dict[str, Any]:
    shown: dict[str, Any] = msgspec.to_builtins(column)
    return {name: each for name, each in shown.items() if name not in _FOR_THE_PAGE}


def _refuse_the_data(page: Path, *sources: str) -> None:
    for source in sources:
        if page.exists() and Path(source).exists() and page.samefile(source):
            raise InvalidInput(f"{page} is the data itself.", code="SAME_FILE", remedy="Give the page another name.")
