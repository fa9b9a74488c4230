"""Records by partition: those of one deployment, day and, of predictions, version."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from modelyard.journal import Family

from .catalog import NO_DAY
from .features import Kind, typed
from .tables import TIMES

_DAY_US = 86_400_000_000
_UUID7 = re.compile(r"([0-9a-f]{8})-([0-9a-f]{4})-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
UUID7 = f"^{_UUID7.pattern}$"
"""Matches ids that tell when they were made (RFC 9562, section 5.7), as their first 48 bits: milliseconds."""


@dataclass(frozen=True)
class Part:
    """Records of one partition, in memory; of predictions with typed features."""

    family: Family
    deployment: str
    day: str
    version: str
    table: pa.Table
    kinds: tuple[Kind, ...] = ()
    redacted: tuple[int, ...] = ()

    @property
    def partition(self) -> tuple[str, str, str, str]:
        """As `Entry.partition`."""
        return self.family, self.deployment, self.day, self.version


def partitioned(raw: pa.Table, family: Family) -> Iterator[Part]:
    """Split records as they come out of segments by partition, each in its order."""
    if len(raw) == 0:
        return
    for rows in _groups(raw, family):
        yield part_of(raw.take(pa.array(rows)), family)


def part_of(raw: pa.Table, family: Family) -> Part:
    """Records of one partition as such."""
    deployment, day = str(raw.column("deployment")[0]), _day_name(int(_days(raw.slice(0, 1), family)[0]))
    if family != "predictions":
        return Part(family, deployment, day, "", raw)
    table, kinds, redacted = typed(raw)
    return Part(family, deployment, day, str(raw.column("model_version")[0]), table, kinds, redacted)


def by_version(raw: pa.Table) -> Iterator[Part]:
    """Split prediction records by version alone, whatever their days: a day of `""`."""
    for version in pc.unique(raw.column("model_version")).to_pylist():
        table, kinds, redacted = typed(raw.filter(pc.field("model_version") == version))
        yield Part("predictions", str(table.column("deployment")[0]), "", version, table, kinds, redacted)


def told_by_id(prediction_id: str) -> int | None:
    """Milliseconds since the epoch at which an id was made; None when it does not tell."""
    found = _UUID7.fullmatch(prediction_id)
    return None if found is None else int(found[1] + found[2], 16)


def day_end(day: str) -> datetime:
    """The first instant after a partition's day."""
    return datetime.fromtimestamp((_day_number(day) + 1) * _DAY_US / 1e6, UTC)


def _groups(raw: pa.Table, family: Family) -> Iterator[np.ndarray]:
    """The rows of each partition (n,), in their order."""
    codes = _days(raw, family)
    for name in ("deployment", "model_version") if family == "predictions" else ("deployment",):
        encoded = raw.column(name).combine_chunks().dictionary_encode()
        codes = codes * len(encoded.dictionary) + encoded.indices.to_numpy()
    order = np.argsort(codes, kind="stable")
    edges = np.flatnonzero(np.diff(codes[order])) + 1
    yield from np.split(order, edges)


def _days(raw: pa.Table, family: Family) -> np.ndarray:
    """The day of each record (n,), as a number of days since the epoch; -10^6 where there is none."""
    if family == "truths":
        made = (told_by_id(each) for each in raw.column("prediction_id").to_pylist())
        return np.array([_NO_DAY if each is None else each * 1000 // _DAY_US for each in made], dtype=np.int64)
    return np.asarray(raw.column(TIMES[family]).cast(pa.int64()).to_numpy() // _DAY_US)


_NO_DAY = -1_000_000
"""The year -768: no instant that can be recorded is so early."""


def _day_name(number: int) -> str:
    if number == _NO_DAY:
        return NO_DAY
    return str(np.datetime64(number, "D"))


def _day_number(day: str) -> int:
    return int(np.datetime64(day, "D").astype(np.int64))
