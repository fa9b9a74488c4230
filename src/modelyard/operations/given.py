"""What answers of the log were given from an index, for people who judge them: whose texts those are, and who may see
them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import msgspec

from modelyard.access import Principal
from modelyard.core import InvalidInput, ModelyardError, NotFound
from modelyard.generation import APPLICATION_FILE, GUARDS_FILE, Application
from modelyard.guards import GuardSet, check, default_set, read_set
from modelyard.journal import Generated
from modelyard.llm.queues import Given
from modelyard.registry import ModelVersion
from modelyard.retrieval import CHUNKS_FILE, DOCUMENTS_FILE, EVERYBODY, Chunk, Document
from modelyard.rollout import withdrawn_in
from modelyard.wiring import Project


@dataclass(frozen=True)
class _Rest:
    """What a version's answers rest on, and the guards that its texts go through."""

    index: str
    digest: str
    chunks: Mapping[int, Chunk]
    groups: Mapping[str, tuple[str, ...]]
    guards: Sequence[GuardSet]


class LoggedGiven:
    """The texts behind the chunks that records of a deployment name, as the index has them that was asked.

    They go through the application's guards, as when it was asked, and unless the deployment keeps texts in full also
    through what texts of the log go through: what was taken out there does not come back here. Nothing is told of
    sources that are withdrawn, of an index or application that is not in the registry, or that guards refuse.
    """

    def __init__(self, project: Project, deployment: str) -> None:
        self._project = project
        self._deployment = deployment
        self._rest = cache(self._read)
        with project.records.snapshot() as view:
            self._withdrawn = withdrawn_in(view)

    def __call__(self, version: str, made: Generated) -> tuple[Given, ...]:
        """The texts that an answer of a version was given, best first."""
        rest = self._rest(version) if made.chunks else None
        if rest is None or rest.digest != made.index:
            return ()
        hidden = self._withdrawn.get(rest.index, ())
        chunks = (rest.chunks[each] for each in made.chunks if each in rest.chunks)
        told = ((each.source, _guarded(each.text, rest.guards)) for each in chunks if each.source not in hidden)
        return tuple(Given(rest.index, source, rest.groups[source], text) for source, text in told if text)

    def _read(self, version: str) -> _Rest | None:
        models = self._project.models
        try:
            settings = self._project.rollouts.settings(self._deployment)
            found = models.get(settings.model_name, version)
            application = msgspec.json.decode(models.bundle_file(found, APPLICATION_FILE) or b"", type=Application)
            if application.retrieval is None:
                return None
            pinned = application.retrieval.index
            index = models.get(pinned.name, pinned.version)
            guards = self._guards(found, whole=settings.serving.policy.log_text == "full")
        except (InvalidInput, NotFound, msgspec.DecodeError):
            return None
        chunks = msgspec.json.decode(models.bundle_file(index, CHUNKS_FILE) or b"[]", type=list[Chunk])
        documents = msgspec.json.decode(models.bundle_file(index, DOCUMENTS_FILE) or b"[]", type=list[Document])
        groups = {each.source: each.groups for each in documents}
        return _Rest(pinned.name, str(index.bundle), {each.id: each for each in chunks}, groups, guards)

    def _guards(self, version: ModelVersion, *, whole: bool) -> list[GuardSet]:
        document = self._project.models.bundle_file(version, GUARDS_FILE)
        own = [] if document is None else [read_set(msgspec.json.decode(document))]
        return own if whole else [*own, default_set()]


def visible(project: Project, given: Sequence[Given], who: Principal) -> list[str]:
    """The texts that somebody may see now: none of a source that was withdrawn, or that only other groups may read."""
    if not given:
        return []
    with project.records.snapshot() as view:
        withdrawn = withdrawn_in(view)
    own = {EVERYBODY, *who.groups}
    return [
        each.text
        for each in given
        if each.source not in withdrawn.get(each.index, ()) and own.intersection(each.groups)
    ]


def _guarded(text: str, guards: Sequence[GuardSet]) -> str:
    """A text as it leaves the input's guards; empty where one refuses it, or cannot be asked here."""
    for each in guards:
        if armed := each.armed("input"):
            try:
                outcome = check(armed, text, fail_closed=each.fail_closed)
            except ModelyardError:
                return ""
            text = "" if outcome.refused or outcome.failed else outcome.text
    return text
