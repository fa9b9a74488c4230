"""The point-in-time join: for each row, the features as they were known at its time."""

from collections.abc import Iterable

import pyarrow as pa

from modelyard.features.definitions import FeatureView, ViewPart
from modelyard.features.errors import InvalidDefinition
from modelyard.features.tables import as_table

from .prepared import Entities, Wanted, check_names, joined, prepare


def point_in_time_join(
    entities: object,
    views: FeatureView | ViewPart | Iterable[FeatureView | ViewPart],
    *,
    event_time: str = "event_timestamp",
    as_known: bool = True,
    full_feature_names: bool = False,
) -> pa.Table:
    """`entities` (Arrow, polars or pandas) with the features of each view appended, as known at each row's time.

    A source row matches when its keys are equal, row time - ttl <= event time <= row time (both ends included; no
    lower end without ttl, or with one of zero) and, unless `as_known` is False, it was available by the row's time. The
    latest event time wins, then the latest availability (null loses), then the last row in source order. A null in the
    winning row stays null. Null keys and null times match nothing. Rows, order and duplicates of `entities` are kept.

    Times are compared as instants in whole microseconds: naive ones are UTC, text is ISO 8601, nanoseconds are cut off
    toward the past on both sides. Keys are compared by value: 7 is 7.0; a text never equals a number, which is an
    error. `full_feature_names` calls features `view__feature`. Cost: a sort of each source, and two binary searches a
    row and view. InvalidDefinition says which column is missing, of another type, or there twice.
    """
    table = as_table(entities, "entity rows")
    asked = [views] if isinstance(views, FeatureView | ViewPart) else views
    wanted = [wanted_of(each, full_feature_names=full_feature_names) for each in asked]
    check_names(table.column_names, wanted)
    asking = Entities.of(table, event_time)
    return joined(asking, list(prepare(wanted, as_known=as_known)))


def wanted_of(view: object, *, full_feature_names: bool = False) -> Wanted:
    """All features of a view, or a part of them. InvalidDefinition for anything else."""
    part = ViewPart(view, view.feature_names) if isinstance(view, FeatureView) else view
    if not isinstance(part, ViewPart):
        raise InvalidDefinition(
            f"{str(view)[:80]!r} is no feature view.", remedy='Give FeatureViews, or parts of them: view[["a", "b"]].'
        )
    prefix = f"{part.view.name}__" if full_feature_names else ""
    return Wanted(part.view, part.names, tuple(f"{prefix}{name}" for name in part.names))
