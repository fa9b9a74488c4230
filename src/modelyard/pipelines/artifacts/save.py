"""From a value to an artifact: the first form that fits."""

import json
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from modelyard.core import Judgement
from modelyard.storage import ArtifactStore

from ..errors import UnstorableResult
from .artifact import Artifact, group
from .figures import rendered
from .pickles import SharedNames, dumps
from .tables import without_residue

_MOST_PARTS = 1_000
"""Longer lists, and dicts, of what is not JSON are pickled whole: an artifact is a file."""


def save(value: Any, store: ArtifactStore, names: SharedNames) -> Artifact:  # noqa: PLR0911 - one a form
    """Keep what a step returned. Equal values of one type have equal digests, as far as pickle gives equal bytes.

    JSON values (no NaN, exact types) and judgements become canonical JSON; Arrow tables and batches an uncompressed IPC
    file; numeric numpy arrays .npy; paths the file or folder they name, copied; figures of matplotlib and plotly a
    picture or page. Lists, tuples and dicts with text keys of anything else become artifacts each of their own, up to
    1,000. All else is pickled. UnstorableResult says what cannot be kept.
    """
    if isinstance(value, Judgement):
        return _text("judgement", _judgement(value), store)
    if _is_json(value):
        return _text("json", value, store)
    if isinstance(value, pa.Table):
        return _table(value, store)
    if type(value) is np.ndarray and not value.dtype.hasobject:
        return _array(value, store)
    if isinstance(value, Path):
        return _path(value, store)
    if (figure := rendered(value)) is not None:
        name, data = figure
        return Artifact("figure", store.put_bytes(data, durable=False), len(data), name)
    if (parts := _parts(value, store, names)) is not None:
        return parts
    data = dumps(value, names)
    return Artifact("pickle", store.put_bytes(data, durable=False), len(data))


def _is_json(value: Any) -> bool:
    kind = type(value)
    if kind is float:
        return isfinite(value)
    if kind in (str, int, bool, type(None)):
        return True
    if kind is list:
        return all(map(_is_json, value))
    return kind is dict and all(type(key) is str for key in value) and all(map(_is_json, value.values()))


def _text(form: Any, value: Any, store: ArtifactStore) -> Artifact:
    """Like canonical JSON, but in the order in which a dict has its keys: the next step may go by it."""
    try:
        data = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    except (UnicodeEncodeError, ValueError) as error:
        raise UnstorableResult(f"The result cannot be kept as JSON: {error}.") from error
    return Artifact(form, store.put_bytes(data, durable=False), len(data))


def _judgement(value: Judgement) -> dict[str, Any]:
    plain = {str(name): each.item() if isinstance(each, np.generic) else each for name, each in value.evidence.items()}
    evidence = {name: each if _is_json(each) else str(each) for name, each in plain.items()}
    return {"verdict": value.verdict.value, "reasons": list(value.reasons), "evidence": evidence}


def _table(table: pa.Table, store: ArtifactStore) -> Artifact:
    table = without_residue(table)
    with store.put_stream(durable=False) as stream:
        with pa.PythonFile(_Sink(stream), mode="w") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
        size = stream.size
    return Artifact("table", stream.digest, size)


class _Sink:
    """A stream as Arrow wants it: a file that it may flush and close."""

    closed = False

    def __init__(self, stream: Any) -> None:
        self.write = stream.write
        self._stream = stream

    def tell(self) -> int:
        return int(self._stream.size)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        self.closed = True


def _array(array: Any, store: ArtifactStore) -> Artifact:
    """Version 1.0 of .npy, in C order unless the array is in Fortran's."""
    fortran = array.flags.f_contiguous and not array.flags.c_contiguous
    plain = array if fortran else np.ascontiguousarray(array).reshape(array.shape)
    header = {"descr": np.lib.format.dtype_to_descr(plain.dtype), "fortran_order": fortran, "shape": plain.shape}
    with store.put_stream(durable=False) as stream:
        np.lib.format.write_array_header_1_0(stream, header)
        stream.write(memoryview((plain.T if fortran else plain).reshape(-1).view(np.uint8).data))
    return Artifact("array", stream.digest, stream.size)


def _path(path: Path, store: ArtifactStore) -> Artifact:
    if path.is_dir():
        size = sum(each.stat().st_size for each in path.rglob("*") if each.is_file())
        return Artifact("folder", store.put_tree(path), size, path.name or "folder")
    if not path.is_file():
        raise UnstorableResult(
            f"The step returned the path {path}, where there is no file or folder.",
            remedy="Write it before returning its path.",
        )
    return Artifact("file", store.put_file(path), path.stat().st_size, path.name)


def _parts(value: Any, store: ArtifactStore, names: SharedNames) -> Artifact | None:
    kind = type(value)
    if kind not in (list, tuple, dict) or len(value) > _MOST_PARTS:
        return None
    if kind is not dict:
        return group("list" if kind is list else "tuple", tuple(save(each, store, names) for each in value))
    if not all(type(key) is str for key in value):
        return None
    return group("dict", tuple(save(each, store, names) for each in value.values()), tuple(value))
