"""A job of batch scoring, its parts, and what became of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import msgspec
import pyarrow as pa

from modelyard.core import Digest
from modelyard.journal import Durability

OnBadRow = Literal["reject", "stop"]
"""What becomes of a row that the model does not take: put into a file with the reason, or the job ends there."""


@dataclass(frozen=True)
class LogInto:
    """Where answers go on record: a journal's folder, and the name of the deployment whose they are said to be.

    `event_time` is the column with each row's time; without one it is the job's.
    """

    journal: Path
    deployment: str
    event_time: str | None = None


@dataclass(frozen=True)
class BatchJob:
    """What is scored, how, and where to.

    `input` is a file, folder, glob or URL; `output` a file whose ending says the format, or a folder of parts, of
    `format`. `batch_size` rows go to the model at a time. `where` is a condition of SQL over the input's columns.
    `keep` are the columns of the input (and joined features) that the output has, all by default. Refused rows go to
    `rejects`, by default beside the output. `ids` adds a prediction id. What is done survives the end of the process;
    with `durability` of `power` it is forced to the disk besides, part by part. `log` puts each answer into the
    prediction log too, once, also when the job is cut off.
    """

    input: str
    output: str
    batch_size: int = 10_000
    where: str | None = None
    format: str | None = None
    keep: tuple[str, ...] | None = None
    on_bad_row: OnBadRow = "reject"
    rejects: str | None = None
    ids: bool = False
    resume: bool = False
    force: bool = False
    durability: Durability = "process"
    log: LogInto | None = None

    @property
    def power(self) -> bool:
        """Whether parts are forced to the disk: so are records, and neither may be there without the other."""
        return self.durability == "power" or self.log is not None


class PartDone(msgspec.Struct, frozen=True):
    """One finished part: rows read, written and refused, unseen levels by field, and its bytes' digests."""

    file: int
    number: int
    read: int
    written: int
    refused: int
    unknown: dict[str, int]
    sha256: Digest
    rejects_sha256: Digest | None = None

    @property
    def name(self) -> str:
        """What its files are called, without their endings; in the order of the input."""
        return part_name(self.file, self.number)


def part_name(file: int, number: int) -> str:
    """What a part of a file is called."""
    return f"part-{file:05d}-{number:06d}"


class Plan(msgspec.Struct, frozen=True):
    """What parts depend on: a job goes on only where all but `started_us` is as it was."""

    started_us: int
    model: str
    question: dict[str, Any]
    inputs: list[tuple[str, int | None, int]]
    sources: dict[str, str] = {}


@dataclass(frozen=True)
class Progress:
    """How far a job is. `rows` were read in `seconds`, without those of parts that were there before (`resumed`).

    `expected` rows are in the input, as its files say or as their sizes let one guess; None where nothing tells.
    """

    rows: int
    resumed: int
    expected: int | None
    seconds: float

    @property
    def rate(self) -> float:
        """Rows a second."""
        return self.rows / self.seconds if self.seconds else 0.0

    @property
    def left_s(self) -> float | None:
        """Seconds that are left at this rate; None where that is not known."""
        if self.expected is None or not self.rate:
            return None
        return max(0.0, (self.expected - self.rows - self.resumed) / self.rate)


Watch = Callable[[Progress], None]
"""Told how far a job is, after each part."""


@dataclass(frozen=True)
class BatchDone:
    """What was scored: rows read, written and refused (with where they are), parts in all and found from before."""

    output: str
    read: int
    rows: int
    refused: int
    rejects: str | None
    parts: int
    resumed: int
    seconds: float
    unknown: Mapping[str, int] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        """Rows a second, start and end included."""
        return self.read / self.seconds if self.seconds else 0.0


class Enrichment(Protocol):
    """What joins features to rows. Safe for several threads; see `enrich.PointInTime`."""

    @property
    def digests(self) -> Mapping[str, str]:
        """What the features of each view were made of, so that a job goes on only with the same."""

    def columns(self, schema: pa.Schema) -> pa.Schema:
        """The schema with the features behind."""

    def __call__(self, table: pa.Table) -> pa.Table:
        """The rows with their features."""
