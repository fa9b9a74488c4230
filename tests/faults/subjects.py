"""What promises to keep what it has acknowledged: each as a list of acts, and a check of what is there.

The campaign does the acts one after another on a disk that fails, or that loses its power, and asks for the check.
"""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from modelyard.audit import FileSink
from modelyard.core import Clock, Digest, Micros, digest_of
from modelyard.history import LabelColumns, PredictionLog, add_labels
from modelyard.journal import DAMAGED, Journal, PredictionRecord, Record, TruthRecord
from modelyard.routing import Arm, Feed, FeedFolder, Route, ServerStatus
from modelyard.storage import open_artifact_store


@dataclass(frozen=True)
class Act:
    """Something that is done; when it returns, what it promises is acknowledged. Done again after it has failed."""

    do: Callable[[], object]
    promises: tuple[str, ...] = ()


class Subject(ABC):
    """A room's stores below a folder."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.folder = folder
        self.clock = clock

    @abstractmethod
    def acts(self) -> Iterator[Act]:
        """What is done, in its order."""

    @abstractmethod
    def check(self, said: Collection[str], tried: Collection[str]) -> None:
        """As another process finds it: what was said is there, once, and nothing but what was tried."""

    def close(self) -> None:
        """Let go of what is open: here nothing is."""
        return


class Journalled(Subject):
    """Predictions and truths in a journal that survives power cuts, in small segments."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        super().__init__(folder, clock)
        self.journal = Journal(folder / "journal", "s", clock, durability="power", segment_bytes=400)

    def acts(self) -> Iterator[Act]:
        for number in range(6):
            names = (f"{number}a", f"{number}b")
            records = [record for name in names for record in self._records(name)]
            yield Act(lambda records=records: self.journal.append(records), names)  # type: ignore[misc]

    def check(self, said: Collection[str], tried: Collection[str]) -> None:
        log = self.log
        for _ in range(2):
            for found in (log.predictions("d"), log.truths("d")):
                there = Counter(found.column("prediction_id").to_pylist())
                assert set(said) <= set(there) <= set(tried)
                assert set(there.values()) <= {1}
            log.seal()

    def close(self) -> None:
        self.journal.close()

    @property
    def log(self) -> PredictionLog:
        """One that remembers nothing yet."""
        return PredictionLog(self.folder / "journal", self.folder / "log", clock=self.clock)

    def _records(self, name: str) -> tuple[Record, Record]:
        at = Micros(self.clock.micros())
        return (
            PredictionRecord(name, at, "d", 1, "1", "live", "live", True, name, (1.0, "x"), "1", (0.5,), 10),
            TruthRecord(name, "d", 1, at, at, at),
        )


class Sealed(Journalled):
    """The same, sealed, joined and redacted again and again meanwhile."""

    def acts(self) -> Iterator[Act]:
        for number, act in enumerate(super().acts()):
            yield act
            yield Act(self.journal.rotate)
            yield Act(self.log.seal)
            if number == 3:
                yield Act(self._redact, ("redacted",))
            if number % 2:
                yield Act(lambda: self.log.compact(everything=True))

    def check(self, said: Collection[str], tried: Collection[str]) -> None:
        if "redacted" in said:
            assert {"0a", "1b"}.isdisjoint(self.log.predictions("d").column("entity").to_pylist())
        said, tried = set(said) - {"redacted"}, set(tried) - {"redacted"}
        super().check(said, tried)
        self.log.compact(everything=True)
        super().check(said, tried)
        found = self.log.verify()
        assert found.doubled == 0
        assert [each for each in found.problems if not each.file.endswith(DAMAGED)] == []  # torn, and never promised

    def _redact(self) -> None:
        """Raises when a file could not be looked through, which is told and no success."""
        if self.log.redact(entities=["0a", "1b"]).damaged:
            raise OSError("not redacted")


class Labelled(Journalled):
    """Labels that were added from a table."""

    def acts(self) -> Iterator[Act]:
        for number in range(5):
            names = [f"{number}-{each}" for each in range(3)]
            table = pa.table({"prediction_id": names, "label": ["1", "0", "1"]})
            add = lambda table=table: add_labels(self.log, "d", table.to_batches(), LabelColumns(), self.clock)  # noqa: E731
            yield Act(add, tuple(names))

    def check(self, said: Collection[str], tried: Collection[str]) -> None:
        log = self.log
        for _ in range(2):
            there = Counter(log.truths("d").column("prediction_id").to_pylist())
            assert set(said) <= set(there) <= set(tried)
            assert set(there.values()) <= {1}
            log.seal()


class Fed(Subject):
    """Routes and bundles for servers, and what servers say of themselves."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        super().__init__(folder, clock)
        self.feed = FeedFolder(folder / "run" / "feed")

    def acts(self) -> Iterator[Act]:
        for number in range(1, 4):
            body = f"model {number}".encode() * 9
            digest = digest_of(body)
            yield Act(lambda number=number: self.feed.write_status(self._status(number)))  # type: ignore[misc]
            yield Act(lambda body=body, digest=digest: self._put(body, digest), (f"bundle {digest}",))  # type: ignore[misc]
            route = Route("d", "m", number, (Arm("live", "live", str(number), digest, 1.0),), "salt")
            publish = lambda number=number, route=route: self.feed.publish(Feed(number, (route,)))  # noqa: E731
            yield Act(publish, (f"route {number}",))

    def check(self, said: Collection[str], tried: Collection[str]) -> None:
        found = self.feed.read()
        newest = max((int(each.split()[1]) for each in said if each.startswith("route")), default=0)
        assert (0 if found is None else found.revision) >= newest
        self.feed.statuses(Micros(0))
        live = {arm.bundle for route in (found.routes if found else ()) for arm in route.arms}
        for digest in live | {Digest(each.split()[1]) for each in said if each.startswith("bundle")}:
            assert digest_of((self.feed.bundle_path(digest) / "parts" / "model").read_bytes()) == digest

    def _put(self, body: bytes, digest: Digest) -> None:
        source = self.folder.with_name(f"{self.folder.name}.source")
        (source / "parts").mkdir(parents=True, exist_ok=True)
        (source / "parts" / "model").write_bytes(body)
        self.feed.put_bundle(source, digest)

    def _status(self, number: int) -> ServerStatus:
        at = Micros(number)
        return ServerStatus("s", 1, "", at, at, number, {}, ())


class Stored(Subject):
    """Artifacts: bytes, files, trees, and what was there already but need not have lasted."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        super().__init__(folder, clock)
        self.store = open_artifact_store(str(folder / "artifacts"))

    def acts(self) -> Iterator[Act]:
        for number in range(3):
            body = f"bytes {number}".encode()
            yield Act(lambda body=body: self.store.put_bytes(body, durable=False))  # type: ignore[misc]
            yield Act(lambda body=body: self.store.put_bytes(body), (digest_of(body),))  # type: ignore[misc]
            source = self.folder.with_name(f"{self.folder.name}.file")
            longer = f"file {number}".encode() * 100
            yield Act(lambda source=source, longer=longer: source.write_bytes(longer))  # type: ignore[misc]
            yield Act(lambda source=source: self.store.put_file(source), (digest_of(longer),))  # type: ignore[misc]

    def check(self, said: Collection[str], tried: Collection[str]) -> None:
        for digest in said:
            assert digest_of(self.store.get_bytes(Digest(digest))) == digest


class Witnessed(Subject):
    """Checkpoints of the audit record in their file."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        super().__init__(folder, clock)
        self.sink = FileSink(folder / "audit" / "checkpoints.jsonl")

    def acts(self) -> Iterator[Act]:
        for number in range(6):
            line = f'{{"seq": {number}}}'
            yield Act(lambda line=line, number=number: self.sink.add(str(number), line.encode()), (line,))  # type: ignore[misc]

    def check(self, said: Collection[str], tried: Collection[str]) -> None:
        lines = [each.decode(errors="replace") for each in self.sink.lines()]
        assert sorted({each for each in lines if each in said}) == sorted(said)  # once more is as good as once
        assert all(any(whole == each or torn(each, whole) for whole in tried) for each in lines)


def torn(line: str, whole: str) -> bool:
    """Whether a line may be what a cut has left of one."""
    return whole.startswith(line.rstrip("\0")) or not line.strip("\0")


SUBJECTS: dict[str, type[Subject]] = {
    "journal": Journalled,
    "sealed log": Sealed,
    "labels": Labelled,
    "feed": Fed,
    "artifacts": Stored,
    "checkpoints": Witnessed,
}
