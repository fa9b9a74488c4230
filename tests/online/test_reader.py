"""A feature row is the request as sent and the online store as of an instant; what is missing or old says so."""

from collections.abc import Iterator
from math import inf, nan
from pathlib import Path
from typing import Any, Literal

import msgspec
import pytest

from modelyard.core import Micros, Scalar
from modelyard.online import (
    FeaturePlan,
    FeatureReader,
    InvalidRequestField,
    LocalOnlineStore,
    OnlineUnavailable,
    Presence,
    RequestField,
    StaleFeatures,
    StoredRow,
    ViewPlan,
    table_of,
)

STORED = ("since", "unused", "visits")
TABLE = table_of("käufe", ("customer",), STORED)
HOUR = 3_600_000_000
NOON = Micros(12 * HOUR)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LocalOnlineStore]:
    """An empty embedded store."""
    store = LocalOnlineStore(tmp_path / "online", map_bytes=1 << 20)
    yield store
    store.close()


def reader(
    store: LocalOnlineStore,
    *,
    stale: Literal["null", "default", "error"] = "null",
    ttl_s: float | None = 3600,
    stored: tuple[str, ...] = STORED,
) -> FeatureReader:
    """A plan of two request fields and one view of a customer, of whose three stored values two are used."""
    view = ViewPlan(
        name="käufe",
        entity_keys=("customer",),
        features=("visits", "since"),
        stored=stored,
        ttl_s=ttl_s,
        stale=stale,
        defaults={"visits": 0},
    )
    request = (RequestField("amount", "number"), RequestField("customer", "category", required=False))
    return FeatureReader(store, FeaturePlan(request, (view,)))


def write(store: LocalOnlineStore, event: int, available: int | None = None, *, visits: Scalar = 7) -> None:
    """What is stored of the customer Zoë."""
    row = StoredRow(event, event if available is None else available, ("2020", None, visits))
    assert store.write(TABLE, [(("Zoë",), row)]) == 1


ZOE: dict[str, Scalar] = {"amount": 1, "customer": "Zoë"}


def test_a_row_has_the_request_and_the_features_the_model_uses(store: LocalOnlineStore) -> None:
    """Stored values that no feature asks for stay away; nothing is cast."""
    write(store, NOON)
    found = reader(store).row(ZOE, NOON)
    assert found.values == {"amount": 1, "customer": "Zoë", "visits": 7, "since": "2020"}
    assert found.presence == {"visits": Presence.PRESENT, "since": Presence.PRESENT}


@pytest.mark.parametrize(
    ("age", "presence"), [(0, "present"), (HOUR, "present"), (HOUR + 1, "expired"), (-1, "missing")]
)
def test_a_value_is_used_for_its_ttl_to_the_microsecond(store: LocalOnlineStore, age: int, presence: str) -> None:
    """At its very end it still counts; a value from the future never does."""
    write(store, NOON - age)
    found = reader(store).row(ZOE, NOON)
    assert found.presence["visits"] == presence
    assert found.values["visits"] == (7 if presence == "present" else None)


def test_without_ttl_a_value_never_expires(store: LocalOnlineStore) -> None:
    """A century later it is still there."""
    write(store, 0)
    assert reader(store, ttl_s=None).row(ZOE, Micros(10**6 * 3600 * 24 * 36525)).values["visits"] == 7


def test_a_value_not_yet_known_counts_as_missing(store: LocalOnlineStore) -> None:
    """True at eleven, known at one: at noon nobody had it."""
    write(store, NOON - HOUR // 2, NOON + 1)
    assert reader(store).row(ZOE, NOON).presence["visits"] is Presence.MISSING
    assert reader(store).row(ZOE, Micros(NOON + 1)).presence["visits"] is Presence.PRESENT


def test_the_policy_says_what_a_stale_value_becomes(store: LocalOnlineStore) -> None:
    """Null; the default, or null without one; or an error that names the command that helps."""
    write(store, NOON - 2 * HOUR)
    assert reader(store, stale="null").row(ZOE, NOON).values["visits"] is None
    row = reader(store, stale="default").row(ZOE, NOON)
    assert (row.values["visits"], row.values["since"]) == (0, None)
    assert row.presence["visits"] is Presence.EXPIRED
    with pytest.raises(StaleFeatures, match=r"no fresh value.*expired.*materialize --feature-view käufe"):
        reader(store, stale="error").row(ZOE, NOON)


def test_a_null_that_was_stored_is_a_value_not_a_gap(store: LocalOnlineStore) -> None:
    """No default and no error for it: that nobody knows is what is known."""
    write(store, NOON, visits=None)
    row = reader(store, stale="error").row(ZOE, NOON)
    assert (row.values["visits"], row.presence["visits"]) == (None, Presence.NULL)


def test_a_request_without_the_entity_finds_nothing(store: LocalOnlineStore) -> None:
    """A null key matches nothing, stored or not; an unknown entity neither."""
    write(store, NOON)
    requests: list[dict[str, Scalar]] = [
        {"amount": 1},
        {"amount": 1, "customer": None},
        {"amount": 1, "customer": "zoë"},
    ]
    for request in requests:
        assert reader(store).row(request, NOON).presence["visits"] is Presence.MISSING


@pytest.mark.parametrize(
    ("request_", "path"),
    [
        ({}, "amount"),
        ({"amount": None}, "amount"),
        ({"amount": "1"}, "amount"),
        ({"amount": True}, "amount"),
        ({"amount": nan}, "amount"),
        ({"amount": -inf}, "amount"),
        ({"amount": 10**400}, "amount"),
        ({"amount": 1, "customer": 7}, "customer"),
        ({"amount": 1, "kunde": "Zoë"}, "kunde"),
    ],
    ids=["absent", "null", "text", "truth", "NaN", "infinite", "huge", "number", "unknown"],
)
def test_a_wrong_request_names_the_field(store: LocalOnlineStore, request_: Any, path: str) -> None:
    """Missing, of another type, no number at all, or unknown: the caller's fault, with the path."""
    with pytest.raises(InvalidRequestField, match=path) as caught:
        reader(store).row(request_, NOON)
    assert caught.value.context == {"path": path}
    assert len(caught.value.message) < 200


def test_rows_of_other_columns_are_never_taken_for_a_views_own(store: LocalOnlineStore) -> None:
    """The same view with its columns in another order: missing, not swapped."""
    write(store, NOON)
    found = reader(store, stored=tuple(reversed(STORED))).row(ZOE, NOON)
    assert found.presence == {"visits": Presence.MISSING, "since": Presence.MISSING}


def test_whole_numbers_are_one_entity_however_written(store: LocalOnlineStore) -> None:
    """JSON says 7.0 or 7, a column with gaps 7.0 only; text is another entity."""
    view = ViewPlan("v", ("id",), ("x",), ("x",))
    store.write(view.table, [((7.0,), StoredRow(1, 1, ("seven",))), ((7.5,), StoredRow(1, 1, ("more",)))])
    store.write(view.table, [((10**30,), StoredRow(1, 1, ("huge",)))])
    by_number = FeatureReader(store, FeaturePlan((RequestField("id", "number"),), (view,)))
    found = {key: by_number.row({"id": key}, NOON).values["x"] for key in (7, 7.5, 10**30, 8)}
    assert found == {7: "seven", 7.5: "more", 10**30: "huge", 8: None}
    assert store.read(view.table, [("7",), (True,)]) == [None, None]


def test_a_plan_reads_only_what_it_knows() -> None:
    """A bundle's plan with a key that this version does not know is refused, not ignored."""
    written = msgspec.json.encode({"request": [], "views": [], "joins": []})
    with pytest.raises(msgspec.ValidationError, match="joins"):
        msgspec.json.decode(written, type=FeaturePlan)


def test_a_store_that_is_full_keeps_what_it_had(store: LocalOnlineStore) -> None:
    """A write that does not fit is none at all, and an error of ours."""
    write(store, NOON)
    rows = [((f"customer {at}",), StoredRow(NOON, NOON, ("x" * 400,))) for at in range(10_000)]
    with pytest.raises(OnlineUnavailable, match="took none of the rows of 'käufe@"):
        store.write(TABLE, rows)
    assert store.count(TABLE) == 1
    assert reader(store).row(ZOE, NOON).values["visits"] == 7


def test_a_folder_that_is_no_store_is_told(tmp_path: Path) -> None:
    """A damaged file, and a file where the folder should be."""
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "data.mdb").write_bytes(b"no database" * 1000)
    (tmp_path / "file").write_text("no folder")
    for name in ("damaged", "file"):
        with pytest.raises(OnlineUnavailable, match="cannot be opened"):
            LocalOnlineStore(tmp_path / name)
