"""The features of a project: one set of definitions, read offline for training and online for serving."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pyarrow as pa

from modelyard.core import Clock, Digest, Judgement, Micros, Scalar, did_you_mean, to_micros
from modelyard.online import ColumnReader, FeaturePlan, FeatureReader, FeatureRow, OnlineStore, RequestField
from modelyard.storage import RecordStore

from .answer import OnlineFeatures
from .definitions import Definitions, FeatureService, PushSource
from .described import service_digest
from .errors import InvalidDefinition, UnknownFeature
from .history import HistoricalFeatures, HistoryWritten, Watch, historical_features, write_history
from .leaks import LeakQuestion, check_feature_leaks
from .materialize import Materializer
from .plan import feature_plan, require_unique, view_plan
from .selection import Asked, references, select
from .tables import as_table


class FeatureStore:
    """What a model's features are, at any time, on both sides."""

    def __init__(self, definitions: Definitions, online: OnlineStore, records: RecordStore, clock: Clock) -> None:
        self.definitions = definitions
        self.materializer = Materializer(definitions, online, records, clock)
        self._online = online
        self._clock = clock
        self._readers: dict[tuple[str, ...], ColumnReader] = {}

    def plan(self, features: Sequence[str], request: Sequence[RequestField]) -> FeaturePlan:
        """The plan that a model's bundle carries: `features` are request fields or `view:feature` names."""
        return feature_plan(self.definitions, features, request)

    def training_rows(self, entities: pa.Table, features: Sequence[str], *, event_time: str) -> pa.Table:
        """`entities` with those of `features` that are no columns of it, as known at each row's `event_time`."""
        asked = [each for each in features if each not in entities.column_names]
        if not asked:
            return entities
        return historical_features(entities, select(self.definitions, asked), event_time=event_time).table

    def digest(self, service: str) -> Digest:
        """The digest of what a feature service means: its list, and the views in it."""
        self.listed(service)
        return service_digest(self.definitions.of(FeatureService)[service], self.definitions)

    def listed(self, service: str) -> list[str]:
        """What a feature service lists, in its order: `view:feature`, and bare names of fields of requests."""
        known = self.definitions.of(FeatureService)
        if service not in known:
            raise UnknownFeature(f"There is no feature service '{service[:80]}'.", remedy=did_you_mean(service, known))
        return references(self.definitions, known[service])

    def get_online_features(
        self, features: Sequence[str], entity_rows: Sequence[Mapping[str, Scalar]], at: datetime | None = None
    ) -> OnlineFeatures:
        """The newest values of `view:feature`s for entities, given by their keys, as of an instant (now by default).

        A value answers `present`, `null`, `missing` or `expired`; the view's policy says what the last two become.
        UnknownFeature, InvalidDefinition when two features share a name, InvalidRequestField for entity rows that lack
        a key, StaleFeatures where a view's policy is `error`.
        """
        asked = tuple(features)
        reader = self._readers.get(asked) or self._readers.setdefault(asked, self._reader(asked))
        return OnlineFeatures(reader.read(entity_rows, self._clock.micros() if at is None else to_micros(at)))

    def push(self, source: str, rows: object) -> int:
        """Take rows of a PushSource (a table, DataFrame, or list of dicts); how many there are.

        They are in the source's log when this returns, which the offline join reads, and in the online store unless
        newer ones are. Aggregations of them go online when they are materialized.
        """
        known = self.definitions.of(PushSource)
        if source not in known:
            raise UnknownFeature(f"There is no push source '{source[:80]}'.", remedy=did_you_mean(source, known))
        log = known[source].log
        if log is None:
            raise InvalidDefinition(
                f"The push source '{source}' belongs to no project.", remedy="Push with Project(…).features.push."
            )
        table = pa.Table.from_pylist(rows) if isinstance(rows, list) else as_table(rows, "pushed rows")
        views = [view for view in self.definitions.views.values() if view.source is known[source]]
        for view in views:
            replace(view, source=table).rows()  # nothing is kept of rows that a view cannot read
        count = log.append(table, self._clock.micros())
        for view in views:
            if not view.aggregates:  # what windows hold is not in these rows alone: materializing brings it
                self.materializer.push(view, table)
        return count

    def _reader(self, features: tuple[str, ...]) -> ColumnReader:
        views: dict[str, list[str]] = {}
        for reference in features:
            view, feature = self.definitions.resolve(reference)
            views.setdefault(view.name, []).append(feature)
        require_unique([feature for chosen in views.values() for feature in chosen])
        keys = {key for name in views for key in self.definitions.view(name).keys}
        return ColumnReader(
            self._online, [view_plan(self.definitions.view(name), used, keys) for name, used in views.items()]
        )

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
