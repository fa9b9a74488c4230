"""The feature plan a bundle carries, and what an online read answers."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Literal

import msgspec

from modelyard.core import Scalar, canonical_json, digest_of


class RequestField(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A value the caller sends. `required` False lets it be absent, and then null; tensors are the model's to check."""

    name: str
    kind: Literal["number", "category", "tensor", "text"]
    required: bool = True


class ViewPlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One feature view as the server reads it.

    `entity_keys` name the request fields that form the key, in order. `ttl_s` None means values never expire; else a
    value is used while `at - event_time <= ttl_s`. `features` are those the model uses, `stored` all that a stored
    row holds, in order. `stale` says what an expired or missing value becomes: null, the default, or an error.
    """

    name: str
    entity_keys: tuple[str, ...]
    features: tuple[str, ...]
    stored: tuple[str, ...]
    ttl_s: float | None = None
    stale: Literal["null", "default", "error", "serve"] = "null"
    defaults: dict[str, Scalar] = {}

    @property
    def table(self) -> str:
        """Where the view's rows are stored."""
        return table_of(self.name, self.entity_keys, self.stored)


def table_of(view: str, keys: Sequence[str], columns: Sequence[str]) -> str:
    """The name under which a view's rows are stored: rows of other columns are never taken for them."""
    return f"{view}@{digest_of(canonical_json([list(keys), list(columns)]))[:12]}"


class FeaturePlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a model's input row is made from a request and the online store: request fields first, then views.

    Feature names are unique over the plan; `RequestField`s used only as entity keys need not be in the signature.
    """

    request: tuple[RequestField, ...] = ()
    views: tuple[ViewPlan, ...] = ()


class Presence(StrEnum):
    """How a feature value came to be what it is."""

    PRESENT = "present"
    NULL = "null"
    MISSING = "missing"
    EXPIRED = "expired"


class StoredRow(msgspec.Struct, frozen=True, array_like=True):
    """One entity's newest values in a view; instants in microseconds since the epoch (UTC)."""

    event_us: int
    available_us: int
    values: tuple[Scalar, ...]
