"""Operations on applications of language models: versions of the registry, made of prompts and upstreams."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import msgspec

from modelyard.access import Permission
from modelyard.core import Conflict, InvalidInput, Judgement, NotFound, Verdict, check_name, did_you_mean, shown
from modelyard.generation import Application, Pinned, Prompt, Sampling, Target
from modelyard.guards import GuardSet
from modelyard.inference import INFO_FILE, BundleInfo, sign_bundle
from modelyard.llm import PromptReference, application_bundle
from modelyard.registry import check_description, check_tags
from modelyard.wiring import Project

from .contract import Call, Option, operation
from .guarding import load_set
from .models import tags_of
from .prompts import find_prompt

_BESIDES = {
    "support": ("the chunks that were retrieved", "--chunk FILE"),
    "injection": ("an embedder and a classifier", "--embedder FOLDER --classifier FOLDER"),
}
"""Guards that look at more than a text: what they need, and the flags that bring it."""


@dataclass(frozen=True)
class RegisterApplication:
    """An application to register."""

    name: Annotated[str, Option("Name, as deployments follow it: NAME@production.", positional=True)]
    target: Annotated[
        tuple[str, ...], Option("UPSTREAM/MODEL that has the text made; repeat for those that follow when it cannot.")
    ]
    prompt: Annotated[str | None, Option("prompts:/NAME/3 or prompts:/NAME@production, as it is now.")] = None
    guards: Annotated[
        str | None, Option("YAML file of its guard set, or `default`: personal data and secrets, redacted both ways.")
    ] = None
    max_tokens: Annotated[int, Option("Tokens of an answer, and the most that a caller may ask for.")] = 1024
    temperature: Annotated[float | None, Option("0 to 2; by default the upstream's.")] = None
    top_p: Annotated[float | None, Option("0 to 1; by default the upstream's.")] = None
    seed: Annotated[int | None, Option("Of what is drawn at random.")] = None
    stop: Annotated[tuple[str, ...], Option("Text that ends an answer; repeat for more.")] = ()
    deadline: Annotated[float, Option("Seconds that an answer may take, to its last token.")] = 120.0
    longest_input: Annotated[int, Option("Characters that a request's messages may have.")] = 400_000
    version: Annotated[str | None, Option("Label, such as v2.3; v and the number by default.")] = None
    description: Annotated[str, Option("What it is.")] = ""
    tag: Annotated[tuple[str, ...], Option("KEY=VALUE; repeat for more.")] = ()


@operation("llm", "register", Permission.DEVELOP, local=True)
def register_application(call: Call[RegisterApplication]) -> Any:
    """Register an application: a prompt's version, upstreams and sampling as one bundle, promoted like a model."""
    given, project = call.input, call.project
    tags, description = check_tags(tags_of(given.tag)), check_description(given.description)
    guards = _guards(given.guards)
    _refuse_other(project, check_name("model", given.name))
    pinned, prompt = _pinned(project, given.prompt)
    application = Application(
        tuple(_target(project, each) for each in _some(given.target)),
        prompt=pinned,
        guards=None if guards is None else guards.digest,
        sampling=_sampling(given),
        deadline_seconds=_between("deadline", given.deadline, 0.1, 3600),
        longest_input=int(_between("longest-input", given.longest_input, 1, 100_000_000)),
    )
    told = msgspec.to_builtins(application)
    project.workspace.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=project.workspace) as scratch:
        folder = Path(scratch) / "bundle"
        document = None if guards is None else guards.document
        digest = application_bundle(folder, given.name, application, prompt, document)
        if (key := project.keys.own()) is not None:
            sign_bundle(folder, digest, key)
        version = project.models.register(
            given.name,
            principal=call.principal,
            bundle=folder,
            digest=digest,
            label=given.version,
            params={"application": told},
            tags=tags,
            gates=[Judgement(Verdict.PASS, ("its prompt and upstreams are there",))],
            description=description,
        )
    return {"name": version.name, "version": version.number, "label": version.label, "bundle": digest, **told}


def _some(targets: Sequence[str]) -> Sequence[str]:
    if targets:
        return targets
    raise InvalidInput("No upstream is named.", code="NO_UPSTREAM", remedy="Name one: --target UPSTREAM/MODEL")


def _target(project: Project, written: str) -> Target:
    """`UPSTREAM/MODEL`, where the upstream is declared; a model's own name may have further slashes."""
    upstream, slash, model = written.partition("/")
    if not slash or not model or len(model) > 200:
        raise InvalidInput(
            f"{shown(written)} names no model of an upstream.", code="NO_UPSTREAM", remedy="Write UPSTREAM/MODEL."
        )
    if upstream not in project.settings.upstreams:
        raise NotFound(
            f"There is no upstream {shown(upstream)}.",
            code="NO_UPSTREAM",
            remedy=f"{did_you_mean(upstream[:128], project.settings.upstreams)} "
            "Declare it in modelyard.yaml: upstreams: {NAME: {url: http://127.0.0.1:8000/v1}}",
        )
    return Target(upstream, model)


def _pinned(project: Project, reference: str | None) -> tuple[Pinned | None, Prompt | None]:
    if reference is None:
        return None, None
    version, prompt = find_prompt(project, PromptReference.parse(reference))
    assert version.bundle is not None  # noqa: S101 - prompts are found by their bundle
    return Pinned(version.name, version.number, version.bundle), prompt


def _guards(given: str | None) -> GuardSet | None:
    """The guard set that is named; InvalidInput for one that an application cannot keep."""
    if given is None:
        return None
    guards = load_set(None if given == "default" else Path(given))
    for each in guards.guards:
        if each.guard in _BESIDES:
            needs, flags = _BESIDES[each.guard]
            raise InvalidInput(
                f"The guard '{each.guard}' needs {needs}, and applications have none.",
                code="GUARD_NEEDS_MORE",
                context={"path": "guards"},
                remedy=f"Leave it out here; check texts with it by: modelyard guard check {flags}",
            )
    return guards


def _sampling(given: RegisterApplication) -> Sampling:
    temperature, top_p = given.temperature, given.top_p
    return Sampling(
        max_tokens=int(_between("max-tokens", given.max_tokens, 1, 10_000_000)),
        temperature=None if temperature is None else _between("temperature", temperature, 0, 2),
        top_p=None if top_p is None else _between("top-p", top_p, 0, 1),
        stop=given.stop,
        seed=given.seed,
    )


def _between(flag: str, value: float, least: float, most: float) -> float:
    if least <= value <= most:  # not true of NaN
        return value
    raise InvalidInput(f"--{flag} is {value}.", code="INVALID_VALUE", remedy=f"Give {least:g} to {most:g}.")


def _refuse_other(project: Project, name: str) -> None:
    """Conflict when the name is that of a model or of a prompt."""
    found = project.models.versions(name)
    if not found:
        return
    document = project.models.bundle_file(found[-1], INFO_FILE)
    if document is None or msgspec.json.decode(document, type=BundleInfo).task != "generation":
        raise Conflict(
            f"'{name}' is no application of a language model, but something else.",
            code="NO_APPLICATION",
            context={"name": name},
            remedy="Choose another name.",
        )
