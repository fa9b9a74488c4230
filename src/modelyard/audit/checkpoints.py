"""Signed checkpoints: which entry the record ended with, kept where who edits the database has no business."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol

import msgspec

from modelyard.core import Clock, canonical_json
from modelyard.core.signing import PrivateKey, PublicKey
from modelyard.storage import RecordStore, Snapshot

from .chain import AuditLog, AuditReport, Told
from .errors import AuditBroken
from .sinks import Sink

EVERY_ENTRIES, EVERY = 100, timedelta(minutes=1)
"""A checkpoint is due after so many entries, or so long after the last one when there is any new entry."""

_KIND = "audit checkpoint"
_NOTED = ("audit-head", "checkpoint")


class Checkpoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """At `at` the record ended with entry `seq`, of that hash; signed by the key of the id `key`, or by nobody."""

    seq: int
    hash: str
    at: str
    key: str = ""
    signature: str = ""
    format: int = 1

    @property
    def statement(self) -> dict[str, object]:
        """What is signed."""
        return {"seq": self.seq, "hash": self.hash, "at": self.at}


class Keys(Protocol):
    """The keys of who writes checkpoints."""

    def own(self) -> PrivateKey | None:
        """The key that signs, if there is one."""

    def known(self) -> Sequence[PublicKey]:
        """The keys whose signatures count."""


class Checkpoints:
    """Writes checkpoints, and checks the record against them.

    A checkpoint is in the sink before the record store notes it, and the record store is read before the sink and the
    sink before the entries: whoever reads while another writes sees each of them contain what vouches for it.
    """

    def __init__(self, records: RecordStore, log: AuditLog, sink: Callable[[], Sink], keys: Keys, clock: Clock) -> None:
        self._records = records
        self._log = log
        self._open = sink
        self._keys = keys
        self._clock = clock

    def write(self) -> Checkpoint | None:
        """Add a checkpoint of the record as it is; None when the newest says the same already.

        What has come since the newest checkpoint is checked before: AuditBroken when it does not fit, for a signature
        must not be given to what somebody made of the record.
        """
        sink, key = self._open(), self._keys.own()
        newest, head = _decoded(sink.newest()), self._log.head()
        if head.number == 0 and newest is None:
            return None
        report = self._since(newest)
        if not report.intact:
            raise _broken(report)
        if newest is not None and (newest.seq, newest.hash) == (head.number, head.hash) and _by(newest, key):
            return None
        bare = Checkpoint(head.number, head.hash, self._clock.now().isoformat())
        made = bare if key is None else _signed(bare, key)
        name = f"{made.seq:012d}-{made.hash[:16]}-{made.key or 'unsigned'}"
        sink.add(name, canonical_json(msgspec.to_builtins(made)))
        self._note(made)
        return made

    def write_when_due(self) -> Checkpoint | None:
        """`write`, once there are `EVERY_ENTRIES` new entries, or any when the last checkpoint is `EVERY` old."""
        head, noted = self._log.head(), self._noted()
        if noted is not None and head.number - noted.seq < EVERY_ENTRIES:
            waited = self._clock.now() - datetime.fromisoformat(noted.at)
            if head.number == noted.seq or abs(waited) < EVERY:
                return None
        return self.write()

    def write_soon(self) -> Checkpoint | None:
        """`write`, when the sink is near: what a command that has recorded something does when it is done."""
        return self.write() if self._open().near else None

    def verify(self, *, recent: bool = False, told: Told = lambda *_: None) -> AuditReport:
        """Check the whole record: its chain, its head, and every checkpoint.

        So also a record is found out that was rewritten with right hashes, cut off together with its head, or replaced
        by an older copy: up to the newest checkpoint. `doubt` is said where nobody known has signed that one.

        With `recent` entries are read from the newest one that a known key has signed for (where none is known, the
        newest that has a checkpoint): whoever changed an entry before that is found only by reading the whole.
        """
        noted = self._noted()
        lines = self._open().lines()
        found = [each for each in map(_decoded, lines) if each is not None]
        keys = {each.id: each for each in self._keys.known()}
        vouched = [each.seq for each in found if _held(each, keys) or not keys] if recent else []
        start = max((1, *vouched))
        report = replace(self._log.verify(_witnesses(found), start=start, told=told), checkpoints=len(found))
        if not report.intact:
            return report
        if why := _contradiction(found) or _forged(found, keys) or _withheld(found, noted):
            return replace(report, intact=False, why=why)
        covered = max((each.seq for each in found), default=0)
        signed = max((each.seq for each in found if each.key in keys), default=0)
        doubt = _doubt(covered, signed, report.entries) if keys else ""
        if lines and _decoded(lines[-1]) is None:
            doubt = "the newest checkpoint cannot be read"
        return replace(report, covered=covered, signed=signed, doubt=doubt)

    def _since(self, newest: Checkpoint | None) -> AuditReport:
        if newest is None or newest.seq < 1:
            return self._log.verify()
        return self._log.verify({newest.seq: newest.hash}, start=newest.seq)

    def _note(self, made: Checkpoint) -> None:
        with self._records.transaction(durable=False) as tx:
            noted = _noted(tx)
            if noted is None or noted.seq <= made.seq:
                tx.put(*_NOTED, msgspec.to_builtins(made))

    def _noted(self) -> Checkpoint | None:
        with self._records.snapshot() as view:
            return _noted(view)


def _noted(view: Snapshot) -> Checkpoint | None:
    """The newest checkpoint, as the record store has it; None also when somebody has spoilt the note."""
    try:
        document = view.get(*_NOTED)
        return None if document is None else msgspec.convert(document.body, Checkpoint)
    except (ValueError, msgspec.ValidationError):
        return None


def _signed(bare: Checkpoint, key: PrivateKey) -> Checkpoint:
    return msgspec.structs.replace(bare, key=key.public.id, signature=key.sign(_KIND, bare.statement))


def _decoded(line: bytes | None) -> Checkpoint | None:
    try:
        return None if line is None else msgspec.json.decode(line, type=Checkpoint)
    except (msgspec.MsgspecError, ValueError):  # the latter for what is no UTF-8
        return None


def _by(checkpoint: Checkpoint, key: PrivateKey | None) -> bool:
    """Whether a checkpoint has the signature that another one would get."""
    return key is None or checkpoint.key == key.public.id


def _witnesses(found: Sequence[Checkpoint]) -> dict[int, str]:
    return {each.seq: each.hash for each in found if each.seq > 0}


def _contradiction(found: Sequence[Checkpoint]) -> str:
    said = _witnesses(found)
    strange = next((each for each in found if each.seq < 1 or said[each.seq] != each.hash), None)
    return "" if strange is None else f"two checkpoints of entry {strange.seq} contradict each other"


def _forged(found: Sequence[Checkpoint], keys: dict[str, PublicKey]) -> str:
    for each in found:
        if each.key in keys and not _held(each, keys):
            return f"the signature under the checkpoint of entry {each.seq} is not that of {each.key}"
    return ""


def _held(each: Checkpoint, keys: dict[str, PublicKey]) -> bool:
    """Whether a known key has signed a checkpoint."""
    return each.key in keys and keys[each.key].holds(_KIND, each.statement, each.signature)


def _withheld(found: Sequence[Checkpoint], noted: Checkpoint | None) -> str:
    if noted is None or noted in found:
        return ""
    return f"the checkpoint of entry {noted.seq} was written at {noted.at}, and is not there any more"


def _doubt(covered: int, signed: int, entries: int) -> str:
    if entries and not signed:
        return "no checkpoint is signed by a known key"
    if signed < covered:
        return f"checkpoints beyond entry {signed} are not signed by a known key"
    return ""


def _broken(report: AuditReport) -> AuditBroken:
    return AuditBroken(
        f"The audit record is broken at entry {report.broken_at}: {report.why}.",
        context={"broken_at": report.broken_at},
        remedy="No checkpoint is written any more. Look closer: modelyard audit verify",
    )
