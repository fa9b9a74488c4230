"""One call of a function on one shard, in whatever process."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from modelyard.storage import open_artifact_store

from ..artifacts import Artifact, Scratch, load, save
from ..artifacts.pickles import dumps, loads
from ..code import ProjectNames
from ..errors import NotShared
from ..running.task import seeded

MOST_SENT = 1 << 20
"""Bytes of what is sent with a call or its answer; more goes through a file."""

Parcel = bytes | Path
"""A pickle, or the file that it is in."""


@dataclass(frozen=True)
class Work:
    """What the calls of one pass over the shards have in common.

    `project`: the folder to which names are relative. `store` has the shards; large parcels go beside it. `inputs`: the
    pickle of the keyword arguments. `keep`: answers become artifacts of the store, as shards are.
    """

    project: Path
    store: Path
    inputs: Parcel
    keep: bool = False

    @property
    def names(self) -> ProjectNames:
        """Names of the project's code."""
        return ProjectNames(self.project)


def call_by_name(work: Work, reference: str, shard: Artifact, seed: int) -> Parcel | Artifact:
    """Call a function of the project on a shard; what an executor calls."""
    if not work.store.is_dir():
        raise NotShared(
            f"This machine does not see {work.store}, where the shards are.",
            context={"folder": str(work.store)},
            remedy="Put the project on a file system that every node sees under the same path.",
        )
    return call(work, work.names.find(reference), shard, seed)


def call(work: Work, function: Callable[..., Any], shard: Artifact, seed: int) -> Parcel | Artifact:
    """Call a function on a shard, with generators of its own; its answer as a parcel, or as an artifact to keep."""
    names, store = work.names, open_artifact_store(work.store)
    value = load(shard, store, names, Scratch(work.store.parent / "scratch"))
    inputs = loads(opened(work.inputs), names)
    with seeded(seed):
        answer = function(value, **inputs)
    return save(answer, store, names) if work.keep else parcel_of(dumps(answer, names), work.store.parent)


def parcel_of(data: bytes, folder: Path) -> Parcel:
    """A pickle as it is sent: as it is, or as a file in `folder`."""
    if len(data) <= MOST_SENT:
        return data
    path = folder / f"{uuid4().hex}.parcel"
    path.write_bytes(data)
    return path


def opened(parcel: Parcel) -> bytes:
    """The pickle of a parcel."""
    return parcel if isinstance(parcel, bytes) else parcel.read_bytes()


def discard(parcel: Parcel) -> None:
    """Remove a parcel's file, if it has one."""
    if isinstance(parcel, Path):
        parcel.unlink(missing_ok=True)
