"""Bodies of every kind at `POST /features`: never a 5xx, never a changed value, and each refusal says where.

What comes back is compared with what was sent, read by Python's own decoder, and with a store whose values say whose
they are.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import datetime
from math import isinf
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelyard.bundling import BuiltBundle
from modelyard.core import Scalar, to_micros
from modelyard.online import LocalOnlineStore, StoredRow, table_of
from modelyard.routing import ServingPolicy

from .harness import AT, Server, live
from .hostile import ANY_JSON, NUMBERS, ODD_NUMBERS, ODD_STRINGS, STRINGS, Client, bits, mangled, parsed

TABLE = table_of("stats", ["customer"], ["label", "visits"])
STORED: list[Scalar] = ["anna", "", "7", 7, -7, 2**53 + 1, 10**30, 0.5, True, "é", "1e2"]
"""Keys that are close to each other, and different all the same; each has its place as its visits."""

FEATURES = ("stats:visits", "made:same_pages", "made:same_channel", "made:hour", "made:named", "made:half")
HEADERS = {"Content-Type": "application/json", "X-Modelyard-At": AT}
ROWS, BYTES = 50, 100_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, on_demand_bundle: BuiltBundle) -> Iterator[Server]:
    """A server with small limits, whose model reads stored features and computes others."""
    server = Server(tmp_path_factory.mktemp("hostile"))
    server.feed.put_bundle(on_demand_bundle.path, on_demand_bundle.digest)
    at = to_micros(datetime.fromisoformat(AT))
    online = LocalOnlineStore(server.folder / "online")
    online.write(TABLE, [((key,), StoredRow(at, at, (f"of {key!r}", float(n)))) for n, key in enumerate(STORED)])
    online.close()
    server.publish(live(on_demand_bundle), policy=ServingPolicy(rows_limit=ROWS, body_limit=BYTES))
    server.start()
    yield server
    assert server.stop() == 0


_keys = st.sampled_from([json.dumps(each) for each in STORED]) | STRINGS | NUMBERS | st.just("null")
_times = st.sampled_from(
    ['"2026-01-05T12:30:00Z"', '"2026-01-05 23:59:59.999999+02:00"', '"2026-01-05"', "null"]
)  # fmt: skip
_pages = NUMBERS | st.just("null")
_channels = STRINGS | st.just("null")
_entities = st.lists(
    st.fixed_dictionaries(
        {"customer": _keys, "pages": _pages, "channel": _channels}, optional={"sent": _times}
    ),
    max_size=4,
)  # fmt: skip
_features = st.none() | st.lists(st.sampled_from(FEATURES), unique=True)


@st.composite
def bodies(draw: st.DrawFn) -> tuple[bytes, bool]:
    """A body, and whether it must be taken."""
    entities, features = draw(_entities), draw(_features)
    how = draw(st.sampled_from(("whole", "whole", "odd", "odd", "mangled", "other")))
    if how == "other":
        return json.dumps(draw(ANY_JSON)).encode(), False
    if how == "odd" and entities:
        row = draw(st.sampled_from(entities))
        row[draw(st.sampled_from(sorted(row)))] = draw(st.sampled_from([*ODD_NUMBERS, *ODD_STRINGS]))
    rows = ", ".join("{" + ", ".join(f'"{name}": {value}' for name, value in row.items()) + "}" for row in entities)
    more = "" if features is None else f', "features": {json.dumps(features)}'
    text = f'{{"entities": [{rows}]{more}}}'.encode()
    return (draw(mangled(text)), False) if how == "mangled" else (text, how == "whole")


def expected(name: str, row: Mapping[str, Any]) -> Scalar:
    """What a feature of an entity is: what is said of its definition."""
    return _DEFINITIONS[name](row)


def place(row: Mapping[str, Any]) -> int | None:
    """Where the key of an entity is among those that are stored."""
    found = [n for n, each in enumerate(STORED) if same_key(each, row["customer"])]
    return found[0] if found else None


def visits(row: Mapping[str, Any]) -> float | None:
    """The store's."""
    return None if (n := place(row)) is None else float(n)


def named(row: Mapping[str, Any]) -> str | None:
    """The store's label and the channel."""
    n = place(row)
    return None if n is None or row["channel"] is None else f"of {STORED[n]!r}/{row['channel']}"


def half(row: Mapping[str, Any]) -> float | None:
    """Half of the pages of a visit."""
    share = float(row["pages"]) / n if row["pages"] is not None and (n := visits(row)) else None
    return None if share is None or isinf(share) else share / 2


_DEFINITIONS: dict[str, Callable[[Mapping[str, Any]], Scalar]] = {
    "visits": visits,
    "same_pages": lambda row: None if row["pages"] is None else float(row["pages"]),
    "same_channel": lambda row: cast("Scalar", row["channel"]),
    "hour": lambda row: hour_of(row.get("sent")),
    "named": named,
    "half": half,
}


def same_key(one: Scalar, other: Scalar) -> bool:
    """Keys have types, but for whole numbers, which may be written as floats."""
    return isinstance(one, bool) == isinstance(other, bool) and one == other


def hour_of(sent: str | None) -> float | None:
    """Of a time with a zone in its text, in UTC."""
    if sent is None:
        return None
    at = datetime.fromisoformat(sent)
    return float((at.hour - (at.utcoffset().seconds // 3600 if at.tzinfo else 0)) % 24)  # type: ignore[union-attr]


def prove(server: Server, count: int) -> tuple[int, int]:
    """Send bodies and compare; how many were taken, and how many refused."""
    client, taken, refused = Client(server.port), 0, 0

    @settings(
        max_examples=count, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    @given(bodies())
    def send(given: tuple[bytes, bool]) -> None:
        nonlocal taken, refused
        body, valid = given
        status, answer = client.post("/features", body, HEADERS)
        assert status in (200, 400, 413), (status, answer)
        assert status == 200 or not valid, answer
        if status == 200:
            taken += 1
            check(parsed(body), answer)
        else:
            refused += 1
            assert answer["error"]["message"]
            assert answer["error"]["remedy"]

    with closing(client):
        send()
    assert client.opened == 1
    return taken, refused


def check(body: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
    """Each value is that of its entity, bit for bit, and present exactly when it is one."""
    asked = body.get("features")
    names = [each.partition(":")[2] or each for each in (FEATURES if asked is None else asked)]
    assert sorted(answer["values"]) == sorted(answer["presence"]) == sorted(names)
    for name in names:
        values = [expected(name, row) for row in body["entities"]]
        assert bits(answer["values"][name]) == bits(values), name
        assert [how == "present" for how in answer["presence"][name]] == [each is not None for each in values]


def test_a_thousand_bodies_change_no_value(server: Server) -> None:
    """And leave the server whole: one connection carries them all."""
    taken, refused = prove(server, 1000)
    assert taken > 200
    assert refused > 200


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_ten_thousand_bodies_change_no_value(server: Server) -> None:
    """The same, longer."""
    taken, refused = prove(server, 10_000)
    assert taken > 2000
    assert refused > 2000


ROW = {"customer": "anna", "pages": 1.0, "channel": "web"}


@pytest.mark.parametrize(
    ("entities", "path", "message"),
    [
        ([ROW, {"customer": "anna", "pages": 1.0}], "entities[1].channel", "lacks the request field 'channel'"),
        ([ROW, {**ROW, "chanel": "web"}], "entities[1].chanel", "Did you mean 'channel'"),
        ([ROW, {**ROW, "pages": "1"}], "entities[1].pages", "'1' is no number"),
        ([ROW, {**ROW, "pages": True}], "entities[1].pages", "True is no number"),
        ([ROW, {**ROW, "pages": 2**53 + 1}], "entities[1].pages", "whole numbers end at 2^53"),
        ([ROW, {**ROW, "sent": "noon"}], "entities[1].sent", "'noon' is no time in ISO 8601"),
        ([ROW, {**ROW, "channel": 1}], "entities[1].channel", "1 is no text"),
        ([ROW, {**ROW, "channel": ["web"]}], "entities[1].channel", "body is not what this path takes"),
        ([ROW, {**ROW, "customer": {"b64": "YQ=="}}], "entities[1].customer", "body is not what this path takes"),
        ([ROW, 1], "entities[1]", "body is not what this path takes"),
    ],
)
def test_a_refusal_names_the_fields_path(server: Server, entities: Sequence[Any], path: str, message: str) -> None:
    """With what is wrong there, and what to send."""
    status, told = server.post("/features", {"entities": entities})
    assert status == 400
    assert told["error"]["path"] == path
    assert message in " ".join([told["error"]["message"], told["error"]["remedy"]])


def test_what_is_not_asked_for_needs_no_field(server: Server) -> None:
    """Only the features that are named, and what these are computed of; all fields may come all the same."""
    entities = [{"customer": "anna"}]
    for row in (entities[0], {**ROW, "sent": None}):
        status, found = server.post("/features", {"entities": [row], "features": ["visits"]})
        assert (status, found["values"]) == (200, {"visits": [0.0]})
    status, found = server.post("/features", {"entities": [{"channel": "web"}], "features": ["made:same_channel"]})
    assert (status, found["values"], found["presence"]) == (
        200, {"same_channel": ["web"]}, {"same_channel": ["present"]},
    )  # fmt: skip
    assert server.post("/features", {"entities": entities, "features": ["made:named"]})[1]["error"]["path"] == (
        "entities[0].channel"
    )


def test_what_is_too_much_is_refused_by_name_of_the_limit(server: Server) -> None:
    """Rows, features, bytes."""
    for body, message in (
        ({"entities": [ROW] * (ROWS + 1)}, f"{ROWS + 1} entities are more than {ROWS}"),
        ({"entities": [ROW], "features": [*FEATURES, "visits"]}, "7 features are more than the model reads"),
        ({"entities": [{**ROW, "channel": "x" * BYTES}]}, str(BYTES)),
    ):
        status, told = server.post("/features", body)
        assert status == 413, told
        assert message in told["error"]["message"]
    assert server.post("/features", {"entities": [ROW] * ROWS})[0] == 200
