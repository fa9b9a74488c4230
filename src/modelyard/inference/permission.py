"""Whether the operator has permitted a bundle's Python."""

from collections.abc import Collection

from modelyard.core import Digest

from .errors import PythonNotPermitted
from .records import BundleInfo

PYTHON = "python"
"""The runtime that runs what its author wrote: pickles and code."""


def require_permission(info: BundleInfo, digest: Digest, allowed: Collection[Digest]) -> None:
    """Return when a bundle holds no Python, or when its digest is among those `allowed`; else PythonNotPermitted.

    A process of its own keeps a failing model from its neighbours. It does not keep a hostile one from anything that
    this user may read or reach: that is what the permission is about.
    """
    if info.runtime != PYTHON or digest in allowed:
        return
    raise PythonNotPermitted(
        f"The bundle {digest[:12]}… of {info.model} {info.version} runs Python of its author's, which is not permitted "
        "for it.",
        context={"digest": digest, "model": info.model, "version": info.version},
        remedy=f"If you trust its author: security.python_bundles: [{digest}] in modelyard.yaml, or "
        f"--allow-python {digest}, or load_bundle(folder, allow_python=['{digest}']).",
    )
