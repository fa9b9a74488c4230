"""Export: the project for containers, clusters, orchestrators, CI, dashboards and devices.

Owns rendering: from what the project file says to files of others' formats, always the same bytes, and whether those on
disk are still they; and packages of a bundle for devices. Does not own what is
rendered: images run `serving`, steps run `modelyard step run`, rules are `monitoring`'s.
"""

from .edge import (
    QUANTIZE,
    EdgePackage,
    Quantize,
    edge_package,
    stale_in_folder,
    stale_zip,
    write_folder,
    write_zip,
)
from .errors import (
    ClientMissing,
    EngineUnreachable,
    ExportOutdated,
    NotForEdge,
    SubmissionRefused,
    UnsupportedSetting,
)
from .files import Difference, difference, write
from .records import Files, LoopTold, Measured, ModelTold, Render, Subject
from .sagemaker import Endpoint, render_endpoint
from .settings import ExportSettings, PodSettings
from .steps import pipeline_of
from .submitting import ENGINES, Submission, Submitted, submit
from .targets import TARGETS, Target

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
