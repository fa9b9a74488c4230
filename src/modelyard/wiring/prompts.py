"""The versions of the registry that are prompts, and what they say."""

import msgspec

from modelyard.core import Conflict, NotFound, shown
from modelyard.generation import PROMPT_FILE, Prompt
from modelyard.inference import INFO_FILE, BundleInfo
from modelyard.llm import PromptReference, read_prompt
from modelyard.registry import ModelVersion, ModelVersionNotFound, Registry


def find_prompt(models: Registry, wanted: PromptReference) -> tuple[ModelVersion, Prompt]:
    """A version of a prompt and what it says; NotFound says which there are, Conflict that the name is a model's."""
    try:
        version = models.get(wanted.name, wanted.version)
    except ModelVersionNotFound:
        if not models.listed(wanted.name, limit=1):
            raise unknown_prompt(wanted.name) from None
        raise
    prompt = prompt_in(models, version)
    if prompt is None:
        raise no_prompt(wanted.name)
    return version, prompt


def prompt_in(models: Registry, version: ModelVersion) -> Prompt | None:
    """What a version says, when it is a prompt's."""
    if not is_prompt(models, version):
        return None
    return read_prompt(models.bundle_file(version, PROMPT_FILE) or b"")


def is_prompt(models: Registry, version: ModelVersion) -> bool:
    """Whether a version is a prompt's."""
    document = models.bundle_file(version, INFO_FILE)
    return document is not None and msgspec.json.decode(document, type=BundleInfo).task == "prompt"


def unknown_prompt(name: str) -> NotFound:
    """Nothing has the name."""
    return NotFound(
        f"There is no prompt {shown(name)}.", code="NO_PROMPT", remedy="See what there is: modelyard prompt list"
    )


def no_prompt(name: str) -> Conflict:
    """The name is that of something else."""
    return Conflict(
        f"'{name}' is a model, and no prompt.",
        code="NO_PROMPT",
        context={"name": name},
        remedy="Choose another name for the prompt; models: modelyard model list",
    )
