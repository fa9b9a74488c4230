"""The model and the rows, whatever they come as: files, URIs of MLflow's, or objects of a notebook."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from modelyard.bundling import (
    PythonFolder,
    ReadModel,
    as_read_model,
    read_model,
    read_sample,
    require_model,
)
from modelyard.core import InvalidInput, NotFound, counted, did_you_mean, is_name, shown
from modelyard.wiring import table_of

from ..building import listed
from ..sources import model_at, name_of

_TARGET = "target"


@dataclass(frozen=True)
class GivenModel:
    """A model that was read, the file or folder that holds it, and what it is called."""

    read: ReadModel
    path: Path
    called: str
    name: str


@dataclass(frozen=True)
class GivenRows:
    """A table, the file that holds it, and the column of the truth. `name`: what the data is called, if anything."""

    table: pa.Table
    path: Path
    called: str
    name: str
    target: str


@contextmanager
def model_given(model: Any, scratch: Path) -> Iterator[GivenModel]:
    """A model file, folder or URI, fetched for the block; or a model in memory, written to a file in `scratch`."""
    if isinstance(model, str | Path):
        with model_at(Path(model)) as found:
            read = read_model(found)
            try:
                yield GivenModel(read, found, str(model), as_name(name_of(Path(model))))
            finally:
                if isinstance(read.model, PythonFolder):
                    read.model.close()
        return
    kind = type(model).__name__
    if hasattr(model, "SerializeToString"):
        path = scratch / "model.onnx"
        path.write_bytes(model.SerializeToString())
        yield GivenModel(read_model(path), path, f"a {kind} in memory", "onnx-model")
        return
    require_model(model, "The variable")
    path = scratch / "model.pkl"
    path.write_bytes(_pickled(model))
    yield GivenModel(as_read_model(model), path, f"a {kind} in memory", as_name(kind.lower()))


def rows_given(data: Any, target: Any, scratch: Path) -> GivenRows:
    """Rows of a file, or of a table or data frame in memory; the truth as the name of a column, or as values (n,)."""
    if isinstance(data, str | Path):
        path = Path(data)
        _require_file(path)
        table, called, name = read_sample(path), str(data), as_name(path.stem)
    else:
        path, table = scratch / "rows.parquet", table_of(data)
        called, name = f"a {type(data).__name__} in memory", ""
    column = target
    if not isinstance(target, str):
        table, column = _with_target(table, target)
    if not isinstance(data, str | Path) or path.suffix == ".npy" or not isinstance(target, str):
        path = scratch / "rows.parquet"
        pq.write_table(table, path)
        table = read_sample(path)  # with the plain types that files have
    _require_rows(table, called)
    _require_column(table, column, called)
    return GivenRows(table, path, called, name, column)


def as_name(text: str) -> str:
    """A text as a name: with a dash for what a name cannot have."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-._")[:128]
    return name if is_name(name) else "model"


def _pickled(model: Any) -> bytes:
    import cloudpickle  # noqa: PLC0415 - takes along what a notebook defines

    try:
        pickled: bytes = cloudpickle.dumps(model)
    except Exception as error:  # what an object holds may raise anything when it is to be pickled
        raise InvalidInput(
            f"This {type(model).__name__} cannot be pickled: {str(error)[:300]}",
            code="UNREADABLE_MODEL",
            remedy="Save it in its library's own format, and give the file.",
        ) from error
    return pickled


def _require_file(path: Path) -> None:
    if path.is_dir():
        raise InvalidInput(f"{path} is a folder.", code="NOT_A_FILE", remedy="Name one file with rows: CSV, Parquet …")
    if not path.exists():
        beside = sorted(each.name for each in path.parent.glob("*") if each.is_file()) if path.parent.is_dir() else []
        raise NotFound(
            f"There is no data file {path}.",
            code="NO_DATA",
            remedy=f"In {path.parent.resolve()}: {did_you_mean(path.name, beside)}",
        )


def _with_target(table: pa.Table, target: Any) -> tuple[pa.Table, str]:
    """The rows with the values of the truth as one more column."""
    column = str(getattr(target, "name", None) or _TARGET)
    values = np.asarray(target)
    if values.shape != (len(table),):
        raise InvalidInput(
            f"The target has the shape {values.shape}, and the data {counted(len(table), 'row')}.",
            code="WRONG_TARGET",
            remedy="Give the name of a column, or one value for each row.",
        )
    if column in table.column_names:
        raise InvalidInput(
            f"The data has a column {shown(column)} already.",
            code="WRONG_TARGET",
            remedy=f"Name it, if it is the truth: target={column!r}; or give the values another name.",
        )
    return table.append_column(column, pa.array(values.tolist())), column


def _require_rows(table: pa.Table, called: str) -> None:
    if len(table) > 1:
        return
    held = "one row" if len(table) else "no rows"
    raise InvalidInput(
        f"{called} holds {held}: nothing to prove a model with, or to compare requests with.",
        code="TOO_FEW_ROWS",
        context={"rows": len(table)},
        remedy="Give some hundred rows like those it was trained on.",
    )


def _require_column(table: pa.Table, target: str, called: str) -> None:
    if target not in table.column_names:
        raise InvalidInput(
            f"{called} has no column {shown(target)}.",
            code="NO_SUCH_COLUMN",
            context={"columns": table.column_names[:100]},
            remedy=f"Name the column with the truth. {did_you_mean(target[:128], table.column_names)}",
        )
    if table.column(target).null_count == len(table):
        raise InvalidInput(
            f"The column {shown(target)} of {called} is empty.",
            code="WRONG_TARGET",
            remedy=f"Name a column with the truth. There are: {listed(table.column_names)}.",
        )
