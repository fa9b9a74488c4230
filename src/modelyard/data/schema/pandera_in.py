"""pandera's schemas as ours."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from modelyard.core import InvalidInput, Unavailable

from .relation import write_column
from .settings import ColumnChecks, Relation, SchemaSettings, UniqueTogether

_WHOLE = re.compile(r"\^\(\?:(.*)\)(?:\$|\\Z)", re.DOTALL)
_TYPES = {"boolean": "bool", "str": "string", "string": "string"}
_OPERATORS = {"greater_than": ">", "less_than": "<", "equal_to": "==", "not_equal_to": "!="}
_INSTALL = "Install it: pip install 'modelyard[pandera]'."


@dataclass(frozen=True)
class FromPandera:
    """What a schema of pandera's promises in our words, and what of it we cannot say."""

    promised: SchemaSettings
    losses: tuple[str, ...]


def from_pandera(schema: object) -> FromPandera:
    """Read a `DataFrameSchema`, or a `DataFrameModel` class, of pandera's pandas backend.

    What has no counterpart is left out and listed: functions of one's own, coercion, defaults, the index. Unavailable
    when pandera is not installed, InvalidInput when `schema` is none of its schemas.
    """
    whole = _data_frame_schema(schema)
    losses = list(_table_losses(whole))
    columns: dict[str, ColumnChecks] = {}
    relations: list[Relation] = []
    for name, column in whole.columns.items():
        read = _Column(str(name), column)
        columns[str(name)] = read.checks()
        relations += read.relations
        losses += [f"column '{name}': {each}" for each in read.losses]
    keys = (UniqueTogether(columns=tuple(whole.unique)),) if whole.unique else ()
    extra: Any = "fail" if whole.strict is True else "allow"
    promised = SchemaSettings(columns=columns, relations=tuple(relations), unique_together=keys, extra_columns=extra)
    return FromPandera(promised, tuple(losses))


def _data_frame_schema(schema: object) -> Any:
    try:
        import pandera.pandas as pandera  # noqa: PLC0415 - an extra that most do without
    except ImportError as error:
        raise Unavailable("pandera is not installed.", code="NO_PANDERA", remedy=_INSTALL) from error
    if isinstance(schema, type) and issubclass(schema, pandera.DataFrameModel):
        return schema.to_schema()
    if isinstance(schema, pandera.DataFrameSchema):
        return schema
    raise InvalidInput(
        f"{type(schema).__name__} is no schema of pandera's pandas backend.",
        code="NO_PANDERA_SCHEMA",
        remedy="Name a DataFrameSchema, or a class that is a DataFrameModel.",
    )


def _table_losses(schema: Any) -> Iterator[str]:
    facts = {
        "the index": schema.index is not None,
        "coerce": schema.coerce,
        "checks of the whole table": bool(schema.checks),
        "parsers": bool(schema.parsers),
        "strict='filter'": schema.strict == "filter",
        "ordered": schema.ordered,
        "the table's type": schema.dtype is not None,
        "add_missing_columns": schema.add_missing_columns,
        "drop_invalid_rows": schema.drop_invalid_rows,
        "unique_column_names": schema.unique_column_names,
    }
    yield from (name for name, is_there in facts.items() if is_there)
    for name in schema.unique or ():
        if name in schema.columns and schema.columns[name].nullable:
            yield f"unique with missing values in '{name}', which are equal to pandera only"


class _Column:
    """One column of pandera's, read check by check."""

    def __init__(self, name: str, column: Any) -> None:
        self.losses: list[str] = []
        self.relations: list[Relation] = []
        self._name = name
        self._column = column
        self._given: dict[str, Any] = {}
        self._severity: dict[str, str] = {}

    def checks(self) -> ColumnChecks:
        """Its promises; what has no counterpart goes to `losses`."""
        column, given = self._column, self._given
        given["not_null"] = not column.nullable
        given["required"] = column.required
        given["unique"] = column.unique
        facts = {
            "coerce": column.coerce,
            "regex": column.regex,
            "a default": column.default is not None,
            "parsers": bool(column.parsers),
            "drop_invalid_rows": column.drop_invalid_rows,
            "unique with missing values, which are equal to pandera only": column.unique and column.nullable,
        }
        self.losses += [name for name, is_there in facts.items() if is_there]
        self._read_type(str(column.dtype) if column.dtype is not None else None)
        for check in column.checks:
            self._read(check)
        if self._severity:
            given["severity"] = self._severity
        return ColumnChecks(**given)

    def _read_type(self, dtype: str | None) -> None:
        if dtype is None:
            return
        found = _type_of(dtype)
        if found is None:
            self.losses.append(f"type {dtype}")
        else:
            self._given["type"] = found
        if found is not None and found.startswith("timestamp[") and "tz=" not in found:
            self.losses.append(f"that pandera takes any unit where we read {found}")

    def _read(self, check: Any) -> None:
        facts = check.statistics or {}
        promises = None if check.groupby or check.ignore_na is False else _promises(check.name, facts)
        if promises is None:
            self._relate(check, facts)
            return
        if set(promises) & set(self._given):
            self.losses.append(f"a second {check.name}")
            return
        self._given |= promises
        if check.raise_warning:
            self._severity |= dict.fromkeys(promises, "warn")

    def _relate(self, check: Any, facts: Mapping[str, Any]) -> None:
        """Strict comparisons with a number become relations."""
        value = next(iter(facts.values()), None)
        known = check.name in _OPERATORS and not check.groupby and check.ignore_na is not False
        if not known or isinstance(value, bool) or not isinstance(value, int | float):
            self.losses.append(f"check {check.name or check.error or 'of your own'}")
            return
        severity: Any = "warn" if check.raise_warning else "fail"
        that = f"{write_column(self._name)} {_OPERATORS[check.name]} {value!r}"
        self.relations.append(Relation(that=that, severity=severity))


def _type_of(dtype: str) -> str | None:
    """Our name of a type of pandas'."""
    lowered = dtype.lower()
    if lowered in _TYPES or lowered.startswith("string["):
        return _TYPES.get(lowered, "string")
    if re.fullmatch(r"(u?int|float)\d+|bool", lowered):
        return lowered
    instant = re.fullmatch(r"datetime64\[(s|ms|us|ns)(?:, ([^\]\s]+))?\]", dtype)
    if instant is None:
        return None
    return f"timestamp[{instant[1]}, tz={instant[2]}]" if instant[2] else f"timestamp[{instant[1]}]"


def _promises(name: str | None, facts: Mapping[str, Any]) -> dict[str, Any] | None:
    """What a built-in check of pandera's promises; None when that is nothing we have."""
    ranges = {"greater_than_or_equal_to": ("min_value",), "less_than_or_equal_to": ("max_value",),
              "in_range": ("min_value", "max_value")}  # fmt: skip
    ends = {"min_value": "minimum", "max_value": "maximum"}
    if name in ranges and facts.get("include_min", True) and facts.get("include_max", True):
        return _bounds(**{ends[each]: facts[each] for each in ranges[name]})
    match name:
        case "isin":
            return _levels(facts["allowed_values"])
        case "str_matches":
            return _pattern(facts["pattern"])
        case "str_length":
            return _lengths(facts)
        case _:
            return None


def _lengths(facts: Mapping[str, Any]) -> dict[str, Any]:
    exact = facts.get("exact_value")
    ends = {"min_length": facts.get("min_value", exact), "max_length": facts.get("max_value", exact)}
    return {key: exact if value is None else value for key, value in ends.items() if (value, exact) != (None, None)}


def _bounds(**ends: Any) -> dict[str, Any] | None:
    values = {key: value.to_pydatetime() if hasattr(value, "to_pydatetime") else value for key, value in ends.items()}
    known = all(isinstance(each, int | float | date) and not isinstance(each, bool) for each in values.values())
    return values if known else None


def _levels(allowed: Any) -> dict[str, Any] | None:
    levels = list(allowed)
    return {"allowed": tuple(levels)} if all(isinstance(each, str | int | float) for each in levels) else None


def _pattern(pattern: Any) -> dict[str, Any]:
    """pandera looks for the pattern at the beginning of a text; ours is all of it."""
    written = pattern.pattern if isinstance(pattern, re.Pattern) else str(pattern)
    ours = _WHOLE.fullmatch(written)
    return {"pattern": ours[1] if ours else f"(?:{written})(?s:.*)"}
