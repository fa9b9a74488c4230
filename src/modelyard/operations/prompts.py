"""Operations on prompts: versions of the registry like any other, read and shown as what they are."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import msgspec

from modelyard.access import Permission
from modelyard.core import InvalidInput, Judgement, Verdict, check_name, check_text, shown
from modelyard.generation import Prompt, render, variables_of
from modelyard.inference import sign_bundle
from modelyard.llm import PromptReference, diff_prompts, mlflow_tags, prompt_bundle, read_prompt_file
from modelyard.registry import ModelVersion, check_description, check_tags
from modelyard.wiring import Project, find_prompt, is_prompt, no_prompt, prompt_in, unknown_prompt

from .contract import Call, Option, operation
from .models import notice, tags_of

_PROMPT = "Prompt."
_REFERENCE = "prompts:/NAME/3 or prompts:/NAME@production; a name alone: what is in production."
_VERSION = "Number, label or alias."
_WHY = "Why; it goes on record."


@dataclass(frozen=True)
class RegisterPrompt:
    """A prompt to register."""

    name: Annotated[str, Option(_PROMPT, positional=True)]
    file: Annotated[Path, Option("Text file, or messages of a chat as .yaml or .json.", positional=True)]
    version: Annotated[str | None, Option("Label, such as v2.3; v and the number by default.")] = None
    description: Annotated[str, Option("What it is for, or what is new.")] = ""
    tag: Annotated[tuple[str, ...], Option("KEY=VALUE; repeat for more.")] = ()


@dataclass(frozen=True)
class ListPrompts:
    """What to list."""

    name: Annotated[str | None, Option("Only versions of this prompt.", positional=True)] = None


@dataclass(frozen=True)
class DiffPrompts:
    """Two versions of a prompt."""

    name: Annotated[str, Option(_PROMPT, positional=True)]
    before: Annotated[str, Option(_VERSION, positional=True)]
    after: Annotated[str, Option(_VERSION, positional=True)]


@dataclass(frozen=True)
class RenderPrompt:
    """A version, and the values of its variables."""

    prompt: Annotated[str, Option(_REFERENCE, positional=True)]
    var: Annotated[tuple[str, ...], Option("NAME=VALUE; repeat for more.")] = ()


@dataclass(frozen=True)
class PromotePrompt:
    """A version on its way to a stage or alias."""

    name: Annotated[str, Option(_PROMPT, positional=True)]
    version: Annotated[str, Option(_VERSION, positional=True)]
    stage: Annotated[str, Option("Stage or alias.")] = "production"
    reason: Annotated[str, Option(_WHY)] = ""


@dataclass(frozen=True)
class RollBackPrompt:
    """A prompt to roll back."""

    name: Annotated[str, Option(_PROMPT, positional=True)]
    reason: Annotated[str, Option(_WHY)] = "rolled back by hand"
    to: Annotated[str | None, Option("An earlier production version; the previous one by default.")] = None


@operation("prompt", "register", Permission.DEVELOP, local=True)
def register_prompt(call: Call[RegisterPrompt]) -> Any:
    """Register a version of a prompt; one that says what the newest says already is that version."""
    given, project = call.input, call.project
    prompt = read_prompt_file(given.file)
    tags, description = check_tags(tags_of(given.tag)), check_description(given.description)
    newest = _newest(project, check_name("prompt", given.name))
    project.workspace.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=project.workspace) as scratch:
        folder = Path(scratch) / "bundle"
        digest = prompt_bundle(folder, given.name, prompt)
        unchanged = newest is not None and newest.bundle == digest and given.version in (None, newest.label)
        if newest is not None and unchanged:
            version = newest
        else:
            if (key := project.keys.own()) is not None:
                sign_bundle(folder, digest, key)
            version = project.models.register(
                given.name,
                principal=call.principal,
                bundle=folder,
                digest=digest,
                label=given.version,
                tags=tags,
                gates=[Judgement(Verdict.PASS, ("every place names a variable",))],
                description=description,
            )
    project.models.tell_prompt(version, mlflow_tags(prompt))
    return {**_told(project, version, prompt), "unchanged": unchanged}


@operation("prompt", "list", Permission.READ)
def list_prompts(call: Call[ListPrompts]) -> Any:
    """List prompts and their versions."""
    project, name = call.project, call.input.name
    if name is not None:
        _require_prompt(project, name)
    notice(project, name)
    names = _prompts(project) if name is None else [name]
    found = [(each, prompt_in(project.models, each)) for name in names for each in project.models.versions(name)]
    return [_told(project, version, prompt) for version, prompt in found if prompt is not None]


@operation("prompt", "diff", Permission.READ)
def diff_prompt(call: Call[DiffPrompts]) -> Any:
    """What is other in one version of a prompt than in another."""
    given = call.input
    one, before = find_prompt(call.project.models, PromptReference(given.name, given.before))
    other, after = find_prompt(call.project.models, PromptReference(given.name, given.after))
    names = (f"prompts:/{one.name}/{one.number}", f"prompts:/{other.name}/{other.number}")
    return {
        "before": names[0],
        "after": names[1],
        "added": [each for each in variables_of(after) if each not in variables_of(before)],
        "removed": [each for each in variables_of(before) if each not in variables_of(after)],
        "diff": diff_prompts(before, after, names),
    }


@operation("prompt", "render", Permission.READ)
def render_prompt(call: Call[RenderPrompt]) -> Any:
    """The messages of a prompt with values in their places."""
    version, prompt = find_prompt(call.project.models, PromptReference.parse(call.input.prompt))
    messages = render(prompt, _values(call.input.var))
    return {
        "prompt": f"prompts:/{version.name}/{version.number}",
        "digest": version.bundle,
        "messages": [msgspec.to_builtins(each) for each in messages],
        "response_schema": prompt.response_schema,
    }


@operation("prompt", "promote", Permission.OPERATE)
def promote_prompt(call: Call[PromotePrompt]) -> Any:
    """Bring a version of a prompt to a stage or alias, with the approvals that it takes."""
    given, reason = call.input, check_text("reason", call.input.reason)
    notice(call.project, given.name)
    version, prompt = find_prompt(call.project.models, PromptReference(given.name, given.version))
    events = call.project.promotions.promote(given.name, version.number, given.stage, call.principal, reason)
    call.project.models.tell_prompt(version, mlflow_tags(prompt))
    return _events(events)


@operation("prompt", "rollback", Permission.OPERATE)
def roll_back_prompt(call: Call[RollBackPrompt]) -> Any:
    """Bring back the version of a prompt that was in production before; nobody's approval is awaited."""
    given, reason = call.input, check_text("reason", call.input.reason)
    _require_prompt(call.project, given.name)
    return _events(call.project.promotions.roll_back(given.name, call.principal, reason, to=given.to))


def _newest(project: Project, name: str) -> ModelVersion | None:
    """The newest version of a prompt; Conflict when the name is that of something else."""
    found = project.models.listed(name, limit=1)
    if found and prompt_in(project.models, found[0]) is None:
        raise no_prompt(name)
    return found[0] if found else None


def _prompts(project: Project) -> list[str]:
    """The names that are prompts': of whatever else there may be any number of versions, and none of them is opened."""
    summaries, _ = project.models.summaries()
    return [each.name for each in summaries if is_prompt(project.models, each.newest)]


def _require_prompt(project: Project, name: str) -> None:
    if _newest(project, name) is None:
        raise unknown_prompt(name)


def _told(project: Project, version: ModelVersion, prompt: Prompt) -> dict[str, Any]:
    aliases = project.models.aliases(version.name)
    return {
        "name": version.name,
        "version": version.number,
        "label": version.label,
        "uri": f"prompts:/{version.name}/{version.number}",
        "aliases": sorted(alias for alias, number in aliases.items() if number == version.number),
        "variables": list(variables_of(prompt)),
        "digest": version.bundle,
        "created_at": version.created_at,
        "description": version.description,
    }


def _values(written: Sequence[str]) -> dict[str, str]:
    parts = [each.partition("=") for each in written]
    if wrong := [name for name, equals, _ in parts if not equals]:
        raise InvalidInput(
            f"{shown(wrong[0])} gives no value.", code="INVALID_VALUE", remedy="Write NAME=VALUE: --var name=Eve"
        )
    return {name: value for name, _, value in parts}


def _events(events: Sequence[Any]) -> list[dict[str, Any]]:
    return [msgspec.to_builtins(each) for each in events]
