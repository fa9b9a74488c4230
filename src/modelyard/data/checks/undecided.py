"""Promises about values where there are none: nothing broke them, and nothing kept them."""

from collections.abc import Sequence
from dataclasses import replace

import pyarrow.compute as pc

from .plan import Promise
from .result import CheckResult, Outcome
from .seen import Seen


def has_values(columns: Sequence[Seen]) -> bool:
    """Whether a row of a batch has a value in each of the columns."""
    if any(each.missing == len(each) for each in columns):
        return False
    if not any(each.missing for each in columns[1:]):
        return True
    whole = pc.is_valid(columns[0].array)
    for each in columns[1:]:
        whole = pc.and_(whole, pc.is_valid(each.array))
    return bool(pc.any(whole).as_py())


def judged(promise: Promise, found: CheckResult, *, valued: bool) -> CheckResult:
    """The result of a promise that rows kept; `valued`: whether a row had what the promise is about.

    Only that no value is missing can be kept, or broken, without one. Where the table has no rows that is said once,
    of the table.
    """
    if found.outcome != "pass" or (found.rows and (valued or promise.check == "not_null")):
        return found
    outcome: Outcome = "warn" if promise.severity == "warn" else "inconclusive"
    lacking = "has no value" if len(promise.columns) == 1 else "have no row with a value in each"
    message = f"{promise.subject} {lacking}: nothing tells whether this holds: {promise.promise}."
    return replace(found, outcome=outcome, message=message if found.rows else "")
