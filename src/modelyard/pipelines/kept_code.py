"""Which code a run was of: the commit, from git, and the fingerprint of all that its steps call."""

from pathlib import Path

import msgspec

from modelyard.core import canonical_json, digest_of
from modelyard.storage import RecordStore
from modelyard.tracking import code_facts

from .running import PipelineRun, StepRecord

_KIND = "run-code"


class RunCode(msgspec.Struct, frozen=True):
    """The code of a run. Without git the commit is empty, and so is all that goes with it.

    `below`: where the project stands in the repository. `fingerprint`: of the code that the steps reach, which are so
    many `functions` and constants; empty where no step kept it.
    """

    commit: str = ""
    branch: str = ""
    dirty: bool = False
    remote: str = ""
    below: str = ""
    fingerprint: str = ""
    functions: int = 0


class KeepsCode:
    """An `Observer` that puts the commit on record when a run begins; a resumed run keeps its first."""

    def __init__(self, records: RecordStore, folder: Path) -> None:
        self._records = records
        self._folder = folder

    def run_started(self, run: PipelineRun) -> None:
        """See `Observer`."""
        found = code_facts(self._folder)
        if found is None:
            return
        code = RunCode(found.commit, found.branch, found.dirty, found.remote, found.below)
        with self._records.transaction(durable=False) as tx:
            if tx.get(_KIND, run.id) is None:
                tx.put(_KIND, run.id, msgspec.to_builtins(code))

    def step_started(self, run: PipelineRun, step: StepRecord) -> None:
        """See `Observer`: steps say themselves what code they reach."""

    def step_ended(self, run: PipelineRun, step: StepRecord) -> None:
        """See `Observer`: as above."""

    def run_ended(self, run: PipelineRun) -> None:
        """See `Observer`: as above."""

    def environment_for(self, _run: PipelineRun, _step: StepRecord) -> dict[str, str]:
        """See `Observer`."""
        return {}


def code_of_run(records: RecordStore, run: PipelineRun) -> RunCode | None:
    """What is on record of a run's code; None where nothing is."""
    with records.snapshot() as view:
        document = view.get(_KIND, run.id)
    kept = RunCode() if document is None else msgspec.convert(document.body, RunCode)
    reached = {name: digest for step in run.steps for name, digest in step.components.get("code", {}).items()}
    if document is None and not reached:
        return None
    fingerprint = digest_of(canonical_json(reached)) if reached else ""
    return msgspec.structs.replace(kept, fingerprint=fingerprint, functions=len(reached))
