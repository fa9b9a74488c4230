"""What was found out about a source, beside its rows."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Damage:
    """A line of JSONL, or a record of CSV that begins on it, that is no record of the file, and was left out."""

    line: int
    reason: str
    text: str


@dataclass(frozen=True)
class FileFacts:
    """What was detected of one file, or said of it beforehand; None where the format has no such thing.

    `bytes` as it is stored, None where the store does not tell; `rows` where the file itself says how many it holds.
    `notes` are sentences about what a reader may not expect: a wrong ending, a byte-order mark, a header that was made
    up. `damage` is what was left out, where that was asked for (`ReadOptions.damaged`).
    """

    path: str
    format: str
    compression: str | None
    bytes: int | None
    encoding: str | None = None
    delimiter: str | None = None
    header: bool | None = None
    notes: tuple[str, ...] = ()
    rows: int | None = None
    damage: tuple[Damage, ...] = ()


@dataclass(frozen=True)
class ColumnFacts:
    """A column's type, and why it has it."""

    name: str
    type: str
    why: str
