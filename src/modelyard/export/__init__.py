"""Export: the project for containers, clusters, orchestrators, CI, dashboards and devices.

Owns rendering: from what the project file says to files of others' formats, always the same bytes, and whether those on
disk are still they. Does not own what is rendered: images run `serving`, steps run `modelyard step run`, rules are
`monitoring`'s.
"""

from .errors import ExportOutdated, UnsupportedSetting
from .files import Difference, difference, write
from .records import Files, LoopTold, Measured, ModelTold, Render, Subject
from .sagemaker import Endpoint, render_endpoint
from .settings import ExportSettings, PodSettings
from .targets import TARGETS, Target

__all__ = [
    "TARGETS",
    "Difference",
    "Endpoint",
    "ExportOutdated",
    "ExportSettings",
    "Files",
    "LoopTold",
    "Measured",
    "ModelTold",
    "PodSettings",
    "Render",
    "Subject",
    "Target",
    "UnsupportedSetting",
    "difference",
    "render_endpoint",
    "write",
]
