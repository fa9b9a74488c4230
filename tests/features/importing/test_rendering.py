"""What Feast defines becomes a module that loads, and every loss is a line."""

from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from modelyard.features import Definitions, load_definitions
from modelyard.features.importing import Imported, imported
from modelyard.features.importing.records import FeastRepository

SOURCE = {"name": "stats_source", "kind": "FileSource", "path": "data/stats.parquet", "event_time": "at"}
VIEW: dict[str, Any] = {
    "name": "stats", "kind": "FeatureView", "entities": ["customer"], "join_keys": ["customer_id"], "source": SOURCE,
    "features": [{"name": "total", "type": "DOUBLE"}, {"name": "word", "type": "STRING"}], "ttl_us": 5_400_000_000,
}  # fmt: skip
CUSTOMER = {"name": "customer", "join_keys": ["customer_id"], "description": 'Who "buys".'}
DOUBLED = (
    "def f(inputs):\n    out = pd.DataFrame()\n    out['twice'] = inputs['total'] * inputs['pages']\n    return out"
)
REQUEST = {"name": "request", "fields": [{"name": "pages", "type": "INT64"}]}
ON_DEMAND = {
    "name": "doubled", "features": [{"name": "twice", "type": "DOUBLE"}], "mode": "pandas", "text": DOUBLED,
    "views": [{"view": "stats"}], "requests": [REQUEST],
}  # fmt: skip


def repository(**parts: Any) -> FeastRepository:
    """A described repository, of these parts and what they stand on."""
    return msgspec.convert({"feast": "0.67.0", "entities": [CUSTOMER], "views": [VIEW], **parts}, FeastRepository)


def loaded(folder: Path, **parts: Any) -> tuple[Definitions, Imported]:
    """The definitions that the module of a repository in a folder defines, and what was said."""
    home = folder / "ours"
    home.mkdir(exist_ok=True)
    found = imported(repository(**parts), folder / "repo", home)
    (home / "features.py").write_text(found.module)
    return load_definitions(home / "features.py"), found


def lines(found: Imported) -> list[str]:
    """The report as people read it."""
    return [f"{each.outcome}: {each.kind} '{each.name}': {each.why}" for each in found.report]


def changed(**attributes: Any) -> dict[str, Any]:
    """The view with other attributes."""
    return {**VIEW, **attributes}


def test_definitions_are_written_as_people_would_and_load(tmp_path: Path) -> None:
    """Entities, views, on-demand views, services: with keys, times and labels, and nothing that is empty."""
    service = {"name": "buying", "parts": [{"view": "stats", "features": ["total"]}, {"view": "doubled"}]}
    definitions, found = loaded(tmp_path, on_demand=[ON_DEMAND], services=[service])
    view = definitions.view("stats")
    assert (view.keys, view.feature_names, view.event_time) == (("customer_id",), ("total", "word"), "at")
    assert str(view.ttl) == "1:30:00"
    assert definitions.on_demand["doubled"].features == {"twice": "total * pages"}
    assert 'customer = my.Entity("customer", join_keys=["customer_id"], description=\'Who "buys".\')' in found.module
    assert 'features=[stats[["total"]], doubled]' in found.module
    assert "tags" not in found.module
    assert dict(found.counts) == {
        "entity": 1, "feature view": 1, "request source": 1, "on-demand view": 1, "feature service": 1,
    }  # fmt: skip
    assert [each.outcome for each in found.report] == ["note"]


def test_paths_lead_from_the_module_to_the_repositorys_files(tmp_path: Path) -> None:
    """Relative ones; URLs and absolute ones stay. Columns that Feast renames are renamed by a query."""
    (tmp_path / "repo" / "data").mkdir(parents=True)
    table = pa.table({"customer_id": [1], "at": pa.array([0], pa.timestamp("us")), "t": [2.5], "word": ["x"]})
    pq.write_table(table, tmp_path / "repo" / "data" / "stats.parquet")
    definitions, _ = loaded(tmp_path, views=[changed(source={**SOURCE, "mapping": {"t": "total"}})])
    assert definitions.view("stats").table().column("total").to_pylist() == [2.5]
    _, found = loaded(tmp_path, views=[changed(source={**SOURCE, "path": "s3://bucket/stats"})])
    assert 'source="s3://bucket/stats"' in found.module


def test_pushed_and_streamed_rows_become_a_push_source(tmp_path: Path) -> None:
    """Once for all views of it; how the topic comes in is said."""
    stream = {"name": "events", "kind": "KafkaSource"}
    views = [changed(stream=stream), changed(name="fresh", stream=stream)]
    definitions, found = loaded(tmp_path, views=views)
    assert definitions.view("stats").source is definitions.view("fresh").source
    assert any("KafkaSource's messages come in by: modelyard features push" in each for each in lines(found))


def test_aggregations_become_windows(tmp_path: Path) -> None:
    """With their functions, windows and names."""
    minute = 60_000_000
    aggregations: list[dict[str, Any]] = [
        {"column": "total", "function": "sum", "window_us": 60 * minute, "slide_us": 5 * minute},
        {
            "column": "word",
            "function": "count_distinct",
            "window_us": 60 * minute,
            "slide_us": 5 * minute,
            "name": "ws",
        },
    ]
    definitions, _ = loaded(tmp_path, views=[changed(kind="StreamFeatureView", aggregations=aggregations)])
    assert definitions.view("stats").feature_names == ("sum_total", "ws")
    _, found = loaded(tmp_path, views=[changed(aggregations=[{**aggregations[0], "slide_us": None}])])
    assert any("slide_interval" in each for each in lines(found))


LEFT_OUT = [
    (changed(source={**SOURCE, "kind": "BigQuerySource"}), "is a BigQuerySource, which is not read here"),
    (changed(source={**SOURCE, "format": "DeltaFormat"}), "is in DeltaFormat"),
    (changed(source={**SOURCE, "event_time": ""}), "timestamp_field"),
    (changed(source=None), "no batch source"),
    (changed(entities=[], join_keys=[]), "no entity"),
    (changed(entities=["nobody"]), "entity 'nobody' is not carried over"),
    (changed(transformation="pandas", kind="BatchFeatureView"), "made by a function (pandas)"),
    (changed(kind="LabelView"), "ground truth"),
    (changed(features=[]), "not to be told"),
    (changed(features=[{"name": "v", "type": "FLOAT_LIST"}]), "v (float_list)"),
    (changed(name="stats view"), "stats view"),
    (changed(features=[{"name": "__x", "type": "DOUBLE"}]), "cannot name a feature"),
]


@pytest.mark.parametrize(("view", "why"), LEFT_OUT)
def test_what_a_view_cannot_be_here_is_said_and_so_is_what_stood_on_it(
    tmp_path: Path, view: dict[str, Any], why: str
) -> None:
    """The module loads all the same."""
    service = {"name": "buying", "parts": [{"view": view["name"]}]}
    _, found = loaded(tmp_path, views=[view], on_demand=[ON_DEMAND], services=[service])
    said = lines(found)
    assert why in said[0]
    assert said[0].startswith("left out")
    assert any("doubled" in each and "not carried over" in each for each in said)
    assert any("buying" in each and each.startswith("left out") for each in said)
    assert dict(found.counts) == {"entity": 1}


def test_what_an_on_demand_view_cannot_be_here_is_said(tmp_path: Path) -> None:
    """A function that computes more, kinds that do not fit, fields that no request carries, aggregation."""
    refused: list[tuple[dict[str, Any], str]] = [
        ({"text": DOUBLED.replace("* inputs['pages']", ".map(hash)")}, "calls inputs['total'].map(hash)"),
        ({"text": DOUBLED.replace("'total'", "'word'")}, "word"),
        ({"requests": [{"name": "r", "fields": [{"name": "pages", "type": "INT64_LIST"}]}]}, "int64_list"),
        ({"aggregated": True}, "AggregationView"),
        ({"views": [{"view": "nobody"}]}, "'nobody', is not carried over"),
    ]
    for part, why in refused:
        definitions, found = loaded(tmp_path, on_demand=[{**ON_DEMAND, **part}])
        assert list(definitions.on_demand) == []
        assert any(each.startswith("left out: on-demand view 'doubled'") and why in each for each in lines(found))


def test_names_that_two_views_share_are_told_apart(tmp_path: Path) -> None:
    """As Feast does by the view's name before them; variables are no two of them the same."""
    text = DOUBLED.replace("inputs['total']", "inputs['other__total']")
    views = [VIEW, changed(name="other"), changed(name="my")]
    on_demand = {**ON_DEMAND, "text": text, "views": [{"view": "stats"}, {"view": "other"}]}
    definitions, _ = loaded(tmp_path, views=views, on_demand=[on_demand])
    assert definitions.on_demand["doubled"].features == {"twice": "other.total * pages"}
    assert definitions.view("my").name == "my"


def test_small_losses_are_noted(tmp_path: Path) -> None:
    """Lists among the features, creation, endpoints, offline views, logging, aliases, flags of requests."""
    view = changed(
        features=[*VIEW["features"], {"name": "v", "type": "FLOAT_LIST"}], online=False,
        source={**SOURCE, "created": "made", "endpoint": "http://127.0.0.1:9000"},
    )  # fmt: skip
    services = [
        {"name": "one", "parts": [{"view": "stats", "features": ["total", "v"]}], "logged": True},
        {"name": "two", "parts": [{"view": "stats", "alias": "other"}]},
    ]
    request = {"name": "request", "fields": [{"name": "pages", "type": "INT64"}, {"name": "is_new", "type": "BOOL"}]}
    _, found = loaded(tmp_path, views=[view], on_demand=[{**ON_DEMAND, "requests": [request]}], services=services)
    said = "\n".join(lines(found))
    for why in ("without v (float_list)", "as_known=False", "AWS_ENDPOINT_URL", "offline only", "'is_new' is sent as 1",
                "logging is not carried over", "without v of the view", "left out: feature service 'two'"):  # fmt: skip
        assert why in said
    assert 'available_at="made"' in found.module
