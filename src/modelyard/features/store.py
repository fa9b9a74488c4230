"""The features of a project: one set of definitions, read offline for training and online for serving."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from modelyard.core import Clock, Judgement, Micros, Scalar, to_micros
from modelyard.online import FeaturePlan, FeatureReader, FeatureRow, OnlineStore, RequestField, ViewPlan
from modelyard.storage import RecordStore

from .definitions import Definitions
from .errors import InvalidDefinition
from .history import HistoricalFeatures, HistoryWritten, Watch, historical_features, write_history
from .join import point_in_time_join
from .leaks import LeakQuestion, check_feature_leaks
from .materialize import Materializer
from .selection import Asked, select


class FeatureStore:
    """What a model's features are, at any time, on both sides."""

    def __init__(self, definitions: Definitions, online: OnlineStore, records: RecordStore, clock: Clock) -> None:
        self.definitions = definitions
        self.materializer = Materializer(definitions, online, records, clock)
        self._online = online
        self._clock = clock

    def plan(self, features: Sequence[str], request: Sequence[RequestField]) -> FeaturePlan:
        """The plan that a model's bundle carries: `features` are request fields or `view:feature` names."""
        own = {field.name for field in request}
        views: dict[str, list[str]] = {}
        for reference in features:
            if reference in own:
                continue
            view, feature = self.definitions.resolve(reference)
            views.setdefault(view.name, []).append(feature)
        _unique([*own, *(feature for chosen in views.values() for feature in chosen)])
        return FeaturePlan(tuple(request), tuple(self._view_plan(name, used, own) for name, used in views.items()))

    def training_rows(self, entities: pa.Table, features: Sequence[str], *, event_time: str) -> pa.Table:
        """`entities` with the views' features of `features` joined as known at each row's `event_time`."""
        used: dict[str, list[str]] = {}
        for reference in features:
            if reference in entities.column_names:
                continue
            view, feature = self.definitions.resolve(reference)
            used.setdefault(view.name, []).append(feature)
        views = [self.definitions.view(name)[chosen] for name, chosen in used.items()]
        return point_in_time_join(entities, views, event_time=event_time)

    def get_historical_features(
        self,
        entity_df: object,
        features: Asked | Sequence[Asked],
        *,
        event_time: str = "event_timestamp",
        as_known: bool = True,
        full_feature_names: bool = False,
    ) -> HistoricalFeatures:
        """The rows of `entity_df` (Arrow, polars or pandas) with features as they were known at each row's time.

        `features`: `view:feature` names, views, a feature service or its name. See `point_in_time_join` for the rules.
        """
        selection = select(self.definitions, features, full_feature_names=full_feature_names)
        return historical_features(entity_df, selection, event_time=event_time, as_known=as_known)

    def write_historical_features(
        self,
        entities: str | Path,
        features: Asked | Sequence[Asked],
        output: Path,
        *,
        event_time: str = "event_timestamp",
        as_known: bool = True,
        resume: bool = False,
        force: bool = False,
        watch: Watch = lambda _: None,
    ) -> HistoryWritten:
        """The same from files of any size to Parquet. See `write_history`."""
        selection = select(self.definitions, features)
        return write_history(
            entities,
            selection,
            output,
            event_time=event_time,
            as_known=as_known,
            resume=resume,
            force=force,
            watch=watch,
        )

    def check_leaks(
        self,
        entity_df: object,
        features: Asked | Sequence[Asked],
        *,
        label: str | None = None,
        label_time: str | None = None,
        event_time: str = "event_timestamp",
        as_known: bool = True,
    ) -> Judgement:
        """Whether a feature's value could not have been known at its row's time. See `check_feature_leaks`."""
        selection = select(self.definitions, features)
        asked = LeakQuestion(event_time, label, label_time, as_known)
        return check_feature_leaks(entity_df, selection, asked, now=self._clock.now())

    def online_row(self, plan: FeaturePlan, request: Mapping[str, Scalar], at: Micros | None = None) -> FeatureRow:
        """What the server would read for a request, at an instant (now by default)."""
        return FeatureReader(self._online, plan).row(request, to_micros(self._clock.now()) if at is None else at)

    def _view_plan(self, name: str, used: list[str], request: set[str]) -> ViewPlan:
        view = self.definitions.view(name)
        if missing := set(view.keys) - request:
            raise InvalidDefinition(
                f"View '{name}' is keyed by {', '.join(sorted(missing))}, which the request does not carry.",
                remedy="Add it to the model's request fields.",
            )
        return ViewPlan(
            name=name,
            entity_keys=view.keys,
            features=tuple(used),
            stored=view.feature_names,
            ttl_s=view.ttl.total_seconds() if view.ttl else None,
            stale=view.stale,
            defaults=dict(view.defaults),
        )


def _unique(names: Sequence[str]) -> None:
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InvalidDefinition(
            f"The model's features share names: {', '.join(twice)}.", remedy="Rename the columns in one of the views."
        )
