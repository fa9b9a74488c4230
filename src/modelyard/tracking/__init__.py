"""Tracking: runs, logged models and version numbers, in MLflow.

Owns talking to MLflow. Does not own what may serve: that is `registry`'s, and MLflow shows it as a projection.
"""

from .errors import TrackingUnavailable
from .registered import LoggedVersion, RegisteredModels, Shown
from .tracker import Run, Status, Tracker, without_telemetry

__all__ = [
    "LoggedVersion",
    "RegisteredModels",
    "Run",
    "Shown",
    "Status",
    "Tracker",
    "TrackingUnavailable",
    "without_telemetry",
]
