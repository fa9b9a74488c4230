"""Deterministic mode: what is trained twice, in two processes, has to come out the same."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from ..artifacts import Artifact, load
from ..errors import InvalidPipeline, NotDeterministic
from ..graph import Graph
from ..origin import must_move
from .place import Place

AGAIN = "again"
"""Marks the second training: in its log's name, its own folder, and the generation of its worker process."""

_SHOWN = 8
_REMEDY = (
    "Give every source of chance a seed: random_state=my.context().seed, np.random.default_rng(my.context().seed). "
    "The clock, new ids, a listing of files and several threads differ from time to time too."
)


def check_repeatable(graph: Graph, place: Place) -> None:
    """InvalidPipeline for training that cannot be done in two processes."""
    for node in graph.nodes:
        if node.kind != "train":
            continue
        if place.executor is None:
            raise InvalidPipeline(
                f"'{node.name}' cannot be trained in two processes: this run has only one.",
                remedy="Run it in a project: modelyard pipeline run NAME --deterministic",
            )
        if place.names.reference(node.function) is None:
            raise InvalidPipeline(
                f"'{node.name}' cannot be trained in two processes. {must_move(node.function)}",
                remedy="Move it to a file of the project.",
            )


def require_equal(step: str, first: Artifact, second: Artifact, place: Place) -> None:
    """NotDeterministic says which parts of the two results are not the same."""

    def value_of(artifact: Artifact) -> Any:
        return load(artifact, place.artifacts, place.names, place.scratch)

    found = list(_differences("its result", first, second, value_of))
    if not found:
        return
    more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    raise NotDeterministic(
        f"Trained twice with the same inputs and seed, '{step}' gave two results: {'; '.join(found[:_SHOWN])}{more}.",
        context={"step": step, "parts": found[:_SHOWN]},
        remedy=_REMEDY,
    )


def _differences(where: str, first: Artifact, second: Artifact, value_of: Any) -> Iterator[str]:
    if first.identity == second.identity:
        return
    if first.form != second.form:
        yield f"{where} is a {first.form} once and a {second.form} the other time"
        return
    if first.form not in ("list", "tuple", "dict"):
        yield _leaf(where, first, second, value_of)
        return
    keys = first.keys or tuple(map(str, range(len(first.parts))))
    if first.keys != second.keys or len(first.parts) != len(second.parts):
        yield f"{where} has other parts"
        return
    for key, one, other in zip(keys, first.parts, second.parts, strict=True):
        yield from _differences(f"{where}[{key!r:.60}]" if first.keys else f"{where}[{key}]", one, other, value_of)


def _leaf(where: str, first: Artifact, second: Artifact, value_of: Any) -> str:
    """How two artifacts of one form differ, as far as that can be told from their values."""
    if first.form == "pickle":
        bytes_ = f"{first.size} and {second.size} bytes" if first.size != second.size else f"{first.size} bytes"
        return f"{where}, a pickle of {bytes_}, whose parts cannot be told apart"
    if first.form == "table":
        return f"{where}, a table, {_of_tables(value_of(first), value_of(second))}"
    if first.form == "array":
        return f"{where}, an array, {_of_arrays(value_of(first), value_of(second))}"
    if first.form == "json":
        return f"{where} is {value_of(first)!r:.80} once and {value_of(second)!r:.80} the other time"
    if first.name != second.name:
        return f"{where} is called {first.name:.80} once and {second.name:.80} the other time"
    return f"{where}, a {first.form}{f' called {first.name:.80}' if first.name else ''}"


def _of_tables(one: pa.Table, other: pa.Table) -> str:
    if one.schema != other.schema or len(one) != len(other):
        return f"has {len(one)} and {len(other)} rows, or other columns"
    names = [name for name in one.column_names if not one.column(name).equals(other.column(name))]
    listed = ", ".join(f"'{each:.60}'" for each in names[:_SHOWN])
    return f"in the columns {listed}" if names else "in how its rows are stored"


def _of_arrays(one: Any, other: Any) -> str:
    if one.shape != other.shape or one.dtype != other.dtype:
        return f"is {one.dtype} of shape {one.shape} once and {other.dtype} of shape {other.shape} the other time"
    return f"in {int(np.count_nonzero(one != other))} of {one.size} values"
