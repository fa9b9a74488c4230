"""Export: the project for containers, clusters, orchestrators, CI, dashboards and devices.

Owns rendering: from what the project file says to files of others' formats, always the same bytes, and whether those on
disk are still they; and packages of a bundle for devices. Does not own what is
rendered: images run `serving`, steps run `modelyard step run`, rules are `monitoring`'s.

Every command reads the project file, and with it the settings of this room; the renderers stand on the server, and are
imported when one of them is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from .settings import ExportSettings, PodSettings

if TYPE_CHECKING:
    from .edge import QUANTIZE as QUANTIZE
    from .edge import EdgePackage as EdgePackage
    from .edge import Quantize as Quantize
    from .edge import edge_package as edge_package
    from .edge import stale_in_folder as stale_in_folder
    from .edge import stale_zip as stale_zip
    from .edge import write_folder as write_folder
    from .edge import write_zip as write_zip
    from .errors import ClientMissing as ClientMissing
    from .errors import EngineUnreachable as EngineUnreachable
    from .errors import ExportOutdated as ExportOutdated
    from .errors import NotForEdge as NotForEdge
    from .errors import SubmissionRefused as SubmissionRefused
    from .errors import UnsupportedSetting as UnsupportedSetting
    from .files import Difference as Difference
    from .files import difference as difference
    from .files import write as write
    from .records import Files as Files
    from .records import LoopTold as LoopTold
    from .records import Measured as Measured
    from .records import ModelTold as ModelTold
    from .records import Render as Render
    from .records import Subject as Subject
    from .sagemaker import Endpoint as Endpoint
    from .sagemaker import render_endpoint as render_endpoint
    from .steps import pipeline_of as pipeline_of
    from .submitting import ENGINES as ENGINES
    from .submitting import Submission as Submission
    from .submitting import Submitted as Submitted
    from .submitting import submit as submit
    from .targets import TARGETS as TARGETS
    from .targets import Target as Target

_HOMES = {
    "ClientMissing": "errors",
    "Difference": "files",
    "ENGINES": "submitting",
    "EdgePackage": "edge",
    "Endpoint": "sagemaker",
    "EngineUnreachable": "errors",
    "ExportOutdated": "errors",
    "Files": "records",
    "LoopTold": "records",
    "Measured": "records",
    "ModelTold": "records",
    "NotForEdge": "errors",
    "QUANTIZE": "edge",
    "Quantize": "edge",
    "Render": "records",
    "Subject": "records",
    "Submission": "submitting",
    "SubmissionRefused": "errors",
    "Submitted": "submitting",
    "TARGETS": "targets",
    "Target": "targets",
    "UnsupportedSetting": "errors",
    "difference": "files",
    "edge_package": "edge",
    "pipeline_of": "steps",
    "render_endpoint": "sagemaker",
    "stale_in_folder": "edge",
    "stale_zip": "edge",
    "submit": "submitting",
    "write": "files",
    "write_folder": "edge",
    "write_zip": "edge",
}

__all__ = [
    "ENGINES",
    "QUANTIZE",
    "TARGETS",
    "ClientMissing",
    "Difference",
    "EdgePackage",
    "Endpoint",
    "EngineUnreachable",
    "ExportOutdated",
    "ExportSettings",
    "Files",
    "LoopTold",
    "Measured",
    "ModelTold",
    "NotForEdge",
    "PodSettings",
    "Quantize",
    "Render",
    "Subject",
    "Submission",
    "SubmissionRefused",
    "Submitted",
    "Target",
    "UnsupportedSetting",
    "difference",
    "edge_package",
    "pipeline_of",
    "render_endpoint",
    "stale_in_folder",
    "stale_zip",
    "submit",
    "write",
    "write_folder",
    "write_zip",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'modelyard.export' has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
