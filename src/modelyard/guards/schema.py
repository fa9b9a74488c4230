"""Whether an answer is JSON of the promised schema."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from .contract import Context
from .errors import InvalidGuardSet
from .records import Claim

LONGEST = 1_000_000
"""Characters of an answer; a longer one is not JSON of any promised schema."""


@dataclass(frozen=True)
class SchemaGuard:
    """Claims an answer as a whole (`off_schema`) when it is no JSON or breaks the schema: JSON Schema 2020-12, or the
    draft that `$schema` names.

    It holds back the whole answer, up to a million characters; of a longer one what follows is claimed as
    it comes. NaN, infinities and a key written twice are no JSON. References lead nowhere but into the schema itself:
    nothing is fetched. Patterns in a schema are Python's regular expressions, which its author answers for.
    """

    schema: Mapping[str, Any] = field(repr=False)
    name: str = "schema"

    @property
    def longest(self) -> None:
        """The whole text."""
        return None

    @cached_property
    def validator(self) -> Any:
        """A validator of the schema; InvalidGuardSet when it is no schema."""
        # Only who promises a schema pays for the import, of a tenth of a second.
        from jsonschema import validators  # noqa: PLC0415
        from jsonschema.exceptions import SchemaError  # noqa: PLC0415
        from referencing import Registry  # noqa: PLC0415

        kind = validators.validator_for(self.schema, default=validators.Draft202012Validator)
        try:
            kind.check_schema(self.schema)
        except SchemaError as error:
            raise InvalidGuardSet(
                f"The response schema is no JSON Schema: {error.message} at {error.json_path}.",
                context={"path": error.json_path},
                remedy="Correct it; see json-schema.org.",
            ) from error
        return kind(self.schema, registry=Registry())

    def keeps(self, text: str) -> bool:
        """Whether a text is JSON of the schema."""
        try:
            answer = json.loads(text, parse_constant=_no_json, object_pairs_hook=_once)
        except (ValueError, RecursionError):
            return False
        return bool(self.validator.is_valid(answer))

    def open(self, context: Context) -> "SchemaScan":  # noqa: ARG002 - the schema is all there is
        """Begin an answer."""
        return SchemaScan(self)


class SchemaScan:
    """One answer, which is judged when it is whole."""

    def __init__(self, guard: SchemaGuard) -> None:
        self._guard = guard
        self._parts: list[str] = []
        self._length = 0
        self._clear = 0

    @property
    def clear(self) -> int:
        """Nothing, until all is known or it is too long."""
        return self._clear

    def feed(self, text: str) -> list[Claim]:
        """Keep it; or claim it, when it is too long."""
        self._length += len(text)
        if self._length <= LONGEST:
            self._parts.append(text)
            return []
        self._parts.clear()
        return self._claimed()

    def end(self, text: str = "") -> list[Claim]:
        """Judge it."""
        claims = self.feed(text)
        if self._length > LONGEST or not self._guard.keeps("".join(self._parts)):
            return [*claims, *self._claimed()]
        self._clear = self._length
        return claims

    def _claimed(self) -> list[Claim]:
        start, self._clear = self._clear, self._length
        return [Claim(start, self._length, "off_schema")] if self._length > start else []


def _no_json(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("a key is written twice")
    return made
