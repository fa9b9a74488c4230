"""What OpenLineage's receivers are told of runs: names, sources and versions, from settings and records."""

from collections.abc import Collection, Mapping
from functools import partial
from pathlib import Path

import msgspec

from modelyard.inference import BundleInfo
from modelyard.pipelines import (
    Observer,
    Origins,
    PipelineRun,
    Registered,
    Sender,
    TellsLineage,
    code_of_run,
    receiver_of,
)
from modelyard.registry import ModelVersion, Registry
from modelyard.storage import RecordStore
from modelyard.tracking import concealed

from .datasets import VERSION
from .project_file import ProjectFile


class ToldLineage:
    """See the module. Safe for any thread: events are made in that of their sender."""

    def __init__(
        self, settings: ProjectFile, folder: Path, records: RecordStore, models: Registry, variables: Mapping[str, str]
    ) -> None:
        """`variables`: the environment, for those of OpenLineage's own clients."""
        self._settings = settings
        self._folder = folder
        self._records = records
        self._models = models
        self._variables = variables

    @property
    def namespace(self) -> str:
        """Of the project's jobs and datasets."""
        named = self._settings.lineage.namespace or self._variables.get("OPENLINEAGE_NAMESPACE")
        return named or self._settings.project

    def observers(self, secrets: Collection[str]) -> tuple[Observer, ...]:
        """Who tells one run to the receiver; nobody where none is named. `secrets`: variables to be masked."""
        receiver = receiver_of(self._settings.lineage, self._folder, self._variables)
        return () if receiver is None else (TellsLineage(Sender(receiver), partial(self.origins, secrets=secrets)),)

    def origins(self, run: PipelineRun, *, secrets: Collection[str] = ()) -> Origins:
        """What events say of a run beyond its own records."""
        return Origins(
            namespace=self.namespace,
            sources={name: self._uri(each.source) for name, each in self._settings.datasets.items()},
            registered=self._registered_in,
            code=code_of_run(self._records, run),
            mask=partial(concealed, names=tuple(secrets)),
        )

    def registered_as(self, version: ModelVersion) -> Registered:
        """A version as events have it."""
        document = self._models.bundle_file(version, "bundle.json")
        fields = () if document is None else msgspec.json.decode(document, type=BundleInfo).signature.fields
        inputs = {each.name: each.kind for each in fields}
        return Registered(version.name, version.number, version.label, version.bundle, inputs)

    def _registered_in(self, run: str, step: str) -> Registered | None:
        version = self._models.made_in(run, step)
        return None if version is None else self.registered_as(version)

    def _uri(self, source: str) -> str:
        """A dataset's source as a URI: a file, the function in a file, a dataset version, or what is one already."""
        if "://" in source:
            return source
        if source.startswith(VERSION):
            return f"urn:modelyard:dataset:{source.removeprefix(VERSION)}"
        file, colon, function = source.partition(".py:")
        path = self._folder / (f"{file}.py" if colon else source)
        return path.as_uri() + (f"#{function}" if colon else "")
