"""What was served, from the prediction log: values by feature, and the request's fields by name."""

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from modelyard.core import InvalidInput, NotFound, Scalar, did_you_mean
from modelyard.history import PredictionLog, feature_values
from modelyard.journal import REDACTED
from modelyard.online import FeaturePlan

_UNPACK = msgspec.msgpack.Decoder().decode


@dataclass(frozen=True)
class VersionPlan:
    """What a model version reads: its inputs in the signature's order, and the plan that its bundle carries.

    `changed` are fields of requests that are changed before they are logged: with them nothing can be looked up again.
    """

    inputs: tuple[str, ...]
    plan: FeaturePlan
    changed: frozenset[str] = frozenset()

    @property
    def beside(self) -> tuple[str, ...]:
        """The fields of requests that are logged beside the inputs, in their order."""
        return tuple(each.name for each in self.plan.request if each.name not in self.inputs and each.kind != "tensor")


@dataclass(frozen=True)
class ServedDeployments:
    """The deployments of a project, what they answered, and what each of their versions reads.

    `plan(deployment, version)` raises NotFound for a version that is no longer there.
    """

    log: PredictionLog
    names: Sequence[str]
    plan: Callable[[str, str], VersionPlan]

    def chosen(self, deployment: str | None) -> str:
        """A deployment by name, or the only one. NotFound for any other name, InvalidInput for no choice."""
        if deployment is None and len(self.names) == 1:
            return self.names[0]
        if deployment is None and self.names:
            raise InvalidInput(
                f"It is not said which deployment, and there are {len(self.names)}.",
                code="WHICH_DEPLOYMENT",
                remedy=f"Name one of them: {', '.join(self.names)[:200]}.",
            )
        if deployment is None or deployment not in self.names:
            told = "There is no deployment." if deployment is None else f"There is no deployment '{deployment[:80]}'."
            raise NotFound(told, code="UNKNOWN_DEPLOYMENT", remedy=did_you_mean(deployment or "", self.names))
        return deployment


@dataclass(frozen=True)
class ServedRows:
    """Answers of one version: ids and instants (µs), and columns of the inputs and of the fields of requests by name.

    A value that was not logged is REDACTED.
    """

    ids: Sequence[str]
    times: pa.ChunkedArray
    values: Mapping[str, list[Scalar]]

    def __len__(self) -> int:
        return len(self.ids)


def served_rows(table: pa.Table, version: VersionPlan) -> ServedRows:
    """Answers of one version whose features were logged; the others are left out."""
    chosen = table.filter(pc.field("has_features"))
    values = feature_values(chosen, version.inputs)
    beside = [_beside(packed, len(version.beside)) for packed in chosen.column("request").to_pylist()]
    for at, name in enumerate(version.beside):
        values[name] = [REDACTED if name in version.changed else row[at] for row in beside]
    return ServedRows(chosen.column("prediction_id").to_pylist(), chosen.column("event_us"), values)


def _beside(packed: bytes | None, count: int) -> Sequence[Scalar]:
    """The fields beside the inputs; all REDACTED where none were logged."""
    found: Sequence[Scalar] = () if packed is None else _UNPACK(packed)
    return found if len(found) == count else (REDACTED,) * count


@dataclass
class Answers:
    """What callers were answered in [start, end), in tables of one version each, which is named.

    With a `sample` no more than so many, drawn by their ids: the same log gives the same sample. Memory holds one
    table, or the sample. `seen` counts all, when all were read.
    """

    log: PredictionLog
    deployment: str
    start: datetime
    end: datetime
    sample: int | None = None
    seen: int = 0

    def tables(self) -> Iterator[tuple[str, pa.Table]]:
        """Read them."""
        drawn: dict[str, pa.Table] = {}
        for version, table in self.log.by_place(self.deployment, start=self.start, end=self.end):
            self.seen += len(table)
            if self.sample is None:
                yield version, table
            else:
                drawn = _drawn(drawn, version, table, self.sample)
        yield from drawn.items()


def _drawn(before: Mapping[str, pa.Table], version: str, table: pa.Table, sample: int) -> dict[str, pa.Table]:
    """Those with the smallest checksums of their ids, of the ones before and these."""
    both = {**before, version: pa.concat_tables([before[version], table]) if version in before else table}
    draws = {name: [_draw(each) for each in part.column("prediction_id").to_pylist()] for name, part in both.items()}
    smallest = sorted(draw for each in draws.values() for draw in each)[:sample]
    return {name: part.filter(pa.array([each <= smallest[-1] for each in draws[name]])) for name, part in both.items()}


def _draw(prediction_id: str) -> tuple[int, str]:
    return zlib.crc32(prediction_id.encode()), prediction_id
