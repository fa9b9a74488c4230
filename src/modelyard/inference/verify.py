"""Is this folder the bundle that was built?"""

import json
import os
import re
from pathlib import Path

import msgspec

from modelyard.core import Digest, canonical_json, digest_of

from .errors import BundleDamaged, BundleMissing, BundleTooNew
from .records import FORMAT_VERSION, BundleInfo
from .regular import read_regular
from .signing import SIGNATURES_FILE, read_signatures
from .write import INFO_FILE

_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_NOT_PINNED = {INFO_FILE, SIGNATURES_FILE}


def verify_bundle(folder: Path, *, expect: Digest | None = None) -> tuple[BundleInfo, Digest]:
    """What the bundle says, and its digest, when every file is what was written.

    Raises BundleDamaged for a changed, missing, extra or linked file (symbolic link, or a file with a second name), for
    pipes and other things that are no regular files, for signatures of another bundle, and for another digest than
    `expect`; BundleMissing where there is no folder; BundleTooNew. Whether signatures hold is for `signers_of` to say.
    """
    if not folder.is_dir():
        raise BundleMissing(
            f"There is no bundle in {folder}: it is no folder.",
            context={"folder": str(folder)},
            remedy="Name a folder that `modelyard bundle build` or `modelyard bundle fetch` wrote.",
        )
    document = read_regular(folder / INFO_FILE)
    digest = digest_of(document)
    if expect is not None and digest != expect:
        raise _damaged(folder, f"its digest is {digest[:12]}…, not {expect[:12]}…")
    info = _decode(folder, document)
    _compare_names(folder, info)
    for name, pinned in info.files.items():
        if digest_of(read_regular(folder / name)) != pinned:
            raise _damaged(folder, f"{name} has changed")
    read_signatures(folder, digest)
    return info, digest


def _decode(folder: Path, document: bytes) -> BundleInfo:
    try:
        written = json.loads(document)
        if written["format"] > FORMAT_VERSION:
            raise BundleTooNew(
                f"The bundle in {folder} has format {written['format']}; this Modelyard reads up to {FORMAT_VERSION}.",
                context={"format": written["format"]},
                remedy="Upgrade Modelyard on this machine first.",
            )
        info = msgspec.json.decode(document, type=BundleInfo)
        canonical = canonical_json(written)
    except (msgspec.MsgspecError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise _damaged(folder, f"{INFO_FILE} cannot be read ({_short(error)})") from error
    if canonical != document:
        raise _damaged(folder, f"{INFO_FILE} is not as it was written")
    return info


def _compare_names(folder: Path, info: BundleInfo) -> None:
    """The folder holds what is pinned, by exactly these names: no less, no more, and nothing in folders below it."""
    if strange := [each for each in info.files if not _FILE_NAME.fullmatch(each) or each in _NOT_PINNED]:
        raise _damaged(folder, f"{INFO_FILE} names what can be no file of a bundle: {_listed(strange)}")
    present = set(os.listdir(folder)) - _NOT_PINNED  # noqa: PTH208 - names as they are, also those that are no text
    if extra := present - set(info.files):
        raise _damaged(folder, f"it holds files that were not built: {_listed(sorted(extra))}")
    if missing := set(info.files) - present:
        raise _damaged(folder, f"it lacks {_listed(sorted(missing))}")


def _listed(names: list[str]) -> str:
    """Some of the names; what a terminal would not show plainly is escaped."""
    shown = [each if _FILE_NAME.fullmatch(each) else ascii(each)[:80] for each in names[:5]]
    return ", ".join(shown) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _short(error: Exception) -> str:
    said = str(error) or type(error).__name__
    return said if len(said) <= 200 else said[:200] + "…"


def _damaged(folder: Path, what: str) -> BundleDamaged:
    return BundleDamaged(
        f"The bundle in {folder} is damaged: {what}.",
        context={"folder": str(folder)},
        remedy="Fetch it again from the artifact store; never edit a bundle.",
    )
