"""The features of a project: one set of definitions, read offline for training and online for serving."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa

from modelyard.core import Clock, Digest, InvalidInput, Judgement, Micros, Scalar, did_you_mean, to_micros
from modelyard.online import ColumnReader, FeaturePlan, FeatureReader, FeatureRow, OnlineStore, RequestField, Sent
from modelyard.storage import RecordStore

from .answer import OnlineFeatures
from .definitions import Definitions, FeatureService, OnDemandPart, PushSource, StreamSource
from .described import service_digest
from .errors import InvalidDefinition, UnknownFeature
from .functions import DefinedFunctions
from .history import HistoricalFeatures, HistoryWritten, Watch, historical_features, write_history
from .leaks import LeakQuestion, check_feature_leaks
from .materialize import Materializer
from .plan import feature_plan, lookup_plan
from .pushed import Compacted
from .selection import Asked, named, references, select
from .skew import ServedDeployments, SkewQuestion, SkewReport, check_skew
from .streaming import Pusher, StreamPusher
from .tables import as_table

_LIMITS = {
    "since": "Give a time before the end, which is now unless it is said otherwise.",
    "sample": "Look at one prediction or more; leave it out to look at all.",
    "tolerance": "Give a number from 0 up to, not including, 1: 1e-9 takes numbers for alike that differ by rounding.",
    "max_rate": "Give a share from 0 to 1.",
    "examples": "Ask for none, or for some.",
}


class FeatureStore:
    """What a model's features are, at any time, on both sides."""

    def __init__(
        self,
        definitions: Definitions,
        online: OnlineStore,
        records: RecordStore,
        clock: Clock,
        served: ServedDeployments | None = None,
    ) -> None:
        self.definitions = definitions
        self._records = records
        self._served = served
        self.materializer = Materializer(definitions, online, records, clock)
        self._online = online
        self._clock = clock
        self.functions = DefinedFunctions(definitions)
        self._readers: dict[tuple[str, ...], ColumnReader] = {}

    def plan(self, features: Sequence[str], request: Sequence[RequestField]) -> FeaturePlan:
        """The plan that a model's bundle carries: `features` are request fields or `view:feature` names."""
        return feature_plan(self.definitions, features, request)

    def code(self, features: Sequence[str]) -> dict[str, bytes]:
        """The files of code that a model's bundle carries for the functions of `features`, by their names in it."""
        parts = [self.definitions.part(each) for each in features if ":" in each]
        views = [part.view for part in parts if isinstance(part, OnDemandPart)]
        return {view.code.file: view.code.text for view in views if view.function is not None}

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
        self,
        features: Asked | Sequence[Asked],
        entity_rows: Sequence[Mapping[str, Sent]],
        at: datetime | None = None,
    ) -> OnlineFeatures:
        """The newest values of features for entities, given by their keys, as of an instant (now by default).

        `features`: `view:feature` names, views, a feature service or its name. Those on demand are computed as the
        server and `get_historical_features` do, of fields that stand in the entity rows beside the keys.

        A value answers `present`, `null`, `missing` or `expired`; the view's policy says what the last two become.
        UnknownFeature, InvalidDefinition when two features share a name, InvalidRequestField for entity rows that lack
        a key or a field, StaleFeatures where a view's policy is `error`.
        """
        asked = tuple(named(self.definitions, features))
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
        table = pa.Table.from_pylist(rows) if isinstance(rows, list) else as_table(rows, "pushed rows")
        return self._pusher(known[source]).push(table)

    def pushed(self, view: str) -> PushSource:
        """The push or stream source of a view. UnknownFeature for a view that is not there, InvalidDefinition for one
        that reads something else.
        """
        source = self.definitions.view(view).source
        if not isinstance(source, PushSource):
            raise InvalidDefinition(
                f"Nothing can be pushed to view '{view}': it reads neither a StreamSource nor a PushSource.",
                remedy="Declare its source=StreamSource(NAME, url=…, batch=…), with what it reads now as batch.",
            )
        return source

    def stream_pusher(self, view: str, stream: str) -> StreamPusher:
        """What takes messages of a stream as rows of a view's source, for all views that read it.

        `stream` tells it from others, such as the text of its address. Raises as `pushed`.
        """
        source = self.pushed(view)
        id_name = source.id if isinstance(source, StreamSource) else None
        return StreamPusher(self._pusher(source), self.definitions.view(view), stream, id_name)

    def compact_pushed(self) -> Compacted:
        """Merge the files of pushed rows that are many, source by source. See `PushLog.compact`."""
        logs = [source.log for source in self.definitions.of(PushSource).values()]
        return sum((log.compact() for log in logs if log is not None), Compacted())

    def _pusher(self, source: PushSource) -> Pusher:
        return Pusher(source, self.definitions, self.materializer, self._clock)

    def _reader(self, features: tuple[str, ...]) -> ColumnReader:
        plan = lookup_plan(self.definitions, features)
        order = [name.partition(":")[2] for name in dict.fromkeys(features)]
        return ColumnReader(self._online, plan, order=order, functions=self.functions)

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

    def skew(
        self,
        deployment: str | None = None,
        *,
        since: datetime | timedelta = timedelta(days=7),
        until: datetime | None = None,
        sample: int | None = None,
        tolerance: float = 0.0,
        max_rate: float = 0.0,
        examples: int = 10,
    ) -> SkewReport:
        """Training-serving skew: what a deployment's answers were made of, against what training would see.

        Of each answer with event time from `since` (an instant, or so long before `until`) to `until` (now by default,
        not included), the features that were logged are compared with the same features joined as of its event time, as
        known then, from the sources and definitions of now. Numbers are alike when equal, or no further apart than
        `tolerance`, relative to the greater or absolute. The deployment may be left out where there is one. A `sample`
        looks at no more than so many answers, drawn by their ids. Fails when more than `max_rate` of the predictions
        were served a value that differs. What was not logged is not judged. NotFound for an unknown deployment.
        """
        end = until or self._clock.now()
        start = end - since if isinstance(since, timedelta) else since
        for name, number, fits in (
            ("since", start.isoformat(), start < end),
            ("sample", sample, sample is None or sample > 0),
            ("tolerance", tolerance, 0 <= tolerance < 1),
            ("max_rate", max_rate, 0 <= max_rate <= 1),
            ("examples", examples, examples >= 0),
        ):
            if not fits:
                raise InvalidInput(f"The {name} is {number}, which cannot be.", remedy=_LIMITS[name])
        if self._served is None:
            raise InvalidDefinition(
                "These features belong to no project, whose log could be read.", remedy="Ask Project(…).features.skew."
            )
        question = SkewQuestion(self._served.chosen(deployment), start, end, sample, tolerance, max_rate, examples)
        return check_skew(question, self._served, self.definitions, self._records)

    def online_row(self, plan: FeaturePlan, request: Mapping[str, Scalar], at: Micros | None = None) -> FeatureRow:
        """What the server would read for a request, at an instant (now by default)."""
        return FeatureReader(self._online, plan, self.functions).row(
            request, to_micros(self._clock.now()) if at is None else at
        )
