"""Language models: prompts and applications as versions.

Owns what is built and registered. Does not own answering requests (`serving`) or asking upstreams (`generation`).
"""

from .prompts import (
    LONGEST_PROMPT,
    PromptReference,
    application_bundle,
    diff_prompts,
    mlflow_tags,
    prompt_bundle,
    read_prompt,
    read_prompt_file,
)
from .settings import PriceSettings, UpstreamSettings

__all__ = [
    "LONGEST_PROMPT",
    "PriceSettings",
    "PromptReference",
    "UpstreamSettings",
    "application_bundle",
    "diff_prompts",
    "mlflow_tags",
    "prompt_bundle",
    "read_prompt",
    "read_prompt_file",
]
