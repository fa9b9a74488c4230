"""Wiring: the composition root of training and control.

Owns the project file as a whole and the choice of every driver; injects what pipeline steps reach. Does not own any
behaviour of its own.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from .datasets import dataset_rows, validate_dataset
from .deployed import KEYS
from .keys import ProjectKeys, read_trusted_key
from .open_run import run
from .project import Project
from .project_file import FILE_NAME, LoadedFile, ProjectFile, environment_variables, load_project_file
from .server import bundle_command, model_command, server_command
from .settings import ModelSettings, OidcSettings, SecuritySettings, ServerSettings, StoresSettings
from .tables import table_of

if TYPE_CHECKING:
    from .privately import Manner, served_privately, with_costs

__all__ = [
    "FILE_NAME",
    "KEYS",
    "LoadedFile",
    "Manner",
    "ModelSettings",
    "OidcSettings",
    "Project",
    "ProjectFile",
    "ProjectKeys",
    "SecuritySettings",
    "ServerSettings",
    "StoresSettings",
    "bundle_command",
    "dataset_rows",
    "environment_variables",
    "load_project_file",
    "model_command",
    "read_trusted_key",
    "run",
    "served_privately",
    "server_command",
    "table_of",
    "validate_dataset",
    "with_costs",
]

_PRIVATELY = ("Manner", "served_privately", "with_costs")


def __getattr__(name: str) -> object:
    """What asks suites comes when it is asked for: every other command would start later by what it imports."""
    if name not in _PRIVATELY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.privately"), name)
