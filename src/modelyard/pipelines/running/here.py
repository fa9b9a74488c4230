"""Running a pipeline in this process: for notebooks, tests, and steps that no other process could find."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from modelyard.core import Clock, SystemClock
from modelyard.storage import ArtifactStore, RecordStore, open_artifact_store

from ..authoring import Pipeline
from ..context import RunContext, Services
from .engine import Engine
from .place import Place
from .records import PipelineRun


@dataclass(frozen=True)
class Here:
    """Surroundings of steps that run in this process only."""

    store: ArtifactStore
    given: Services

    def artifacts(self) -> ArtifactStore:
        """The store that was given."""
        return self.store

    def services(self, _clock: Clock) -> Services:
        """The services that were given."""
        return self.given


def run_pipeline(
    pipeline: Pipeline, given: Mapping[str, Any], context: RunContext, records: RecordStore
) -> PipelineRun:
    """Run a pipeline in this process, step by step, with nothing kept but its records. See `Engine.run`."""
    with TemporaryDirectory(prefix="modelyard-run-") as folder:
        store = open_artifact_store(Path(folder) / "artifacts")
        place = Place(
            records=records,
            artifacts=store,
            folder=Path(folder),
            workspace=Path(folder),
            clock=context.clock,
            surroundings=Here(store, context.services),
            seed=context.seed,
            frozen=not isinstance(context.clock, SystemClock),
        )
        return Engine(place).run(pipeline, given, context.run_id)
