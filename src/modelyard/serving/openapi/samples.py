"""Rows that a live model takes: as examples, and as JSON Schema of each field.

Examples are made of the reference profile's quantiles and most frequent levels: nobody's training row is shown.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from modelyard.core import Scalar
from modelyard.inference import CategoryProfile, Field, NumberProfile, described
from modelyard.online import DerivedInput, RequestField, fields_of, keys_of

from ..arms import LoadedArm
from ..deployments import Deployment

Schema = dict[str, Any]

ISO_PATTERN = (
    r"(19|20)[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])"
    r"T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?(Z|[+-]0[0-9]:00)?"
)
ISO_8601: Schema = {"type": "string", "pattern": f"^{ISO_PATTERN}$", "description": "ISO 8601 (UTC without a zone)"}

_NOON = "2026-01-05T12:00:00Z"
"""A time, as requests write it."""

ROWS = 2
"""Rows in an example that has several."""


@dataclass(frozen=True)
class Sample:
    """One deployment, as its examples show it."""

    deployment: Deployment

    @property
    def name(self) -> str:
        """What paths call it."""
        return self.deployment.route.deployment

    @property
    def version(self) -> str:
        """The live version."""
        return self.deployment.route.live.version

    @cached_property
    def arm(self) -> LoadedArm:
        """The live arm."""
        return self.deployment.live

    @property
    def signature(self) -> Sequence[Field]:
        """The model's columns in order."""
        return self.arm.bundle.info.signature.fields

    @property
    def request(self) -> Sequence[RequestField]:
        """What a caller sends of them by name."""
        return self.arm.plan.request

    @cached_property
    def needs_stored(self) -> bool:
        """Whether the model must find something in the online store: an entity made up for an example has nothing."""
        used = [(view, name) for view in self.arm.plan.views for name in view.features if name in self._fields]
        return any(
            view.stale == "error"
            or (not self._fields[name].nullable and (view.stale == "null" or view.defaults.get(name) is None))
            for view, name in used
        )

    @property
    def refuses_stale(self) -> bool:
        """Whether a view answers with an error when it has nothing: an entity made up for an example has nothing."""
        return any(view.stale == "error" for view in self.arm.plan.views)

    @property
    def entity_keys(self) -> list[str]:
        """What identifies the entities of the views that the model reads."""
        return list(keys_of(self.arm.plan))

    @property
    def entity_fields(self) -> Mapping[str, DerivedInput]:
        """The fields of requests that the model's on-demand features are computed of."""
        return fields_of(self.arm.plan)

    @property
    def looked_up(self) -> list[str]:
        """What the model reads from the online store or computes on demand, as `view:feature`."""
        stored = [f"{view.name}:{name}" for view in self.arm.plan.views for name in view.features]
        return stored + [f"{each.name}:{name}" for each in self.arm.plan.on_demand for name in each.features]

    def entity(self, at: int = 0) -> dict[str, Scalar]:
        """An entity's keys, and the fields that on-demand features take."""
        kinds = {field.name: field.kind for field in self.request}
        entity = {name: self._value(name, kinds.get(name, "category"), at) for name in self.entity_keys}
        for name, field in self.entity_fields.items():
            entity[name] = self._value(name, "number" if field.kind == "number" else "category", at)
        return entity

    @property
    def columns_by_name(self) -> Sequence[Field | RequestField]:
        """What a row of a foreign protocol is made of: request fields, or all columns where these need the store."""
        return self.signature if self.needs_stored else self.request

    def named(self, at: int = 0) -> dict[str, Scalar]:
        """A row by name."""
        return {field.name: self._value(field.name, field.kind, at) for field in self.columns_by_name}

    def ordered(self, at: int = 0) -> list[Scalar]:
        """A row in the signature's order."""
        return [self._value(field.name, field.kind, at) for field in self.signature]

    @property
    def has_tensors(self) -> bool:
        """Whether rows hold tensors, which no example of a readable size shows."""
        return bool(self.arm.tensors)

    def cell(self, field: Field | RequestField) -> Schema:
        """What one value of a field may be."""
        column = self._fields.get(field.name)
        if column is not None and column.kind == "tensor":
            return {"type": "array", "description": f"{described(column)}, as nested lists"}
        if self._is_time(field.name):
            return {"anyOf": [ISO_8601, {"type": "null"}]} if self._nullable(field) else ISO_8601
        kind = _number(column) if field.kind == "number" else _category(column)
        return {"anyOf": [kind, {"type": "null"}]} if self._nullable(field) else kind

    def loose_cell(self, field: Field | RequestField) -> Schema:
        """The same where a value may stand alone in a list, and a string as base64."""
        bare = self.cell(field)
        if field.kind == "tensor":
            return bare
        encoded: list[Schema] = []
        column = self._fields.get(field.name)
        if field.kind in ("category", "text") and (column is None or column.unknown != "error"):
            encoded = [object_of({"b64": {"type": "string", "contentEncoding": "base64"}})]
        alone = {"anyOf": [bare, *encoded]} if encoded else bare
        return {"anyOf": [bare, *encoded, {"type": "array", "items": alone, "minItems": 1, "maxItems": 1}]}

    def named_row(self, *, loose: bool = False) -> Schema:
        """What a row by name may be."""
        cell = self.loose_cell if loose else self.cell
        row = object_of({field.name: cell(field) for field in self.request}, self._required())
        if not loose or self._asks_for_columns:
            return row
        return {"anyOf": [row, object_of({field.name: cell(field) for field in self.signature})]}

    def ordered_row(self, *, loose: bool = False) -> Schema:
        """What a row in the signature's order may be."""
        cell = self.loose_cell if loose else self.cell
        cells = [cell(field) for field in self.signature]
        return {
            "type": "array",
            "prefixItems": cells,
            "items": False,
            "minItems": len(cells),
            "maxItems": len(cells),
        }

    def columns(self, limit: int) -> Schema:
        """What named columns may be; that they are of equal length no schema can say."""

        def column(field: Field | RequestField) -> Schema:
            return list_of(self.loose_cell(field), limit, least=1)

        some = object_of({field.name: column(field) for field in self.request}, self._required()) | {"minProperties": 1}
        if self._asks_for_columns:
            return some
        return {"anyOf": [some, object_of({field.name: column(field) for field in self.signature})]}

    @property
    def _asks_for_columns(self) -> bool:
        """Whether a row by name and the model's own columns are the same."""
        return {field.name for field in self.request} == self._fields.keys()

    def _nullable(self, field: Field | RequestField) -> bool:
        column = self._fields.get(field.name)
        asked = isinstance(field, RequestField) and field.required
        return not asked and (column is None or column.nullable)

    def _required(self) -> list[str]:
        return [field.name for field in self.request if not self._nullable(field)]

    @cached_property
    def _fields(self) -> dict[str, Field]:
        return {field.name: field for field in self.signature}

    def _is_time(self, name: str) -> bool:
        """Whether a field of the request is a time to on-demand features."""
        return name in self.entity_fields and self.entity_fields[name].kind == "instant"

    def _value(self, name: str, kind: str, at: int) -> Scalar:
        if self._is_time(name):
            return _NOON
        profile = next((each for each in self.arm.bundle.profile.columns if each.name == name), None)
        if isinstance(profile, CategoryProfile) and profile.levels:
            frequent = sorted(zip(profile.counts, profile.levels, strict=True), key=lambda each: (-each[0], each[1]))
            return frequent[at % len(frequent)][1]
        if isinstance(profile, NumberProfile) and profile.edges:
            return float(f"{profile.edges[len(profile.edges) * (at + 1) // (ROWS + 1)]:.4g}")
        return float(at + 1) if kind == "number" else f"{name}-{at + 1}"


def object_of(properties: Mapping[str, Schema], required: Sequence[str] | None = None) -> Schema:
    """An object of these properties and no others; all of them required when not said."""
    needed = list(properties if required is None else required)
    return {"type": "object", "properties": dict(properties), "required": needed, "additionalProperties": False}


def list_of(items: Schema, most: int | None = None, *, least: int = 0) -> Schema:
    """A list of so many items."""
    return {"type": "array", "items": items, "minItems": least} | ({"maxItems": most} if most is not None else {})


def _category(column: Field | None) -> Schema:
    if column is not None and column.unknown == "error":
        return {"enum": list(column.categories)}
    return {"type": "string"}


def _number(column: Field | None) -> Schema:
    largest = column.largest if column is not None and column.largest is not None else sys.float_info.max
    return {"type": "number", "minimum": -largest, "maximum": largest}
