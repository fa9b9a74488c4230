"""On-demand features: one set of expressions, the same bits offline and online."""

import itertools
import struct
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelyard.core import InvalidInput, ManualClock, ModelyardError, Value, to_micros
from modelyard.features import (
    Definitions,
    Entity,
    Feature,
    FeatureService,
    FeatureStore,
    FeatureView,
    InvalidDefinition,
    OnDemandView,
    RequestSource,
    UnknownFeature,
    load_definitions,
)
from modelyard.online import (
    FeatureReader,
    InvalidRequestField,
    LocalOnlineStore,
    Presence,
    RequestField,
    UnusableFeature,
)
from modelyard.storage import open_record_store

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
USER = Entity("user")
NUMBERED = itertools.count()
KEY = RequestField("user", "number")
Make = Callable[..., FeatureStore]

EXPRESSIONS = {
    "ratio": "x / coalesce(n, 1)",
    "waves": "sin(x) * exp(-abs(n / 1000)) + log1p(abs(x))",
    "square": "x ** 2 + abs(x) ** 0.5 + pages ** -1",
    "power": "abs(x) ** pages",
    "again": "ratio * 3 - square % 7",
    "rest": "n // pages",
    "kind": "upper(s) + '-' + channel",
    "odd": "s == 'a' or flag",
    "chosen": "x if flag else pages",
    "weekend": "weekday(seen) >= 5",
    "age": "sent - seen",
    "hour": "hour(seen + 3600)",
    "least": "min(x, n, pages, 100)",
}


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Make]:
    """Feature stores over definitions, which share an online store."""
    folder = tmp_path_factory.mktemp("features")
    records = open_record_store(f"sqlite:///{folder / 'records.db'}")
    records.migrate()
    online = LocalOnlineStore(folder / "online", map_bytes=1 << 24)
    yield lambda *definitions: FeatureStore(Definitions(definitions), online, records, ManualClock(NOON))
    online.close()
    records.close()


REQUEST = RequestSource("visit", {"pages": "float64", "channel": "string", "sent": "timestamp[us, UTC]"})


def view_of(table: pa.Table, name: str = "stats", **more: Any) -> FeatureView:
    """A view of all columns of a table but user and at."""
    features = [each for each in table.column_names if each not in ("user", "at")]
    return FeatureView(name, entities=[USER], source=table, event_time="at", features=features, **more)


def stored(**columns: Any) -> pa.Table:
    """Rows of users 0, 1, … with these features, an hour old."""
    arrays = {name: each if isinstance(each, pa.Array) else pa.array(each) for name, each in columns.items()}
    rows = len(next(iter(arrays.values())))
    return pa.table({"user": list(range(rows)), "at": [NOON - timedelta(hours=1)] * rows, **arrays})


def bits(value: object) -> object:
    """A value such that equal ones are equal bit for bit."""
    return struct.pack("<d", value) if isinstance(value, float) else value


NUMBERS = (
    st.none()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.floats(-100, 100)
    | st.sampled_from([0.0, -0.0, 2.0])
)
TEXTS = st.none() | st.sampled_from(["a", "é", "", "Zürich"])
TIMES = st.none() | st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1))
ROWS = st.lists(
    st.tuples(
        NUMBERS, st.none() | st.integers(-(2**53), 2**53), TEXTS, st.none() | st.booleans(), TIMES,
        NUMBERS, TEXTS, TIMES,
    ),
    min_size=1, max_size=12,
)  # fmt: skip


@given(rows=ROWS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_offline_and_online_give_the_same_bits(make: Make, rows: list[tuple[Any, ...]]) -> None:
    """Whole columns in training, one row in the server, and many rows together: every value to the last bit."""
    x, n, s, flag, seen, pages, channel, sent = (list(each) for each in zip(*rows, strict=True))
    table = stored(
        x=pa.array(x, pa.float64()), n=pa.array(n, pa.int64()), s=pa.array(s, pa.string()).dictionary_encode(),
        flag=pa.array(flag, pa.bool_()), seen=pa.array(seen, pa.timestamp("us")),
    )  # fmt: skip
    view = OnDemandView("made", sources=[view_of(table, f"stats{next(NUMBERED)}"), REQUEST], features=EXPRESSIONS)
    store = make(view, *(each for each in view.sources if isinstance(each, FeatureView)))
    store.materializer.materialize(NOON)
    users = list(range(len(rows)))
    entities = pa.table(
        {"user": users, "event_timestamp": [NOON] * len(rows), "pages": pa.array(pages, pa.float64()),
         "channel": pa.array(channel, pa.string()), "sent": pa.array(sent, pa.timestamp("us"))}
    )  # fmt: skip
    asked = [f"made:{name}" for name in EXPRESSIONS if name != "kind"] + ["made:kind"]
    offline = store.training_rows(entities, asked, event_time="event_timestamp").select(list(EXPRESSIONS)).to_pylist()
    optional = [RequestField(name, "number" if name == "pages" else "category", required=False)
                for name in ("pages", "channel", "sent")]  # fmt: skip
    reader = FeatureReader(store._online, store.plan(asked, [KEY, *optional]))
    requests = [
        {"user": user, "pages": p, "channel": c, "sent": None if t is None else t.isoformat()}
        for user, p, c, t in zip(users, pages, channel, sent, strict=True)
    ]
    at = to_micros(NOON)
    together = reader.rows(requests, [at] * len(rows))
    for expected, request, among in zip(offline, requests, together, strict=True):
        alone = reader.row(request, at)
        assert not isinstance(among, ModelyardError)
        assert {name: bits(alone.values[name]) for name in EXPRESSIONS} == {
            name: bits(value) for name, value in expected.items()
        }
        assert {name: bits(among.values[name]) for name in EXPRESSIONS} == {
            name: bits(value) for name, value in expected.items()
        }
        assert among.presence == alone.presence
    looked_up = store.get_online_features(asked, requests).to_dict()
    for name in EXPRESSIONS:
        assert [bits(each) for each in looked_up[name]] == [bits(each[name]) for each in offline]


def test_what_is_wrong_with_a_definition_is_said_at_once() -> None:
    """All of it, with the nearest name and the way to tell two apart."""
    view, other = view_of(stored(x=[1.0], y=[1.0])), view_of(stored(x=[1.0]), "other")
    with pytest.raises(InvalidDefinition) as caught:
        OnDemandView(
            "made", sources=[view, other, REQUEST], features={"a": "x + 1", "b": "pagse * 2", "y": "1 +", "c": "d"}
        )
    for part in (
        "feature 'a' names 'x', which several sources have: write stats.x or other.x",
        "feature 'b' names 'pagse', which no source has",
        "its feature 'y' has the name of what it is computed of",
        "cannot be read",
    ):
        assert part in caught.value.message
    assert OnDemandView("made", sources=[view, other], features={"a": "stats.x - other.x"}).feature_names == ("a",)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ({"sources": "stats"}, "sources is a list"),
        ({"sources": ["stats"]}, "'stats' is no source"),
        ({"features": {}}, "features maps at least one name"),
        ({"features": {"a": 1}}, "expressions, which are texts"),
        ({"features": {"__a": "x"}}, "cannot name a feature"),
        ({"tags": 1}, "tags map texts"),
    ],
)
def test_what_is_no_on_demand_view_is_refused(shape: dict[str, Any], message: str) -> None:
    """Before anything is read."""
    with pytest.raises(InvalidDefinition, match=message):
        OnDemandView(**{"name": "made", "sources": [view_of(stored(x=[1.0]))], "features": {"a": "x"}, **shape})


def test_kinds_are_checked_at_once_where_types_are_declared_and_else_when_they_are_read() -> None:
    """A text is no number, whoever says so."""
    declared = FeatureView(
        "v", entities=[USER], source="nowhere.parquet", event_time="at", features=[Feature("s", "string")]
    )
    with pytest.raises(InvalidDefinition, match=r"'made' cannot be computed.*a number must stand there"):
        OnDemandView("made", sources=[declared], features={"a": "s * 2"})
    told_later = OnDemandView("made", sources=[view_of(stored(s=["a"]))], features={"a": "s * 2"})
    with pytest.raises(InvalidDefinition, match="a number must stand there"):
        told_later.program()
    lists = OnDemandView("made", sources=[view_of(stored(s=[[1]]))], features={"a": "is_null(s)"})
    with pytest.raises(
        InvalidDefinition, match=r"feature 's' of view 'stats' is list<.*expressions do not compute with"
    ):
        lists.program()


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({}, "at least one field"),
        ({"p": "bool"}, "send a flag as 1 or 0"),
        ({"p": "flaot"}, "There is no type 'flaot'"),
    ],
)
def test_a_request_source_takes_what_requests_carry(schema: dict[str, str], message: str) -> None:
    """Numbers, texts and times."""
    with pytest.raises(InvalidDefinition, match=message):
        RequestSource("visit", schema)


def test_the_plan_reads_what_only_expressions_need(make: Make) -> None:
    """Beside the model's own features, under no name of theirs; request fields are added, and required."""
    view = view_of(stored(x=[1.0], y=[2.0]), "hidden")
    made = OnDemandView(
        "made", sources=[view, REQUEST], features={"half": "x / 2", "more": "half + pages", "at": "sent"}
    )
    store = make(view, made)
    plan = store.plan(["hidden:y", "made:more"], [KEY])
    assert plan.views[0].features == ("y",)
    assert plan.views[0].inputs == ("x",)
    assert [(each.name, each.required) for each in plan.request] == [("user", True), ("pages", True)]
    assert plan.derived[0].expressions == (("half", "x / 2"), ("more", "half + pages"))
    store.materializer.materialize(NOON)
    row = FeatureReader(store._online, plan).row({"user": 0, "pages": 3.0}, to_micros(NOON))
    assert row.values == {"user": 0, "pages": 3.0, "y": 2.0, "more": 3.5}
    assert row.presence == {"y": Presence.PRESENT, "more": Presence.PRESENT}
    with pytest.raises(InvalidDefinition, match="is a time, which no model takes"):
        store.plan(["made:at"], [KEY])
    with pytest.raises(InvalidDefinition, match="'pages' is a category in the model's request"):
        store.plan(["made:more"], [KEY, RequestField("pages", "category")])
    with pytest.raises(UnknownFeature, match="no feature 'made:mroe'"):
        store.plan(["made:mroe"], [KEY])


def test_a_value_that_cannot_be_computed_with_is_told_for_its_row_alone(make: Make) -> None:
    """Whole numbers beyond 2^53, offline and online; a time that is none; stored values of another type."""
    view = view_of(stored(n=[2**53 + 1, 1]), "large")
    made = OnDemandView("made", sources=[view, REQUEST], features={"a": "n + pages", "h": "hour(sent)"})
    store = make(view, made)
    store.materializer.materialize(NOON)
    reader = FeatureReader(store._online, store.plan(["made:a", "made:h"], [KEY]))
    good: dict[str, Value] = {"user": 1, "pages": 1.0, "sent": "2026-01-05T12:00:00.1234567+02:00"}
    requests = [
        {**good, "user": 0},
        good,
        {**good, "sent": "noon"},
        {**good, "sent": "2026-13-01"},
        {**good, "pages": 2**60 + 1},
    ]
    first, second, third, fourth, fifth = reader.rows(requests, [to_micros(NOON)] * 5)
    assert isinstance(first, UnusableFeature)
    assert not isinstance(second, ModelyardError)
    assert (second.values["a"], second.values["h"]) == (2.0, 10.0)
    for refused, field in ((third, "sent"), (fourth, "sent"), (fifth, "pages")):
        assert isinstance(refused, InvalidRequestField)
        assert refused.context["path"] == field
    entities = pa.table({"user": [0], "pages": [1.0], "sent": ["2026-01-05"], "at": [NOON]})
    with pytest.raises(InvalidInput, match="beyond the whole numbers"):
        store.training_rows(entities, ["made:a"], event_time="at")
    with pytest.raises(InvalidDefinition, match="no column 'pages', which the on-demand view 'made' takes"):
        store.training_rows(entities.drop_columns(["pages"]), ["made:a"], event_time="at")


def test_a_service_lists_views_parts_and_requests(make: Make) -> None:
    """In order, each once; definitions that only a service names are found with it."""
    view = view_of(stored(x=[1.0], y=[2.0]), "served")
    made = OnDemandView("made", sources=[view], features={"a": "x + y"})
    service = FeatureService("both", features=[REQUEST, made, view[["y"]], "served:x", made[["a"]]])
    store = make(view, made, service)
    assert store.listed("both") == ["pages", "channel", "sent", "made:a", "served:y", "served:x"]
    with pytest.raises(UnknownFeature, match="no feature service 'bth'"):
        store.listed("bth")
    for wrong, message in (([], "at least one"), (["served"], "write view:feature"), ([1], "'1' is no feature")):
        with pytest.raises(InvalidDefinition, match=message):
            FeatureService("wrong", features=wrong)  # type: ignore[arg-type]


def test_what_a_service_names_is_loaded_with_it(tmp_path: Path) -> None:
    """A module needs to bind no more than the service."""
    (tmp_path / "features.py").write_text(
        "import modelyard as my\n"
        "def view():\n"
        "    user = [my.Entity('user')]\n"
        "    return my.FeatureView('v', entities=user, source='v.csv', event_time='at', features=['x'])\n"
        "listed = my.FeatureService('s', features=[my.OnDemandView('d', sources=[view()], features={'a': 'x + 1'})])\n"
    )
    found = load_definitions(tmp_path / "features.py")
    assert found.names() == ["v:x", "d:a"]


def test_lookups_compute_what_is_asked_for(make: Make) -> None:
    """In the order asked for, with a presence each; by service, view and part; of no more fields than these need."""
    view = view_of(stored(x=[1.0, None], y=[2.0, 3.0]), "looked")
    made = OnDemandView(
        "made", sources=[view, REQUEST],
        features={"half": "x / 2", "more": "half + pages", "at": "sent", "told": "channel + '!'", "one": "1"},
    )  # fmt: skip
    service = FeatureService("both", features=[REQUEST, made[["more"]], view[["y"]]])
    store = make(view, made, service)
    store.materializer.materialize(NOON)
    users: list[dict[str, Any]] = [{"user": each, "pages": 3} for each in (0, 1, 2)]
    found = store.get_online_features(["made:more", "looked:y", "made:half"], users)
    assert found.to_dict() == {
        "user": [0, 1, 2], "more": [3.5, None, None], "y": [2.0, 3.0, None], "half": [0.5, None, None],
    }  # fmt: skip
    assert list(found.to_dict()) == ["user", "more", "y", "half"]
    assert found.presence["more"] == ["present", "null", "null"]
    assert found.presence["y"] == ["present", "present", "missing"]
    ways: list[Any] = [service, "both", [made[["more"]], "looked:y"]]
    for asked in ways:
        assert store.get_online_features(asked, users).to_dict()["more"] == [3.5, None, None]
    sent = datetime(2026, 1, 5, 13, tzinfo=timezone(timedelta(hours=1)))
    found = store.get_online_features(["made:at", "made:told"], [{"sent": sent, "channel": None}])
    assert found.to_dict() == {"at": [to_micros(NOON)], "told": [None]}
    assert store.get_online_features(["made:one", "made:told"], []).to_dict() == {"one": [], "told": []}
    assert store.get_online_features(["made:one"], [{}, {}]).to_dict() == {"one": [1.0, 1.0]}


def test_lookups_say_which_row_lacks_what(make: Make) -> None:
    """By the path of the field: fields that are absent, strange or of another type; values that cannot be used."""
    view = view_of(stored(n=[2**53 + 1, 1]), "wide")
    made = OnDemandView("made", sources=[view, REQUEST], features={"a": "n + pages", "h": "hour(sent)"})
    store = make(view, made)
    store.materializer.materialize(NOON)
    good: dict[str, Any] = {"user": 1, "pages": 1.0}
    wrong: list[tuple[dict[str, Any], str, str]] = [
        ({"user": 1}, "entities[1].pages", r"lacks the request field 'pages', which on-demand features.*\(a\)"),
        ({"pages": 1.0}, "entities[1].user", "lacks the key 'user'"),
        ({**good, "sent": "2026-01-05"}, "entities[1].sent", "no key of the features asked for, and no field"),
        ({**good, "pages": "1"}, "entities[1].pages", "'1' is no number"),
        ({**good, "pages": [1]}, "entities[1].pages", "a field is a number, a text or a flag"),
    ]
    for row, path, message in wrong:
        with pytest.raises(InvalidRequestField, match=message) as caught:
            store.get_online_features(["made:a"], [good, row])
        assert caught.value.context["path"] == path
    with pytest.raises(UnusableFeature, match="2\\^53") as wide:
        store.get_online_features(["made:a"], [good, {**good, "user": 0}])
    assert wide.value.context["path"] == "entities[1]"
    with pytest.raises(InvalidDefinition, match="No features are asked for"):
        store.get_online_features([], [good])
