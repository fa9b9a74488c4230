"""The log as a lazy frame of polars: what a query does not need is not read, and it is read when the query runs."""

from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from typing import Any, Protocol

import pyarrow as pa

from modelyard.core import Unavailable

from .reading import FIXED

_LABELS = ("label", "label_available_us")
_BESIDE = ("has_features", *_LABELS)
"""Columns that are neither the log's own nor features."""


class Read(Protocol):
    """Reads columns of the log's own, features, and labels or not, as `PredictionLog.batches` does."""

    def __call__(
        self, columns: Sequence[str], features: Sequence[str] | None, *, labels: bool
    ) -> pa.RecordBatchReader: ...


def lazy_frame(read: Read, schema: pa.Schema) -> Any:
    """A polars LazyFrame of this schema. Each time it is collected it reads the log as it is then, the columns that are
    needed, a row group at a time.

    Unavailable when polars is not installed, or is older than 1.20.
    """
    polars, register = _polars()

    def source(columns: list[str] | None, predicate: Any, rows: int | None, _batch: int | None) -> Iterator[Any]:
        names = schema.names if columns is None else columns
        left = rows
        labels = any(name in names for name in _LABELS)
        with read(*_apart(names, schema), labels=labels) as reader:
            for batch in reader:
                frame = polars.from_arrow(pa.table(batch)).select(names)
                found = frame if left is None else frame.head(left)
                left = None if left is None else left - len(found)
                yield found if predicate is None else found.filter(predicate)
                if left == 0:
                    return

    return register(source, schema=polars.from_arrow(schema.empty_table()).schema)


def _apart(names: Sequence[str], schema: pa.Schema) -> tuple[list[str], list[str] | None]:
    """The log's own columns among names, and the features; at least one column, for its rows."""
    own = [name for name in names if name in FIXED["predictions"]]
    features = [name for name in names if name not in FIXED["predictions"] and name not in _BESIDE]
    if "has_features" in names and not features:  # it comes with features alone
        every = [name for name in schema.names if name not in FIXED["predictions"] and name not in _BESIDE]
        return own or ["event_us"], every[:1] or None
    return own or ["event_us"], features


def _polars() -> tuple[Any, Callable[..., Any]]:
    try:
        return import_module("polars"), import_module("polars.io.plugins").register_io_source
    except (ImportError, AttributeError) as error:
        raise Unavailable(
            "polars is not installed, or older than 1.20.",
            code="NOT_INSTALLED",
            remedy="pip install 'polars>=1.20'; or read Arrow batches, with log.batches, or SQL, with log.duckdb.",
        ) from error
