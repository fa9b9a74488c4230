"""Run by `test_feast.py` in an environment that has Feast and this package: `with_feast.py WHAT REPOSITORY`.

Everything goes through Feast's own API, and is compared with the oracle of the join's own tests.
"""

import json
import os
import random
import sys
import warnings
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

warnings.simplefilter("ignore")
sys.path.insert(0, str(Path(__file__).parents[2]))

import pandas as pd  # noqa: E402
import pyarrow as pa  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402
from feast import FeatureStore, FeatureView, Field  # noqa: E402
from feast.data_source import PushMode  # noqa: E402
from feast.types import Int64  # noqa: E402
from tests.features.join.oracle import Asked, Row, oracle  # noqa: E402

BASE = datetime(2026, 3, 29, 0, 59, 59, 999_990, UTC)
EDGES = [datetime(1750, 1, 2, tzinfo=UTC), datetime(1969, 12, 31, 23, 59, 59, 999_999, UTC)]
SHOPS = ["a", "é", "", None]
TTL = {"stats": timedelta(hours=1), "plain": None, "pair": timedelta(seconds=3), "fresh": timedelta(hours=1)}
FEATURES = {
    "stats": ["stats:number", "stats:word"],
    "plain": ["plain:amount", "plain:flag"],
    "pair": ["pair:pair_value"],
}
KINDS = {"us": pa.timestamp("us", tz="UTC"), "ns": pa.timestamp("ns", tz="UTC"), "naive": pa.timestamp("us")}


def instant(chance: random.Random) -> datetime:
    """Microseconds, seconds or hours apart, or years."""
    step = chance.randint(-4, 4)
    near, far = timedelta(microseconds=step), timedelta(hours=step)
    return chance.choice(
        [BASE + near, BASE + near, BASE + timedelta(seconds=step), BASE + far, *EDGES[: chance.randint(0, 2)]]
    )


def key(chance: random.Random, view: str) -> tuple[Any, ...]:
    """One of few, so that many rows share it; sometimes with a null."""
    number = chance.choice([1, 2, 3, 2**53 + 1, None])
    return (number, chance.choice(SHOPS)) if view == "pair" else (number,)


def value(chance: random.Random, view: str) -> tuple[Any, ...]:
    """The values of a row."""
    if view == "plain":
        return chance.choice([0.5, -1.0, 7.25, None]), chance.choice([True, False, None])
    number = chance.choice([*range(50), 2**60 + 1, None])
    return (number,) if view == "pair" else (number, chance.choice(["x", "y", None]))


def rows_of(chance: random.Random, view: str, most: int = 14) -> list[Row]:
    """Rows with ties, nulls, times in the future."""
    rows = []
    for _ in range(chance.randint(1, most)):
        created = None if view == "plain" else chance.choice([None, instant(chance), instant(chance)])
        rows.append(Row(key(chance, view), chance.choice([instant(chance)] * 9 + [None]), created, value(chance, view)))
    return rows


def write(folder: Path, view: str, rows: Sequence[Row], unit: str = "us") -> None:
    """The source of a view, as Parquet."""
    kind = KINDS[unit]
    columns: dict[str, Any] = {"customer_id": pa.array([row.key[0] for row in rows], pa.int64())}
    columns["at"] = pa.array([row.event for row in rows], pa.timestamp("us", tz="UTC")).cast(kind)
    created = pa.array([row.available for row in rows], pa.timestamp("us", tz="UTC")).cast(kind)
    first, *others = [[row.values[at] for row in rows] for at in range(len(rows[0].values) if rows else 0)]
    if view == "plain":
        columns |= {"amount": pa.array(first, pa.float64()), "flag": pa.array(others[0], pa.bool_())}
    elif view == "pair":
        columns |= {"shop": pa.array([row.key[1] for row in rows], pa.string()), "v": pa.array(first, pa.int64())}
        columns["made_at"] = created
    else:
        columns |= {"number": pa.array(first, pa.int64()), "word": pa.array(others[0], pa.string()), "created": created}
    (folder / "data").mkdir(exist_ok=True)
    pq.write_table(pa.table(columns), folder / "data" / f"{view}.parquet", row_group_size=3)


def write_many(folder: Path, at: datetime) -> None:
    """A source with lists and times."""
    table = pa.table(
        {
            "customer_id": pa.array([1, 2], pa.int64()),
            "at": pa.array([at, at], pa.timestamp("us", tz="UTC")),
            "small": pa.array([0.1, None], pa.float32()),
            "when": pa.array([BASE, None], pa.timestamp("us", tz="UTC")),
            "vector": pa.array([[0.5, 1.5], None], pa.list_(pa.float64())),
            "words": pa.array([["x", "é"], []], pa.list_(pa.string())),
        }
    )
    pq.write_table(table, folder / "data" / "many.parquet")


def write_all(folder: Path, seed: int) -> dict[str, list[Row]]:
    """Random sources of all views; their rows."""
    chance = random.Random(seed)
    rows = {view: rows_of(chance, view) for view in FEATURES}
    for view, some in rows.items():
        write(folder, view, some, chance.choice(sorted(KINDS)))
    write_many(folder, BASE)
    return rows


def entities(seed: int) -> pd.DataFrame:
    """Rows that ask, with duplicates, in no order, and with an index that says nothing."""
    chance = random.Random(seed)
    asked = [(*key(chance, "pair"), instant(chance)) for _ in range(chance.randint(1, 12))]
    asked += chance.choices(asked, k=3)
    chance.shuffle(asked)
    frame = pd.DataFrame(
        {
            "customer_id": pd.array([each[0] for each in asked], dtype="Int64"),
            "shop": [each[1] for each in asked],
            "event_timestamp": pd.to_datetime([each[2] for each in asked], utc=True),
            "pages": [chance.randint(0, 5) for _ in asked],
        }
    )
    frame.index = pd.Index([7] * len(frame))
    return frame


def asked_of(frame: pd.DataFrame, view: str) -> list[Asked]:
    """The same for the oracle."""
    numbers = [None if pd.isna(each) else int(each) for each in frame["customer_id"]]
    times = [each.to_pydatetime() for each in frame["event_timestamp"]]
    keys = list(zip(numbers, frame["shop"], strict=True)) if view == "pair" else [(each,) for each in numbers]
    return [Asked(each, at) for each, at in zip(keys, times, strict=True)]


def history(folder: Path, cases: int) -> dict[str, Any]:
    """Random joins of all views at once against the oracle."""
    write_all(folder, 0)
    store = applied(folder)
    references = [each for view in FEATURES.values() for each in view]
    compared = 0
    for seed in range(cases):
        rows, frame = write_all(folder, seed), entities(seed)
        known = bool(seed % 3 == 0)
        job = store.get_historical_features(
            frame, references, **({"filter_by_created_timestamp": True} if known else {})
        )
        table = job.to_arrow()
        assert table.column("pages").to_pylist() == frame["pages"].tolist(), seed
        assert len(job.to_df()) == len(frame)
        for view, names in FEATURES.items():
            columns = [table.column(each.partition(":")[2]).to_pylist() for each in names]
            found = list(zip(*columns, strict=True))
            expected = oracle(rows[view], asked_of(frame, view), TTL[view], as_known=known, width=len(names))
            assert found == expected, (seed, view, known, found, expected)
            compared += len(found)
    return {"cases": cases, "compared": compared}


def applied(folder: Path) -> FeatureStore:
    """The store after `feast apply`."""
    from feast.repo_config import load_repo_config
    from feast.repo_operations import apply_total

    os.chdir(folder)
    sys.path.insert(0, str(folder))
    sys.stdout, stdout = sys.stderr, sys.stdout
    try:
        apply_total(load_repo_config(folder, folder / "feature_store.yaml"), folder, skip_source_validation=False)
    finally:
        sys.stdout = stdout
    return FeatureStore(str(folder))


def recent(chance: random.Random, now: datetime, view: str, *, ties: bool) -> list[Row]:
    """Rows of the last hours, none of them within minutes of where a ttl ends."""
    rows, seen = [], set()
    for _ in range(60):
        minutes = chance.choice([1, 2, 10, 20, 50, 70, 100, 500])
        made = (chance.choice([1, 2, 3, 4, 2**53 + 1, None]),)
        created = None if view == "plain" else chance.choice([None, now - timedelta(minutes=chance.randint(0, 9))])
        if not ties and (made, minutes, created) in seen:
            continue
        seen.add((made, minutes, created))
        first, *others = value(chance, view)  # Feast's pandas makes floats of whole numbers where there are nulls
        values = (None if first is not None and first > 2**53 else first, *others)
        rows.append(Row(made, now - timedelta(minutes=minutes), created, values))
    return rows


def online(folder: Path, *, pull_latest: bool) -> dict[str, Any]:
    """Materialize and read, against the oracle; then again with what came later, and with what came late."""
    settings = folder / "feature_store.yaml"
    if pull_latest:
        settings.write_text(settings.read_text() + "materialization: {pull_latest_features: true}\n")
    write_all(folder, 0)
    store = applied(folder)
    chance, compared = random.Random(1), 0
    now = datetime.now(UTC)
    rows = {view: recent(chance, now, view, ties=pull_latest) for view in ("stats", "plain")}
    rows["fresh"] = rows["stats"]
    early = {
        view: [row for row in some if row.event and row.event < now - timedelta(minutes=15)]
        for view, some in rows.items()
    }
    for turn, known in enumerate((early, rows, early)):  # what is older never replaces what is newer
        for view in ("stats", "plain"):
            write(folder, view, known[view])
        write_many(folder, now - timedelta(minutes=5))
        if known is rows:
            store.materialize_incremental(end_date=now)
        else:
            end = now if turn else now - timedelta(minutes=15)
            store.materialize(start_date=now - timedelta(days=1), end_date=end)
        best = rows if turn else early
        compared += compare_online(store, best, now)
    for view in ("stats", "plain"):
        write(folder, view, rows[view])
    return {"compared": compared, **others(store, folder, now)}


def compare_online(store: FeatureStore, rows: dict[str, list[Row]], now: datetime) -> int:
    """What is read of all views, against the oracle as of now; how much was compared."""
    ids = [4, 1, 2, 3, 1, 99, 2**53 + 1]
    count = 0
    for view in ("stats", "plain", "fresh"):
        names = [each.replace("stats:", f"{view}:") for each in FEATURES["plain" if view == "plain" else "stats"]]
        answer = store.get_online_features(names, [{"customer_id": each} for each in ids])
        told = answer.to_dict()
        found = list(zip(*(told[each.partition(":")[2]] for each in names), strict=True))
        expected = oracle(rows[view], [Asked((each,), now) for each in ids], TTL[view], as_known=False, width=2)
        assert found == expected, (view, found, expected)
        ever = oracle(rows[view], [Asked((each,), now) for each in ids], None, as_known=False, width=2)
        keys = {row.key[0] for row in rows[view] if row.event is not None}
        statuses = list(answer.proto.results[1].statuses)
        for at, each in enumerate(ids):
            is_old = each in keys and ever[at] != expected[at]
            assert (statuses[at] == 4) >= is_old, (view, each, statuses)  # OUTSIDE_MAX_AGE
            assert (statuses[at] == 3) == (each not in keys), (view, each, statuses)  # NOT_FOUND
        count += len(found)
    return count


def others(store: FeatureStore, folder: Path, now: datetime) -> dict[str, Any]:
    """Push, on-demand views, all types, a feature that is added, services, reads of everybody, writing, teardown."""
    told: dict[str, Any] = {}
    pushed = pd.DataFrame(
        {"customer_id": [1, 77], "at": [now, now], "created": [now, now], "number": [5, 6], "word": ["p", None]}
    )
    store.push("pushes", pushed, to=PushMode.ONLINE)
    asked = [{"customer_id": 1}, {"customer_id": 77}]
    told["pushed"] = store.get_online_features(["fresh:number", "fresh:word"], asked).to_dict()
    told["many"] = store.get_online_features(
        ["many:small", "many:when", "many:vector", "many:words"], [{"customer_id": 1}, {"customer_id": 2}]
    ).to_dict()
    told["many"]["when"] = [None if each is None else each.isoformat() for each in told["many"]["when"]]
    rows = [{"customer_id": 1, "pages": 3}]
    read = store.get_online_features(store.get_feature_service("buying"), rows).to_dict()
    frame = pd.DataFrame({"customer_id": [1], "pages": [3], "event_timestamp": [datetime.now(UTC)]})
    told["service"] = {"online": {name: each[0] for name, each in read.items()}, "names": sorted(read)}
    joined = store.get_historical_features(frame, store.get_feature_service("buying")).to_arrow()
    told["service"]["offline"] = {
        name: joined.column(name)[0].as_py() for name in ("number", "amount", "flag", "sum", "rate")
    }
    before = store.get_online_features(["stats:number"], asked[:1]).to_dict()
    view = store.get_feature_view("stats")
    source = view.batch_source
    table = pq.read_table(folder / "data/stats.parquet")
    pq.write_table(table.append_column("more", pa.array([1] * len(table))), folder / "data/stats.parquet")
    wider = FeatureView(
        name="stats", entities=[store.get_entity("customer")], ttl=view.ttl, source=source,
        schema=[*view.schema, Field(name="more", dtype=Int64)],
    )  # fmt: skip
    store.apply([wider])
    after = store.get_online_features(["stats:number", "stats:more"], asked[:1]).to_dict()
    told["widened"] = {"before": before["number"], "after": after["number"], "more": after["more"]}
    snapshot = store.get_historical_features(None, ["plain:amount"], start_date=now - timedelta(days=1), end_date=now)
    told["snapshot"] = sorted(snapshot.to_arrow().column("customer_id").to_pylist())
    told["written"] = written(store, folder, now)
    store.teardown()
    return told


def written(store: FeatureStore, folder: Path, now: datetime) -> dict[str, Any]:
    """Rows through Feast's write to the offline store."""
    rows = pd.DataFrame({"customer_id": [500], "at": [now], "amount": [2.5], "flag": [True]})
    before = len(pq.read_table(folder / "data/plain.parquet"))
    store.write_to_offline_store("plain", rows)
    frame = pd.DataFrame({"customer_id": [500], "event_timestamp": [now]})
    found = store.get_historical_features(frame, ["plain:amount"], full_feature_names=True).to_arrow()
    return {
        "more": len(pq.read_table(folder / "data/plain.parquet")) - before,
        "found": found.column("plain__amount").to_pylist(),
    }


def saved(folder: Path) -> dict[str, Any]:
    """One random join, kept with what Feast computes of it, for the imported definitions to equal."""
    write_all(folder, 11)
    store, frame = applied(folder), entities(11)
    references = [each for view in FEATURES.values() for each in view] + ["together:sum", "together:rate"]
    pq.write_table(store.get_historical_features(frame, references).to_arrow(), folder / "history.parquet")
    return {"rows": len(frame)}


def wrong(folder: Path) -> dict[str, Any]:
    """What is said of options that there are not, of an address that is none, and of rows that cannot be joined."""
    from feast.repo_config import load_repo_config

    settings = folder / "feature_store.yaml"
    written, told = settings.read_text(), {}
    for name, options in (("address", "OnlineStore, address: mysql://x}"), ("option", "OfflineStore, as_known: true}")):
        settings.write_text(written.replace(f"{options.partition(',')[0]}}}", options))
        told[name] = refusal(lambda: load_repo_config(folder, settings).online_store)
    settings.write_text(written)
    write_all(folder, 0)
    store, frame = applied(folder), entities(0)
    told["query"] = refusal(lambda: store.get_historical_features("SELECT 1", ["plain:amount"]))
    texts = frame.assign(customer_id="x")
    told["types"] = refusal(lambda: store.get_historical_features(texts, ["plain:amount"]).to_df())
    pq.write_table(pq.read_table(folder / "data/plain.parquet").drop_columns(["amount"]), folder / "data/plain.parquet")
    told["column"] = refusal(lambda: store.get_historical_features(frame, ["plain:amount"]).to_df())
    (folder / "data/plain.parquet").unlink()
    told["file"] = refusal(lambda: store.get_historical_features(frame, ["plain:amount"]).to_df())
    return told


def refusal(ask: Callable[[], Any]) -> str:
    """The words of the error that is raised."""
    try:
        ask()
    except Exception as error:
        return str(error)
    return "nothing was raised"


def main(what: str, folder: Path, *arguments: str) -> None:
    """Do one thing, and print what came of it as the last line."""
    if what == "history":
        told = history(folder, int(arguments[0]))
    elif what == "online":
        told = online(folder, pull_latest=arguments[0] == "latest")
    elif what == "wrong":
        told = wrong(folder)
    else:
        told = saved(folder)
    sys.stdout.write("\n" + json.dumps(told) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]).resolve(), *sys.argv[3:])
