"""Whether a bundle may be loaded at all, and whether the operator has permitted its Python."""

from collections.abc import Collection
from pathlib import Path

from modelyard.core import Digest

from .errors import PythonNotPermitted
from .records import BundleInfo
from .signing import Trust

PYTHON = "python"
"""The runtime that runs what its author wrote: pickles and code."""


def runs_python(info: BundleInfo) -> bool:
    """Whether a bundle holds Python of its author's: its model, or functions that its features are computed by."""
    return info.runtime == PYTHON or bool(info.transforms)


def admit(folder: Path, info: BundleInfo, digest: Digest, trust: Trust, allow_python: Collection[Digest] = ()) -> None:
    """Return when the verified bundle in a folder may be loaded, and its Python run if it has any.

    BundleNotTrusted when nobody trusted has signed it, BundleDamaged when its signatures are not what they were,
    PythonNotPermitted when it holds Python that neither `trust` nor a digest in `allow_python` permits.

    A process of its own keeps a failing model from its neighbours. It does not keep a hostile one from anything that
    this user may read or reach: that is what the permission is about.
    """
    trust.check(folder, digest)
    if not runs_python(info) or digest in allow_python or trust.python(folder, digest):
        return
    raise PythonNotPermitted(
        f"The bundle {digest[:12]}… of {info.model} {info.version} runs Python of its author's"
        f"{_where(info)}, which is not permitted for it.",
        context={"digest": digest, "model": info.model, "version": info.version},
        remedy=f"If you trust its author: security.python_bundles: [{digest}] in modelyard.yaml, or sign it with the "
        "workspace's key and set security.python_signed: true, or "
        f"--allow-python {digest}, or load_bundle(folder, allow_python=['{digest}']).",
    )


def _where(info: BundleInfo) -> str:
    return f" ({len(info.transforms)} file(s) of functions of features)" if info.transforms else ""
