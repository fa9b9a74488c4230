"""What a schema calls a column's type: the name of an Arrow type, or of a family of them."""

import re
from collections.abc import Callable

import pyarrow as pa

from modelyard.core import nearest

FAMILIES: dict[str, Callable[[pa.DataType], bool]] = {
    "boolean": pa.types.is_boolean,
    "integer": pa.types.is_integer,
    "float": pa.types.is_floating,
    "decimal": pa.types.is_decimal,
    "number": lambda kind: pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind),
    "text": lambda kind: type_name(kind) == "string",
    "date": pa.types.is_date,
    "timestamp": pa.types.is_timestamp,
    "list": lambda kind: pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind),
    "struct": pa.types.is_struct,
    "map": pa.types.is_map,
}
"""Names that several Arrow types answer to."""

_UNITS = ("s", "ms", "us", "ns")
_SIMPLE = (
    "null", "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
    "float16", "float32", "float64", "string", "binary", "date32", "date64",
    "time32[s]", "time32[ms]", "time64[us]", "time64[ns]",
    *(f"{kind}[{unit}]" for kind in ("timestamp", "duration") for unit in _UNITS),
)  # fmt: skip
_WITH_WORDS = re.compile(r"timestamp\[(s|ms|us|ns), tz=[^\]\s]+\]|decimal(32|64|128|256)\(\d+, -?\d+\)")
_SPELLINGS = {"halffloat": "float16", "float": "float32", "double": "float64"}
_FOLDED = {"large_string": "string", "string_view": "string", "large_binary": "binary", "binary_view": "binary"}


def type_name(kind: pa.DataType) -> str:
    """The name of an Arrow type as schemas write it.

    How the values are stored does not count: a dictionary of strings, large strings and string views are `string`.
    Nested types are named by their family.
    """
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        return type_name(kind.value_type)
    if isinstance(kind, pa.BaseExtensionType):
        return type_name(kind.storage_type)
    if pa.types.is_date(kind):
        return "date32" if pa.types.is_date32(kind) else "date64"
    for family in ("list", "struct", "map"):
        if FAMILIES[family](kind):
            return family
    written = str(kind)
    return _FOLDED.get(written, _SPELLINGS.get(written, written))


def shown_type(kind: pa.DataType) -> str:
    """A type as messages show it: whole, but not without end."""
    written = str(kind)
    return written if len(written) <= 80 else written[:80] + "…"


def stored_type(kind: pa.DataType) -> pa.DataType:
    """The type of a column's values, whatever encodes them."""
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        return stored_type(kind.value_type)
    return stored_type(kind.storage_type) if isinstance(kind, pa.BaseExtensionType) else kind


def fits(declared: str, kind: pa.DataType) -> bool:
    """Whether a column of this Arrow type is what a schema calls `declared`."""
    if declared in FAMILIES:
        return FAMILIES[declared](stored_type(kind))
    return type_name(kind) == declared


def check_type(written: str) -> str:
    """`written` itself, when a schema may say it; ValueError with the nearest name otherwise."""
    if written in FAMILIES or written in _SIMPLE or _WITH_WORDS.fullmatch(written):
        return written
    close = nearest(written, [*FAMILIES, *_SIMPLE])
    hint = f"did you mean {close!r}?" if close else f"families: {', '.join(FAMILIES)}; or an Arrow type such as int64"
    raise ValueError(f"no type is called {written[:60]!r}; {hint}")
