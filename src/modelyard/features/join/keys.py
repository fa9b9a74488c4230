"""Keys as numbers: the same number on both sides for keys that are equal."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from modelyard.features.errors import InvalidDefinition

from .canonical import Canonical, Family, canonical, family_of

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

NOBODY = -1
"""The number of a key that the source does not have, or that has a null in it."""


@dataclass(frozen=True)
class _Part:
    """One key column of the source. `sorted`: equal values are told apart by a second column."""

    name: str
    family: Family
    kind: pa.DataType
    sorted: bool


class KeyIndex:
    """The different keys of a view's source, numbered from 0 to `size`; `codes` (n_rows,) are those of its rows.

    Numbers are equal when their values are, whatever their width: 7 is 7.0, as in the online store. Texts equal texts,
    flags flags, bytes bytes, dates dates, instants instants (naive ones are UTC). Nulls and NaN equal nothing.
    """

    def __init__(self, view: str, columns: Sequence[tuple[str, pa.ChunkedArray]]) -> None:
        self._view = view
        self._parts: list[_Part] = []
        self._known: list[pa.Array] = []
        arrays: list[pa.ChunkedArray] = []
        for name, column in columns:
            what = f"key '{name}' of view '{view}'"
            family = family_of(column.type, what)
            form = canonical(column, family, what)
            self._parts.append(_Part(name, family, column.type, form.sorts is not None))
            arrays += _columns(form, sorted_=form.sorts is not None)
        self.codes: Ints = self._numbered(arrays, first=True)
        self.size = len(self._known[-1])

    def find(self, columns: Sequence[pa.ChunkedArray]) -> Ints:
        """The numbers of the entities' keys, NOBODY for those that the source does not have; shape (n_rows,).

        InvalidDefinition when a column is of a type whose values can never equal the source's.
        """
        arrays: list[pa.ChunkedArray] = []
        for part, column in zip(self._parts, columns, strict=True):
            form = canonical(column, self._same_family(part, column.type), f"key '{part.name}' of the entity rows")
            arrays += _columns(form, sorted_=part.sorted)
        return self._numbered(arrays, first=False)

    def _numbered(self, arrays: Sequence[pa.ChunkedArray], *, first: bool) -> Ints:
        """The number of each row's values: those of the first column, then of pairs with the next."""
        codes = self._looked_up(0, arrays[0], first=first)
        for at, array in enumerate(arrays[1:]):
            second = self._looked_up(2 * at + 1, array, first=first)
            size = len(self._known[2 * at + 1])
            pairs = pa.array(codes * size + second, mask=(codes < 0) | (second < 0))
            codes = self._looked_up(2 * at + 2, pa.chunked_array([pairs]), first=first)
        return codes

    def _looked_up(self, level: int, values: pa.ChunkedArray, *, first: bool) -> Ints:
        if first:
            self._known.append(_different(values))
        return _places(values, self._known[level])

    def _same_family(self, part: _Part, kind: pa.DataType) -> Family:
        family = family_of(kind, f"key '{part.name}' of the entity rows")
        if "nothing" in (family, part.family) or family == part.family:
            return family
        raise InvalidDefinition(
            f"The key '{part.name}' is {kind} in the entity rows and {part.kind} in view '{self._view}': "
            f"values of these types are never equal.",
            context={"view": self._view, "column": part.name},
            remedy="Cast one of them, so that both sides have the same type.",
        )


def _columns(form: Canonical, *, sorted_: bool) -> list[pa.ChunkedArray]:
    """The one or two columns that stand for a key. Where the source has one, what needs two equals nothing."""
    if sorted_:
        sorts = np.zeros(len(form.values), np.int64) if form.sorts is None else form.sorts
        return [form.values, pa.chunked_array([pa.array(sorts)])]
    if form.sorts is None:
        return [form.values]
    return [pc.if_else(pa.array(form.sorts == 0), form.values, None)]


def _different(values: pa.ChunkedArray) -> pa.Array:
    if pa.types.is_dictionary(values.type):
        values = values.cast(pa.large_string())
    return values.unique().drop_null()


def _places(values: pa.ChunkedArray, known: pa.Array) -> Ints:
    """Where each value stands in `known`, NOBODY for others and nulls; shape (n_rows,)."""
    if pa.types.is_null(known.type) or pa.types.is_null(values.type) or not len(values):
        return np.full(len(values), NOBODY, np.int64)
    if pa.types.is_dictionary(values.type):
        return np.concatenate([_decoded(each, known) for each in values.chunks])
    places = pc.fill_null(pc.index_in(values, value_set=known, skip_nulls=True), NOBODY)
    numbers: Ints = places.to_numpy().astype(np.int64)
    return numbers


def _decoded(values: pa.DictionaryArray, known: pa.Array) -> Ints:
    levels = _places(pa.chunked_array([values.dictionary.cast(known.type)]), known)
    indices = pc.fill_null(values.indices.cast(pa.int64()), len(levels)).to_numpy()
    places: Ints = np.append(levels, NOBODY)[indices]
    return places
