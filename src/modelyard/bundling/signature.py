"""Inferring a signature from training columns."""

from collections.abc import Mapping, Sequence
from typing import Literal

from modelyard.core import Scalar
from modelyard.inference import Field, Signature

Kind = Literal["number", "category"]


def infer_signature(
    columns: Mapping[str, Sequence[Scalar]], kinds: Mapping[str, Kind], *, required: Sequence[str] = ()
) -> Signature:
    """The signature of training columns, in their order: levels of categories, ranges of numbers.

    `required` names the fields in which a missing value is an error; the others are nullable.
    """
    return Signature(tuple(_field(name, kinds[name], values, name not in required) for name, values in columns.items()))


def _field(name: str, kind: Kind, values: Sequence[Scalar], nullable: bool) -> Field:  # noqa: FBT001 - one caller
    present = [value for value in values if value is not None]
    if kind == "category":
        return Field(name, "category", nullable, tuple(sorted({str(value) for value in present})))
    numbers = [float(value) for value in present if value is not None]
    if not numbers:
        return Field(name, "number", nullable)
    return Field(name, "number", nullable, minimum=min(numbers), maximum=max(numbers))
