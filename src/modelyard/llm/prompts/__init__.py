"""Prompts as versions of the registry: files, bundles, references, differences, and what MLflow shows of them."""

from .bundles import application_bundle, prompt_bundle, read_prompt
from .differences import diff_prompts
from .files import LONGEST_PROMPT, read_prompt_file
from .references import PromptReference
from .shown import mlflow_tags

__all__ = [
    "LONGEST_PROMPT",
    "PromptReference",
    "application_bundle",
    "diff_prompts",
    "mlflow_tags",
    "prompt_bundle",
    "read_prompt",
    "read_prompt_file",
]
