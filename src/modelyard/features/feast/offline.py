"""Feast's offline store: `offline_store: {type: modelyard.features.feast.ModelyardOfflineStore}`."""

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from feast import FileSource
from feast.infra.offline_stores.file_source import FileLoggingDestination
from feast.infra.offline_stores.offline_store import OfflineStore, RetrievalMetadata
from feast.on_demand_feature_view import OnDemandFeatureView
from feast.repo_config import FeastConfigBaseModel
from feast.utils import (
    _get_requested_feature_views_to_features_dict,
    _get_requested_on_demand_feature_views,
    compute_non_entity_date_range,
)

from modelyard.core import InvalidInput, atomic_write
from modelyard.features.errors import InvalidDefinition
from modelyard.features.tables import as_table

from .history import Asked, everybody, features_as_they_were, time_column, time_range
from .retrieval import ModelyardRetrievalJob
from .sources import DUMMY, Columns, FeastSource, between, check_source, instants, newest, with_dummy


class ModelyardOfflineStoreConfig(FeastConfigBaseModel):  # type: ignore[misc]  # Feast publishes no types
    """The section `offline_store` of `feature_store.yaml`."""

    type: Literal["modelyard.features.feast.ModelyardOfflineStore"] = "modelyard.features.feast.ModelyardOfflineStore"
    """This store."""

    filter_by_created_timestamp: bool = False
    """Whether values that were created only after a row's time are left out, where a call does not say so itself."""


class ModelyardOfflineStore(OfflineStore):  # type: ignore[misc]  # as above
    """Parquet sources, joined by this engine: rows, their order and duplicates are kept, ttl and ties are right.

    See `point_in_time_join` for the rules; a source's `created_timestamp_column` is when a row was available, which by
    Feast's rule only breaks ties, unless `filter_by_created_timestamp` says otherwise.
    """

    supports_filter_by_created_timestamp = True

    @staticmethod
    def get_historical_features(
        config: Any,
        feature_views: list[Any],
        feature_refs: list[str],
        entity_df: Any,
        registry: Any,
        project: str,
        full_feature_names: bool = False,  # noqa: FBT001, FBT002 - the contract's
        filter_by_created_timestamp: bool = False,  # noqa: FBT001, FBT002 - as above
        start_date: datetime | None = None,
        end_date: datetime | None = None,
    ) -> ModelyardRetrievalJob:
        """The entity rows with the features as they were at each row's time.

        Without entity rows: of every entity that the sources know between two instants, as of the second.
        """
        for view in feature_views:
            check_source(view.batch_source)
        on_demand = _get_requested_on_demand_feature_views(feature_refs, config.project, registry)
        views, _ = _get_requested_feature_views_to_features_dict(feature_refs, feature_views, on_demand)
        asked = [
            Asked.of(view, list(dict.fromkeys(names)), full_feature_names=full_feature_names)
            for view, names in views.items()
        ]
        as_known = filter_by_created_timestamp or config.offline_store.filter_by_created_timestamp
        if entity_df is None:
            start, end = compute_non_entity_date_range(feature_views, start_date=start_date, end_date=end_date)
            entities = everybody(asked, config.repo_path, start, end)
        else:
            entities = _entities(entity_df)
        times = [each.name for each in entities.schema if pa.types.is_timestamp(each.type)]
        event_time = time_column(entities.column_names, times)
        first, last = time_range(entities, event_time)
        return ModelyardRetrievalJob(
            lambda: features_as_they_were(entities, asked, config.repo_path, event_time=event_time, as_known=as_known),
            config.repo_path,
            full_feature_names=full_feature_names,
            on_demand=OnDemandFeatureView.get_requested_odfvs(feature_refs, project, registry),
            metadata=RetrievalMetadata(
                features=feature_refs,
                keys=[name for name in entities.column_names if name != event_time],
                min_event_timestamp=first,
                max_event_timestamp=last,
            ),
        )

    @staticmethod
    def pull_latest_from_table_or_query(
        config: Any,
        data_source: Any,
        join_key_columns: list[str],
        feature_name_columns: list[str],
        timestamp_field: str,
        created_timestamp_column: str | None,
        start_date: datetime | None = None,
        end_date: datetime | None = None,
    ) -> ModelyardRetrievalJob:
        """The newest row of each key between two instants, both included; null keys are left out."""
        columns = Columns(join_key_columns, timestamp_field, created_timestamp_column or None)

        def make() -> pa.Table:
            rows = _pulled(config, data_source, columns, feature_name_columns, (start_date, end_date))
            keyed = Columns(join_key_columns or [DUMMY], columns.event, columns.created)
            return newest(rows, keyed, f"of {data_source.name}")

        return ModelyardRetrievalJob(make, config.repo_path)

    @staticmethod
    def pull_all_from_table_or_query(
        config: Any,
        data_source: Any,
        join_key_columns: list[str],
        feature_name_columns: list[str],
        timestamp_field: str,
        created_timestamp_column: str | None = None,
        start_date: datetime | None = None,
        end_date: datetime | None = None,
    ) -> ModelyardRetrievalJob:
        """All rows between two instants, both included, the newest first: who then keeps the first keeps the right one.

        Newest by event time, then creation; of equals the last. Rows of views whose key has a null are left out: they
        match nothing, and with them Feast's own pandas would make floats of whole numbers.
        """
        columns = Columns(join_key_columns, timestamp_field, created_timestamp_column or None)

        def make() -> pa.Table:
            rows = _pulled(config, data_source, columns, feature_name_columns, (start_date, end_date))
            if data_source.timestamp_field:  # saved datasets, which say none, are read as they are
                rows = _with_keys(rows, columns)
            return _newest_first(rows, columns)

        return ModelyardRetrievalJob(make, config.repo_path)

    @staticmethod
    def offline_write_batch(
        config: Any, feature_view: Any, table: pa.Table, progress: Callable[[int], Any] | None
    ) -> None:
        """Add rows to the view's source: behind those of its file, which is replaced in one step, or as one more file.

        InvalidInput for rows that do not have the source's columns.
        """
        source = feature_view.batch_source
        check_source(source)
        place = str(FileSource.get_uri_for_file_path(config.repo_path, source.path))
        schema = FeastSource(source, config.repo_path).schema
        if sorted(schema.names) != sorted(table.column_names):
            given, there = ", ".join(table.column_names)[:200], ", ".join(schema.names)[:200]
            raise InvalidInput(
                f"The rows to be written have the columns {given}; the source of '{feature_view.name}' has {there}.",
                code="WRONG_COLUMNS",
                remedy="Write rows with the source's columns.",
            )
        rows = table.select(schema.names).cast(schema)
        _append(place, source, rows)
        if progress is not None:
            progress(len(rows))

    @staticmethod
    def write_logged_features(
        config: Any,
        data: pa.Table | Path,
        source: Any,  # noqa: ARG004 - the contract's
        logging_config: Any,
        registry: Any,  # noqa: ARG004 - as above
    ) -> None:
        """Add what a feature service served to the folder that its logging names, as Parquet."""
        destination = logging_config.destination
        if not isinstance(destination, FileLoggingDestination):
            raise InvalidInput(
                f"Features are to be logged to {type(destination).__name__}.",
                code="WRONG_STORAGE",
                remedy="Log them to files: FileLoggingDestination(path=…).",
            )
        place = FileSource.get_uri_for_file_path(config.repo_path, destination.path)
        filesystem, path = FileSource.create_filesystem_and_path(str(place), destination.s3_endpoint_override)
        ds.write_dataset(
            pq.read_table(data) if isinstance(data, Path) else data,
            base_dir=path,
            basename_template=f"{uuid4().hex}-{{i}}.parquet",
            partitioning=destination.partition_by,
            filesystem=filesystem,
            format="parquet",
            existing_data_behavior="overwrite_or_ignore",
        )

    def validate_data_source(self, config: Any, data_source: Any) -> None:
        """InvalidDefinition for a source that is no Parquet; what Feast itself checks besides."""
        check_source(data_source)
        data_source.validate(config=config)


def _entities(entity_df: Any) -> pa.Table:
    if isinstance(entity_df, str):
        raise InvalidDefinition(
            "The entity rows are a query, which this offline store does not run.",
            remedy="Run it, and give the rows as a DataFrame.",
        )
    return as_table(entity_df, "entity rows")


def _pulled(
    config: Any, source: Any, columns: Columns, features: Sequence[str], ends: tuple[datetime | None, datetime | None]
) -> pa.Table:
    """The rows of a source between two instants, with the columns that are asked for, or all where none are."""
    times = [columns.event, *([columns.created] if columns.created else [])]
    names = [*columns.keys, *features, *times] if features else None
    table = FeastSource(source, config.repo_path).table(names)
    rows = between(table, columns.event, *ends)
    return rows if columns.keys else with_dummy(rows)


def _with_keys(rows: pa.Table, columns: Columns) -> pa.Table:
    for name in columns.keys:
        rows = rows.filter(pc.is_valid(rows.column(name)))
    return rows


def _newest_first(rows: pa.Table, columns: Columns) -> pa.Table:
    events, created = instants(rows, columns)
    return rows.take(pa.array(np.lexsort((created, events))[::-1]))


def _append(place: str, source: Any, rows: pa.Table) -> None:
    filesystem, path = FileSource.create_filesystem_and_path(place, source.s3_endpoint_override)
    if filesystem is None and Path(path).is_dir():
        file = Path(path) / f"{uuid4().hex}.parquet"
        _write(file, rows)
    elif filesystem is None:
        _write(Path(path), pa.concat_tables([pq.read_table(path), rows]))
    else:
        before = pq.read_table(path, filesystem=filesystem)
        pq.write_table(pa.concat_tables([before, rows]), path, filesystem=filesystem)


def _write(file: Path, rows: pa.Table) -> None:
    sink = pa.BufferOutputStream()
    pq.write_table(rows, sink)
    atomic_write(file, sink.getvalue().to_pybytes())
