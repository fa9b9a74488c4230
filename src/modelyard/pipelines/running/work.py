"""One call of a step under way, and what its end means for its record."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from ..artifacts import Artifact, artifact
from ..graph import Node
from .order import Report
from .records import StepRecord
from .twice import AGAIN


@dataclass
class Work:
    """A call that is waiting, running, or waits for its next try; `first`: what it gave before, when made again."""

    node: Node
    index: int
    element: int | None
    inputs: Mapping[str, Any]
    record: StepRecord
    reference: str | None
    seed: int
    environment: Mapping[str, str] = field(default_factory=dict)
    not_before: float = 0.0
    first: StepRecord | None = None

    @property
    def place(self) -> tuple[str, int | None]:
        """Which step and element it is."""
        return self.node.name, self.element

    @property
    def name(self) -> str:
        """The step's, or that of its second training, which has a log and a folder of its own."""
        return self.node.name if self.first is None else f"{self.node.name}.{AGAIN}"

    @property
    def shown(self) -> StepRecord:
        """The record as observers are told of it: a second training is a step of its own to them."""
        return msgspec.structs.replace(self.record, name=self.name)

    def again(self, first: StepRecord) -> "Work":
        """The same call, to be made once more and compared."""
        record = msgspec.structs.replace(self.record, attempts=0, seconds=0.0, detail="")
        return replace(self, record=record, environment={}, not_before=0.0, first=first)

    @property
    def can_retry(self) -> bool:
        """Whether another try is allowed."""
        return self.record.attempts <= self.node.options.retries

    def wait_seconds(self) -> float:
        """How long to wait before the next try: the step's `backoff`, doubled after every further one."""
        return float(self.node.options.backoff.total_seconds() * 2 ** (self.record.attempts - 1))


def succeeded(record: StepRecord, report: Report) -> StepRecord:
    """The record of a call that returned; not for the cache when it read what it did not declare."""
    record = msgspec.structs.replace(
        record,
        state="done",
        seconds=record.seconds + report.seconds,
        detail="; ".join(report.reasons),
        result=report.result,
        output=report.output,
        verdict=report.verdict,
        reasons=report.reasons,
        reads=dict(report.reads),
        schemas={name: dict(each) for name, each in report.schemas.items()},
    )
    if record.key and report.touched and not any(record.components.get("reads", {})):
        why = "it asked the project for data without saying what it `reads`"
        return msgspec.structs.replace(record, key="", uncached=why)
    return record


def from_cache(record: StepRecord, entry: StepRecord) -> StepRecord:
    """The record of a call whose result was there already."""
    return msgspec.structs.replace(
        entry,
        name=record.name,
        kind=record.kind,
        seconds=0.0,
        cached=True,
        attempts=0,
        started_at=record.started_at,
        key=record.key,
        components=record.components,
        takes=record.takes,
        log="",
    )


def joined(node: Node, records: list[StepRecord]) -> StepRecord:
    """The record of a mapped step whose elements are all done: its output is the list of theirs."""
    output = artifact.group("list", tuple(output_of(each) for each in records))
    verdicts = [each.verdict for each in records if each.verdict is not None]
    verdict = next((each for each in ("fail", "inconclusive") if each in verdicts), "pass") if verdicts else None
    return StepRecord(
        node.name,
        node.kind,
        "done",
        seconds=sum(each.seconds for each in records),
        detail=f"{len(records)} elements",
        result="list",
        cached=bool(records) and all(each.cached for each in records),
        attempts=max((each.attempts for each in records), default=0),
        started_at=min((each.started_at for each in records), default=""),
        output=output,
        verdict=verdict,  # type: ignore[arg-type]  # one of the three
        reasons=tuple(reason for each in records for reason in each.reasons if each.verdict == verdict),
        reads={name: digest for each in records for name, digest in each.reads.items()},
        schemas={name: columns for each in records for name, columns in each.schemas.items()},
        repeated=bool(records) and all(each.repeated for each in records),
        takes=tuple(dict.fromkeys(name for each in records for name in each.takes)),
    )


def output_of(record: StepRecord) -> Artifact:
    """What a step that is done gave."""
    if record.output is None:
        raise ValueError(f"{record.name} gave nothing")
    return record.output
