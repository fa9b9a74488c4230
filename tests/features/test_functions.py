"""On-demand features that functions give: the same offline and online, in a worker process, one bad row at a time."""

import itertools
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelyard.core import ManualClock, ModelyardError, to_micros
from modelyard.features import (
    Definitions,
    Entity,
    FeatureStore,
    FeatureView,
    FunctionNotRunnable,
    InvalidDefinition,
    OnDemandView,
    RequestSource,
    described,
    load_definitions,
    on_demand_view,
)
from modelyard.inference import IsolationLimits, TransformFailed, Transforms
from modelyard.online import (
    FeatureReader,
    InvalidRequestField,
    LocalOnlineStore,
    NoFunctions,
    Presence,
    RequestField,
)
from modelyard.storage import open_record_store

from . import transformed

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
USER = Entity("user")
KEY = RequestField("user", "number")
NUMBERED = itertools.count()
Make = Callable[..., FeatureStore]

VISIT = RequestSource("visit", {"pages": "float64", "sent": "timestamp[us, UTC]"})
PAGES = RequestSource("paged", {"pages": "float64"})
SHARES = {"ratio": "float64", "wave": "float64", "more": "int64", "word": "string", "odd": "bool",
          "later": "timestamp[us, UTC]"}  # fmt: skip


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Make]:
    """Feature stores over definitions, which share an online store."""
    folder = tmp_path_factory.mktemp("functions")
    records = open_record_store(f"sqlite:///{folder / 'records.db'}")
    records.migrate()
    online = LocalOnlineStore(folder / "online", map_bytes=1 << 24)
    running = mood().running  # one process for all views of the file, as long as somebody holds it
    running.transforms()
    yield lambda *definitions: FeatureStore(Definitions(definitions), online, records, ManualClock(NOON))
    online.close()
    records.close()


def stats(rows: Sequence[tuple[Any, ...]]) -> FeatureView:
    """A view of users 0, 1, … with a number, a whole number, a text, a flag and a time, an hour old."""
    x, n, s, flag, seen = (list(each) for each in zip(*rows, strict=True))
    table = pa.table(
        {"user": list(range(len(rows))), "at": [NOON - timedelta(hours=1)] * len(rows),
         "x": pa.array(x, pa.float64()), "n": pa.array(n, pa.int64()), "s": pa.array(s, pa.string()),
         "flag": pa.array(flag, pa.bool_()), "seen": pa.array(seen, pa.timestamp("us"))}
    )  # fmt: skip
    names = ["x", "n", "s", "flag", "seen"]
    return FeatureView(f"stats{next(NUMBERED)}", entities=[USER], source=table, event_time="at", features=names)


def mood(**options: Any) -> OnDemandView:
    """The view of the moody function."""
    return OnDemandView("mood", sources=[PAGES], features={"value": "float64"}, function=transformed.moody, **options)


ROWS = st.lists(
    st.tuples(
        st.none() | st.floats(-1e9, 1e9) | st.sampled_from([0.0, -0.0, float("nan"), float("inf")]),
        st.none() | st.integers(-(2**63), 2**63 - 2),
        st.none() | st.sampled_from(["a", "é", "", "Zürich"]),
        st.none() | st.booleans(),
        st.none() | st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)),
        st.none() | st.floats(-100, 100),
        st.none() | st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)),
    ),
    min_size=1, max_size=8,
)  # fmt: skip


@given(rows=ROWS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_offline_and_online_give_the_same_values_and_types(make: Make, rows: list[tuple[Any, ...]]) -> None:
    """By row, by column and by DataFrame: in training, in the server for one row and for many, and looked up."""
    view = stats([row[:5] for row in rows])
    made = OnDemandView("made", sources=[view, VISIT], features=SHARES, function=transformed.shares)
    column = {"sum": "float64", "word": "string"}
    lists = OnDemandView("lists", sources=[view], features=column, function=transformed.by_column, mode="columns")
    frames = OnDemandView("frames", sources=[view], features=column, function=transformed.by_frame, mode="pandas")
    store = make(view, made, lists, frames)
    store.materializer.materialize(NOON)
    pages, sent = [row[5] for row in rows], [row[6] for row in rows]
    entities = pa.table(
        {"user": list(range(len(rows))), "event_timestamp": [NOON] * len(rows),
         "pages": pa.array(pages, pa.float64()), "sent": pa.array(sent, pa.timestamp("us"))}
    )  # fmt: skip
    requests = [
        {"user": user, "pages": p, "sent": None if t is None else t.isoformat()}
        for user, (p, t) in enumerate(zip(pages, sent, strict=True))
    ]
    optional = [RequestField("pages", "number", required=False), RequestField("sent", "category", required=False)]
    for wanted in (made, lists, frames):
        asked = [f"{wanted.name}:{name}" for name in wanted.feature_names if name != "later"]
        names = [each.partition(":")[2] for each in asked]
        offline = store.training_rows(entities, asked, event_time="event_timestamp").select(names).to_pylist()
        reader = FeatureReader(store._online, store.plan(asked, [KEY, *optional]), store.functions)
        together = reader.rows(requests, [to_micros(NOON)] * len(rows))
        looked_up = store.get_online_features(
            asked, [row if wanted is made else {"user": row["user"]} for row in requests]
        ).to_dict()
        for at, (expected, request, among) in enumerate(zip(offline, requests, together, strict=True)):
            alone = reader.row(request, to_micros(NOON))
            assert not isinstance(among, ModelyardError)
            for name in names:
                values = [expected[name], alone.values[name], among.values[name], looked_up[name][at]]
                assert len({(type(each), repr(each)) for each in values}) == 1, name
    later = store.training_rows(entities, ["made:later"], event_time="event_timestamp").column("later").to_pylist()
    online = store.get_online_features(["made:later"], requests).to_dict()["later"]
    assert [None if each is None else to_micros(each) for each in later] == online


def test_rows_that_go_wrong_fail_alone_and_are_told(make: Make) -> None:
    """What raises, kills its process, gives too little, too much or another type; what is infinite is missing."""
    store = make(mood())
    reader = FeatureReader(store._online, store.plan(["mood:value"], []), store.functions)
    moods = [0.5, 1.0, 2.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 0.25]
    found = reader.rows([{"pages": each} for each in moods], [to_micros(NOON)] * len(moods))
    told = [each.message if isinstance(each, TransformFailed) else each.values["value"]  # type: ignore[union-attr]
            for each in found]  # fmt: skip
    assert [told[at] for at in (0, 5, 10)] == [0.5, None, 0.25]
    for at, words in (
        (1, "it raised ValueError: no such mood"),
        (2, "ended by SIGKILL"),
        (3, "it gave no 'value', which is declared; it gave nothing"),
        (4, "it gave 'many' for 'value', which is declared float64"),
        (6, "it gave 'vlaue', which is not declared"),
        (7, "it raised SystemExit: 3"),
        (8, "it gave None, and not a dict"),
        (9, "it gave True for 'value'"),
    ):
        assert words in str(told[at])
    assert found[5].presence == {"value": Presence.NULL}  # type: ignore[union-attr]
    with pytest.raises(TransformFailed, match="no such mood") as caught:
        store.get_online_features(["mood:value"], [{"pages": 0.5}, {"pages": 1.0}])
    assert caught.value.context["path"] == "entities[1]"
    rows = pa.table({"pages": [0.5, 1.0, 1.0], "event_timestamp": [NOON] * 3})
    with pytest.raises(TransformFailed, match=r"row 1 and 1 more of 3: .* no such mood"):
        store.training_rows(rows, ["mood:value"], event_time="event_timestamp")


def test_a_function_that_hangs_is_ended_at_its_deadline_and_started_again(tmp_path: Path) -> None:
    """Its row fails, its neighbours do not, and the next call is answered by another process."""
    view = mood()
    (tmp_path / view.code.file).write_bytes(view.code.text)
    transforms = Transforms(tmp_path, IsolationLimits(2000, call_seconds=0.5))
    before = transforms.pid
    found = transforms.run(view.called(), [[0.5, 3.0, 0.25]], 3)
    assert found.columns == [[0.5, None, 0.25]]
    assert list(found.errors) == [1]
    assert "did not answer within 0.5 s" in found.errors[1].message
    assert transforms.run(view.called(), [[1.5]], 1).columns == [[1.5]]
    assert transforms.pid not in (None, before)
    transforms.close()
    assert "closed" in transforms.run(view.called(), [[1.5] * 3], 3).errors[2].message


def test_killing_the_worker_in_the_middle_of_calls_costs_no_row(tmp_path: Path) -> None:
    """Kill -9 from outside, at most once a call: each row is answered, by whichever process."""
    view = mood()
    (tmp_path / view.code.file).write_bytes(view.code.text)
    transforms = Transforms(tmp_path)
    wrong: list[object] = []
    between = threading.Semaphore(0)

    def ask() -> None:
        for each in range(150):
            found = transforms.run(view.called(), [[each + 0.5, 0.5]], 2)
            if found.errors or found.columns != [[each + 0.5, 0.5]]:
                wrong.append(found)
            if each in (10, 50, 90):
                between.release()

    asking = threading.Thread(target=ask)
    asking.start()
    killed = set()
    for _ in range(3):
        between.acquire()
        pid = transforms.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        killed.add(pid)
    asking.join()
    assert len(killed) == 3
    assert not wrong
    transforms.close()


def test_this_process_never_runs_the_code(make: Make, tmp_path: Path) -> None:
    """Not offline and not online: who runs it has another process id, and sees no neighbour of the file."""
    (tmp_path / "calls.py").write_text("import os\ndef who(row):\n    return {'pid': os.getpid()}\n")
    (tmp_path / "features.py").write_text(
        "import modelyard as my\nfrom calls import who\n"
        "asked = my.RequestSource('asked', schema={'a': 'float64'})\n"
        "who = my.on_demand_view(sources=[asked], features={'pid': 'int64'})(who)\n"
    )
    store = make(*load_definitions(tmp_path / "features.py").all())
    rows = pa.table({"a": [1.0], "event_timestamp": [NOON]})
    offline = store.training_rows(rows, ["who:pid"], event_time="event_timestamp").column("pid").to_pylist()
    assert store.get_online_features(["who:pid"], [{"a": 1.0}]).to_dict()["pid"] == offline
    assert offline != [os.getpid()]


def test_code_that_cannot_run_by_itself_is_refused_with_what_to_do(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A neighbour is no part of what travels, even where this process finds it; nor is what is not installed."""
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    (tmp_path / "neighbour_of_calls.py").write_text("ONE = 1\n")
    for name, line, why in (
        ("local", "from neighbour_of_calls import ONE", "No module named 'neighbour_of_calls'"),
        ("late", "import sys\nif 'pytest' not in sys.modules:\n    import nowhere_to_be_found", "nowhere_to_be_found"),
    ):
        (tmp_path / f"calls_{name}.py").write_text(f"{line}\ndef give(row):\n    return {{'one': 1.0}}\n")
        (tmp_path / f"features_{name}.py").write_text(
            f"import modelyard as my\nfrom calls_{name} import give\n"
            "asked = my.RequestSource('asked', schema={'a': 'float64'})\n"
            "give = my.on_demand_view(sources=[asked], features={'one': 'float64'})(give)\n"
        )
        store = make(*load_definitions(tmp_path / f"features_{name}.py").all())
        with pytest.raises(FunctionNotRunnable, match=rf"calls_{name}.py, which has the function 'give'.*{why}") as one:
            store.training_rows(pa.table({"a": [1.0], "at": [NOON]}), ["give:one"], event_time="at")
        assert "Only this file travels" in one.value.remedy


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"function": lambda row: row}, "is a lambda"),
        ({"function": transformed.outer()}, "outer.<locals>.inner', which is made inside another"),
        ({"function": len}, "is a plain function of Python"),
        ({"function": "moody"}, "is a plain function of Python"),
        ({"features": {"value": "float32"}}, "functions give float64, int64, string, bool and timestamp"),
        ({"features": {"value": "flaot64"}}, "There is no type 'flaot64'"),
        ({"features": {"pages": "float64"}}, "has the name of what it is computed of"),
        ({"mode": "rows"}, "there is no mode 'rows'"),
    ],
)
def test_what_is_no_function_that_can_travel_is_refused(changes: dict[str, Any], message: str) -> None:
    """When it is defined, with the reason."""
    given: dict[str, Any] = {
        "sources": [PAGES],
        "features": {"value": "float64"},
        "function": transformed.moody,
    } | changes
    with pytest.raises(InvalidDefinition, match=message.replace("<", ".")):
        OnDemandView("mood", **given)


def test_a_function_of_no_file_is_refused() -> None:
    """One that was typed in has no text that could travel."""
    there: dict[str, Any] = {}
    exec("def typed(row):\n    return row", there)
    with pytest.raises(InvalidDefinition, match="'typed' is in no file"):
        OnDemandView("typed", sources=[PAGES], features={"value": "float64"}, function=there["typed"])


def test_the_decorator_names_and_describes_the_view() -> None:
    """By the function's name and the first line of its docstring."""
    view = on_demand_view(sources=[PAGES], features={"value": "float64"}, owner="risk")(transformed.moody)
    assert (view.name, view.description, view.owner, view.mode) == ("moody", "What `pages` asks for.", "risk", "row")
    assert on_demand_view(sources=[PAGES], features={"value": "bool"}, name="x")(transformed.moody).name == "x"


def test_a_function_gets_all_that_its_sources_have_under_names_that_tell_them_apart() -> None:
    """The bare name, or `view.feature` where two sources have it; whole numbers are told from others."""
    one, other = stats([(1.0, 1, "a", True, None)]), stats([(1.0, 1, "a", True, None)])
    view = OnDemandView(
        "both", sources=[one[["x", "n"]], other[["x"]], PAGES], features={"value": "float64"},
        function=transformed.moody,
    )  # fmt: skip
    assert list(view.inputs()) == [f"{one.name}.x", "n", f"{other.name}.x", "pages"]
    assert [each.name for each in view.derived_inputs() if each.whole] == ["n"]


def test_what_is_sent_must_be_what_was_declared(make: Make) -> None:
    """Whole numbers may be written with a point, and nothing else is taken for them."""
    asked = RequestSource("counted", {"n": "int64"})
    view = OnDemandView("n", sources=[asked], features={"value": "int64"}, function=transformed.moody)
    (each,) = view.derived_inputs()
    assert each.whole
    store = make(view)
    with pytest.raises(InvalidRequestField, match=r"1.5 is no whole number"):
        store.get_online_features(["n:value"], [{"n": 1.5}])
    rows = pa.table({"n": [1.5], "at": [NOON]})
    with pytest.raises(InvalidRequestField, match=r"1.5 is no whole number"):
        store.training_rows(rows, ["n:value"], event_time="at")


def test_a_plan_with_functions_needs_somebody_to_run_them(make: Make) -> None:
    """A reader without them is refused when it is made."""
    store = make(mood())
    plan = store.plan(["mood:value"], [])
    assert plan.functions[0].code == mood().code.digest
    assert store.code(["mood:value"]) == {plan.functions[0].file: mood().code.text}
    with pytest.raises(NoFunctions, match="'mood' are given by a function"):
        FeatureReader(store._online, plan)


def test_a_description_tells_the_code() -> None:
    """Its digest is other when a letter of the file is."""
    told = described(mood(), Definitions([mood()]))
    assert told["function"] == "transformed.py:moody"
    assert told["code"] == mood().code.digest
    assert told["features"] == {"value": "double"}
