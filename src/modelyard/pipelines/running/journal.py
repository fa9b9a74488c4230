"""Writing a run down as it goes on: what changed since the last time, in one transaction."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from modelyard.storage import Lease, LeaseLost, RecordStore, Transaction

from ..errors import RunActive
from .begun import note_begun
from .cleaning import Undisturbed
from .fault import fault_point
from .records import CACHE, ELEMENT, KIND, STEP, PipelineRun, StepRecord, step_key, to_body


class Journal:
    """The records of one run, held by its lease: RunActive when another process took the run over."""

    def __init__(self, records: RecordStore, run: PipelineRun, lease: Lease) -> None:
        self._records = records
        self._lease = lease
        self.run = run
        self._waiting: dict[tuple[str, str], tuple[dict[str, Any], dict[str, str]]] = {}

    def note(self, index: int, record: StepRecord, element: int | None = None) -> None:
        """A step, or an element of one, is now like this; written by the next `write`."""
        kind = STEP if element is None else ELEMENT
        name = f"{self.run.pipeline}/{record.name}"
        labels = {"step": name} if element is None else {}
        self._waiting[kind, step_key(self.run.id, index, element)] = (to_body(record), labels)

    def keep(self, record: StepRecord, step: str) -> None:
        """A result goes into the cache under its key."""
        body = {
            "run": self.run.id,
            "step": step,
            "at": datetime.now(UTC).isoformat(),
            "components": record.components,
            "record": to_body(msgspec.structs.replace(record, components={})),
        }
        self._waiting[CACHE, record.key] = (body, {"step": f"{self.run.pipeline}/{step}"})

    def write(self, *, beat: bool = False) -> None:
        """Write what waits; survives `kill -9`, not a power cut."""
        if not self._waiting and not beat:
            return
        if beat:
            self._lease.renew()  # whether it still is this process's, the next lines ask
        fault_point("before write")
        with self._records.transaction(durable=False) as tx:
            self._require_held(tx)
            for (kind, key), (body, labels) in self._waiting.items():
                tx.put(kind, key, body, labels=labels)
            fault_point("inside write")
        self._waiting.clear()
        fault_point("after write")

    def begin(self, run: PipelineRun, *, expect: int, undisturbed: Undisturbed) -> None:
        """The run is this process's from now on; RevisionConflict when another was faster.

        BeingCleaned when what it was begun with may have gone.
        """
        self.run = run
        with self._records.transaction() as tx:
            undisturbed.check(tx)
            self._require_held(tx)
            if expect == 0:
                note_begun(tx, run)
            self._put_run(tx, expect=expect)

    def end(self, run: PipelineRun) -> None:
        """The run is over; all that was written before is on the disk then, too."""
        self.write()
        self.run = run
        with self._records.transaction() as tx:
            self._require_held(tx)
            self._put_run(tx)

    def _require_held(self, tx: Transaction) -> None:
        try:
            self._lease.check(tx)
        except LeaseLost as error:
            told = f"Run {self.run.id} was taken over by another process."
            raise RunActive(told, remedy="Leave it to that one.") from error

    def _put_run(self, tx: Transaction, expect: int | None = None) -> None:
        body = to_body(msgspec.structs.replace(self.run, steps=()))
        tx.put(KIND, self.run.id, body, labels={"pipeline": self.run.pipeline}, expect=expect)
