"""Values that come with a request."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import pyarrow as pa

from modelyard.core import InvalidInput
from modelyard.data import parse_type
from modelyard.online.expressions import Kind

from .definition import Definition, check_definition, wrong_labels


@dataclass(frozen=True, eq=False)
class RequestSource(Definition):
    """Values that come with the request: `schema` gives their types by name, as `float64`, `string` or `timestamp[us]`.

    Offline they are columns of the entity rows. Requests write times as text in ISO 8601. InvalidDefinition lists all
    that is wrong with it.
    """

    kind: ClassVar[str] = "request source"

    name: str
    schema: Mapping[str, str] = field(default_factory=dict)
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    owner: str = ""

    def __post_init__(self) -> None:
        wrong = wrong_labels(self.description, self.tags, self.owner)
        if not isinstance(self.schema, Mapping) or not self.schema:
            wrong.append("schema maps at least one field to its type.")
        else:
            wrong += [why for name, type_ in self.schema.items() if (why := _wrong(name, type_))]
        check_definition(self.kind, self.name, wrong, 'RequestSource(name="…", schema={"pages": "float64"})')

    @property
    def kinds(self) -> dict[str, Kind]:
        """What expressions make of each field."""
        return {name: _kind(parse_type(type_)) or "text" for name, type_ in self.schema.items()}


def _wrong(name: object, type_: object) -> str:
    if not isinstance(name, str) or not name or name.startswith("__"):
        return f"{str(name)[:80]!r} cannot name a field."
    try:
        if _kind(parse_type(str(type_))) is not None:
            return ""
    except InvalidInput as error:
        return f"field '{name[:80]}': {error.message} {error.remedy}"
    return (
        f"field '{name[:80]}' is {str(type_)[:40]}, which no request carries: it takes numbers, texts and times; send "
        f"a flag as 1 or 0."
    )


def _kind(type_: pa.DataType) -> Kind | None:
    if pa.types.is_integer(type_) or pa.types.is_floating(type_):
        return "number"
    if pa.types.is_string(type_) or pa.types.is_large_string(type_):
        return "text"
    return "instant" if pa.types.is_timestamp(type_) or pa.types.is_date(type_) else None
