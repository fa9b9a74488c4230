"""A Feast repository as its users write them; only its feature_store.yaml names our stores."""

from datetime import timedelta

import pandas as pd
from feast import Entity, FeatureService, FeatureView, Field, FileSource, PushSource, RequestSource, ValueType
from feast.on_demand_feature_view import on_demand_feature_view
from feast.types import Array, Bool, Float32, Float64, Int64, String, UnixTimestamp

customer = Entity(name="customer", join_keys=["customer_id"], value_type=ValueType.INT64, description="Who buys.")
shop = Entity(name="shop", join_keys=["shop"], value_type=ValueType.STRING)

stats_source = FileSource(
    name="stats_source", path="data/stats.parquet", timestamp_field="at", created_timestamp_column="created"
)
stats = FeatureView(
    name="stats",
    entities=[customer],
    ttl=timedelta(hours=1),
    schema=[Field(name="number", dtype=Int64), Field(name="word", dtype=String)],
    source=stats_source,
    tags={"team": "fraud"},
    owner="ann@example.com",
)
plain = FeatureView(
    name="plain",
    entities=[customer],
    schema=[Field(name="amount", dtype=Float64), Field(name="flag", dtype=Bool)],
    source=FileSource(name="plain_source", path="data/plain.parquet", timestamp_field="at"),
)
pair = FeatureView(
    name="pair",
    entities=[customer, shop],
    ttl=timedelta(microseconds=3_000_000),
    schema=[Field(name="pair_value", dtype=Int64)],
    source=FileSource(
        name="pair_source",
        path="data/pair.parquet",
        timestamp_field="at",
        created_timestamp_column="made",
        field_mapping={"v": "pair_value", "made_at": "made"},
    ),
)
pushes = PushSource(name="pushes", batch_source=stats_source)
fresh = FeatureView(
    name="fresh",
    entities=[customer],
    ttl=timedelta(hours=1),
    schema=[Field(name="number", dtype=Int64), Field(name="word", dtype=String)],
    source=pushes,
)
many = FeatureView(
    name="many",
    entities=[customer],
    schema=[
        Field(name="small", dtype=Float32),
        Field(name="when", dtype=UnixTimestamp),
        Field(name="vector", dtype=Array(Float64)),
        Field(name="words", dtype=Array(String)),
    ],
    source=FileSource(name="many_source", path="data/many.parquet", timestamp_field="at"),
)
request = RequestSource(name="request", schema=[Field(name="pages", dtype=Int64)])


@on_demand_feature_view(  # type: ignore[untyped-decorator]  # Feast publishes no types
    sources=[stats, plain, request],
    schema=[Field(name="sum", dtype=Float64), Field(name="rate", dtype=Float64)],
)
def together(inputs: pd.DataFrame) -> pd.DataFrame:
    """What is computed of both views, and of the request."""
    out = pd.DataFrame()
    both = inputs["number"] + inputs["amount"].fillna(0.0)
    out["sum"] = both
    out["rate"] = both / (inputs["pages"] + 1)
    return out


@on_demand_feature_view(  # type: ignore[untyped-decorator]  # as above
    sources=[plain], schema=[Field(name="hashed", dtype=Int64)]
)
def hashing(inputs: pd.DataFrame) -> pd.DataFrame:
    """What no expression computes."""
    out = pd.DataFrame()
    out["hashed"] = inputs["amount"].map(hash)
    return out


buying = FeatureService(name="buying", features=[stats[["number"]], plain, together])
