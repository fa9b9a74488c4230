"""What may be promised of a table: of each column, of columns together, and of its rows."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from math import isfinite
from typing import Annotated, Any, Literal, get_args

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BeforeValidator, Field, model_validator

from modelyard.core import nearest
from modelyard.core.durations import Duration
from modelyard.core.settings import Section

from .relation import Expression, parse_relation
from .types import check_type

CheckName = Literal[
    "present", "type", "not_null", "minimum", "maximum", "allowed", "pattern", "min_length", "max_length", "unique",
    "order", "max_age",
]  # fmt: skip
"""The checks of a column, each by the setting that asks for it; `present` is asked for by naming the column."""

ROW_CHECKS = ("not_null", "minimum", "maximum", "allowed", "pattern", "min_length", "max_length", "unique", "order")
"""Those that count rows, so that a share of the rows may break them."""

Severity = Literal["warn", "fail"]
"""What a broken promise does to the verdict: nothing but a word, or a failure."""


def _type(written: Any) -> Any:
    return check_type(written) if isinstance(written, str) else written


def _bound(written: Any) -> Any:
    """A number or an instant; text is read as ISO 8601."""
    if isinstance(written, str):
        try:
            return datetime.fromisoformat(written)
        except ValueError:
            written = None
    if isinstance(written, bool) or not isinstance(written, int | float | date):
        raise ValueError(  # noqa: TRY004 - the one error that pydantic turns into a finding
            "write a finite number, or an instant such as 2026-01-31T12:00:00Z"
        )
    if isinstance(written, float) and not isfinite(written):
        raise ValueError("write a finite number: nothing is below or above this one")
    return written


def _level(written: Any) -> Any:
    """A level as text: numbers, true and false, and dates as they are written."""
    if isinstance(written, bool):
        return str(written).lower()
    if isinstance(written, date):
        return written.isoformat()
    return str(written) if isinstance(written, int | float) else written


def _pattern(written: Any) -> Any:
    if isinstance(written, str):
        try:
            pc.match_substring_regex(pa.nulls(1, pa.string()), pattern=whole(written))  # pa.array imports pandas
        except pa.ArrowInvalid as error:
            raise ValueError(f"not a regular expression of RE2: {error}") from None
    return written


def whole(pattern: str) -> str:
    """The pattern that matches where all of a value matches `pattern`."""
    return f"^(?:{pattern})$"


def _tolerance(written: Any) -> Any:
    """A share, or shares by the name of a check."""
    shares = written if isinstance(written, Mapping) else {ROW_CHECKS[0]: written}
    _known_checks(shares, ROW_CHECKS)
    for share in shares.values():
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
            raise ValueError(f"write a share of rows, greater than or equal to 0 and at most 1, not {share!r}")
    return written


def _severity(written: Any) -> Any:
    """A severity, or severities by the name of a check."""
    severities = written if isinstance(written, Mapping) else {"type": written}
    _known_checks(severities, get_args(CheckName))
    for severity in severities.values():
        if severity not in get_args(Severity):
            raise ValueError(f"write warn or fail, not {severity!r}")
    return written


def _known_checks(written: Mapping[str, Any], known: tuple[str, ...]) -> None:
    for name in written:
        if name not in known:
            close = nearest(str(name), known)
            hint = f"did you mean {close!r}?" if close else f"there are: {', '.join(known)}"
            raise ValueError(f"no check is called {name!r}; {hint}")


Bound = Annotated[int | float | datetime | date, BeforeValidator(_bound)]
"""The end of a range: a number, or an instant (naive ones are UTC)."""

Level = Annotated[str, BeforeValidator(_level)]
"""One of the values a column may have, as text."""

Share = Annotated[float, Field(ge=0, le=1)]
"""A share of rows, from 0 to 1."""


class ColumnChecks(Section):
    """What is promised of one column. A share of rows up to `tolerance` may break it."""

    required: bool = Field(default=True, description="Whether a table without this column fails.")
    type: Annotated[str | None, BeforeValidator(_type)] = Field(
        None, description="Arrow type such as int64, string, timestamp[us, tz=UTC]; or integer, number, text, …"
    )
    not_null: bool = Field(default=False, description="No missing values.")
    minimum: Bound | None = Field(None, description="No value below this.")
    maximum: Bound | None = Field(None, description="No value above this.")
    allowed: tuple[Level, ...] | None = Field(None, description="No level but these.")
    pattern: Annotated[str | None, BeforeValidator(_pattern)] = Field(
        None, description="Regular expression (RE2) that all of each text matches."
    )
    min_length: int | None = Field(None, ge=0, description="No text, bytes or list shorter than this.")
    max_length: int | None = Field(None, ge=0, description="No text, bytes or list longer than this.")
    unique: bool = Field(default=False, description="No value twice.")
    order: Literal["ascending", "descending"] | None = Field(
        None, description="No value out of this order; equal neighbours are in order."
    )
    max_age: Duration | None = Field(None, description="The newest value is no older than this.")
    tolerance: Annotated[Share | dict[CheckName, Share], BeforeValidator(_tolerance)] = Field(
        0.0, description="Share of rows that may break each promise, or shares by check."
    )
    severity: Annotated[Severity | dict[CheckName, Severity], BeforeValidator(_severity)] = Field(
        "fail", description="What a broken promise does, or that by check: warn is told and passes."
    )

    @model_validator(mode="after")
    def _ends_in_order(self) -> "ColumnChecks":
        for low, high in (("minimum", "maximum"), ("min_length", "max_length")):
            ends = getattr(self, low), getattr(self, high)
            if None not in ends and _crossed(*ends):
                raise ValueError(f"{low} {ends[0]} is above {high} {ends[1]}: no value could be right")
        return self

    def tolerance_of(self, check: str) -> float:
        """The share of rows that may break a check."""
        return self.tolerance if isinstance(self.tolerance, float) else self.tolerance.get(check, 0.0)  # type: ignore[call-overload]

    def severity_of(self, check: str) -> Severity:
        """What breaking a check does."""
        return self.severity.get(check, "fail") if isinstance(self.severity, dict) else self.severity  # type: ignore[call-overload]


def _crossed(low: Any, high: Any) -> bool:
    numbers = isinstance(low, int | float), isinstance(high, int | float)
    if all(numbers):
        return bool(low > high)
    return not any(numbers) and instant(low) > instant(high)


def instant(at: date) -> datetime:
    """A date or an instant, aware, in UTC; a date is its midnight."""
    moment = at if isinstance(at, datetime) else datetime(at.year, at.month, at.day, tzinfo=UTC)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


class Relation(Section):
    """A comparison that holds in every row where both sides have a value."""

    that: str = Field(description="COLUMN OPERATOR COLUMN or NUMBER, such as `arrival >= departure`.")
    tolerance: Share = Field(0.0, description="Share of rows that may break it.")
    severity: Severity = Field("fail", description="What breaking it does.")

    @model_validator(mode="before")
    @classmethod
    def _short(cls, written: Any) -> Any:
        return {"that": written} if isinstance(written, str) else written

    @model_validator(mode="after")
    def _parses(self) -> "Relation":
        parse_relation(self.that)
        return self

    @property
    def expression(self) -> Expression:
        """The comparison taken apart."""
        return parse_relation(self.that)


class UniqueTogether(Section):
    """Columns whose values, taken together, are there once; rows with one missing do not count."""

    columns: tuple[str, ...] = Field(min_length=1, description="Their names.")
    tolerance: Share = Field(0.0, description="Share of rows that may repeat others.")
    severity: Severity = Field("fail", description="What breaking it does.")

    @model_validator(mode="before")
    @classmethod
    def _short(cls, written: Any) -> Any:
        return {"columns": written} if isinstance(written, list | tuple) else written


class TablePromises(Section):
    """What is promised of a table besides its columns."""

    max_rows: int | None = Field(None, ge=0, description="More rows than this fail.")
    unique_together: tuple[UniqueTogether, ...] = Field(
        (), description="Lists of columns whose values together are there once."
    )
    relations: tuple[Relation, ...] = Field((), description="Comparisons such as `arrival >= departure`.")
    extra_columns: Literal["allow", "warn", "fail"] = Field(
        "allow", description="What a column does of which nothing is promised."
    )


class SchemaSettings(TablePromises):
    """A schema file: everything promised of a table."""

    min_rows: int | None = Field(None, ge=0, description="Fewer rows than this fail.")
    columns: dict[str, ColumnChecks] = Field(default_factory=dict, description="Promises by column.")
