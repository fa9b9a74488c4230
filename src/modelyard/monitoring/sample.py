"""A sample of a window's answers, row by row: what counts by column cannot tell."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from modelyard.inference import (
    Bundle,
    CategoryProfile,
    ColumnProfile,
    NumberProfile,
    SampledRows,
    codes_of,
    level_codes,
    losses_of,
    number_codes,
    pack_rows,
    sampled_columns,
    with_losses,
)
from modelyard.stats import answer_losses

from .counts import as_numbers, texts

MOST = 2_000
"""So many answers of a window are kept row by row."""

Floats = NDArray[np.float64]
Keys = NDArray[np.uint64]


class WindowSample(msgspec.Struct, frozen=True):
    """Answers in the order of their event times: `rows` with their losses as far as labels tell, `keys` (n,) that find
    them again, `times` (n,) in microseconds; eight bytes each.
    """

    rows: SampledRows
    keys: bytes
    times: bytes

    @property
    def losses(self) -> Floats:
        """The loss (n,) of each, NaN where its truth is not known."""
        return losses_of(self.rows)

    @property
    def instants(self) -> NDArray[np.int64]:
        """When each was asked (n,), in microseconds."""
        return np.frombuffer(self.times, "<i8").astype(np.int64)


@dataclass
class _Batch:
    keys: Keys
    times: NDArray[np.int64]
    codes: NDArray[np.uint8]


class Sampler:
    """Keeps the answers whose keys are least: the same ones however the log is cut into files, drawn as if at random.

    In memory twice as many rows as it keeps.
    """

    def __init__(self, bundle: Bundle) -> None:
        wanted = set(sampled_columns(bundle.profile))
        self._profiles = [each for each in bundle.profile.columns if each.name in wanted]
        self._kept: _Batch | None = None
        self._bound = np.uint64(2**64 - 1)

    def add(self, table: pa.Table, names: Sequence[str], times: NDArray[np.int64], scores: Floats) -> None:
        """Take answers with logged features, whose names these are, with `times` (n,) and `scores` (n, k)."""
        if not self._profiles:
            return
        keys = row_keys(times, scores)
        chosen = np.flatnonzero(keys <= self._bound)
        if len(chosen) > MOST:
            chosen = chosen[np.argpartition(keys[chosen], MOST - 1)[:MOST]]
        if not len(chosen):
            return
        places = {name: place for place, name in enumerate(names)}
        rows = table.take(pa.array(chosen))
        codes = np.column_stack([_coded(each, rows, places.get(each.name)) for each in self._profiles])
        batch = _Batch(keys[chosen], times[chosen], codes)
        self._kept = _least(batch if self._kept is None else _joined(self._kept, batch))
        if len(self._kept.keys) == MOST:
            self._bound = self._kept.keys.max()

    def sample(self, hidden: set[str]) -> WindowSample | None:
        """What was kept, oldest first, without columns that are `hidden`; no losses yet."""
        if self._kept is None:
            return None
        order = np.lexsort((self._kept.keys, self._kept.times))
        codes = {
            each.name: self._kept.codes[order, at] for at, each in enumerate(self._profiles) if each.name not in hidden
        }
        if not codes:
            return None
        keys, times = self._kept.keys[order], self._kept.times[order]
        return WindowSample(pack_rows(codes), keys.astype("<u8").tobytes(), times.astype("<i8").tobytes())


def row_keys(times: NDArray[np.int64], scores: Floats) -> Keys:
    """A number (n,) for each answer, spread evenly: Stafford's mix of its instant and its first score."""
    with np.errstate(over="ignore"):
        mixed = times.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= np.ascontiguousarray(scores[:, 0]).view(np.uint64)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    found: Keys = mixed ^ (mixed >> np.uint64(31))
    return found


def told_losses(
    sample: WindowSample | None, task: str, times: NDArray[np.int64], scores: Floats, labels: Floats
) -> WindowSample | None:
    """The sample with the losses of its rows, found again among all answers of the window (n,)."""
    if sample is None:
        return None
    wanted = np.frombuffer(sample.keys, "<u8")
    keys = row_keys(times, scores)
    near = np.flatnonzero(keys <= wanted.max())
    known = dict(zip(keys[near].tolist(), answer_losses(task, scores[near], labels[near]).tolist(), strict=True))
    losses = [known.get(each, np.nan) for each in wanted.tolist()]
    return msgspec.structs.replace(sample, rows=with_losses(sample.rows, losses))


def joined_rows(parts: Sequence[SampledRows]) -> SampledRows | None:
    """Samples as one, of the columns that all of them have; None without any row."""
    there = [each for each in parts if each.codes]
    if not there:
        return None
    columns = [name for name in there[0].columns if all(name in each.columns for each in there)]
    if not columns:
        return None
    codes = np.concatenate([codes_of(each, columns) for each in there])
    losses = np.concatenate([losses_of(each) for each in there])
    return pack_rows({name: codes[:, at] for at, name in enumerate(columns)}, losses)


def _coded(profile: ColumnProfile, rows: pa.Table, place: int | None) -> NDArray[np.uint8]:
    column = f"feature_{place}"
    values: Any = rows.column(column) if column in rows.column_names else pa.nulls(len(rows))
    if isinstance(profile, NumberProfile):
        return number_codes(profile, as_numbers(values)[0])
    return level_codes(_places(profile, values))


def _places(profile: CategoryProfile, values: Any) -> list[float]:
    """Where each level stands in the profile, behind all of them where it does not, NaN without one."""
    known = {level: float(place) for place, level in enumerate(profile.levels)}
    unknown = float(len(known))
    return [np.nan if each is None else known.get(str(each), unknown) for each in texts(values).to_pylist()]


def _joined(one: _Batch, other: _Batch) -> _Batch:
    return _Batch(
        np.concatenate([one.keys, other.keys]),
        np.concatenate([one.times, other.times]),
        np.concatenate([one.codes, other.codes]),
    )


def _least(batch: _Batch) -> _Batch:
    """The rows with the least keys."""
    if len(batch.keys) <= MOST:
        return batch
    chosen = np.argpartition(batch.keys, MOST - 1)[:MOST]
    return _Batch(batch.keys[chosen], batch.times[chosen], batch.codes[chosen])
