"""Saved vectors: arrays as numpy writes them, and `vectors.json`, which pins each file by its digest."""

import json
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard.core import Digest, canonical_json, digest_of

from .errors import VectorsDamaged
from .table import Table

VECTORS_FILE = "vectors.json"
"""What is saved beside it: kind, dimension, count, and the digest of each file."""

_IDS, _ROWS = "vectors.ids.npy", "vectors.rows.npy"
_FORMAT = 1


def save_table(folder: Path, kind: str, table: Table, more: Mapping[str, bytes]) -> Mapping[str, Digest]:
    """Write a table; `more` are files that lie there already. The digests of all, `vectors.json` too."""
    files = {_IDS: _packed(table.ids), _ROWS: _packed(table.rows)}
    pinned = {name: digest_of(data) for name, data in sorted({**files, **more}.items())}
    about = {"format": _FORMAT, "kind": kind, "dimension": table.dimension, "count": len(table.ids), "files": pinned}
    document = canonical_json(about)
    for name, data in {**files, VECTORS_FILE: document}.items():
        (folder / name).write_bytes(data)
    return {**pinned, VECTORS_FILE: digest_of(document)}


def read_table(folder: Path) -> tuple[str, Table]:
    """The kind and the table of a saved index, every file compared with its digest; VectorsDamaged otherwise."""
    try:
        about = json.loads((folder / VECTORS_FILE).read_bytes())
        held = {name: _verified(folder / name, pinned) for name, pinned in about["files"].items()}
        ids, rows = _unpacked(held[_IDS]), _unpacked(held[_ROWS])
        kind, dimension, count = str(about["kind"]), int(about["dimension"]), int(about["count"])
        newer = about["format"] > _FORMAT
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError) as error:
        raise damaged(folder, f"{type(error).__name__}: {error}") from error
    if newer:
        raise damaged(folder, f"its format is {about['format']}; this Modelyard reads {_FORMAT}")
    if ids.shape != (count,) or rows.shape != (count, dimension) or ids.dtype != np.int64 or rows.dtype != np.float32:
        raise damaged(folder, f"it says {count} vectors of dimension {dimension} and holds {list(rows.shape)}")
    if (np.diff(ids) <= 0).any():
        raise damaged(folder, "its ids are not in order")
    return kind, Table(dimension, ids, rows)


def damaged(folder: Path, what: str) -> VectorsDamaged:
    """Why saved vectors are not loaded."""
    return VectorsDamaged(
        f"The vectors in {folder} are damaged: {what}.",
        context={"folder": str(folder)},
        remedy="Build the index again, or fetch it again from where it is kept.",
    )


def _verified(path: Path, pinned: str) -> bytes:
    data = path.read_bytes()
    if digest_of(data) != pinned:
        raise ValueError(f"{path.name} has changed")
    return data


def _packed(array: NDArray[Any]) -> bytes:
    made = BytesIO()
    np.save(made, np.ascontiguousarray(array), allow_pickle=False)
    return made.getvalue()


def _unpacked(data: bytes) -> NDArray[Any]:
    array: NDArray[Any] = np.load(BytesIO(data), allow_pickle=False)
    return array
