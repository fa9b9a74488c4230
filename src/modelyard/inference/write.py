"""Writing a bundle: files first, `bundle.json` last, its digest the bundle's name."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from modelyard.core import Digest, canonical_json, digest_of

from .records import BundleInfo

INFO_FILE = "bundle.json"
"""The file whose SHA-256 is the bundle's digest; it pins all the others."""


def write_bundle(folder: Path, info: BundleInfo, files: Mapping[str, bytes]) -> Digest:
    """Write a new bundle into `folder` (which must not exist) and return its digest.

    `info.files` is filled in from `files` (flat names). Equal content gives an equal digest.
    """
    folder.mkdir(parents=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return pin_files(folder, info)


def pin_files(folder: Path, info: BundleInfo) -> Digest:
    """Make a bundle of the files (flat names) that stand in a folder; its digest."""
    info = msgspec.structs.replace(
        info, files={each.name: digest_of(each.read_bytes()) for each in sorted(folder.iterdir())}
    )
    document = canonical_json(msgspec.to_builtins(info))
    (folder / INFO_FILE).write_bytes(document)
    return digest_of(document)
