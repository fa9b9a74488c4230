"""From an artifact back to its value, or to the part of it that is wanted."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from modelyard.core import Judgement, Verdict
from modelyard.storage import ArtifactStore

from ..errors import NoSuchPart
from .artifact import Artifact
from .files import Scratch
from .pickles import SharedNames, loads

_MAPPED_FROM = 64 * 1024
"""Smaller arrays are read."""

_PARTED = ("list", "tuple", "dict")


def load(artifact: Artifact, store: ArtifactStore, names: SharedNames, scratch: Scratch) -> Any:  # noqa: PLR0911 - one a form
    """The value. Tables and arrays are mapped, not copied: changing an array changes only this process's copy.

    Files, folders and figures come as paths to copies. ArtifactDamaged when bytes are not those written.
    """
    if artifact.form in _PARTED:
        return _whole(artifact, [load(each, store, names, scratch) for each in artifact.parts])
    match artifact.form:
        case "json":
            return json.loads(store.get_bytes(artifact.digest))
        case "judgement":
            found = json.loads(store.get_bytes(artifact.digest))
            return Judgement(Verdict(found["verdict"]), tuple(found["reasons"]), found["evidence"])
        case "table":
            return pa.ipc.open_file(pa.memory_map(str(scratch.path_of(store, artifact)))).read_all()
        case "array":
            return _array(artifact, store, scratch)
        case "pickle":
            return loads(store.get_bytes(artifact.digest), names)
        case _:
            return scratch.named(store, artifact)


def load_path(
    artifact: Artifact, path: Sequence[str | int], store: ArtifactStore, names: SharedNames, scratch: Scratch
) -> Any:
    """An element of the value; of lists, tuples and dicts only what is on the way is read."""
    part, rest = part_of(artifact, path)
    value = load(part, store, names, scratch)
    for key in rest:
        try:
            value = value[key]
        except (LookupError, TypeError) as error:
            raise NoSuchPart(
                f"There is no {key!r} in this {type(value).__name__}: {_shown(value)}.",
                remedy="Correct what the pipeline takes of the output.",
            ) from error
    return value


def part_of(artifact: Artifact, path: Sequence[str | int]) -> tuple[Artifact, tuple[str | int, ...]]:
    """The artifact of an element as far as elements are artifacts, and the rest of the way inside its value."""
    for at, key in enumerate(path):
        if artifact.form not in _PARTED:
            return artifact, tuple(path[at:])
        artifact = _part(artifact, key)
    return artifact, ()


def _part(artifact: Artifact, key: str | int) -> Artifact:
    try:
        if artifact.form == "dict":
            return artifact.parts[artifact.keys.index(key)]  # a number is in no keys
        return artifact.parts[int(key)]
    except (IndexError, ValueError) as error:
        there = ", ".join(artifact.keys[:20]) if artifact.form == "dict" else f"{len(artifact.parts)} elements"
        raise NoSuchPart(
            f"There is no {key!r} in the {artifact.form} that the step gave: it has {there}.",
            remedy="Correct what the pipeline takes of the output.",
        ) from error


def _whole(artifact: Artifact, values: list[Any]) -> Any:
    if artifact.form == "dict":
        return dict(zip(artifact.keys, values, strict=True))
    return tuple(values) if artifact.form == "tuple" else values


def _array(artifact: Artifact, store: ArtifactStore, scratch: Scratch) -> Any:
    path = scratch.path_of(store, artifact)
    if artifact.size < _MAPPED_FROM:
        return np.load(path, allow_pickle=False)
    return np.load(path, mmap_mode="c", allow_pickle=False).view(np.ndarray)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 200 else text[:199] + "…"
