"""An operation that fetches a version's bundle: what a container does before it serves."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec

from modelyard.access import Permission
from modelyard.core import Conflict, atomic_write
from modelyard.inference import Fetched, verify_bundle
from modelyard.registry import NotServable

from .contract import Call, Option, operation

_LEFT = (Fetched.FILE, Fetched.FOLDER)


@dataclass(frozen=True)
class FetchBundle:
    """Which version, and where its bundle goes."""

    model: Annotated[str, Option("NAME@ALIAS, NAME/VERSION, or the same behind models:/.", positional=True)]
    output: Annotated[Path, Option("Folder for it; empty, or filled by an earlier call.", flag="--output", short="-o")]


@operation("bundle", "fetch", Permission.READ, local=True)
def fetch_bundle(call: Call[FetchBundle]) -> Any:
    """Fetch the bundle of a version from the artifact store, proved against its digest: what MODEL_URI can name."""
    folder = call.input.output
    version = call.project.models.at(call.input.model)
    if version.bundle is None:
        raise NotServable(f"Version {version.number} of '{version.name}' has no bundle.")
    if folder.exists() and (strangers := [each.name for each in folder.iterdir() if each.name not in _LEFT]):
        raise Conflict(f"{folder} holds {strangers[0]!r}.", code="FOLDER_IN_USE", remedy="Choose an empty folder.")
    shutil.rmtree(folder / Fetched.FOLDER, ignore_errors=True)
    call.project.models.fetch_bundle(version, folder / Fetched.FOLDER)
    verify_bundle(folder / Fetched.FOLDER, expect=version.bundle)
    fetched = Fetched(version.name, str(version.number), version.bundle)
    atomic_write(folder / Fetched.FILE, msgspec.json.encode(fetched))
    return {"model": fetched.model, "version": fetched.version, "digest": fetched.digest, "folder": str(folder)}
