"""Bundles of prompts and of applications: no model in them, and all else as of any bundle."""

from pathlib import Path

import msgspec

from modelyard.core import Digest, canonical_json
from modelyard.generation import (
    APPLICATION_FILE,
    GUARDS_FILE,
    PROMPT_FILE,
    PROMPT_RUNTIME,
    UPSTREAM_RUNTIME,
    Application,
    Prompt,
    variables_of,
)
from modelyard.inference import FORMAT_VERSION, BundleInfo, Field, Signature, Task, write_bundle

_VERSION = "-"
"""In the bundle: the registry gives numbers, and equal content is one bundle."""


def prompt_bundle(folder: Path, name: str, prompt: Prompt) -> Digest:
    """Write the bundle of a prompt into a new folder; its signature has the variables. Equal prompts, equal digests."""
    info = _info(name, "prompt", PROMPT_RUNTIME, prompt)
    return write_bundle(folder, info, {PROMPT_FILE: canonical_json(msgspec.to_builtins(prompt))})


def application_bundle(
    folder: Path, name: str, application: Application, prompt: Prompt | None, guards: bytes | None = None
) -> Digest:
    """Write the bundle of an application: what it is made of by digest, its prompt, and the document of its guard set.

    So a change of guards is another bundle, and another version.
    """
    files = {APPLICATION_FILE: canonical_json(msgspec.to_builtins(application))}
    if guards is not None:
        files[GUARDS_FILE] = guards
    if prompt is not None:
        files[PROMPT_FILE] = canonical_json(msgspec.to_builtins(prompt))
    return write_bundle(folder, _info(name, "generation", UPSTREAM_RUNTIME, prompt), files)


def read_prompt(document: bytes) -> Prompt:
    """The prompt of a bundle's `PROMPT_FILE`."""
    return msgspec.json.decode(document, type=Prompt)


def _info(name: str, task: Task, runtime: str, prompt: Prompt | None) -> BundleInfo:
    names = () if prompt is None else variables_of(prompt)
    signature = Signature(tuple(Field(each, "text", nullable=False) for each in names))
    return BundleInfo(FORMAT_VERSION, name, _VERSION, task, runtime, signature, {}, {})
