"""Is this folder the bundle that was built?"""

from pathlib import Path

import msgspec

from modelyard.core import Digest, digest_of

from .errors import BundleDamaged, BundleTooNew
from .records import FORMAT_VERSION, BundleInfo
from .write import INFO_FILE


def verify_bundle(folder: Path, *, expect: Digest | None = None) -> tuple[BundleInfo, Digest]:
    """What the bundle says, and its digest, when every file is what was written.

    Raises BundleDamaged for a changed, missing, extra or linked file or another digest than `expect`, and BundleTooNew.
    """
    document = _read(folder / INFO_FILE)
    digest = digest_of(document)
    if expect is not None and digest != expect:
        raise _damaged(folder, f"its digest is {digest[:12]}…, not {expect[:12]}…")
    info = _decode(folder, document)
    present = {path.name for path in folder.iterdir()} - {INFO_FILE}
    if extra := present - set(info.files):
        raise _damaged(folder, f"it holds files that were not built: {', '.join(sorted(extra))}")
    for name, pinned in info.files.items():
        if digest_of(_read(folder / name)) != pinned:
            raise _damaged(folder, f"{name} has changed")
    return info, digest


def _decode(folder: Path, document: bytes) -> BundleInfo:
    try:
        version = msgspec.json.decode(document)["format"]
        if version > FORMAT_VERSION:
            raise BundleTooNew(
                f"The bundle in {folder} has format {version}; this Modelyard reads up to {FORMAT_VERSION}.",
                context={"format": version},
                remedy="Upgrade Modelyard on this machine first.",
            )
        return msgspec.json.decode(document, type=BundleInfo)
    except (msgspec.MsgspecError, KeyError, TypeError) as error:
        raise _damaged(folder, f"{INFO_FILE} cannot be read ({error})") from error


def _read(path: Path) -> bytes:
    if path.is_symlink():
        raise _damaged(path.parent, f"{path.name} is a link")
    try:
        return path.read_bytes()
    except OSError as error:
        raise _damaged(path.parent, f"{path.name} cannot be read ({error.strerror})") from error


def _damaged(folder: Path, what: str) -> BundleDamaged:
    return BundleDamaged(
        f"The bundle in {folder} is damaged: {what}.",
        context={"folder": str(folder)},
        remedy="Fetch it again from the artifact store; never edit a bundle.",
    )
