"""Removing what steps of old runs handed on: the next runs made it anew, and nobody reads it again.

Tables, arrays and objects go, which take the room. What people look at stays, of every run: its record, parameters,
results as JSON, files, pictures and logs. A step whose output has gone runs again where a run asks for it.
"""

import time
from collections.abc import Callable, Collection, Iterator
from typing import Any

import msgspec

from modelyard.core import Digest, SystemClock
from modelyard.storage import ArtifactStore, Lease, LeaseRecord, RecordStore, Snapshot

from ..artifacts import Artifact
from ..errors import BeingCleaned, RunActive
from .begun import newest_runs
from .fault import fault_point
from .lease import worker_of
from .records import CACHE, ELEMENT, KIND, STEP, PipelineRun, StepRecord

_LEASE, _LAST = "pipeline-cleaning", "pipeline-cleaned"
_HANDED_ON = ("table", "array", "pickle")
"""The forms that are cleaned; all else a step returned for people, or is small."""


_MOMENT_S = 0.1


class Cleaned(msgspec.Struct, frozen=True):
    """What was removed, or would be: of so many runs, so many artifacts of so many bytes."""

    runs: int = 0
    artifacts: int = 0
    bytes: int = 0


class Cleaning:
    """Removes what runs of pipelines handed on, except the newest `keep` of each pipeline.

    Nothing of a run that is under way, or was cut off and can go on, is removed; nothing that one of the kept runs took
    from the cache; and nothing of `spared` runs, or that `needed` names. No run begins meanwhile: those that would,
    wait. After a crash in the middle the next cleaning finds what is left, and no run takes from the cache what has
    gone.
    """

    def __init__(
        self,
        records: RecordStore,
        artifacts: ArtifactStore,
        keep: int,
        *,
        spared: Callable[[], Collection[str]] = frozenset,
        needed: Callable[[], Collection[Digest]] = frozenset,
    ) -> None:
        self._records = records
        self._artifacts = artifacts
        self._keep = keep
        self._spared = spared
        self._needed = needed

    def when_due(self) -> Cleaned | None:
        """Clean when runs have begun since the last time, and none is under way; None when it was not due."""
        newest, begun = newest_runs(self._records, limit=1)
        if not newest or begun <= self._keep or begun == self._last() or newest[0].state == "running":
            return None
        try:
            return self.clean()
        except (RunActive, BeingCleaned):
            return None  # the next look finds it due again

    def plan(self) -> Cleaned:
        """What a cleaning would remove now."""
        with self._records.snapshot() as view:
            old, doomed = self._doomed(view)
        return _told(old, doomed)

    def clean(self) -> Cleaned:
        """Remove it; RunActive while a run is under way, BeingCleaned while another process cleans."""
        lease = Lease(self._records, _LEASE, SystemClock())
        if not lease.take():
            raise BeingCleaned("Another process is cleaning.", remedy="Leave it to that one.")
        with lease.kept():
            with self._records.snapshot() as view:
                _refuse_live(self._records, view)
                old, doomed = self._doomed(view)
            begun = newest_runs(self._records, limit=1)[1]
            self._forget(lease, doomed)
            fault_point("before removing")
            for digest in doomed:
                with self._records.snapshot() as view:
                    lease.check(view)
                self._artifacts.delete(digest)
                fault_point("while removing")
            with self._records.transaction() as tx:
                lease.check(tx)
                tx.put(_LAST, "last", {"begun": begun})
        return _told(old, doomed)

    def _last(self) -> int:
        with self._records.snapshot() as view:
            document = view.get(_LAST, "last")
        return 0 if document is None else int(document.body["begun"])

    def _doomed(self, view: Snapshot) -> tuple[dict[str, set[Digest]], dict[Digest, int]]:
        """What of each old run goes, and the sizes of all of it."""
        runs = [msgspec.convert(each.body, PipelineRun) for each in view.scan(KIND)]
        kept = self._kept(runs)
        staying = {each.digest for run in runs for given in run.inputs.values() for each in given.leaves()}
        staying |= set(self._needed())
        old: dict[str, dict[Digest, int]] = {}
        for run_id, artifact in _outputs(view):
            for leaf in artifact.leaves():
                if run_id in kept or leaf.form not in _HANDED_ON:
                    staying.add(leaf.digest)
                else:
                    old.setdefault(run_id, {})[leaf.digest] = leaf.size
        there = set(self._artifacts.digests()) if old else set()
        going = {digest: size for each in old.values() for digest, size in each.items() if digest in there - staying}
        return {run_id: each.keys() & going.keys() for run_id, each in old.items()}, going

    def _kept(self, runs: Collection[PipelineRun]) -> set[str]:
        """The newest of each pipeline, those that may go on, and those that are spared."""
        newest = sorted(runs, key=lambda run: (run.started_at, run.id), reverse=True)
        counted: dict[str, int] = {}
        kept = set(self._spared())
        for run in newest:
            counted[run.pipeline] = counted.get(run.pipeline, 0) + 1
            if run.state == "running" or counted[run.pipeline] <= self._keep:
                kept.add(run.id)
        return kept

    def _forget(self, lease: Lease, doomed: Collection[Digest]) -> None:
        """Take out of the cache what is about to go, first: a crash in between leaves bytes, and no promise of them."""
        with self._records.transaction() as tx:
            lease.check(tx)
            for entry in tx.scan(CACHE):
                output = msgspec.convert(entry.body["record"], StepRecord).output
                if output is not None and any(leaf.digest in doomed for leaf in output.leaves()):
                    tx.delete(CACHE, entry.key)


class Undisturbed:
    """That nothing was cleaned since, and nobody is at it: what a run that begins has to know of what it found."""

    def __init__(self, records: RecordStore) -> None:
        self._lease = Lease(records, _LEASE, SystemClock())
        self._found = _epoch(self._lease.stored())

    def check(self, view: Snapshot) -> None:
        """BeingCleaned otherwise; asked in the transaction in which the run begins, nobody can clean before its end."""
        if _epoch(self._lease.stored(view)) != self._found or self._lease.holder(view) is not None:
            raise BeingCleaned("What old runs handed on is being removed.", remedy="Try again in a moment.")


def undisturbed(begin: Callable[[Undisturbed], PipelineRun], records: RecordStore) -> PipelineRun:
    """What `begin` gives; done again after a moment as long as it is disturbed."""
    while True:
        try:
            return begin(Undisturbed(records))
        except BeingCleaned:
            time.sleep(_MOMENT_S)


def _epoch(lease: LeaseRecord | None) -> int:
    return 0 if lease is None else lease.epoch


def _outputs(view: Snapshot) -> Iterator[tuple[str, Artifact]]:
    """What every step, and every element of a mapped one, gave, with its run."""
    for kind, below in ((STEP, 1), (ELEMENT, 2)):
        for each in view.scan(kind):
            output: Any = each.body.get("output")
            if output is not None:
                yield each.key.rsplit("/", below)[0], msgspec.convert(output, Artifact)


def _refuse_live(records: RecordStore, view: Snapshot) -> None:
    for each in view.scan(KIND):
        run = msgspec.convert(each.body, PipelineRun)
        if worker_of(records, run, view) is not None:
            raise RunActive(
                f"Run {run.id} is under way, and may be taking up what would be removed.",
                context={"run": run.id},
                remedy="Clean when it has ended; the control process does so by itself.",
            )


def _told(old: dict[str, set[Digest]], doomed: dict[Digest, int]) -> Cleaned:
    return Cleaned(sum(1 for each in old.values() if each), len(doomed), sum(doomed.values()))
