"""Wiring: the composition root of training and control.

Owns the project file as a whole and the choice of every driver; injects what pipeline steps reach. Does not own any
behaviour of its own.
"""

from .datasets import dataset_rows, validate_dataset
from .deployed import KEYS
from .keys import ProjectKeys, read_trusted_key
from .open_run import run
from .project import Project
from .project_file import FILE_NAME, LoadedFile, ProjectFile, environment_variables, load_project_file
from .server import bundle_command, model_command, server_command
from .settings import ModelSettings, OidcSettings, SecuritySettings, ServerSettings, StoresSettings
from .tables import table_of

__all__ = [
    "FILE_NAME",
    "KEYS",
    "LoadedFile",
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
    "server_command",
    "table_of",
    "validate_dataset",
]
