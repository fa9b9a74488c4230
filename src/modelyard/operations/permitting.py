"""Whether servers may run the Python in a version's bundle, and who has permitted it."""

from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from modelyard.core import ModelyardError
from modelyard.inference import BundleInfo, runs_python, signers_of
from modelyard.registry import ModelVersion
from modelyard.wiring import Project


def python_of(project: Project, version: ModelVersion) -> str | None:
    """How its pickles or code stand: permitted by what, or not at all; None where it has none."""
    document = project.models.bundle_file(version, "bundle.json")
    if version.bundle is None or document is None or not runs_python(msgspec.json.decode(document, type=BundleInfo)):
        return None
    if version.bundle in project.settings.security.digests:
        return "permitted: its digest is in security.python_bundles"
    if project.settings.security.python_signed:
        with TemporaryDirectory() as scratch:
            folder = project.models.fetch_bundle(version, Path(scratch) / "bundle")
            try:
                signers = set(signers_of(folder, version.bundle)) & set(project.trust.python_keys)
            except ModelyardError as error:
                return f"not permitted: {error.message}"
        if signers:
            return f"permitted: signed by the workspace's key {next(iter(signers)).id}"
    return "not permitted: servers refuse to load it"
