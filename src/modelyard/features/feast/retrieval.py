"""What an offline store answers Feast with: a job that is carried out when somebody asks for its rows."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from feast import FileSource
from feast.errors import SavedDatasetLocationAlreadyExists
from feast.infra.offline_stores.file_source import SavedDatasetFileStorage
from feast.infra.offline_stores.offline_store import RetrievalJob, RetrievalMetadata

from modelyard.core import InvalidInput


class ModelyardRetrievalJob(RetrievalJob):  # type: ignore[misc]  # Feast publishes no types
    """Rows that `make` reads and joins each time they are asked for."""

    def __init__(
        self,
        make: Callable[[], pa.Table],
        repository: Path | None,
        *,
        full_feature_names: bool = False,
        on_demand: Sequence[Any] = (),
        metadata: RetrievalMetadata | None = None,
    ) -> None:
        self._make = make
        self._repository = repository
        self._full_feature_names = full_feature_names
        self._on_demand = list(on_demand)
        self._metadata = metadata

    @property
    def full_feature_names(self) -> bool:
        """Whether features are called `view__feature`."""
        return self._full_feature_names

    @property
    def on_demand_feature_views(self) -> list[Any]:
        """What Feast computes of the rows."""
        return self._on_demand

    @property
    def metadata(self) -> RetrievalMetadata | None:
        """What was asked for."""
        return self._metadata

    def _to_arrow_internal(self, timeout: int | None = None) -> pa.Table:  # noqa: ARG002 - nothing is waited for
        """The rows as one batch: of several, Feast would materialize the first and leave the others out."""
        return self._make().combine_chunks()

    def _to_df_internal(self, timeout: int | None = None) -> Any:
        return self._to_arrow_internal(timeout).to_pandas()

    def persist(self, storage: Any, allow_overwrite: bool = False, timeout: int | None = None) -> None:  # noqa: FBT001, FBT002 - the contract's
        """Write the rows, with what Feast computes of them, to a Parquet file or a folder of some."""
        if not isinstance(storage, SavedDatasetFileStorage):
            raise InvalidInput(
                f"The rows are to be saved in {type(storage).__name__}.",
                code="WRONG_STORAGE",
                remedy="Save them as files: SavedDatasetFileStorage(path=…).",
            )
        options = storage.file_options
        place = str(FileSource.get_uri_for_file_path(self._repository, options.uri))
        filesystem, path = FileSource.create_filesystem_and_path(place, options.s3_endpoint_override)
        if not allow_overwrite and filesystem is None and Path(path).exists():
            raise SavedDatasetLocationAlreadyExists(location=options.uri)
        rows = self.to_arrow(timeout=timeout)
        if path.endswith(".parquet"):
            pq.write_table(rows, where=path, filesystem=filesystem)
        else:
            pq.write_to_dataset(rows, root_path=path, filesystem=filesystem)
