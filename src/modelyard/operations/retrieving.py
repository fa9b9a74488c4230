"""Indexes as versions of the registry, and what applications' answers rest on."""

from dataclasses import dataclass
from pathlib import Path
from shutil import copytree
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import msgspec

from modelyard.access import Permission
from modelyard.core import (
    InvalidInput,
    Judgement,
    NotFound,
    Verdict,
    check_name,
    check_text,
    did_you_mean,
    shown,
)
from modelyard.generation import CONTEXT, Pinned, Prompt, Retrieval, variables_of
from modelyard.inference import sign_bundle
from modelyard.llm import NoIndex, version_folder
from modelyard.registry import ModelVersion, check_description, check_tags
from modelyard.retrieval import DOCUMENTS_FILE, INDEX_FILE, Document, IndexInfo, Mode, require_embedder, verify_folder
from modelyard.rollout import WITHDRAWN
from modelyard.wiring import Project

from .contract import Call, Option, operation
from .kinds import newest_of, require_task
from .models import tags_of


@dataclass(frozen=True)
class RegisterIndex:
    """An index to register, as it stands."""

    name: Annotated[str, Option("Name, as applications pin it: NAME@production or NAME/3.", positional=True)]
    index: Annotated[Path, Option("Folder that `modelyard index build` made.", positional=True)]
    version: Annotated[str | None, Option("Label, such as v2.3; v and the number by default.")] = None
    description: Annotated[str, Option("What it is of, or what is new.")] = ""
    tag: Annotated[tuple[str, ...], Option("KEY=VALUE; repeat for more.")] = ()


@dataclass(frozen=True)
class WithdrawSources:
    """Sources from which nothing is to be retrieved."""

    name: Annotated[str, Option("Name that the index is registered by.", positional=True)]
    source: Annotated[tuple[str, ...], Option("Source, as `index query` tells it; repeat for more.")]
    undo: Annotated[bool, Option("Let them be found again.")] = False
    reason: Annotated[str, Option("Why; it goes on record.")] = ""


@dataclass(frozen=True)
class Resting:
    """What an application's answers are to rest on, as it was asked for, in sound numbers; see `Retrieval`."""

    index: str | None
    embedder: str | None
    k: int
    mode: Mode
    budget: int | None
    least: float | None
    otherwise: str | None


@operation("index", "register", Permission.DEVELOP, local=True)
def register_index(call: Call[RegisterIndex]) -> Any:
    """Register an index as it stands; one that is the newest version already is that version."""
    given, project = call.input, call.project
    tags, description = check_tags(tags_of(given.tag)), check_description(given.description)
    newest = newest_of(project, check_name("index", given.name), "index")
    source = version_folder(given.index)
    info, digest = verify_folder(source)
    told = {"digest": digest, "embedder": info.embedder, "documents": info.documents, "chunks": info.chunks}
    if newest is not None and newest.bundle == digest and given.version in (None, newest.label):
        return {"name": newest.name, "version": newest.number, "label": newest.label, **told, "unchanged": True}
    project.workspace.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=project.workspace) as scratch:
        folder = copytree(source, Path(scratch) / "bundle")
        if (key := project.keys.own()) is not None:
            sign_bundle(folder, digest, key)
        version = project.models.register(
            given.name,
            principal=call.principal,
            bundle=folder,
            digest=digest,
            label=given.version,
            tags=tags,
            gates=[Judgement(Verdict.PASS, ("every file is what was built",))],
            description=description,
        )
    return {"name": version.name, "version": version.number, "label": version.label, **told, "unchanged": False}


@operation("index", "withdraw", Permission.OPERATE)
def withdraw_sources(call: Call[WithdrawSources]) -> Any:
    """Have nothing retrieved from sources any more: at once, whichever version of the index is live or comes back."""
    given, project = call.input, call.project
    reason = check_text("reason", given.reason)
    newest = newest_of(project, check_name("index", given.name), "index")
    if newest is None:
        raise NoIndex(
            f"There is no index '{given.name}'.",
            remedy="Register it first: modelyard index register NAME FOLDER",
        )
    known = _sources(project, newest)
    if not known.issuperset(given.source):  # an older version may be live, and has what the newest has no more
        known |= {source for each in project.models.versions(given.name) for source in _sources(project, each)}
    with project.records.transaction() as tx:
        held = tx.get(WITHDRAWN, given.name)
        before = set() if held is None else set(held.body["sources"])
        for source in given.source:
            if source not in known | before:
                raise NotFound(
                    f"The index has no source {shown(source)}.", code="NO_SOURCE", remedy=did_you_mean(source, known)
                )
        after = sorted(before - set(given.source) if given.undo else before | set(given.source))
        tx.put(WITHDRAWN, given.name, {"sources": after})
        told = {"sources": list(given.source), "undo": given.undo, "reason": reason}
        project.audit.record(tx, call.principal, "index.withdraw", given.name, told)
    project.publisher.publish()
    return {"name": given.name, "withdrawn": after}


def _sources(project: Project, version: ModelVersion) -> set[str]:
    """The sources of a version of an index."""
    document = project.models.bundle_file(version, DOCUMENTS_FILE) or b"[]"
    return {each.source for each in msgspec.json.decode(document, type=list[Document])}


def retrieval_of(project: Project, given: Resting, prompt: Prompt | None) -> Retrieval | None:
    """What an application's answers are to rest on; None where no index is named. InvalidInput, Conflict, NotFound."""
    placed = prompt is not None and CONTEXT in variables_of(prompt)
    if given.index is None:
        return None
    if given.embedder is None:
        raise InvalidInput(
            "An index is searched with its embedder, and none is named.",
            code="EMBEDDER_NEEDED",
            remedy="Register its bundle, and name it: --embedder NAME@production",
        )
    if not placed:
        raise InvalidInput(
            f"The prompt has no place for what is retrieved, no {{{{{CONTEXT}}}}}.",
            code="NO_CONTEXT",
            remedy=f"Register a prompt with {{{{{CONTEXT}}}}} where the documents are to stand, and name it: --prompt",
        )
    index, embedder = project.models.at(given.index), project.models.at(given.embedder)
    require_task(project, index, "index")
    require_task(project, embedder, "embedding")
    of_index, of_embedder = pinned(index), pinned(embedder)
    document = project.models.bundle_file(index, INDEX_FILE)
    require_embedder(msgspec.json.decode(document or b"", type=IndexInfo), of_embedder.digest)
    made = Retrieval(of_index, of_embedder, given.k, given.mode, given.budget, given.least)
    return made if given.otherwise is None else msgspec.structs.replace(made, otherwise=given.otherwise)


def pinned(version: ModelVersion) -> Pinned:
    """A version as an application names it; it has a bundle."""
    assert version.bundle is not None  # noqa: S101 - it was found by what its bundle is of
    return Pinned(version.name, version.number, version.bundle)
