"""An artifact as a value: its form, and the digests of its bytes or parts."""

from collections.abc import Iterator
from typing import Literal

import msgspec

from modelyard.core import Digest, canonical_json, digest_of

Form = Literal["json", "judgement", "table", "array", "file", "folder", "figure", "pickle", "list", "tuple", "dict"]
"""Lists, tuples and dicts hold parts that are artifacts themselves; every other form is bytes in the store."""


class Artifact(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a step gave. Small and JSON-able, whatever the size of the bytes.

    `digest`: of the bytes, or for lists, tuples and dicts of the identities of their parts. `size`: bytes, parts
    included. `name`: of files, folders and figures. `keys`: of a dict's parts, in order.
    """

    form: Form
    digest: Digest
    size: int
    name: str = ""
    parts: tuple["Artifact", ...] = ()
    keys: tuple[str, ...] = ()

    @property
    def identity(self) -> str:
        """Equal for artifacts that load as equal values: what cache keys are made of."""
        return f"{self.form}:{self.digest}:{self.name}" if self.name else f"{self.form}:{self.digest}"

    def leaves(self) -> Iterator["Artifact"]:
        """The artifacts in it that are bytes in the store."""
        if self.form not in ("list", "tuple", "dict"):
            yield self
        for part in self.parts:
            yield from part.leaves()


def group(form: Form, parts: tuple[Artifact, ...], keys: tuple[str, ...] = ()) -> Artifact:
    """A list, tuple or dict of artifacts."""
    content = {"keys": list(keys), "parts": [each.identity for each in parts]}
    return Artifact(form, digest_of(canonical_json(content)), sum(each.size for each in parts), "", parts, keys)
