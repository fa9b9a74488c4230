"""Many rows are read as one would be, whatever their state; who asks for features gets columns."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelyard.core import Micros, ModelyardError, Scalar, Value
from modelyard.online import (
    ColumnReader,
    FeaturePlan,
    FeatureReader,
    FeatureRow,
    InvalidRequestField,
    LocalOnlineStore,
    Presence,
    RequestField,
    StaleFeatures,
    StalePolicy,
    StoredRow,
    ViewPlan,
)

NOON = Micros(43_200_000_000)
SECOND = 1_000_000


def view(stale: StalePolicy = "null") -> ViewPlan:
    """Three stored values, two used; fresh for ten seconds; a default for one of them."""
    return ViewPlan("stats", ("customer",), ("b", "a"), ("a", "x", "b"), 10.0, stale, {"a": -1.0})


def plan_of(*views: ViewPlan) -> FeaturePlan:
    """A plan that asks for views alone."""
    return FeaturePlan((), views)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LocalOnlineStore]:
    """Customers of every sort: fresh, with a null, expired, of the future, known later."""
    store = LocalOnlineStore(tmp_path / "online")
    rows = [
        *[((f"fresh {at}",), StoredRow(NOON, NOON, (float(at), None, "t"))) for at in range(8)],
        (("null",), StoredRow(NOON, NOON, (None, 1, "t"))),
        (("old",), StoredRow(NOON - 11 * SECOND, 0, (5.0, 1, "old"))),
        (("future",), StoredRow(NOON + 1, 0, (5.0, 1, "t"))),
        (("later",), StoredRow(NOON, NOON + 1, (5.0, 1, "t"))),
    ]
    assert store.write(view().table, rows) == len(rows)
    yield store
    store.close()


CUSTOMERS: list[Scalar] = [*(f"fresh {at}" for at in range(8)), "null", "old", "future", "later", "nobody", None]


def outcome(reader: FeatureReader, request: Mapping[str, Value]) -> FeatureRow | tuple[str, str]:
    """A row, or the error's code and message."""
    try:
        return reader.row(request, NOON)
    except ModelyardError as error:
        return error.code, error.message


@pytest.mark.parametrize("stale", ["null", "default", "error", "serve"])
@pytest.mark.parametrize(
    "customers", [CUSTOMERS, CUSTOMERS[:8], CUSTOMERS[:2], []], ids=["all", "fresh", "two", "none"]
)
def test_many_rows_are_as_one_by_one(store: LocalOnlineStore, stale: StalePolicy, customers: list[Scalar]) -> None:
    """Values, presences and errors, with a request that is wrong among them."""
    request = (RequestField("customer", "category", required=False),)
    reader = FeatureReader(store, FeaturePlan(request, (view(stale),)))
    asked: list[dict[str, Value]] = [{"customer": each} for each in [*customers, 7]]
    found = reader.rows(asked, [NOON] * len(asked))
    told = [(each.code, each.message) if isinstance(each, ModelyardError) else each for each in found]
    assert told == [outcome(reader, each) for each in asked]


def test_the_policy_serve_gives_what_is_old_and_says_so(store: LocalOnlineStore) -> None:
    """An expired value as it is; a missing one as its default, or null."""
    reader = ColumnReader(store, plan_of(view("serve")))
    found = reader.read([{"customer": each} for each in ("old", "nobody", "null")], NOON)
    assert found.values == {"a": [5.0, -1.0, None], "b": ["old", None, "t"]}
    assert found.presence["a"] == [Presence.EXPIRED, Presence.MISSING, Presence.NULL]


def test_columns_are_in_the_order_of_the_entities(store: LocalOnlineStore) -> None:
    """One entity, many, none; keys come back; NumPy's scalars are scalars."""
    reader = ColumnReader(store, plan_of(view()))
    for customers in (CUSTOMERS, CUSTOMERS[:6], CUSTOMERS[:1], []):
        found = reader.read([{"customer": each} for each in customers], NOON)
        assert found.keys == {"customer": customers}
        alone = [reader.read([{"customer": each}], NOON) for each in customers]
        for name in ("a", "b"):
            assert found.values[name] == [each.values[name][0] for each in alone]
            assert found.presence[name] == [each.presence[name][0] for each in alone]
    given: Any = np.str_("fresh 3")
    assert reader.read([{"customer": given}], NOON).values["a"] == [3.0]


@pytest.mark.parametrize(
    ("entities", "path", "message"),
    [
        ([{}], "entities[0].customer", "lacks the key 'customer'"),
        ([{"customer": "a"}, {"custmer": "a"}], "entities[1].customer", "lacks the key"),
        ([{"customer": "a", "amount": 1}], "entities[0].amount", "'amount', which is no key"),
        ([{"customer": ["a"]}], "entities[0].customer", "a key is a number, a text or a flag"),
        (["a"], "entities[0]", "not keys with values"),
    ],
)
def test_wrong_entities_are_named(store: LocalOnlineStore, entities: Any, path: str, message: str) -> None:
    """Which one, which key, and what there is."""
    with pytest.raises(InvalidRequestField, match=message) as caught:
        ColumnReader(store, plan_of(view())).read(entities, NOON)
    assert caught.value.context["path"] == path


def test_the_policy_error_names_the_entity(store: LocalOnlineStore) -> None:
    """Also among many."""
    customers: list[dict[str, Scalar]] = [{"customer": each} for each in [*CUSTOMERS[:7], "nobody"]]
    for asked, path in ((customers, "entities[7]"), (customers[7:], "entities[0]")):
        with pytest.raises(StaleFeatures, match="no fresh value") as caught:
            ColumnReader(store, plan_of(view("error"))).read(asked, NOON)
        assert caught.value.context["path"] == path
