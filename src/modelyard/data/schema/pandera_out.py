"""A schema as Python that makes the same schema of pandera's."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from math import isfinite

from .settings import ColumnChecks, SchemaSettings, instant

_DTYPES = {
    **{name: f'"{name}"' for bits in (8, 16, 32, 64) for name in (f"int{bits}", f"uint{bits}")},
    "float32": '"float32"',
    "float64": '"float64"',
    "bool": '"bool"',
    "string": "str",
    **{f"timestamp[{unit}]": f'"datetime64[{unit}]"' for unit in ("s", "ms", "us", "ns")},
}
_NULLABLE = {
    **{f"int{bits}": f'"Int{bits}"' for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": f'"UInt{bits}"' for bits in (8, 16, 32, 64)},
    "bool": '"boolean"',
}
"""What pandas calls the types of whole numbers and truths that may be missing."""


@dataclass(frozen=True)
class PanderaSource:
    """Python source whose `schema` is a `pandera.pandas.DataFrameSchema`, and what of ours it cannot say."""

    text: str
    losses: tuple[str, ...]


def to_pandera(promised: SchemaSettings) -> PanderaSource:
    """The schema as source code for pandera's pandas backend.

    Whole numbers and truths that may be missing become pandas' nullable types. What pandera cannot say in a way that
    can be read back is left out and listed.
    """
    losses = list(_table_losses(promised))
    lines = ["import pandas as pd", "import pandera.pandas as pa", "", "schema = pa.DataFrameSchema(", "    {"]
    for name, checks in promised.columns.items():
        lost, column = _column(checks)
        losses += [f"column '{name}': {each}" for each in lost]
        lines.append(f"        {name!r}: {column},")
    lines.append("    },")
    if promised.extra_columns == "fail":
        lines.append("    strict=True,")
    if keys := [each for each in promised.unique_together if _keyed(promised, each.columns)][:1]:
        lines.append(f"    unique={list(keys[0].columns)!r},")
    heading = ["# Written by `modelyard data schema`.", *(f"# Not said here: {each}" for each in losses)]
    text = "\n".join([*heading, *lines, ")"]) + "\n"
    return PanderaSource(text if "pd." in text else text.replace("import pandas as pd\n", ""), tuple(losses))


def _table_losses(promised: SchemaSettings) -> Iterator[str]:
    if promised.min_rows:
        yield f"min_rows {promised.min_rows}"
    if promised.max_rows is not None:
        yield f"max_rows {promised.max_rows}"
    if promised.extra_columns == "warn":
        yield "extra_columns: warn"
    yield from (f"relation {each.that}" for each in promised.relations)
    kept = 0
    for key in promised.unique_together:
        names = ", ".join(key.columns)
        if not _keyed(promised, key.columns):
            yield f"unique_together {names}: to pandera missing values are equal; promise not_null of each"
        elif kept:
            yield f"unique_together {names}: pandera takes one such list"
        else:
            kept += 1
        if key.tolerance or key.severity == "warn":
            yield f"tolerance and severity of unique_together {names}"


def _keyed(promised: SchemaSettings, columns: tuple[str, ...]) -> bool:
    return all(name in promised.columns and promised.columns[name].not_null for name in columns)


def _column(checks: ColumnChecks) -> tuple[list[str], str]:
    """What is lost of a column, and its source."""
    losses = list(_losses(checks))
    parts = [_dtype(checks) or "None"]
    if found := list(_checks(checks)):
        parts.append(f"checks=[{', '.join(found)}]")
    parts.append(f"nullable={not checks.not_null}")
    if checks.unique and checks.not_null:
        parts.append("unique=True")
    if not checks.required:
        parts.append("required=False")
    return losses, f"pa.Column({', '.join(parts)})"


def _losses(checks: ColumnChecks) -> Iterator[str]:
    if checks.type is not None and _dtype(checks) is None:
        yield f"type {checks.type}"
    if checks.type is not None and checks.type.startswith("timestamp[") and "tz=" not in checks.type:
        yield f"the unit of {checks.type}: pandera takes any, and calls it ns"
    for check in ("order", "max_age"):
        if getattr(checks, check) is not None:
            yield check
    if checks.unique and not checks.not_null:
        yield "unique: to pandera missing values are equal; promise not_null too"
    if checks.tolerance not in (0.0, {}):
        yield "tolerance"
    yield from _value_losses(checks)


def _value_losses(checks: ColumnChecks) -> Iterator[str]:
    for check in ("present", "type", "not_null", "unique"):
        if checks.severity_of(check) == "warn" and _is_asked(checks, check):
            yield f"severity warn of {check}"
    if checks.allowed is not None and _level_type(checks) is None:
        yield "allowed: needs a type that is text, a number or bool"
    for end in ("minimum", "maximum"):
        bound = getattr(checks, end)
        if isinstance(bound, date) and not (checks.type or "").startswith("timestamp["):
            yield f"{end}: an instant needs a timestamp type"


def _is_asked(checks: ColumnChecks, check: str) -> bool:
    return check == "present" or bool(getattr(checks, check))


def _dtype(checks: ColumnChecks) -> str | None:
    """The source of pandera's type; None when there is none, or none is declared."""
    declared = checks.type
    if declared is None:
        return None
    if declared.startswith("timestamp[") and ", tz=" in declared:
        unit, _, zone = declared.removeprefix("timestamp[").removesuffix("]").partition(", tz=")
        return f"pd.DatetimeTZDtype({unit!r}, {zone!r})"
    return (_DTYPES if checks.not_null else {**_DTYPES, **_NULLABLE}).get(declared)


def _level_type(checks: ColumnChecks) -> type | None:
    declared = checks.type or ""
    if declared == "string":
        return str
    if declared == "bool":
        return bool
    if declared.startswith(("int", "uint")) and declared[-1].isdigit():
        return int
    return float if declared == "float64" else None


def _checks(checks: ColumnChecks) -> Iterator[str]:
    for end, check in (("minimum", "ge"), ("maximum", "le")):
        bound = getattr(checks, end)
        if bound is not None and (written := _bound(bound, checks)) is not None:
            yield _check(checks, end, f"{check}({written}")
    if checks.allowed is not None and (kind := _level_type(checks)) is not None:
        levels = [each == "true" if kind is bool else kind(each) for each in checks.allowed]
        yield _check(checks, "allowed", f"isin({levels!r}")
    if checks.pattern is not None:
        whole = rf"^(?:{checks.pattern})\Z"  # to Python a line end may follow where $ stands
        yield _check(checks, "pattern", f"str_matches({whole!r}")
    for end, name in (("min_length", "min_value"), ("max_length", "max_value")):
        if (length := getattr(checks, end)) is not None:
            yield _check(checks, end, f"str_length({name}={length}")


def _check(checks: ColumnChecks, check: str, opened: str) -> str:
    warning = ", raise_warning=True" if checks.severity_of(check) == "warn" else ""
    return f"pa.Check.{opened}{warning})"


def _bound(bound: int | float | date, checks: ColumnChecks) -> str | None:
    if not isinstance(bound, date):
        return repr(bound) if isfinite(bound) else None
    declared = checks.type or ""
    if not declared.startswith("timestamp["):
        return None
    at = instant(bound)
    return f"pd.Timestamp({(at if ', tz=' in declared else at.replace(tzinfo=None)).isoformat()!r})"
