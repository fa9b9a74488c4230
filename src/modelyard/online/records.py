"""The feature plan a bundle carries, and what an online read answers."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Literal

import msgspec

from modelyard.core import Digest, Micros, Scalar, canonical_json, digest_of

from .expressions import Kind

EntityKey = tuple[Scalar, ...]
"""The values of a view's join keys, in their order."""

StalePolicy = Literal["null", "default", "error", "serve"]
"""What becomes of a value that is missing or expired."""

FALLS_BACK: frozenset[StalePolicy] = frozenset({"default", "serve"})
"""The policies by which the view's default stands for what is not there; online and in training alike."""

SERVES_EXPIRED: frozenset[StalePolicy] = frozenset({"serve"})
"""The policies by which an expired value is used as it is; online and in training alike."""


class RequestField(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A value the caller sends. `required` False lets it be absent, and then null; tensors are the model's to check."""

    name: str
    kind: Literal["number", "category", "tensor", "text"]
    required: bool = True


class ViewPlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One feature view as the server reads it.

    `entity_keys` name the request fields that form the key, in order. `ttl_s` None means values never expire; else a
    value is used while `at - event_time <= ttl_s`. `features` are those the model uses, `inputs` those that only its
    on-demand features are computed of, `stored` all that a stored row holds, in order. `stale` says what an expired or
    missing value becomes: null, the default, or an error; `serve` gives an expired value all the same, and null for a
    missing one.
    """

    name: str
    entity_keys: tuple[str, ...]
    features: tuple[str, ...]
    stored: tuple[str, ...]
    ttl_s: float | None = None
    stale: StalePolicy = "null"
    defaults: dict[str, Scalar] = {}
    inputs: tuple[str, ...] = ()

    @property
    def read(self) -> tuple[str, ...]:
        """What is read of a stored row: the model's features, then what only expressions need."""
        return (*self.features, *self.inputs)

    @property
    def table(self) -> str:
        """Where the view's rows are stored."""
        return table_of(self.name, self.entity_keys, self.stored)


def table_of(view: str, keys: Sequence[str], columns: Sequence[str]) -> str:
    """The name under which a view's rows are stored: rows of other columns are never taken for them."""
    return f"{view}@{digest_of(canonical_json([list(keys), list(columns)]))[:12]}"


class DerivedInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What expressions call `name`: a feature of a view, or the request field `feature` where `view` is None.

    A request field of kind `instant` comes as text in ISO 8601. `whole`: a number that functions get as an int.
    """

    name: str
    kind: Kind
    feature: str
    view: str | None = None
    whole: bool = False


class DerivedPlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """On-demand features: pairs of name and expression, each able to use those before it.

    `features` are those the model uses.
    """

    name: str
    inputs: tuple[DerivedInput, ...]
    expressions: tuple[tuple[str, str], ...]
    features: tuple[str, ...]


OutputKind = Literal["number", "whole", "text", "truth", "instant"]
"""What a function gives: as `Kind`, and int64."""

CallMode = Literal["row", "columns", "pandas"]
"""How a function is called: with a dict a row, with a dict of lists, or with a DataFrame of pandas."""


class FunctionPlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """On-demand features that a function of Python gives, which runs in a worker process.

    `file` is the bundle's file of code, whose SHA-256 is `code`; `outputs` are pairs of name and kind of all that the
    function gives, `features` those that the model uses.
    """

    name: str
    file: str
    code: Digest
    function: str
    mode: CallMode
    inputs: tuple[DerivedInput, ...]
    outputs: tuple[tuple[str, OutputKind], ...]
    features: tuple[str, ...]

    @property
    def takes(self) -> tuple[tuple[str, str], ...]:
        """What it is given, as pairs of name and kind."""
        return tuple((each.name, "whole" if each.whole else each.kind) for each in self.inputs)

    @property
    def gives(self) -> tuple[tuple[str, str], ...]:
        """What it gives, as pairs of name and kind."""
        return self.outputs


class FeaturePlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a model's input row is made: request fields first, then the online store's views, then on-demand features.

    Feature names are unique over the plan; `RequestField`s used only as entity keys, or by expressions, need not be in
    the signature.
    """

    request: tuple[RequestField, ...] = ()
    views: tuple[ViewPlan, ...] = ()
    derived: tuple[DerivedPlan, ...] = ()
    functions: tuple[FunctionPlan, ...] = ()

    @property
    def on_demand(self) -> tuple[DerivedPlan | FunctionPlan, ...]:
        """What is computed of others, by expressions and by functions."""
        return (*self.derived, *self.functions)


class Presence(StrEnum):
    """How a feature value came to be what it is."""

    PRESENT = "present"
    NULL = "null"
    MISSING = "missing"
    EXPIRED = "expired"


class ViewState(msgspec.Struct, frozen=True, array_like=True):
    """How many `rows` a view holds, and what is known of them; instants in microseconds since the epoch (UTC).

    `until_us`: every row that was known by then is there (None: never materialized). `newest_us`: the latest event time
    of a row. `written_us`: when the view was last written by someone who said so.
    """

    rows: int = 0
    until_us: int | None = None
    newest_us: int | None = None
    written_us: int | None = None

    def marked(self, until: Micros | None, at: Micros) -> "ViewState":
        """Known up to `until`, never back (None: as before), written at an instant."""
        known = until if self.until_us is None else max(self.until_us, until or self.until_us)
        return msgspec.structs.replace(self, until_us=known, written_us=at)

    def with_event(self, event: int) -> "ViewState":
        """With a row of this event time."""
        newest = event if self.newest_us is None else max(event, self.newest_us)
        return msgspec.structs.replace(self, newest_us=newest)


class StoredRow(msgspec.Struct, frozen=True, array_like=True):
    """One entity's newest values in a view; instants in microseconds since the epoch (UTC)."""

    event_us: int
    available_us: int
    values: tuple[Scalar, ...]
