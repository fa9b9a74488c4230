"""The type of a JSON field, told from all its values: what a field mixes is an error, never a guess."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from modelyard.data.errors import UnreadableData

from .complaints import clip
from .kinds import EXACT_INTEGER, Column
from .records import Written


@dataclass(frozen=True)
class Mixed:
    """A field has values of kinds that no type holds: `path` inside the record, kinds with rows, the second value."""

    path: str
    first: tuple[tuple[str, int], tuple[str, int]]
    shown: str


@dataclass
class Shape:
    """What was seen of a field: the row (from 1) of the first value of each kind, and more where the type needs it."""

    first: dict[str, int] = field(default_factory=dict)
    shown: dict[str, str] = field(default_factory=dict)
    least: int = 0
    most: int = 0
    inside: "Shape | None" = None
    fields: "dict[str, Shape] | None" = None

    def look(self, value: Any, row: int) -> None:
        """Take a value in."""
        kind = _KINDS.get(type(value), "text")
        if kind == "missing":
            return
        if kind not in self.first:
            self.first[kind] = row
            self.shown[kind] = clip(value)
        if kind == "integer":
            self.least, self.most = min(self.least, value), max(self.most, value)
        elif kind == "list":
            self.inside = self.inside or Shape()
            for each in value:
                self.inside.look(each, row)
        elif kind == "object":
            self.fields = {} if self.fields is None else self.fields
            for name, each in value.items():
                self.fields.setdefault(name, Shape()).look(each, row)

    def type(self, path: str, *, texts: Column | None = None) -> pa.DataType:
        """The type that holds all values; `texts` is what the field's strings are as CSV would read them."""
        kinds = set(self.first)
        if kinds <= {"integer", "number", "digits"} and kinds:
            return self._number()
        if len(kinds) > 1:
            raise UnreadableData("a field mixes kinds", context={"mixed": self._mixed(path)})
        if self.inside is not None:
            return pa.list_(self.inside.type(f"{path}[]"))
        if self.fields is not None:
            return pa.struct([(name, each.type(f"{path}.{name}")) for name, each in self.fields.items()])
        if kinds == {"text"} and texts is not None and texts.kind.name in ("date32", "timestamp"):
            return texts.kind.type
        return {"text": pa.string(), "truth": pa.bool_()}.get(next(iter(kinds), ""), pa.null())

    def why(self, found: pa.DataType, texts: Column, spell: Callable[[int], str]) -> str:
        """Why the field has the type; `spell` says where a row is."""
        if not self.first:
            return "it has only missing values"
        if "digits" in self.first:
            return f"a number in {spell(self.first['digits'])} has more digits than a float64 keeps"
        if pa.types.is_string(found) and "text" not in self.first:
            return "integers beyond 64 bits" if "number" not in self.first else "integers that a float64 would change"
        if pa.types.is_string(found) and texts.kind.name == "text" and "several" in texts.why:
            return texts.why
        if pa.types.is_temporal(found):
            return f"all strings are {found} as ISO 8601 writes them"
        return "all values are " + " or ".join(sorted(self.first))

    def _number(self) -> pa.DataType:
        if "digits" in self.first:
            return pa.string()
        if "number" in self.first:
            return pa.float64() if max(-self.least, self.most) <= EXACT_INTEGER else pa.string()
        if self.least >= -(2**63) and self.most < 2**63:
            return pa.int64()
        return pa.uint64() if self.least >= 0 and self.most < 2**64 else pa.string()

    def _mixed(self, path: str) -> Mixed:
        one, other, *_ = sorted(self.first.items(), key=lambda each: each[1])
        return Mixed(path, (one, other), self.shown[other[0]])


_KINDS = {
    type(None): "missing",
    bool: "truth",
    int: "integer",
    float: "number",
    Written: "digits",
    str: "text",
    list: "list",
    dict: "object",
}
