"""The application that is live, and the documents that its answers rest on."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from modelyard.core import Digest, InvalidInput, NotFound
from modelyard.generation import APPLICATION_FILE, Application, Pinned, Retrieval
from modelyard.llm import changes_of, digests_at, digests_of
from modelyard.pipelines import find_run
from modelyard.registry import ModelVersion, Registry
from modelyard.retraining import Documents, Loop, ReindexSettings, RetrainingSettings
from modelyard.retrieval import DOCUMENTS_FILE
from modelyard.rollout import Rollouts, withdrawn_in
from modelyard.storage import RecordStore

from .project_file import LoadedFile


@dataclass(frozen=True)
class LiveApplication:
    """A version, what it is made of, and what its answers rest on."""

    version: ModelVersion
    application: Application
    retrieval: Retrieval


def live_application(models: Registry, rollouts: Rollouts, deployment: str) -> LiveApplication:
    """What is live of a deployment; NotFound while nothing is, InvalidInput when it rests on no index."""
    route, name = rollouts.route(deployment), rollouts.settings(deployment).model_name
    if route is None:
        raise NotFound(
            f"Nothing is live on '{deployment}' that could be brought onto a new index.",
            code="NOTHING_LIVE",
            remedy=f"Bring a first version out: modelyard model promote --name {name} --version 1 --stage production",
        )
    return application_at(models, name, route.live.version)


def application_at(models: Registry, name: str, number: str) -> LiveApplication:
    """The same of a version."""
    version = models.get(name, number)
    document = models.bundle_file(version, APPLICATION_FILE)
    application = None if document is None else msgspec.json.decode(document, type=Application)
    if application is None or application.retrieval is None:
        what = "is no application of a language model" if application is None else "rests on no index"
        raise InvalidInput(
            f"Version {number} of '{name}' {what}.",
            code="RESTS_ON_NO_INDEX",
            remedy="Register one that does: modelyard llm register NAME --index NAME/1 --embedder NAME/1",
        )
    return LiveApplication(version, application, application.retrieval)


def indexed(models: Registry, index: Pinned) -> dict[str, Digest]:
    """The digests of the documents that a version of an index was made of, by their names."""
    return digests_of(models.bundle_file(models.get(index.name, index.version), DOCUMENTS_FILE) or b"[]")


def places_of(file: LoadedFile, settings: ReindexSettings) -> list[Path]:
    """The files and folders that a policy names."""
    return [file.folder / each for each in settings.documents]


def withdrawn_of(records: RecordStore, index: str) -> frozenset[str]:
    """The sources of an index from which nothing is retrieved."""
    with records.snapshot() as view:
        return frozenset(withdrawn_in(view).get(index, ()))


class ChangedDocuments:
    """See `retraining.ChangedSources`. What cannot be read now is said to be unknown."""

    def __init__(self, file: LoadedFile, records: RecordStore, models: Registry, rollouts: Rollouts) -> None:
        self._file = file
        self._records = records
        self._models = models
        self._rollouts = rollouts

    def __call__(self, loop: Loop) -> Documents | str:
        policy: RetrainingSettings = self._file.settings.retraining[loop.model]
        if policy.reindex is None:
            return f"the policy of '{loop.model}' names no documents"
        try:
            live = live_application(self._models, self._rollouts, policy.deployment)
            withdrawn = withdrawn_of(self._records, live.retrieval.index.name)
            before = indexed(self._models, live.retrieval.index)
            found = digests_at(places_of(self._file, policy.reindex))
        except (InvalidInput, NotFound, OSError) as error:
            return str(error)
        wanted = {name: digest for name, digest in found.items() if name not in withdrawn}
        return Documents(changes_of(before, wanted), tried=wanted == self._tried(loop, live))

    def _tried(self, loop: Loop, live: LiveApplication) -> dict[str, Digest] | None:
        """The documents on which the last cycle came to a verdict, if it began from what is live now; else None."""
        run = find_run(self._records, loop.run_id)
        step = None if run is None or run.state not in ("done", "stopped") else run.step("index")
        result = None if step is None else step.result
        if not isinstance(result, Mapping) or result["of"] != live.version.number:
            return None
        with suppress(NotFound):  # somebody deleted that version of the index
            return indexed(self._models, Pinned(result["index"], result["version"], result["digest"]))
        return None
