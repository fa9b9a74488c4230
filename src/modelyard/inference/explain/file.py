"""`explain.json` and `explain.npz`: writing, reading, and refusing what is no such thing."""

import io
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import fields as fields_of
from typing import Any, TypeVar, get_args, get_type_hints

import msgspec
import numpy as np
from numpy.typing import NDArray

from ..records import Signature
from .columns import Columns
from .linear import LinearModel
from .records import Contributions, ExplainInfo, Scale
from .trees import TreeContributions, TreeModel

EXPLAIN_FILE, EXPLAIN_ARRAYS = "explain.json", "explain.npz"
"""Whether a bundle explains its predictions, and the structure that it needs for that."""

EXPLAIN_VERSION = 1
"""The version of these files that this code writes. Of a newer one it says that it cannot explain; the bundle serves.

To change them: raise this number, and go on reading every older one.
"""

_Made = TypeVar("_Made", Columns, TreeModel, LinearModel)


class Explainer:
    """Explains encoded rows. Immutable; safe for any thread."""

    def __init__(self, info: ExplainInfo, columns: Columns, model: TreeModel | LinearModel, fields: int) -> None:
        self.scale: Scale = info.scale or "value"
        self._rounds = info.rounds
        self._columns = columns
        self._fields = fields
        self._linear = model if isinstance(model, LinearModel) else None
        self._trees = TreeContributions(model, columns.source, fields) if isinstance(model, TreeModel) else None

    @property
    def nodes(self) -> int:
        """How many nodes of trees a row costs; 0 for linear models."""
        return 0 if self._trees is None else self._trees.nodes

    def __call__(self, matrix: NDArray[np.float64]) -> Contributions:
        """Contributions to the answers for encoded rows (n, fields)."""
        columns = self._columns(matrix)
        if self._rounds:
            columns = columns.astype(np.float32).astype(np.float64)
        if self._linear is not None:
            base, values = self._linear.base, self._linear.contributions(columns, self._columns.source, self._fields)
        else:
            assert self._trees is not None  # noqa: S101 - one of the two there always is
            base, values = self._trees.base, self._trees.contributions(columns)
        return Contributions(np.tile(base, (len(matrix), 1)), values, self.scale)


def read_info(document: bytes) -> ExplainInfo:
    """What `explain.json` says; of a newer version, that this code cannot read it. ValueError when it is damaged."""
    version = msgspec.json.decode(document, type=_Version).version
    if version > EXPLAIN_VERSION:
        return ExplainInfo(version, why_not=f"its explanations are of version {version}, newer than this Modelyard")
    return msgspec.json.decode(document, type=ExplainInfo)


def pack_explainer(columns: Columns, model: TreeModel | LinearModel) -> bytes:
    """The bytes of `explain.npz`: arrays only. Equal structure gives equal bytes."""
    parts = {f"columns.{name}": each for name, each in _arrays(columns).items()}
    parts |= {f"model.{name}": each for name, each in _arrays(model).items()}
    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=False, **{name: _small(each) for name, each in parts.items()})
    return file.getvalue()


def load_explainer(info: ExplainInfo, data: bytes, signature: Signature) -> Explainer:
    """The explainer of `explain.npz`, for rows of this signature. ValueError says what is wrong with the file."""
    if info.kind is None or info.scale is None:
        raise ValueError("explain.json names no kind or no scale")
    arrays = _unpacked(data)
    columns = _made(Columns, "columns", arrays)
    model = _made(TreeModel, "model", arrays) if info.kind == "trees" else _made(LinearModel, "model", arrays)
    problem = columns.problem([len(each.categories) for each in signature.fields]) or model.problem(columns)
    if problem:
        raise ValueError(problem)
    return Explainer(info, columns, model, len(signature.fields))


def _unpacked(data: bytes) -> dict[str, NDArray[Any]]:
    """The arrays of an archive. Objects, which would be pickles, are refused before they are looked at."""
    if not zipfile.is_zipfile(io.BytesIO(data)):
        raise ValueError(f"{EXPLAIN_ARRAYS} is no archive of arrays")
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (OSError, EOFError, ValueError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{EXPLAIN_ARRAYS} cannot be read ({error})") from error


class _Version(msgspec.Struct):
    version: int


def _arrays(value: Any) -> dict[str, NDArray[Any]]:
    return {each.name: getattr(value, each.name) for each in fields_of(value)}


def _small(values: NDArray[Any]) -> NDArray[Any]:
    """Whole numbers in 32 bits where they fit."""
    if values.dtype.kind != "i" or (values.size and np.abs(values).max() > np.iinfo(np.int32).max):
        return values
    return values.astype(np.int32)


def _made(kind: type[_Made], prefix: str, arrays: Mapping[str, NDArray[Any]]) -> _Made:
    """The value of these arrays, each widened to the type that the class declares for it."""
    hints = get_type_hints(kind)
    names = [each.name for each in fields_of(kind)]
    if missing := [name for name in names if f"{prefix}.{name}" not in arrays]:
        raise ValueError(f"explain.npz lacks {', '.join(f'{prefix}.{name}' for name in missing)}")
    return kind(**{name: _wide(f"{prefix}.{name}", arrays[f"{prefix}.{name}"], hints[name]) for name in names})


def _wide(name: str, values: NDArray[Any], hint: Any) -> NDArray[Any]:
    wanted = np.dtype(get_args(get_args(hint)[1])[0])
    if values.dtype.kind != wanted.kind:
        raise ValueError(f"{name} holds {values.dtype} instead of {wanted}")
    return values.astype(wanted)
