"""Feast's values as the online store keeps them, and back.

Numbers, texts, flags and seconds are kept as what they are; lists, bytes, maps and the like as the bytes of Feast's own
message, in base 64.
"""

import math
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any, cast

from feast.protos.feast.types.Value_pb2 import Value as ValueProto

from modelyard.core import InvalidInput, Scalar

PLAIN: Mapping[str, str] = {
    "INT32": "int32_val",
    "INT64": "int64_val",
    "FLOAT": "float_val",
    "DOUBLE": "double_val",
    "BOOL": "bool_val",
    "STRING": "string_val",
    "UNIX_TIMESTAMP": "unix_timestamp_val",
}
"""The field of Feast's message for each type that is kept as what it is."""

_NUMBERS = {"int32_val", "int64_val", "float_val", "double_val", "unix_timestamp_val"}


def kept(value: Any, type_: str, what: str) -> Scalar:
    """A value of a feature of a type (a name of Feast's `ValueType`) as it is kept; null for NaN, and for no value.

    InvalidInput, which calls it `what`, for a value that is not of the type.
    """
    field = value.WhichOneof("val")
    if field is None or field == "null_val":
        return None
    wanted = PLAIN.get(type_)
    if wanted is None:
        return b64encode(value.SerializeToString()).decode()
    plain = cast("Scalar", getattr(value, field))
    if field == wanted:
        return None if isinstance(plain, float) and math.isnan(plain) else plain
    if field in _NUMBERS and wanted in _NUMBERS and _fits(plain, wanted):
        return plain
    raise InvalidInput(
        f"The {what} is declared {type_}, and the value to be written is {field.removesuffix('_val')}.",
        code="WRONG_VALUE",
        remedy="Correct the type in the feature view's schema, then: feast apply.",
    )


def given(value: Scalar, type_: str) -> Any:
    """A kept value as Feast's message; one without a value for null, and for what is no value of the type any more."""
    if value is None:
        return ValueProto()
    field = PLAIN.get(type_)
    try:
        if field is None:
            return ValueProto.FromString(b64decode(str(value), validate=True))
        return ValueProto(**{field: value})
    except (TypeError, ValueError):  # a type was changed since, and the view not materialized yet
        return ValueProto()


def key_part(value: Any, name: str) -> Scalar:
    """A part of an entity's key; None for no value."""
    field = value.WhichOneof("val")
    if field is None or field == "null_val":
        return None
    plain = getattr(value, field)
    if isinstance(plain, bytes):
        return plain.decode("latin-1")
    if isinstance(plain, str | int | float):
        return plain
    raise InvalidInput(
        f"The join key '{name[:80]}' is {field.removesuffix('_val')}, which cannot be a key.",
        code="WRONG_VALUE",
        remedy="Join by numbers, texts, flags or bytes.",
    )


def _fits(value: Scalar, wanted: str) -> bool:
    """Whether a number is the same in another width."""
    if wanted in ("float_val", "double_val"):
        return True
    return isinstance(value, int) or (isinstance(value, float) and value.is_integer())
