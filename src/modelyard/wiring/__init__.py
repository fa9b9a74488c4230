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
    from .judging import Judged, Judging, judging_by, scorers_at, target_of
    from .privately import Manner, served_privately, with_costs
    from .prompts import find_prompt, is_prompt, no_prompt, prompt_in, unknown_prompt

__all__ = [
    "FILE_NAME",
    "KEYS",
    "Judged",
    "Judging",
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
    "find_prompt",
    "is_prompt",
    "judging_by",
    "load_project_file",
    "model_command",
    "no_prompt",
    "prompt_in",
    "read_trusted_key",
    "run",
    "scorers_at",
    "served_privately",
    "server_command",
    "table_of",
    "target_of",
    "unknown_prompt",
    "validate_dataset",
    "with_costs",
]

_LATER = {
    "judging": ("Judged", "Judging", "judging_by", "scorers_at", "target_of"),
    "privately": ("Manner", "served_privately", "with_costs"),
    "prompts": ("find_prompt", "is_prompt", "no_prompt", "prompt_in", "unknown_prompt"),
}


def __getattr__(name: str) -> object:
    """What language models need comes when it is asked for: other commands would start later by what it imports."""
    module = next((each for each, names in _LATER.items() if name in names), None)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{module}"), name)
