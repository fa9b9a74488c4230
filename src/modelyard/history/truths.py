"""The truth that counts for each prediction: of several the one available last, among equals the one written last.

A truth is kept by the day of its prediction, which the prediction's id tells, and sorted by it. So the truths of some
predictions lie in few row groups, whenever they came: joining a window costs what the window costs, however long the
log is. Truths of ids that tell no time are kept aside and looked through whole.
"""

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .by_id import ById
from .partitions import UUID7, told_by_id
from .reading import Selection, Snapshot
from .tables import INSTANT, SCHEMAS

_WHEN = ("available_us", "received_us", "segment", "position")
_ORDER = [(name, "ascending") for name in _WHEN]
_TOLD = ("prediction_id", "label", "event_us", *_WHEN)
_WON = ("prediction_id", "label", "event_us", "available_us", "received_us")


class Truths:
    """The truths of one deployment that were available at `as_of` (None: all), in a snapshot of their family.

    Asked for predictions by time, each file is decoded once. Not for several threads.
    """

    def __init__(self, snapshot: Snapshot, deployment: str, as_of: datetime | None = None) -> None:
        known = None if as_of is None else available_by(as_of)
        self._found = ById(snapshot, Selection("truths", deployment), _TOLD, known)

    def told(self, ids: pa.ChunkedArray | pa.Array) -> pa.Table:
        """Every truth that was told of these predictions, in the order in which they count: the last wins."""
        wanted = pc.unique(ids)
        near = self._near(wanted)
        return in_order(near.filter(pc.is_in(near.column("prediction_id"), value_set=wanted)))

    def joined(self, predictions: pa.Table) -> pa.Table:
        """Predictions with `label` and `label_available_us`, null where no truth is known."""
        ids = predictions.column("prediction_id")
        won = _latest(self._near(ids))
        at = pc.index_in(ids, value_set=won.column("prediction_id").combine_chunks())
        with_label = predictions.append_column("label", won.column("label").take(at))
        return with_label.append_column("label_available_us", won.column("available_us").take(at))

    def _near(self, ids: pa.ChunkedArray | pa.Array) -> pa.Table:
        """The truths of these predictions, and of some whose ids lie between theirs."""
        found = [table for group in _close(ids) for table in self._found.between(*_ends(group))]
        return pa.concat_tables([SCHEMAS["truths"].empty_table().select(_TOLD), *found])


def winners(told: pa.Table) -> pa.Table:
    """Of truths in the order in which they count the last of each prediction."""
    names = _WON[1:]
    last = told.group_by("prediction_id", use_threads=False).aggregate([(name, "last") for name in names])
    return last.select(["prediction_id", *(f"{name}_last" for name in names)]).rename_columns(list(_WON))


def in_order(told: pa.Table) -> pa.Table:
    """Truths in the order in which they count."""
    return told.sort_by(_ORDER)


def available_by(as_of: datetime) -> pc.Expression:
    """What holds for truths that were available at an instant."""
    return pc.field("available_us") <= pa.scalar(as_of, INSTANT)


def _latest(told: pa.Table) -> pa.Table:
    """Of truths in any order that which counts of each prediction. Most have one: only the others are put in order."""
    codes = told.column("prediction_id").combine_chunks().dictionary_encode().indices.to_numpy()
    again = (np.bincount(codes) > 1)[codes] if len(codes) else np.zeros(0, np.bool_)
    if not again.any():
        return told.select(_WON)
    alone, several = told.filter(pa.array(~again)), told.filter(pa.array(again))
    return pa.concat_tables([alone.select(_WON), winners(in_order(several))])


def _close(ids: pa.ChunkedArray | pa.Array) -> Sequence[pa.ChunkedArray | pa.Array]:
    """Ids in groups that each lie close together: what tells no time lies anywhere."""
    if len(ids) == 0 or all(told_by_id(end) is not None for end in _ends(ids)):
        return [ids] if len(ids) else []
    timed = pc.match_substring_regex(ids, UUID7)
    groups = (ids.filter(timed), ids.filter(pc.invert(timed)))
    return [group for group in groups if len(group)]


def _ends(ids: pa.ChunkedArray | pa.Array) -> tuple[str, str]:
    bounds = pc.min_max(ids).as_py()
    return bounds["min"], bounds["max"]
