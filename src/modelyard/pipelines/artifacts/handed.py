"""Artifacts as people get them: the leaves of what a step gave by name, each as one file."""

import mimetypes
import os
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

from modelyard.storage import ArtifactStore

from .artifact import Artifact
from .files import Scratch

_ENDINGS = {
    "json": ".json",
    "judgement": ".json",
    "table": ".arrow",
    "array": ".npy",
    "pickle": ".pkl",
    "folder": ".zip",
}
_MEDIA = {
    ".arrow": "application/vnd.apache.arrow.file",
    ".json": "application/json",
    ".npy": "application/octet-stream",
    ".pkl": "application/octet-stream",
    ".zip": "application/zip",
}
_PLAIN = re.compile(r"[^\w.\- ]+")
_STARTED = (1980, 1, 1, 0, 0, 0)  # the same zip of the same folder, whenever it is made


def leaves_of(artifact: Artifact, name: str) -> Iterator[tuple[str, Artifact]]:
    """The artifacts that are bytes, each as `name`, or `name/key` and `name/0` of dicts and lists."""
    if artifact.form not in ("list", "tuple", "dict"):
        yield name, artifact
    for place, part in enumerate(artifact.parts):
        yield from leaves_of(part, f"{name}/{artifact.keys[place] if artifact.keys else place}")


def file_name(artifact: Artifact, name: str) -> str:
    """What its file is called: its own name where it has one, without anything that a file system could object to."""
    own = artifact.name if artifact.form in ("file", "figure") else ""
    ending = "" if own else _ENDINGS[artifact.form]
    plain = _PLAIN.sub("_", own or name.replace("/", "."))[-120:].lstrip(". ")
    return f"{plain or 'artifact'}{ending}"


def media_of(name: str) -> str:
    """The media type of a file, by its ending; bytes where that says nothing."""
    return _MEDIA.get(Path(name).suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"


def as_file(artifact: Artifact, store: ArtifactStore, scratch: Scratch) -> Path:
    """A leaf as a file to read, never to write; a folder as a zip of it. ArtifactMissing, or ArtifactDamaged."""
    if artifact.form != "folder":
        return scratch.path_of(store, artifact)
    into = scratch.folder / "zipped" / f"{artifact.digest}.zip"
    if not into.is_file():
        into.parent.mkdir(parents=True, exist_ok=True)
        temporary = into.with_name(f".{uuid4().hex}")
        _zip(scratch.named(store, artifact), temporary)
        os.replace(temporary, into)  # noqa: PTH105 - Path.replace is the same
    return into


def _zip(folder: Path, into: Path) -> None:
    with zipfile.ZipFile(into, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(each for each in folder.rglob("*") if each.is_file()):
            entry = zipfile.ZipInfo(file.relative_to(folder).as_posix(), _STARTED)
            entry.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(entry, "w", force_zip64=True) as target, file.open("rb") as source:
                while chunk := source.read(1 << 20):
                    target.write(chunk)
