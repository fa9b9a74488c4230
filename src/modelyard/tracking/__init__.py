"""Tracking: runs, what they were made with, how good they are, logged models and version numbers, in MLflow.

Owns talking to MLflow, and the figures that its runs keep. Does not own what may serve: that is `registry`'s, and
MLflow shows it as a projection.
"""

from .active import JOINED, active_run, joined_run, undisturbed
from .comparing import (
    Comparison,
    RunView,
    TrackedCourses,
    compare_runs,
    comparison_page,
    comparison_picture,
    courses_of,
    find_run,
    read_runs,
)
from .curves import measure_of
from .errors import TrackedRunNotFound, TrackingUnavailable
from .evaluation import (
    CurvePoints,
    Declared,
    Evaluation,
    Evaluations,
    Gap,
    Group,
    GroupTable,
    How,
    Importance,
    Rate,
    Residuals,
    Slice,
    evaluate,
    evaluation_page,
    figures_of,
    groups_part,
    with_declared,
)
from .facts import code_facts, concealed, gathered
from .live import LiveRun, UsedDataset
from .registered import LoggedVersion, RegisteredModels, Shown
from .relocating import relocate
from .tracker import Run, Status, Tracker, without_telemetry

__all__ = [
    "JOINED",
    "Comparison",
    "CurvePoints",
    "Declared",
    "Evaluation",
    "Evaluations",
    "Gap",
    "Group",
    "GroupTable",
    "How",
    "Importance",
    "LiveRun",
    "LoggedVersion",
    "Rate",
    "RegisteredModels",
    "Residuals",
    "Run",
    "RunView",
    "Shown",
    "Slice",
    "Status",
    "TrackedCourses",
    "TrackedRunNotFound",
    "Tracker",
    "TrackingUnavailable",
    "UsedDataset",
    "active_run",
    "code_facts",
    "compare_runs",
    "comparison_page",
    "comparison_picture",
    "concealed",
    "courses_of",
    "evaluate",
    "evaluation_page",
    "figures_of",
    "find_run",
    "gathered",
    "groups_part",
    "joined_run",
    "measure_of",
    "read_runs",
    "relocate",
    "undisturbed",
    "with_declared",
    "without_telemetry",
]
