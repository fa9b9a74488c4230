"""Operations on applications of language models: versions of the registry, made of prompts and upstreams."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import msgspec

from modelyard.access import Permission
from modelyard.core import InvalidInput, Judgement, Verdict, check_name, check_text
from modelyard.generation import Application, Judges, Pinned, Prompt, Sampling
from modelyard.guards import GuardSet, InjectionSettings, OtherClassifier
from modelyard.inference import sign_bundle
from modelyard.llm import PromptReference, application_bundle
from modelyard.registry import check_description, check_tags
from modelyard.wiring import Project, find_prompt, target_of

from .alike import measured
from .contract import Call, Option, operation
from .guarding import load_set
from .indexes import mode_of
from .kinds import newest_of
from .models import tags_of
from .retrieving import Resting, pinned, retrieval_of


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
    index: Annotated[str | None, Option("NAME@production or NAME/3: the index that its answers rest on.")] = None
    embedder: Annotated[
        str | None, Option("NAME@production or NAME/3: the embedder of that index, or of the guard of injections.")
    ] = None
    classifier: Annotated[
        str | None, Option("NAME@production or NAME/3: what the guard of injections asks of that embedder's vectors.")
    ] = None
    chunks: Annotated[int, Option("Chunks at most that an answer rests on.")] = 5
    mode: Annotated[str, Option("How they are found: hybrid, vectors or words.")] = "hybrid"
    budget: Annotated[int | None, Option("Tokens that they may have together.")] = None
    least: Annotated[
        float | None, Option("The least cosine of a question to the nearest chunk; below it no upstream is asked.")
    ] = None
    otherwise: Annotated[str | None, Option("What is said where nothing is found, or nothing bears an answer.")] = None
    alike: Annotated[
        Path | None,
        Option("JSON lines of pairs, to prove that kept answers may be told to who asks in other words."),
    ] = None
    false_hits: Annotated[float, Option("The most of different questions that --alike may take for the same.")] = 0.01
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
    newest_of(project, check_name("model", given.name), "generation")
    of_prompt, prompt = _prompt(project, given.prompt)
    retrieval = retrieval_of(project, _resting(given), prompt)
    judges = _judges(project, given)
    guards = _guards(given.guards, judges, retrieves=retrieval is not None)
    application = Application(
        tuple(target_of(project.upstreams, each) for each in _some(given.target)),
        prompt=of_prompt,
        guards=None if guards is None else guards.digest,
        sampling=_sampling(given),
        deadline_seconds=_between("deadline", given.deadline, 0.1, 3600),
        longest_input=int(_between("longest-input", given.longest_input, 1, 100_000_000)),
        retrieval=retrieval,
        alike=None if given.alike is None else measured(given.alike, _between("false-hits", given.false_hits, 0, 1)),
        judges=judges if guards is not None and _asking(guards) else None,
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


def _prompt(project: Project, reference: str | None) -> tuple[Pinned | None, Prompt | None]:
    if reference is None:
        return None, None
    version, prompt = find_prompt(project.models, PromptReference.parse(reference))
    return pinned(version), prompt


def _resting(given: RegisterApplication) -> Resting:
    return Resting(
        given.index,
        given.embedder,
        int(_between("chunks", given.chunks, 1, 100)),
        mode_of(given.mode),
        None if given.budget is None else int(_between("budget", given.budget, 1, 1_000_000)),
        None if given.least is None else _between("least", given.least, -1, 1),
        None if given.otherwise is None else check_text("otherwise", given.otherwise),
    )


def _judges(project: Project, given: RegisterApplication) -> Judges | None:
    """What a guard of injections would ask; None where not both are named."""
    if given.embedder is None or given.classifier is None:
        return None
    return Judges(pinned(project.models.at(given.embedder)), pinned(project.models.at(given.classifier)))


def _guards(given: str | None, judges: Judges | None, *, retrieves: bool) -> GuardSet | None:
    """The guard set that is named; InvalidInput for one that an application cannot keep."""
    if given is None:
        return None
    digests = None if judges is None else (judges.embedder.digest, judges.classifier.digest)
    guards = load_set(None if given == "default" else Path(given), digests)
    for each in guards.guards:
        if each.guard == "support" and not retrieves:
            raise _needs_more(
                "The guard 'support' needs the chunks that were retrieved, and this application has none.",
                "Register it with --index; check texts by: modelyard guard check --chunk FILE",
            )
        if each.guard == "injection" and "output" in each.on:
            raise _needs_more(
                "An application's guard 'injection' looks at what is asked: answers would wait for it.",
                "Write on: [input].",
            )
    _require_judges(guards, judges)
    return guards


def _asking(guards: GuardSet) -> list[InjectionSettings]:
    """The guards of injections in a set."""
    return [each for each in guards.guards if each.guard == "injection"]


def _require_judges(guards: GuardSet, judges: Judges | None) -> None:
    """Return when the guards of injections ask what the application has; OtherClassifier where they name others."""
    for each in _asking(guards):
        if judges is None:
            raise _needs_more(
                "The guard 'injection' needs an embedder and a classifier, and this application has none.",
                "Register their bundles, and name both: --embedder NAME@production --classifier NAME@production",
            )
        for part, digest in ((judges.embedder, each.embedder), (judges.classifier, each.classifier)):
            if part.digest != digest:
                raise OtherClassifier(
                    f"The guard 'injection' asks {str(digest)[:12]}…, and {part.name} {part.version} is "
                    f"{part.digest[:12]}….",
                    context={"path": "guards", "version": f"{part.name}/{part.version}"},
                    remedy="Name the version that the set was made for, or leave the digests out of the set.",
                )


def _needs_more(message: str, remedy: str) -> InvalidInput:
    return InvalidInput(message, code="GUARD_NEEDS_MORE", context={"path": "guards"}, remedy=remedy)


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
